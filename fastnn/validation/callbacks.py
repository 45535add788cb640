"""Checks of callbacks' parameters, and of the metrics that they monitor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastnn.validation.values import describe, listed, shortened


def check_monitor(monitor: Any) -> str:
    """Return the name of a metric."""
    if not isinstance(monitor, str):
        raise TypeError(
            f"monitor must be the name of a metric, such as 'val_loss', got {describe(monitor)}"
        )
    return monitor


def check_monitored(callback: str, monitor: str, recorded: Iterable[str]) -> None:
    """Check that the metric monitored by a callback of that name is among those of an epoch."""
    if monitor in recorded:
        return
    names = [name for name in recorded if name != "time"]
    is_validated = any(name.startswith("val_") for name in names)
    hint = "; pass validation data to fit" if monitor.startswith("val_") else ""
    raise ValueError(
        f"{callback} monitors {shortened(repr(monitor))}, but this fit records only "
        f"{listed(names)}{'' if is_validated else hint}"
    )


def check_trial(trial: Any) -> Any:
    """Return an Optuna trial: anything with the two methods that are used of it."""
    if not all(callable(getattr(trial, name, None)) for name in ("report", "should_prune")):
        raise TypeError(
            "trial must be an Optuna trial, such as the argument of the objective, got "
            f"{describe(trial)}"
        )
    return trial
