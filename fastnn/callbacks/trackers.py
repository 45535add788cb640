"""Callbacks that log the metrics of each epoch with a tracker of experiments: MLflow, W&B.

They log to a run that the caller has started and will end: only the caller knows its parameters and
whether it failed. When a fit is resumed from a checkpoint, start MLflow or W&B with the same run;
epochs after the checkpoint are then logged a second time.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastnn.callbacks.base import Callback
from fastnn.network import Network
from fastnn.system.packages import imported


class MlflowCallback(Callback):
    """Log the metrics of each epoch to the active MLflow run, with the epoch as the step.

    Requires the extra ``mlflow``.

    Raises
    ------
    ImportError
        If MLflow is not installed.
    RuntimeError
        From ``fit``, if the thread has no active run.

    Examples
    --------
    >>> with mlflow.start_run():  # doctest: +SKIP
    ...     mlflow.log_params({"learning_rate": 0.001})
    ...     net.fit(x, y, callbacks=fastnn.callbacks.MlflowCallback())
    """

    def __init__(self) -> None:
        imported("mlflow", "mlflow")

    def on_fit_start(self, network: Network) -> None:
        """Check that there is a run."""
        if imported("mlflow", "mlflow").active_run() is None:
            raise RuntimeError(
                "MlflowCallback logs to the active run, and there is none: call fit in a "
                "`with mlflow.start_run():` block"
            )

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Log the epoch's metrics."""
        metrics = {name: float(value) for name, value in record.items()}
        imported("mlflow", "mlflow").log_metrics(metrics, step=epoch)
        return None


class WandbCallback(Callback):
    """Log the metrics of each epoch, with the number of the ``epoch``, to Weights & Biases' run.

    Requires the extra ``wandb``.

    Raises
    ------
    ImportError
        If wandb is not installed.
    RuntimeError
        From ``fit``, if there is no run.

    Examples
    --------
    >>> with wandb.init(project="digits", config={"learning_rate": 0.001}):  # doctest: +SKIP
    ...     net.fit(x, y, callbacks=fastnn.callbacks.WandbCallback())
    """

    def __init__(self) -> None:
        imported("wandb", "wandb")

    def on_fit_start(self, network: Network) -> None:
        """Check that there is a run."""
        if imported("wandb", "wandb").run is None:
            raise RuntimeError(
                "WandbCallback logs to the current run, and there is none: call wandb.init() "
                "before fit"
            )

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Log the epoch's metrics."""
        metrics = {name: float(value) for name, value in record.items()}
        imported("wandb", "wandb").run.log({"epoch": epoch} | metrics)
        return None
