"""The order in which models that are trained together see their rows, epoch by epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.rows.generators import Generators

if TYPE_CHECKING:
    from numpy.random import RandomState


class Orders(ABC):
    """The order of a model's rows in each epoch."""

    @abstractmethod
    def next(self, i: int, n_rows: int, before: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return numbers below n_rows for the next epoch of model i; `before` is the last order."""

    @abstractmethod
    def part(self, models: NDArray[np.int64]) -> Orders:
        """Return the orders of some models, to be drawn elsewhere."""

    @abstractmethod
    def go_on_from(self, models: NDArray[np.int64], part: Any) -> None:
        """Draw what follows on what their `part` has drawn."""


class InTurn(Orders):
    """Rows as they come."""

    def next(self, i: int, n_rows: int, before: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return them."""
        return np.arange(n_rows)

    def part(self, models: NDArray[np.int64]) -> InTurn:
        """Return the same."""
        return self

    def go_on_from(self, models: NDArray[np.int64], part: Any) -> None:
        """Draw nothing."""


class Permutations(Orders):
    """Rows shuffled anew in each epoch, as `Network.fit` does.

    Parameters
    ----------
    generators : Generators
    """

    def __init__(self, generators: Generators) -> None:
        self.generators = generators

    def next(self, i: int, n_rows: int, before: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return a permutation that the model's generator draws."""
        (drawn,) = self.generators.draw([i], lambda generator: generator.permutation(n_rows))
        return np.asarray(drawn, np.int64)

    def part(self, models: NDArray[np.int64]) -> Permutations:
        """Return those of generators in the same states."""
        return Permutations(Generators(self.generators.states[models]))

    def go_on_from(self, models: NDArray[np.int64], part: Permutations) -> None:
        """Take the states of their generators."""
        self.generators.states[models] = part.generators.states


class Reorderings(Orders):
    """Rows shuffled from one epoch to the next, as scikit-learn's perceptrons do.

    Parameters
    ----------
    states : sequence of RandomState
    """

    def __init__(self, states: Sequence[RandomState]) -> None:
        self.states = states

    def next(self, i: int, n_rows: int, before: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the last order, shuffled."""
        drawn = np.arange(n_rows)
        self.states[i].shuffle(drawn)
        return drawn if before is None else before[drawn]

    def part(self, models: NDArray[np.int64]) -> Reorderings:
        """Return those of these states, which are copied where they are sent."""
        return Reorderings([self.states[i] for i in models.tolist()])

    def go_on_from(self, models: NDArray[np.int64], part: Reorderings) -> None:
        """Take their states."""
        for i, state in zip(models.tolist(), part.states, strict=True):
            self.states[i].set_state(state.get_state(legacy=False))
