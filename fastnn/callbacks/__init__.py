"""Callbacks of a fit: their base class, early stopping, and logs."""

from fastnn.callbacks.base import Callback, EarlyStopping
from fastnn.callbacks.logs import MetricsLog, TensorBoard

__all__ = ["Callback", "EarlyStopping", "MetricsLog", "TensorBoard"]
