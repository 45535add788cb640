"""scikit-learn's own callbacks, which an estimator is given with `set_callbacks`.

A fit is a task, and each epoch, or iteration of "lbfgs", is a task below it. Callbacks are told
when a task begins and ends, and may then ask to stop training.

`sklearn.callback` is experimental, and part of scikit-learn since version 1.9; no other module of
fastnn uses it. Without it estimators have no `set_callbacks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: this scikit-learn has no callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Return the method."""
        return method


__all__ = ["CallbackSupportMixin", "FitTasks", "fit_tasks", "is_observed", "snapshot"]

Attributes = Callable[[], dict[str, Any]]
"""Returns attributes that make a copy of the estimator one that was fitted up to now."""


class FitTasks:
    """The tasks of a fit that no callback observes: all methods do nothing."""

    def begin(self, name: str, attributes: Attributes) -> None:
        """Begin the next epoch or iteration."""

    def end(self, attributes: Attributes) -> bool:
        """End it; return whether a callback asks to stop training."""
        return False

    def end_fit(self, attributes: Attributes) -> None:
        """End the fit."""


class ObservedFitTasks(FitTasks):
    """The tasks of a fit that callbacks observe.

    Parameters
    ----------
    estimator : fastnn.sklearn.perceptron.Perceptron
    x, y, sample_weight
        The arguments of the fit, as the caller passed them.
    n_subtasks : int
        The maximum number of epochs or iterations.
    """

    def __init__(self, estimator: Any, x: Any, y: Any, sample_weight: Any, n_subtasks: int) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._fit = estimator._init_callback_context(max_subtasks=n_subtasks)
        self._given = {"estimator": estimator, "X": x, "y": y, "metadata": metadata}
        self._fit.call_on_fit_task_begin(**self._given)

    def begin(self, name: str, attributes: Attributes) -> None:
        """Begin the next epoch or iteration."""
        self._subtask = self._fit.subcontext(task_name=name)
        self._subtask.call_on_fit_task_begin(**self._given, reconstruction_attributes=attributes)

    def end(self, attributes: Attributes) -> bool:
        """End it; return whether a callback asks to stop training."""
        return bool(
            self._subtask.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)
        )

    def end_fit(self, attributes: Attributes) -> None:
        """End the fit."""
        self._fit.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)


def is_observed(estimator: Any) -> bool:
    """Say whether callbacks, its own or those of a pipeline or search, are told of its fits."""
    return hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")


@contextmanager
def fit_tasks(
    estimator: Any, x: Any, y: Any, sample_weight: Any, n_subtasks: int
) -> Iterator[FitTasks]:
    """Begin a fit; the parameters are those of `ObservedFitTasks`.

    However it ends, the callbacks that were set up are torn down.
    """
    if not is_observed(estimator):
        yield FitTasks()
        return
    try:
        yield ObservedFitTasks(estimator, x, y, sample_weight, n_subtasks)
    finally:
        _tear_down(estimator)


@with_callbacks  # type: ignore[untyped-decorator]
def _tear_down(estimator: Any) -> None:
    """Do nothing: the decorator calls the callbacks' `teardown` when this returns."""


def snapshot(estimator: Any, parameters: Any = None, **progress: Any) -> dict[str, Any]:
    """Return attributes of a fitted estimator that further training will not change.

    Parameters
    ----------
    estimator : fastnn.sklearn.perceptron.Perceptron
    parameters : ndarray of shape (n_slots,), optional
        Instead of those of its network.
    **progress
        Attributes of its history that it does not have yet.
    """
    attributes = {
        "network_": copy(estimator.network_),
        "_history": deepcopy(estimator._history),
        "_eval_set": None,
    }
    if parameters is not None:
        attributes["network_"].parameters = parameters
    vars(attributes["_history"]).update(progress)
    if hasattr(estimator, "_stochastic"):
        attributes["_stochastic"] = deepcopy(estimator._stochastic)
    return attributes
