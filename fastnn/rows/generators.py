"""The random generators of many models, as the states of PCG64s in one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.random import Generator  # costs 7 ms, not needed to import fastnn

N_WORDS = 6
"""Numbers of a state: the state's and the increment's two halves, and half a number kept."""

_LOW = 2**64 - 1


class Generators:
    """A generator for each of many models, 48 bytes each.

    Parameters
    ----------
    states : ndarray of shape (n_models, 6) uint64
        Used, not copied.
    """

    def __init__(self, states: NDArray[np.uint64]) -> None:
        self.states = states

    @classmethod
    def empty(cls, n_models: int) -> Generators:
        """Return room for so many generators."""
        return cls(np.zeros((n_models, N_WORDS), np.uint64))

    def __len__(self) -> int:
        return len(self.states)

    def put(self, i: int, generator: Generator) -> None:
        """Store the state of a generator.

        Raises
        ------
        TypeError
            If it is no PCG64.
        """
        state: Any = generator.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise TypeError(
                "the generator of a network in an Ensemble must be a PCG64, as that of "
                f"numpy.random.default_rng, got {state['bit_generator']}"
            )
        whole, step = state["state"]["state"], state["state"]["inc"]
        self.states[i] = (
            whole >> 64, whole & _LOW, step >> 64, step & _LOW,
            state["has_uint32"], state["uinteger"],
        )  # fmt: skip

    def restore(self, i: int, generator: Generator) -> Generator:
        """Give a generator, a PCG64, the state of model i; return it."""
        high, low, step_high, step_low, has_half, half = self.states[i].tolist()
        generator.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": high << 64 | low, "inc": step_high << 64 | step_low},
            "has_uint32": has_half,
            "uinteger": half,
        }
        return generator

    def draw(self, models: Sequence[int], draw: Any) -> list[Any]:
        """Return what ``draw(generator)`` returns for each of some models."""
        generator, drawn = np.random.default_rng(0), []
        for i in models:
            drawn.append(draw(self.restore(i, generator)))
            self.put(i, generator)
        return drawn
