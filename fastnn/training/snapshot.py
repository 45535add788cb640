"""The state of a fit between two epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastnn.architecture import Array
from fastnn.model.model import Model
from fastnn.optimizers import OptimizerState, RunningOptimizer
from fastnn.training.computed_by import Computer
from fastnn.training.history import History
from fastnn.training.hooks import Hook


@dataclass(frozen=True)
class Snapshot:
    """The state of a fit between two epochs.

    Attributes
    ----------
    parameters : ndarray of shape (n_slots,)
    slots : ndarray of shape (n_state, n_slots)
        State vectors of the optimizer.
    step, dropout_seed : int
        As in `OptimizerState`.
    rng : dict
        State of the network's bit generator.
    history : History
        Of the epochs so far.
    stop_asked : bool
        Whether a callback asked to stop training.
    callbacks : list of dict
        ``state_dict`` of each.
    computed_by : list
        The backends of the epochs so far, as in `fastnn.training.computed_by`.
    """

    parameters: Array
    slots: Array
    step: int
    dropout_seed: int
    rng: Mapping[str, Any]
    history: History
    stop_asked: bool
    callbacks: Sequence[Mapping[str, Any]]
    computed_by: Sequence[Computer | None]

    @classmethod
    def of(
        cls,
        model: Model,
        state: OptimizerState,
        history: History,
        hooks: Sequence[Hook],
        stop_asked: bool,
        computed_by: Sequence[Computer | None],
    ) -> Snapshot:
        """Return the state of a fit; its arrays are those in use, not copies."""
        return cls(
            model.parameters,
            state.slots,
            state.step,
            state.dropout_seed,
            model.rng.bit_generator.state,
            history,
            stop_asked,
            [hook.state_dict() for hook in hooks],
            computed_by,
        )

    def restore(self, model: Model, running: RunningOptimizer) -> None:
        """Restore the model and its optimizer's state, which has the same shape."""
        copy, state = model.architecture.copy_parameters, running.state
        copy(self.parameters, model.parameters)
        for remembered, slot in zip(self.slots, state.slots, strict=True):
            copy(remembered, slot)
        if running.optimizer.scales_features:  # whose last vector is no layer's
            state.slots[-1] = self.slots[-1]
        state.step, state.dropout_seed = self.step, self.dropout_seed
        model.rng.bit_generator.state = self.rng
