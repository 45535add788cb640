"""Model: a network and the state of its training, as a value.

Files, pickles and other libraries' formats store a `Model`; `fastnn.Network` adds computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

from fastnn import validation
from fastnn.architecture import Architecture, Array
from fastnn.optimizers import OptimizerState, RunningOptimizer
from fastnn.rows.trained_on import TrainedOn, checked_columns

if TYPE_CHECKING:
    from numpy.random import Generator  # costs 7 ms, not needed to import fastnn

    from fastnn.tabular.columns import Columns


class Learner:
    """What one model and many have in common: architecture, class labels, training rows.

    Attributes
    ----------
    architecture : Architecture
    trained_on : TrainedOn or None
        Properties of the training rows; None before the first fit.
    chooses_scale : bool
        Whether `input_scale` is yet to be inferred from the first training rows.
    """

    architecture: Architecture
    trained_on: TrainedOn | None = None
    chooses_scale = False
    _class_labels: tuple[Any, ...] | None = None
    _current_fit: object | None = None
    _shared: Any = None  # of an ensemble and its networks, what is known of the rows of all

    @property
    def columns(self) -> Columns | None:
        """What the columns of a table become, or None; assigning checks that it fits the inputs.

        With columns, rows are tables as they came, wherever they come in, and are converted by
        `Columns.rows`. None takes rows that are prepared already, of numbers.
        """
        return None if self.trained_on is None else self.trained_on.columns

    @columns.setter
    def columns(self, columns: Columns | None) -> None:
        known = self.trained_on or TrainedOn()
        if columns is not None:
            checked = checked_columns(columns, self.architecture.n_in)
            self.trained_on = TrainedOn(label_name=known.label_name, columns=checked)
        elif known.columns is not None:
            rest = replace(known, columns=None)
            seen_none = rest == TrainedOn() and self.chooses_scale
            self.trained_on = None if seen_none else rest
        if self._shared is not None:
            self._shared.learn_from(self)

    @property
    def class_labels(self) -> tuple[Any, ...] | None:
        """Names of the classes, or None; assigning checks that they match the output."""
        return self._class_labels

    @class_labels.setter
    def class_labels(self, labels: Sequence[Any] | None) -> None:
        self._class_labels = (
            None if labels is None else validation.check_class_labels(labels, self.architecture)
        )


class Model(Learner):
    """An architecture with parameters, class labels, random generator and optimizer state.

    Parameters
    ----------
    architecture : Architecture
    seed : int, SeedSequence or Generator, optional
        Seed of the random generator. None draws one from the system.
    class_labels : sequence of str or numbers, optional
        Names of the classes.

    Attributes
    ----------
    architecture : Architecture
    seed : int or None
        The given seed, if it was a number.
    rng : numpy.random.Generator
        For shuffles and dropout, created from the seed.
    trained_on : TrainedOn or None
        Properties of the training rows; None before the first fit.
    chooses_scale : bool
        Whether `input_scale` is yet to be inferred from the first training rows.
    """

    seed: int | None = None

    def __init__(
        self,
        architecture: Architecture,
        *,
        seed: Any = None,
        class_labels: Sequence[Any] | None = None,
    ) -> None:
        self.architecture = architecture
        self.class_labels = class_labels
        self.rng: Generator = validation.check_seed(seed)
        self.seed = int(seed) if isinstance(seed, Integral) else None
        self._parameters = architecture.allocate()
        self._running: RunningOptimizer | None = None

    @property
    def parameters(self) -> Array:
        """All weights and biases in one buffer; assigning copies into it."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Any) -> None:
        self._parameters[...] = validation.check_parameters(values, self._parameters)

    @property
    def weights(self) -> list[Array]:
        """Views (n_in, n_out) of each layer's weights."""
        return self.architecture.weights(self.parameters)

    @property
    def biases(self) -> list[Array | None]:
        """Views (n_out,) of each layer's biases; None where there are none."""
        return self.architecture.biases(self.parameters)

    @property
    def optimizer_state(self) -> OptimizerState:
        """State of the optimizer of the last fit."""
        if self._running is None:
            raise AttributeError("the network has no optimizer state: it was not trained yet")
        return self._running.state

    @classmethod
    def from_model(cls, model: Model, *, copy: bool = True) -> Self:
        """Return a copy of `model`; without `copy`, it shares its arrays and generator."""
        twin = cls.__new__(cls)
        twin.architecture, twin._class_labels = model.architecture, model.class_labels
        twin.trained_on, twin.chooses_scale = model.trained_on, model.chooses_scale
        twin.seed = model.seed
        twin.rng, twin._parameters, twin._running = model.rng, model.parameters, model._running
        if copy:
            twin.rng, twin._running = deepcopy(model.rng), deepcopy(model._running)
            twin._parameters = model.architecture.allocate()
            twin._parameters[...] = model.parameters
        return twin

    def blank(self, **changes: Any) -> Model:
        """Return a model with zero parameters and a changed architecture."""
        model = Model(replace(self.architecture, **changes), class_labels=self.class_labels)
        model.trained_on = self.trained_on
        return model
