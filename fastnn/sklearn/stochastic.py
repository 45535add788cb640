"""Minibatch training as in scikit-learn's perceptrons.

An epoch is one or two calls of the backend's ``train_epoch``: the penalty of a minibatch of n rows
is ``alpha / (2 n) Σw²``, so a shorter last minibatch needs a separate call. With sample
weights, whose sum replaces n, every minibatch does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastnn.backends import get_backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.network import Network
from fastnn.sklearn.callback_support import FitTasks, snapshot
from fastnn.sklearn.history import History
from fastnn.sklearn.optimizer import ScikitSGD, started, with_rate_of
from fastnn.sklearn.problem import Problem
from fastnn.system.progress import progress_bar
from fastnn.training.hooks import begin, check_monitors, end, hooks
from fastnn.validation import check_not_replaced


class Stochastic:
    """An optimizer, and other state kept between calls of `partial_fit`.

    The optimizer is defined by the parameters of the estimator when this is created: as in
    scikit-learn, it stays the same for all calls that use its state.

    Parameters
    ----------
    estimator : fastnn.sklearn.perceptron.Perceptron
        The estimator whose parameters define the training.
    network : Network
    """

    options: TrainingOptions
    total_weight: float
    offset: float  # of the reported loss, without sample weights

    def __init__(self, estimator: Any, network: Network) -> None:
        self.running = started(estimator, network.architecture)
        self.dropout_seed = int(network.rng.integers(2**63))
        self.split_seed = int(network.rng.integers(2**31))

    def check(self, network: Network) -> None:
        """Check that the state belongs to this network and is writable."""
        self.running = self.running.resumed(network.architecture, self.running.optimizer)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to keep after a call of `fit`."""
        return {name: value for name, value in vars(self).items() if name != "options"}

    def begin(self, estimator: Any, problem: Problem, rows: NDArray[np.int64]) -> None:
        """Take what the parameters say of a fit to these rows."""
        self.options = TrainingOptions(
            self.running.optimizer,
            _batch_size(estimator.batch_size, len(rows)),
            dropout=estimator._dropout_rates(),
            dropout_seed=self.dropout_seed,
        )
        self.total_weight = problem.weight_of(rows)
        self.offset = estimator._constant(problem.y[rows], None)

    def fit(
        self,
        estimator: Any,
        history: History,
        losses: Iterator[float],
        n_rows: int,
        held_out: Problem | None,
        tasks: FitTasks,
        once: bool,
    ) -> None:
        """Train on `n_rows` rows to convergence, or, with `once`, for a single epoch.

        Each epoch updates the history.

        Parameters
        ----------
        estimator : fastnn.sklearn.perceptron.Perceptron
        history : History
        losses : iterator of float
            The loss of each epoch, which trains the network: `losses`.
        n_rows : int
        held_out : Problem or None
            What the score is measured on.
        tasks : FitTasks
        once : bool
        """
        if history.stopped:
            return
        network: Network = estimator.network_
        _warn_if_clipped(estimator.batch_size, n_rows)
        bound = hooks(estimator.callbacks, network)
        check_monitors(bound, _measurements(estimator, held_out))
        begin(bound)
        history.n_iter = 0

        def as_if_ended() -> dict[str, Any]:
            keeps_best = held_out is not None and (history.stopped or not once)
            return snapshot(estimator, history.best_parameters if keeps_best else None)

        shows_bar = estimator.verbose == "bar" and not once
        epochs = range(1, estimator.max_iter + 1)
        with progress_bar(estimator.max_iter * n_rows, shows_bar) as bar:
            try:
                for epoch in epochs:
                    tasks.begin("epoch", as_if_ended)
                    history.add_epoch(epoch, loss := next(losses), n_rows)
                    _say(estimator, f"Iteration {epoch}, loss = {loss:.8f}")
                    record = _measured(estimator, history, held_out)
                    if shows_bar:
                        bar.update(n_rows)
                        bar.say(record)
                    wishes = [hook.on_epoch_end(epoch, record) for hook in bound]
                    check_not_replaced(network, estimator.network_)
                    stops = self._stops(estimator, history)
                    if stops:
                        history.stopped = once and estimator.early_stopping
                    wishes.append(tasks.end(as_if_ended))
                    check_not_replaced(network, estimator.network_)
                    if once or stops or any(wishes):
                        break
                else:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) "
                        "reached and the optimization hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=5,
                    )
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=5)
            finally:
                end(bound)
        if held_out is not None and (history.stopped or not once):
            network.parameters = history.best_parameters

    def split(
        self, estimator: Any, history: History, problem: Problem, once: bool
    ) -> tuple[NDArray[np.int64], Problem | None]:
        """Return the training rows and the data for early stopping."""
        rows = np.arange(problem.n_rows)
        if not estimator.early_stopping or history.stopped:
            return rows, None
        if estimator._eval_set is not None:
            return rows, estimator._eval_set
        rng = estimator._random_state
        if once:  # the same seed in each call, so that the same data are split the same way
            rng = np.random.RandomState(self.split_seed)
        rows, held_out = train_test_split(
            rows,
            random_state=rng,
            test_size=float(estimator.validation_fraction),
            stratify=problem.y if estimator._stratifies() else None,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        return rows, problem.part(held_out)

    def losses(self, estimator: Any, problem: Problem, rows: NDArray[np.int64]) -> Iterator[float]:
        """Train the network on the rows, epoch after epoch without end, and yield each loss."""
        while True:
            if estimator.shuffle:  # as sklearn.utils.shuffle draws it
                drawn = np.arange(len(rows))
                estimator._random_state.shuffle(drawn)
                rows = rows[drawn]
            yield self._epoch(estimator, problem, rows)

    def _epoch(self, estimator: Any, problem: Problem, order: NDArray[np.int64]) -> float:
        """Return the mean loss over the rows, including the penalty."""
        network: Network = estimator.network_
        backend, total, n_rows = get_backend(network.backend), 0.0, 0
        batch_size = self.options.batch_size
        for part in _equal_batches(len(order), batch_size, problem.sample_weight is not None):
            rows = order[part]
            weight = problem.weight_of(rows[:batch_size])
            if not weight:  # these rows contribute nothing
                continue
            result = backend.train_epoch(
                network.architecture,
                network.parameters,
                self.running.state,
                problem.x,
                problem.y,
                rows,
                replace(self.options, l2=estimator._l2(weight, self.total_weight)),
                problem.sample_weight,
            )
            offset = self.offset
            if problem.sample_weight is not None:
                offset = estimator._constant(problem.y[rows], problem.sample_weight[rows])
            loss: float = result.loss * estimator._loss_factor + offset + result.penalty
            if len(rows) == len(order):  # a mean of one needs no rounding
                return loss
            total += loss * len(rows)
            n_rows += len(rows)
        return total / n_rows if n_rows else np.nan

    def _stops(self, estimator: Any, history: History) -> bool:
        """Adapt the learning rate; return whether to stop for lack of improvement."""
        sgd = self.running.optimizer if isinstance(self.running.optimizer, ScikitSGD) else None
        if sgd is not None:
            self._take(sgd := sgd.after_epoch(history.n_samples))
        patience = estimator.n_iter_no_change
        if history.n_without_progress <= patience:
            return False
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for {patience} consecutive "
            "epochs."
        )
        slower = None if sgd is None else sgd.without_progress()
        if slower is not None:
            history.n_without_progress = 0
            self._take(slower)
            message += f" Setting learning rate to {slower.learning_rate:f}"
        else:
            adaptive = sgd is not None and sgd.adapts == "adaptive"
            message += " Learning rate too small." if adaptive else ""
            message += " Stopping."
        _say(estimator, message)
        return slower is None

    def _take(self, optimizer: ScikitSGD) -> None:
        """Switch to another learning rate, if it differs."""
        if optimizer != self.running.optimizer:
            self.running = with_rate_of(self.running, optimizer)
            self.options = replace(self.options, optimizer=optimizer)


def _batch_size(wanted: int | str, n_rows: int) -> int:
    return min(200 if isinstance(wanted, str) else wanted, n_rows)


def _warn_if_clipped(batch_size: int | str, n_rows: int) -> None:
    if not isinstance(batch_size, str) and batch_size > n_rows:
        warnings.warn(
            f"Got `batch_size` {batch_size}, larger than the sample size {n_rows}. It is going to "
            "be clipped",
            stacklevel=6,
        )


def _equal_batches(n_rows: int, batch_size: int, singly: bool) -> Iterator[slice]:
    """Yield slices of an epoch whose minibatches have the same penalty."""
    whole = n_rows - n_rows % batch_size
    if singly:
        for first in range(0, n_rows, batch_size):
            yield slice(first, min(first + batch_size, n_rows))
        return
    if whole:
        yield slice(0, whole)
    if whole < n_rows:
        yield slice(whole, n_rows)


def _measurements(estimator: Any, held_out: Problem | None) -> list[str]:
    """Return the names of what `_measured` records."""
    watched = [] if estimator._eval_set is None else ["val_loss"]
    return ["loss", *watched, *([] if held_out is None else ["val_score"])]


def _measured(estimator: Any, history: History, held_out: Problem | None) -> dict[str, float]:
    """Compute the monitored metrics and update the history.

    Returns the record of the epoch for callbacks.
    """
    record = {"loss": history.loss}
    if estimator._eval_set is not None:
        record["val_loss"] = estimator._eval_loss()
        history.eval_losses.append(record["val_loss"])
    if held_out is None:
        history.judge_loss(estimator.tol)
    else:
        record["val_score"] = score = estimator._score(held_out)
        _say(estimator, f"Validation score: {score:f}")
        history.judge_score(score, estimator.tol, estimator.network_.parameters)
    return record


def _say(estimator: Any, text: str) -> None:
    if estimator.verbose and estimator.verbose != "bar":
        print(text)
