"""The steps of a model as it is now, made anew when something that they depend on was replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.backends.base import Backend, EpochResult
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.steps import Steps, Taken
from fastnn.model.model import Model
from fastnn.optimizers import Optimizer, RunningOptimizer
from fastnn.rows.trained_on import takes_bytes
from fastnn.training.sessions import ONE_AT_A_TIME, begin, going_on

WATCHED = ("_running", "architecture", "trained_on", "_parameters", "_class_labels")
"""Attributes of a model that steps are made for."""


class HeldSteps:
    """A backend's `Steps` with the options of a trainer.

    It does not hold the model, which may hold it, unless its steps watch the model.

    Parameters
    ----------
    backend : Backend
    optimizer : Optimizer or None
        None for the one used last.
    options : TrainingOptions
        Its `batch_size` is the maximum number of rows of a minibatch.
    watch : bool, default False
        Whether the steps hold the model's attributes, and see for themselves whether they may.
    """

    def __init__(
        self,
        backend: Backend,
        optimizer: Optimizer | None,
        options: TrainingOptions,
        *,
        watch: bool = False,
    ) -> None:
        self.backend, self.options, self._optimizer = backend, options, optimizer
        self._watch = watch
        self.steps: Steps | None = None  # the last ones
        self._found: RunningOptimizer | None = None  # the model's, whose state they continue
        self._slots: Any = None
        self._seed: Any = None
        self._made_for: dict[str, Any] = {"_running": self}  # which no model has

    def current(self, model: Model) -> Steps | None:
        """Return the steps for a model as it is now; None if it must first see rows."""
        running, made_for = model._running, self._made_for
        if (
            (running is made_for["_running"] or running is self._found)
            and self.steps is not None
            and model.architecture is made_for["architecture"]
            and model.trained_on is made_for["trained_on"]
            and model._parameters is made_for["_parameters"]
            and model._class_labels is made_for["_class_labels"]
            and running is not None
            and running.state.slots is self._slots
            and running.state.dropout_seed is self._seed
        ):
            return self.steps
        if model.trained_on is None and running is None:
            return None
        _, resumed = going_on(model, self._optimizer)
        if resumed is None:
            return None
        return self.new(model, resumed)

    def used(self, model: Model) -> None:
        """Have the optimizer of an update as the model's, whose state it continued."""
        model._running = self._made_for["_running"]

    def new(self, model: Model, running: RunningOptimizer) -> Steps:
        """Return new steps for a model, with the state of an optimizer."""
        self.steps = self.backend.steps(
            model.architecture,
            model.parameters,
            running.state,
            replace(
                self.options,
                optimizer=running.optimizer,
                dropout_seed=running.state.dropout_seed,
            ),
            taken_by(model),
        )
        self._found = model._running
        self._slots, self._seed = running.state.slots, running.state.dropout_seed
        self._made_for = {name: getattr(model, name) for name in WATCHED} | {"_running": running}
        if self._watch:
            self.steps.watch(vars(model), self._made_for, "_current_fit", ONE_AT_A_TIME)
        return self.steps


def one_minibatch(
    model: Model, held: HeldSteps, x: Any, y: Any, shuffle: bool
) -> EpochResult | None:
    """Train for one pass over rows that are one minibatch, as `Network.partial_fit` does.

    None if the rows cannot be used as they are; nothing is changed then.
    """
    claim = object()
    try:
        begin(model, claim)
        steps = held.current(model)
        if (
            steps is None
            or steps.train(x, y, draw=model.rng.permutation if shuffle else None) is None
        ):
            return None
        held.used(model)
        loss, accuracy, penalty = steps.measured()
    finally:
        if model._current_fit is claim:
            del model._current_fit
    return EpochResult(loss, accuracy if model.architecture.classifies else np.nan, penalty)


def taken_by(model: Model, *, in_training: bool = True) -> Taken:
    """Return which rows a network may use without checks in Python.

    Those that can mean one thing only, and change nothing of what it remembers of its rows.
    """
    a, known = model.architecture, model.trained_on
    largest = float(np.finfo(a.dtype).max)
    ranges = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "exp": (0.0, largest)}
    low, high = ranges.get(a.output, (-largest, largest))
    has_columns = known is not None and known.columns is not None
    if has_columns or (in_training and (known is None or known.same_kind is None)):
        floats, uint8 = 0, False
    elif known is None:
        floats, uint8 = 1, True
    else:
        of_bytes = takes_bytes(known.inputs, a.input_scale)
        floats = 0 if of_bytes else 2 if known.inputs == "flags" else 1
        uint8 = of_bytes or (known.inputs == "numbers" and a.input_scale == 1.0)
    is_plain = model.class_labels is None and len(a.quantiles) <= 1  # else y is converted
    return Taken(floats, uint8, is_plain, low, high)
