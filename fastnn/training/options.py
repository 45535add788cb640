"""Checked arguments of a fit, as options of a training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import is_
from typing import Any, NamedTuple

from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import Optimizer, RunningOptimizer
from fastnn.validation import (
    check_choice,
    check_count,
    check_in_range,
    check_per_layer,
    check_positive,
)


class Told(NamedTuple):
    """What a fit was told, and the options that this is.

    Attributes
    ----------
    arguments : tuple
        The architecture, and those of `checked_options` behind it.
    options : TrainingOptions
    """

    arguments: tuple[Any, ...]
    options: TrainingOptions

    @classmethod
    def after(cls, before: Told | None, *arguments: Any) -> Told:
        """Return what this fit is told: `before`, if that is the same objects, which do not change.

        Raises
        ------
        TypeError, ValueError
            As `checked_options`.
        """
        if before is not None and before.arguments and all(map(is_, arguments, before.arguments)):
            return before
        dropout = arguments[-1]
        options = checked_options(*arguments)
        # a list or an array may hold other rates by the next fit
        return cls(arguments if isinstance(dropout, float | int | tuple) else (), options)

    def of(self, running: RunningOptimizer) -> Told:
        """Return what is told to the optimizer of a fit, whose state selects the dropout masks."""
        options, seed = self.options, running.state.dropout_seed
        if options.dropout_seed == seed and options.optimizer is running.optimizer:
            return self
        return self._replace(
            options=replace(options, optimizer=running.optimizer, dropout_seed=seed)
        )


def checked_options(
    architecture: Architecture,
    optimizer: Optimizer,
    batch_size: int,
    reduction: str,
    l1: float,
    l2: float,
    max_norm: float | None,
    clip_norm: float | None,
    dropout: float | Sequence[float],
) -> TrainingOptions:
    """Check arguments of `Network.fit` and return them as options of a training step."""

    def check_rate(name: str, value: Any) -> float:
        return check_in_range(name, value, 0.0, 1.0, open_high=True)

    rates = check_per_layer("dropout", dropout, len(architecture.activations), check_rate)
    return TrainingOptions(
        optimizer=optimizer,
        batch_size=check_count("batch_size", batch_size),
        reduction=check_choice("reduction", reduction, ("mean", "sum")),
        l1=check_in_range("l1", l1, 0.0, math.inf),
        l2=check_in_range("l2", l2, 0.0, math.inf),
        max_norm=0.0 if max_norm is None else check_positive("max_norm", max_norm),
        clip_norm=0.0 if clip_norm is None else check_positive("clip_norm", clip_norm),
        dropout=rates if any(rates) else (),
    )
