"""A model in training: one fit at a time, its rows, its optimizer, and all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from fastnn import validation
from fastnn.architecture import Architecture
from fastnn.model.model import Learner, Model
from fastnn.optimizers import Adam, Optimizer, RunningOptimizer, check_groups
from fastnn.rows.checked import Rows, checked_rows, checked_x
from fastnn.rows.trained_on import TrainedOn, chosen_scale, kind_after, kind_of

P = ParamSpec("P")
R = TypeVar("R")

ONE_AT_A_TIME = (
    "a fit of this network has not ended yet, and a callback or another thread begins a second "
    "one: a network is trained by one fit at a time; train a copy.deepcopy of it"
)


def begin(model: Learner, claim: object) -> None:
    """Refuse a fit that begins while another trains this model.

    Every fit claims its model, and ends with the same lines, in which nothing is called: an
    interrupt between the fit's end and the deletion would leave the claim for ever. ::

        claim = object()
        try:
            begin(model, claim)
            ...
        finally:
            if model._current_fit is claim:
                del model._current_fit

    No lock, since those are neither copied nor pickled; no context manager, at whose exit Python
    looks for interrupts before it runs. What is a method of its own is `alone`.
    """
    other = model.__dict__.setdefault("_current_fit", claim)
    if other is not claim:
        if other != [False]:  # what the fit of an ensemble leaves if its end is interrupted
            raise RuntimeError(ONE_AT_A_TIME)
        model._current_fit = claim


class TrainsNetwork(Protocol):
    """What trains a network by methods of its own."""

    @property
    def network(self) -> Any:
        """The network."""


S = TypeVar("S", bound=TrainsNetwork)


def alone(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make a method claim ``self.network`` until it returns, as `begin` describes."""

    @wraps(method)
    def claimed(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        model, claim = self.network, object()
        try:
            begin(model, claim)
            return method(self, *args, **kwargs)
        finally:
            if model._current_fit is claim:
                del model._current_fit

    return claimed


def training_rows(
    model: Learner, x: Any, y: Any, sample_weight: Any, *, own_loss: bool = False
) -> tuple[Architecture, TrainedOn, Rows]:
    """Return checked rows, with the architecture and what is remembered after training on them."""
    a, before = model.architecture, model.trained_on
    data = checked_rows(a, model.class_labels, before, x, y, sample_weight, own_loss=own_loss)
    return *remembered(model, x, data.x, y), data


def training_x(model: Learner, x: Any) -> tuple[Architecture, TrainedOn, Any]:
    """Return the same for rows without labels or targets."""
    before = model.trained_on
    checked = checked_x(model.architecture, before, x)
    validation.check_not_empty(checked.shape[0])
    return *remembered(model, x, checked), checked


def remembered(model: Learner, given: Any, x: Any, y: Any = None) -> tuple[Architecture, TrainedOn]:
    """Return the architecture and what is remembered after training on rows.

    Parameters
    ----------
    model : Learner
    given, x
        The rows as they came, and checked.
    y : array or series, optional
        Labels or targets.
    """
    a, before = model.architecture, model.trained_on
    label_name = None if before is None else before.label_name
    label_name = label_name or (None if y is None else validation.series_name(y))
    if before is not None and before.columns is not None:
        now = TrainedOn(label_name=label_name, columns=before.columns)
        scale = 1.0 if model.chooses_scale else a.input_scale
        return replace(a, input_scale=scale), before if now == before else now
    if model.chooses_scale:
        a = replace(a, input_scale=chosen_scale(x))
    if before is None:
        inputs = kind_of(x, a.input_scale)
    else:
        inputs = kind_after(before.inputs, x, a.input_scale)
    names = (None if before is None else before.feature_names) or validation.frame_names(given)
    # what was measured of earlier rows, and their checksum, are not true of these
    if before is not None and before.same_kind == (inputs, names, label_name):
        return a, before
    return a, TrainedOn(inputs, names, label_name)


def started(model: Model, optimizer: Optimizer) -> RunningOptimizer:
    """Return the optimizer with a state of zeros; the model's generator draws dropout's seed."""
    check_groups(optimizer, model.architecture)  # first: a refused fit draws nothing
    dropout_seed = int(model.rng.integers(2**63))
    return RunningOptimizer.start(optimizer, model.architecture, dropout_seed=dropout_seed)


def going_on(
    model: Model, optimizer: Optimizer | None
) -> tuple[Optimizer, RunningOptimizer | None]:
    """Return the optimizer that training goes on with, and with which state.

    By default it is the one used last, or Adam. The state is None where it must start anew, since
    the last one was not of this kind, or there was none.
    """
    running = model._running
    if optimizer is None:
        optimizer = Adam() if running is None else running.optimizer
    if running is None or not running.understood_by(optimizer):
        return optimizer, None
    return optimizer, running.resumed(model.architecture, optimizer)


def continued(model: Model, optimizer: Optimizer | None) -> RunningOptimizer:
    """Return the optimizer that training goes on with, its state resumed or started anew."""
    optimizer, running = going_on(model, optimizer)
    return started(model, optimizer) if running is None else running


@contextmanager
def training(
    model: Model,
    running: RunningOptimizer,
    architecture: Architecture,
    trained_on: TrainedOn | None,
) -> Iterator[None]:
    """Have `running` as the optimizer of this fit; `trained_on` is None if it sees no rows.

    Of a fit that fails before its first step nothing is remembered.
    """
    before = model.architecture, model.trained_on, model.chooses_scale, model._running
    first_step = running.state.step
    model.architecture, model.trained_on = architecture, trained_on
    model._running = running
    if trained_on is not None:
        model.chooses_scale = False
    if model._shared is not None:
        model._shared.learn_from(model)
    try:
        yield
    except BaseException:
        if running.state.step == first_step:
            model.architecture, model.trained_on, model.chooses_scale, model._running = before
            if model._shared is not None:
                model._shared.learn_from(model)
        raise
