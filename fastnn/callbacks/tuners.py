"""Callbacks for tuners of hyper-parameters: Optuna and Ray Tune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from fastnn.callbacks.base import Callback
from fastnn.network import Network
from fastnn.system.packages import imported
from fastnn.validation import check_monitor, check_monitored, check_trial

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class OptunaPruning(Callback):
    """Report a metric to an Optuna trial after each epoch, and prune the trial if Optuna says so.

    Epoch 1 is reported as step 0, since pruners count their warm-up steps from 0. A pruned trial
    ends the fit with `optuna.TrialPruned`; the network then has the weights of that epoch and can
    be used and trained further. Pass it as the last callback: those behind it are not called for
    the epoch in which the trial is pruned.

    A trial is for one fit. A fit resumed from a checkpoint also reports the epochs before it to
    a trial that does not know them, such as the new trial of a retry.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial that the objective was called with. Requires the extra ``optuna``.
    monitor : str
        The metric to report, named as in `History`, such as ``"val_loss"``. Whether lower or
        higher is better is the study's `direction`. In `fastnn.sklearn` the metrics are ``"loss"``
        and, with validation rows, ``"val_loss"`` and ``"val_score"``.

    Raises
    ------
    ImportError
        If Optuna is not installed.
    TypeError
        If the trial is none, or `monitor` is not a string.
    optuna.TrialPruned
        From ``fit``, if the trial is pruned.

    Examples
    --------
    >>> import numpy as np, fastnn, optuna  # doctest: +SKIP
    >>> def objective(trial):
    ...     rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    ...     net = fastnn.Network((64, 32, 10), activation="relu", seed=0)
    ...     history = net.fit(
    ...         x, y, epochs=20, optimizer=fastnn.Adam(rate), validation_data=(x_val, y_val),
    ...         callbacks=fastnn.callbacks.OptunaPruning(trial, "val_loss"),
    ...     )
    ...     return history["val_loss"][-1]
    >>> optuna.create_study().optimize(objective, n_trials=100)  # doctest: +SKIP
    """

    def __init__(self, trial: BaseTrial, monitor: str) -> None:
        self._pruned: type[Exception] = imported("optuna", "optuna").TrialPruned
        self.trial, self.monitor = check_trial(trial), check_monitor(monitor)
        self._values: list[float] = []
        self._steps_known: set[int] = set()

    def on_fit_start(self, network: Network) -> None:
        """Forget an earlier fit."""
        self._values, self._steps_known = [], set()

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Report the epoch's value; raise `optuna.TrialPruned` if the trial is to be pruned."""
        check_monitored("OptunaPruning", self.monitor, record)
        self._values.append(float(record[self.monitor]))
        self._report(epoch - 1)
        if self.trial.should_prune():
            raise self._pruned(
                f"the trial was pruned after epoch {epoch}, with {self.monitor} = "
                f"{self._values[-1]:g}"
            )
        return None

    def settings(self) -> dict[str, Any]:
        """Return the name of the metric."""
        return {"monitor": self.monitor}

    def state_dict(self) -> dict[str, Any]:
        """Return the values reported so far."""
        return {"values": self._values}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Report the values of the epochs before, unless the trial knows them."""
        self._values = [float(value) for value in state["values"]]
        self._steps_known = self._steps_of_trial()
        for step in range(len(self._values)):
            self._report(step)

    def _report(self, step: int) -> None:
        if step not in self._steps_known:  # Optuna warns of a value that it knows
            self.trial.report(self._values[step], step)

    def _steps_of_trial(self) -> set[int]:
        study = getattr(self.trial, "study", None)  # a FixedTrial has none
        trials = [] if study is None else study.get_trials(deepcopy=False)
        return {
            step for t in trials if t.number == self.trial.number for step in t.intermediate_values
        }

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy without the trial: a clone of an estimator reports to the study, not to a copy."""
        return type(self)(self.trial, self.monitor)


class TuneReportCallback(Callback):
    """Report the metrics of each epoch to Ray Tune, with the number of the ``epoch``.

    For a fit in the function that a `ray.tune.Tuner` calls. The metrics have the names that
    `History` lists; a scheduler of Ray Tune may end the trial after any epoch.

    Requires the extra ``ray``.

    Raises
    ------
    ImportError
        If Ray Tune is not installed.

    Examples
    --------
    >>> def trainable(config):  # doctest: +SKIP
    ...     net = fastnn.Network((64, 32, 10), seed=0)
    ...     net.fit(
    ...         x, y, optimizer=fastnn.Adam(config["rate"]), validation_data=(x_val, y_val),
    ...         callbacks=fastnn.callbacks.TuneReportCallback(), progress=False,
    ...     )
    """

    def __init__(self) -> None:
        imported("ray.tune", "ray")

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Report the epoch's metrics."""
        # imported here, not kept: Ray pickles what a function refers to, and modules cannot be
        metrics = {name: float(value) for name, value in record.items()}
        imported("ray.tune", "ray").report({"epoch": epoch} | metrics)
        return None
