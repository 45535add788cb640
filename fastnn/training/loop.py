"""The training loop: epochs, validation, hooks, history.

An epoch is the backend's program ``train_epoch``; this loop does what is needed between epochs.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from fastnn.backends.base import Backend, EpochResult
from fastnn.backends.minibatch import TrainingOptions
from fastnn.model.evaluation import evaluate
from fastnn.model.model import Model
from fastnn.optimizers import OptimizerState, RunningOptimizer
from fastnn.rows.checked import Rows
from fastnn.system.progress import ProgressBar, progress_bar
from fastnn.training.checkpoints import Keeper
from fastnn.training.history import History
from fastnn.training.hooks import Hook, begin, end
from fastnn.training.snapshot import Snapshot


class Epochs(Protocol):
    """The passes of a fit: how many rows each has, and its parts."""

    @property
    def data(self) -> Rows:
        """The rows."""

    @property
    def n_rows(self) -> int:
        """Rows of a pass."""

    def one(self, rng: Any, say: Callable[[int], None]) -> Iterable[Any]:
        """Return what `train_epoch` takes for one pass, part by part.

        The length of a part is its number of rows; `say` is told of others that are done.
        """


class Programs(Protocol):
    """What trains and evaluates in the place of a backend's programs."""

    def train_epoch(
        self, architecture: Any, params: Any, state: Any, x: Any, y: Any, order: Any, options: Any,
        sample_weight: Any = None,
    ) -> EpochResult:  # fmt: skip
        """Train on one part of a pass, as `Backend.train_epoch`."""

    def evaluate(
        self, backend: Any, architecture: Any, params: Any, x: Any, y: Any, sample_weight: Any, *,
        progress: bool,
    ) -> dict[str, float]:  # fmt: skip
        """Return what `fastnn.model.evaluation.evaluate` does."""


def fit(
    model: Model,
    running: RunningOptimizer,
    backend: Backend,
    passes: Epochs,
    options: TrainingOptions,
    *,
    epochs: int,
    validation: Rows | None = None,
    hooks: Sequence[Hook] = (),
    keeper: Keeper | None = None,
    snapshot: Snapshot | None = None,
    programs: Programs | None = None,
    progress: bool,
) -> History:
    """Train `model` in place for some epochs; return the history.

    With a `keeper` it writes checkpoints; with a `snapshot` it resumes from that state. `programs`
    take the place of the backend's.
    """
    history = History() if snapshot is None else snapshot.history
    n_rows, n_done = passes.n_rows, history.n_epochs
    if snapshot is not None and snapshot.stop_asked and n_done < epochs:
        history.stopped = "callback"
    start = time.perf_counter() - (history["time"][-1] if n_done else 0.0)
    path = None if keeper is None else keeper.checkpoint.path
    _begin(model, running, hooks, snapshot, path)
    seed = running.state.dropout_seed
    if options.dropout_seed != seed or options.optimizer is not running.optimizer:
        options = replace(options, optimizer=running.optimizer, dropout_seed=seed)
    train_epoch, measure = backend.train_epoch, evaluate
    if programs is not None:
        train_epoch, measure = programs.train_epoch, programs.evaluate
    with progress_bar(epochs * n_rows, progress, n_done * n_rows) as bar:
        try:
            for epoch in range(epochs + 1 if history.stopped else n_done + 1, epochs + 1):
                result = _train_epoch(model, running.state, train_epoch, passes, options, bar)
                record = _record(result, options)
                if validation is not None:
                    a, parameters = model.architecture, model.parameters
                    measured = measure(backend, a, parameters, *validation, progress=False)
                    record.update({f"val_{name}": value for name, value in measured.items()})
                record["time"] = time.perf_counter() - start
                history.append(record)
                bar.say(record)
                if not math.isfinite(result.loss):
                    history.stopped = "diverged"
                    break
                stop_asked = False
                for hook in hooks:  # each of them, whichever asks
                    stop_asked |= hook.on_epoch_end(epoch, record)
                if stop_asked and epoch < epochs:
                    history.stopped = "callback"
                is_last = stop_asked or epoch == epochs
                if keeper is not None:
                    keeper.epoch_ended(
                        model,
                        running.state,
                        history,
                        hooks,
                        stop_asked=stop_asked,
                        is_last=is_last,
                    )
                if is_last:
                    break
        except KeyboardInterrupt:
            history.stopped = "interrupted"
        finally:  # after an error in a callback too, so that the best weights are restored
            end(hooks)
    if history.stopped is not None:
        _warn_if_cut_short(history, epochs)
    return history


def _begin(
    model: Model,
    running: RunningOptimizer,
    hooks: Sequence[Hook],
    snapshot: Snapshot | None,
    path: Any,
) -> None:
    """Set the initial state of the fit; after an error restore the previous one."""
    if snapshot is None:
        begin(hooks)
        return
    before = model.parameters.copy(), model.rng.bit_generator.state
    snapshot.restore(model, running)
    try:
        begin(hooks, then=lambda: _load_states(hooks, snapshot, path))
    except BaseException:
        model.parameters[...], model.rng.bit_generator.state = before
        raise


def _load_states(hooks: Sequence[Hook], snapshot: Snapshot, path: Any) -> None:
    for hook, state in zip(hooks, snapshot.callbacks, strict=True):
        try:
            hook.load_state_dict(state)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"the checkpoint {path} holds a state that {hook.name} cannot restore: {error!r}"
            ) from error


def _train_epoch(
    model: Model,
    state: OptimizerState,
    train_epoch: Callable[..., EpochResult],
    passes: Epochs,
    options: TrainingOptions,
    bar: ProgressBar,
) -> EpochResult:
    """Make one pass over the rows; the metrics are weighted means over the calls."""
    data, weight, n_calls = passes.data, 0.0, 0
    loss = accuracy = penalty = 0.0
    for rows in passes.one(model.rng, bar.update):
        result = train_epoch(
            model.architecture,
            model.parameters,
            state,
            data.x,
            data.y,
            rows,
            options,
            data.sample_weight,
        )
        count = float(len(rows) if data.sample_weight is None else data.sample_weight[rows].sum())
        if count:  # rows of zero weight do not count
            loss += result.loss * count
            accuracy += result.accuracy * count
            penalty += result.penalty * count
            weight += count
        bar.update(len(rows))
        n_calls += 1
    if n_calls == 1:  # a mean of one needs no rounding
        return result
    weight = weight or math.nan
    return EpochResult(loss / weight, accuracy / weight, penalty / weight)


def _record(result: EpochResult, options: TrainingOptions) -> dict[str, float]:
    record = {"loss": result.loss}
    if not math.isnan(result.accuracy):
        record["accuracy"] = result.accuracy
    if options.l1 or options.l2:
        record["penalty"] = result.penalty
    return record


def history_of_one(result: EpochResult, options: TrainingOptions, start: float) -> History:
    """Return the history of a single pass that began at `start`, without validation or hooks."""
    history, record = History(), _record(result, options)
    record["time"] = time.perf_counter() - start
    history.append(record)
    if not math.isfinite(result.loss):
        history.stopped = "diverged"
        _warn_if_cut_short(history, 1)
    return history


def _warn_if_cut_short(history: History, epochs: int) -> None:
    epoch = history.n_epochs
    if history.stopped == "interrupted":
        during = min(epoch + 1, epochs)  # the interrupt may come in a callback of the last epoch
        warnings.warn(
            f"the fit was interrupted in epoch {during} of {epochs}; the network is usable and "
            "keeps what it has learned",
            RuntimeWarning,
            stacklevel=4,
        )
    elif history.stopped == "diverged":
        warnings.warn(
            f"the loss became {history['loss'][-1]} in epoch {epoch} of {epochs} and the fit was "
            "stopped: try a smaller learning rate, clip_norm=, or inputs with a smaller range",
            RuntimeWarning,
            stacklevel=4,
        )
