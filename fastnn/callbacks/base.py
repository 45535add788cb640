"""The base class of callbacks, and early stopping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastnn.architecture import Architecture
from fastnn.network import Network
from fastnn.validation import (
    check_choice,
    check_count,
    check_flag,
    check_in_range,
    check_monitor,
    check_monitored,
    check_number,
)
from fastnn.vocabulary import Mode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Callback:
    """Base of callbacks; override the methods you need.

    A plain function ``f(network, epoch, record)`` can be used too: it is called as `on_epoch_end`.
    """

    def on_fit_start(self, network: Network) -> None:
        """Run before the first epoch."""

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Run after each epoch; return True to stop training.

        Parameters
        ----------
        network : Network
            The network in training.
        epoch : int
            Counted from 1.
        record : mapping
            The metrics of the epoch, named as in `History`.
        """

    def on_fit_end(self, network: Network) -> None:
        """Run after the last epoch, also if the fit was interrupted."""

    def settings(self) -> dict[str, Any]:
        """Return the settings that must be the same in a resumed fit, as JSON values."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint: named arrays and JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`; called after `on_fit_start` of a resumed fit."""


PATIENCE = 5


class EarlyStopping(Callback):
    """Stop training when a metric no longer improves, and restore the best weights.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The metric to monitor, named as in `History`.
    patience : int, default 5
        Epochs without improvement before training stops.
    min_delta : float, default 0.0
        Changes must exceed this to count as an improvement.
    mode : {"auto", "min", "max"}, default "auto"
        Whether lower or higher is better; "auto" is "max" for accuracy and r2, otherwise "min".
    restore_best : bool, default True
        Whether to restore the weights of the best epoch at the end.

    Attributes
    ----------
    best : float or None
        The best value so far.
    best_epoch : int
        Its epoch, counted from 1; 0 before the first.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = PATIENCE,
        min_delta: float = 0.0,
        mode: Mode = "auto",
        restore_best: bool = True,
    ) -> None:
        self.monitor = check_monitor(monitor)
        self.patience = check_count("patience", patience)
        self.min_delta = check_in_range("min_delta", min_delta, 0.0, float("inf"))
        self.mode = check_choice("mode", mode, ("auto", "min", "max"))
        self.restore_best = check_flag("restore_best", restore_best)
        self.best: float | None = None
        self.best_epoch = 0
        self._best_parameters: NDArray[np.floating] | None = None
        self._architecture: Architecture | None = None

    @property
    def _sign(self) -> int:
        more = self.monitor.endswith(("accuracy", "r2")) if self.mode == "auto" else None
        return 1 if more or self.mode == "max" else -1

    def on_fit_start(self, network: Network) -> None:
        """Reset the state of earlier fits."""
        self.best, self.best_epoch, self._best_parameters = None, 0, None
        self._architecture = network.architecture

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Compare the epoch with the best one."""
        check_monitored("EarlyStopping", self.monitor, record)
        value = record[self.monitor]
        gain = float("inf") if self.best is None else self._sign * (value - self.best)
        if gain > self.min_delta and value == value:
            self.best, self.best_epoch = value, epoch
            if self.restore_best:
                self._best_parameters = network.parameters.copy()
        return epoch - self.best_epoch >= self.patience

    def settings(self) -> dict[str, Any]:
        """Return the parameters."""
        names = ("monitor", "patience", "min_delta", "mode", "restore_best")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and its weights."""
        state = {"best": self.best, "best_epoch": self.best_epoch}
        if self._best_parameters is None:
            return state
        return state | {"best_parameters": self._best_parameters}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the best value, its epoch and its weights."""
        best, best_epoch = state["best"], check_count("best_epoch", state["best_epoch"], 0)
        parameters = None
        if "best_parameters" in state:
            parameters = self._without_padding(state["best_parameters"])
        self.best = None if best is None else check_number("best", best)
        self.best_epoch, self._best_parameters = best_epoch, parameters

    def on_fit_end(self, network: Network) -> None:
        """Restore the best weights."""
        if self._best_parameters is not None:
            network.parameters[...] = self._best_parameters
            self._best_parameters = None

    def _without_padding(self, parameters: NDArray[Any]) -> NDArray[Any]:
        """Return weights from a file, with padding set to zero."""
        if self._architecture is None:  # a subclass overrides on_fit_start
            return parameters
        clean = self._architecture.allocate()
        if parameters.shape != clean.shape:
            raise ValueError(f"best_parameters has shape {parameters.shape}, not {clean.shape}")
        self._architecture.copy_parameters(parameters, clean)
        return clean
