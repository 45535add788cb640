"""Callbacks of a fit: their base class, early stopping, logs, tuners and trackers."""

from fastnn.callbacks.base import Callback, EarlyStopping
from fastnn.callbacks.logs import MetricsLog, TensorBoard
from fastnn.callbacks.trackers import MlflowCallback, WandbCallback
from fastnn.callbacks.tuners import OptunaPruning, TuneReportCallback

__all__ = [
    "Callback",
    "EarlyStopping",
    "MetricsLog",
    "MlflowCallback",
    "OptunaPruning",
    "TensorBoard",
    "TuneReportCallback",
    "WandbCallback",
]
