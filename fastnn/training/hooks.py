"""Hooks: callbacks bound to the network in training, which the training loop does not know.

A callback is an object with the methods of `fastnn.Callback`, or a plain function, which is called
as its `on_epoch_end`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from fastnn.validation import check_callback, check_monitored

METHODS = (
    "on_fit_start",
    "on_epoch_end",
    "on_fit_end",
    "settings",
    "state_dict",
    "load_state_dict",
)


class FunctionCallback:
    """A plain function ``f(network, epoch, record)`` as a callback."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def on_fit_start(self, network: Any) -> None:
        """Do nothing."""

    def on_epoch_end(self, network: Any, epoch: int, record: Mapping[str, float]) -> Any:
        """Call the function."""
        return self._function(network, epoch, record)

    def on_fit_end(self, network: Any) -> None:
        """Do nothing."""

    def settings(self) -> dict[str, Any]:
        """Return none."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return none."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""


class Hook:
    """A callback bound to a network; the methods are those of `fastnn.Callback` without it.

    Parameters
    ----------
    callback : Callback or FunctionCallback
    network : Network
    """

    def __init__(self, callback: Any, network: Any) -> None:
        self._callback, self._network = callback, network
        self.settings: Callable[[], dict[str, Any]] = callback.settings
        self.state_dict: Callable[[], dict[str, Any]] = callback.state_dict
        self.load_state_dict: Callable[[Mapping[str, Any]], None] = callback.load_state_dict

    @property
    def name(self) -> str:
        """The class name of the callback."""
        return type(self._callback).__name__

    @property
    def monitor(self) -> str | None:
        """The name of the metric that the callback monitors, if it does."""
        return getattr(self._callback, "monitor", None)

    @property
    def may_add_metrics(self) -> bool:
        """Whether it may add to the records of epochs, as a user's own callback may."""
        return not type(self._callback).on_epoch_end.__module__.startswith("fastnn.callbacks.")

    def on_fit_start(self) -> None:
        """Call the callback's `on_fit_start`."""
        self._callback.on_fit_start(self._network)

    def on_epoch_end(self, epoch: int, record: Mapping[str, float]) -> bool:
        """Call its `on_epoch_end`; return whether it asks to stop training."""
        return bool(self._callback.on_epoch_end(self._network, epoch, record))

    def on_fit_end(self) -> None:
        """Call its `on_fit_end`."""
        self._callback.on_fit_end(self._network)


def hooks(callbacks: Any, network: Any) -> list[Hook]:
    """Return the hooks of callback objects and plain functions, one or several.

    Raises
    ------
    TypeError
        If one is neither, or a function that cannot be called with a network, an epoch and a
        record.
    """
    several = callbacks if isinstance(callbacks, Iterable) else [callbacks]
    return [Hook(c if _is_callback(c) else FunctionCallback(check_callback(c)), network)
            for c in several]  # fmt: skip


def check_monitors(hooks: Sequence[Hook], measured: Collection[str]) -> None:
    """Check, before the first epoch, that the metrics that callbacks monitor will be there.

    Behind a callback that may add others this is known only when the first epoch ends.

    Raises
    ------
    ValueError
        If one is not among the metrics `measured` in each epoch.
    """
    for hook in hooks:
        if hook.may_add_metrics:
            return
        if hook.monitor is not None:
            check_monitored(hook.name, hook.monitor, measured)


def begin(hooks: Sequence[Hook], then: Callable[[], None] | None = None) -> None:
    """Call `on_fit_start` of the hooks, and then the function `then`.

    After an error, call `on_fit_end` of the hooks already started.
    """
    begun: list[Hook] = []
    try:
        for hook in hooks:
            hook.on_fit_start()
            begun.append(hook)
        if then is not None:
            then()
    except BaseException:
        end(begun)
        raise


def end(hooks: Sequence[Hook]) -> None:
    """Call `on_fit_end` of all hooks, even if some raise."""
    if not hooks:  # the usual case for steps of a few microseconds
        return
    with ExitStack() as ends:
        for hook in reversed(hooks):
            ends.callback(hook.on_fit_end)


def _is_callback(value: Any) -> bool:
    kind = value.__class__  # not the object itself, which may have any attribute (mocks)
    return not isinstance(value, type) and all(hasattr(kind, name) for name in METHODS)
