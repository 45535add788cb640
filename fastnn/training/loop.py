"""The fit loop: epochs, shuffling, validation, callbacks, history.

What happens in an epoch is the backend's program ``train_epoch``; this loop decides which rows, in
which order, and what to do between epochs.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.backends.base import Backend, EpochResult, TrainingOptions
from fastnn.callbacks.base import Callback, FunctionCallback
from fastnn.optimizers import Optimizer, OptimizerState, RunningOptimizer
from fastnn.rows.calls import calls
from fastnn.rows.checked import Rows
from fastnn.rows.order import read_blocks_ahead, row_order, window_rows
from fastnn.rows.strides import by_rows
from fastnn.system.memory_maps import check_whole, release
from fastnn.system.progress import ProgressBar, progress_bar
from fastnn.training.history import History
from fastnn.validation import (
    check_callback,
    check_choice,
    check_count,
    check_in_range,
    check_per_layer,
    check_positive,
)

if TYPE_CHECKING:
    from fastnn.network import Network
    from fastnn.training.checkpoints import Keeper, Snapshot


def checked_options(
    architecture: Architecture,
    optimizer: Optimizer,
    batch_size: int,
    reduction: str,
    l1: float,
    l2: float,
    max_norm: float | None,
    clip_norm: float | None,
    dropout: float | Sequence[float],
) -> TrainingOptions:
    """Return what `Network.fit` was told as options of a training step, or raise what is wrong."""

    def check_rate(name: str, value: Any) -> float:
        return check_in_range(name, value, 0.0, 1.0, open_high=True)

    rates = check_per_layer("dropout", dropout, len(architecture.activations), check_rate)
    return TrainingOptions(
        optimizer=optimizer,
        batch_size=check_count("batch_size", batch_size),
        reduction=check_choice("reduction", reduction, ("mean", "sum")),
        l1=check_in_range("l1", l1, 0.0, math.inf),
        l2=check_in_range("l2", l2, 0.0, math.inf),
        max_norm=0.0 if max_norm is None else check_positive("max_norm", max_norm),
        clip_norm=0.0 if clip_norm is None else check_positive("clip_norm", clip_norm),
        dropout=rates if any(rates) else (),
    )


def fit(
    network: Network,
    running: RunningOptimizer,
    backend: Backend,
    data: Rows,
    options: TrainingOptions,
    *,
    epochs: int,
    shuffle: bool | str,
    validation: tuple[Any, ...] | None,
    callbacks: Sequence[Callback],
    keeper: Keeper | None = None,
    snapshot: Snapshot | None = None,
    progress: bool,
) -> History:
    """Train `network` in place for some epochs; return what was measured.

    With a `keeper` it writes checkpoints; from a `snapshot` that it found, the fit goes on.
    """
    data = data._replace(x=by_rows(data.x))
    history = History() if snapshot is None else snapshot.history
    n_rows, n_done = len(data.y), history.n_epochs
    if snapshot is not None and snapshot.stop_asked and n_done < epochs:
        history.stopped = "callback"
    start = time.perf_counter() - (history["time"][-1] if n_done else 0.0)
    window = window_rows(data.x, shuffle)
    if snapshot is not None:
        before = network.parameters.copy(), network.rng.bit_generator.state
        snapshot.restore(network, running.state)
    for callback in callbacks:
        callback.on_fit_start(network)
    if snapshot is not None and keeper is not None:
        try:
            _load_states(callbacks, snapshot, keeper.checkpoint.path)
        except BaseException:
            for callback in callbacks:
                callback.on_fit_end(network)
            network.parameters[...], network.rng.bit_generator.state = before
            raise
    options = replace(
        options,
        optimizer=running.optimizer,
        batch_size=min(options.batch_size, n_rows),  # may be past what C can count to
        dropout_seed=running.state.dropout_seed,
    )
    with progress_bar(epochs * n_rows, progress, n_done * n_rows) as bar:
        try:
            for epoch in range(epochs + 1 if history.stopped else n_done + 1, epochs + 1):
                result = _train_epoch(
                    network,
                    running.state,
                    backend,
                    data,
                    row_order(network.rng, data.x, n_rows, shuffle),
                    window,
                    options,
                    bar,
                )
                record = _record(result, options)
                if validation is not None:
                    measured = network.evaluate(*validation, progress=False)
                    record.update({f"val_{name}": value for name, value in measured.items()})
                record["time"] = time.perf_counter() - start
                history.append(record)
                bar.say(record)
                if not math.isfinite(result.loss):
                    history.stopped = "diverged"
                    break
                wishes = [callback.on_epoch_end(network, epoch, record) for callback in callbacks]
                stop_asked = any(wishes)
                if stop_asked and epoch < epochs:
                    history.stopped = "callback"
                is_last = stop_asked or epoch == epochs
                if keeper is not None:
                    keeper.epoch_ended(
                        network,
                        running.state,
                        history,
                        callbacks,
                        stop_asked=stop_asked,
                        is_last=is_last,
                    )
                if is_last:
                    break
        except KeyboardInterrupt:
            history.stopped = "interrupted"
        finally:  # after an error in a callback too, so that the best weights are restored
            for callback in callbacks:
                callback.on_fit_end(network)
    _warn_if_cut_short(history, epochs)
    return history


def _load_states(callbacks: Sequence[Callback], snapshot: Snapshot, path: Any) -> None:
    for callback, state in zip(callbacks, snapshot.callbacks, strict=True):
        try:
            callback.load_state_dict(state)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"the checkpoint {path} holds a state that {type(callback).__name__} cannot take "
                f"back: {error!r}"
            ) from error


def _train_epoch(
    network: Network,
    state: OptimizerState,
    backend: Backend,
    data: Rows,
    order: NDArray[np.int64],
    window: int,
    options: TrainingOptions,
    bar: ProgressBar,
) -> EpochResult:
    """One pass in the given order; its measurements are the weighted mean over the calls.

    After each `window` of rows the pages of memory maps are given back; the disk reads one ahead.
    A map whose file was cut short is an error before the next rows are read.
    """
    total, weight = np.zeros(3), 0.0
    ahead = 0
    for part in calls(network.architecture, len(order), options.batch_size, window):
        rows = order[part]
        if part.start >= ahead:  # a window begins: read the next while this one is worked on
            ahead = (part.start // window + 1) * window
            read_blocks_ahead(data.x, order[ahead : ahead + window])
        check_whole(data.x)
        result = backend.train_epoch(
            network.architecture,
            network.parameters,
            state,
            data.x,
            data.y,
            rows,
            options,
            data.sample_weight,
        )
        check_whole(data.x)
        if part.stop >= min(ahead, len(order)):
            release(data.x)
            release(data.y)
        count = len(rows) if data.sample_weight is None else data.sample_weight[rows].sum()
        if count:  # rows of no weight measure nothing
            total += np.array(result) * count
            weight += count
        bar.update(len(rows))
    return EpochResult(*(total / weight).tolist())


def _record(result: EpochResult, options: TrainingOptions) -> dict[str, float]:
    record = {"loss": result.loss}
    if not math.isnan(result.accuracy):
        record["accuracy"] = result.accuracy
    if options.l1 or options.l2:
        record["penalty"] = result.penalty
    return record


def _warn_if_cut_short(history: History, epochs: int) -> None:
    epoch = history.n_epochs
    if history.stopped == "interrupted":
        during = min(epoch + 1, epochs)  # a callback of the last one may be what was interrupted
        warnings.warn(
            f"the fit was interrupted in epoch {during} of {epochs}; the network is usable and "
            "keeps what it has learned",
            RuntimeWarning,
            stacklevel=4,
        )
    elif history.stopped == "diverged":
        warnings.warn(
            f"the loss became {history['loss'][-1]} in epoch {epoch} of {epochs} and the fit was "
            "stopped: try a smaller learning rate, clip_norm=, or inputs of a smaller range",
            RuntimeWarning,
            stacklevel=4,
        )


def as_callbacks(callbacks: Any) -> list[Callback]:
    """Return callbacks from callback objects and plain functions, one or several."""
    several = callbacks if isinstance(callbacks, Iterable) else [callbacks]
    return [c if isinstance(c, Callback) else FunctionCallback(check_callback(c)) for c in several]
