"""The training of many prepared estimators in one call of a backend's `train_models`.

Estimators of one architecture whose parameters the program can express are trained together, each
with the bits of its own `fit`; they may differ in solver, learning rate, penalty, minibatches,
dropout, random state and rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastnn.architecture import Array, aligned_zeros
from fastnn.backends import get_backend
from fastnn.backends.fits import ENDINGS, Fits, Outcome, Recorded, Stopping
from fastnn.backends.minibatch import rows_of
from fastnn.optimizers import Optimizer
from fastnn.rows.checked import Rows
from fastnn.rows.orders import InTurn, Orders, Reorderings
from fastnn.rows.shares import Shares
from fastnn.schedules import Schedule
from fastnn.sklearn.callback_support import is_observed
from fastnn.sklearn.cluster_fits import Workers
from fastnn.sklearn.perceptron import Perceptron
from fastnn.sklearn.problem import Problem
from fastnn.sklearn.training import Training
from fastnn.training.spread_fits import Spread

BYTES_OF_A_CALL = 1 << 28
"""Of learning rates and losses that one call may need room for."""

NEVER = 2**62
"""A patience that no fit exhausts."""


def can_join(estimator: Any, fit_params: dict[str, Any]) -> bool:
    """Say whether `fit` of a perceptron is training that the program can express."""
    kind = type(estimator)
    if not isinstance(estimator, Perceptron) or kind.fit is not Perceptron.fit:
        return False
    numbers = estimator.alpha, estimator.tol  # float32 would make Python's arithmetic float32
    rate = estimator.learning_rate
    adapts = estimator.solver == "sgd" and rate != "constant" and not isinstance(rate, Schedule)
    return (
        estimator.solver in ("sgd", "adam", "adamw")
        and not adapts
        and all(value is None for value in fit_params.values())
        and getattr(estimator, "class_weight", None) is None
        and all(isinstance(number, float | int) for number in numbers)
        and not (estimator.warm_start and hasattr(estimator, "network_"))
        and not estimator.early_stopping
        and not estimator.verbose
        and (estimator.callbacks is None or estimator.callbacks in ((), []))
        and not is_observed(estimator)
    )


@dataclass
class Member:
    """One of many estimators to train.

    Attributes
    ----------
    training : Training
        Prepared; what it holds of X is not needed.
    x : ndarray or CSR matrix
        A table, the same object for members that share it.
    rows : ndarray of int64
        The estimator's rows of the table.
    y : ndarray
        The targets of these.
    losses : list of float or None
        Of each epoch, after the training; None if the estimator is to be trained alone.
    seconds : float
        The share of the common time.
    """

    training: Training
    x: Any
    rows: NDArray[np.int64]
    y: NDArray[Any]
    losses: list[float] | None = None
    seconds: float = 0.0

    @property
    def n_bytes(self) -> int:
        """Of learning rates and losses in a call."""
        estimator = self.training.estimator
        n_steps: int = -(-len(self.rows) // estimator._stochastic.options.batch_size)
        return int(estimator.max_iter) * 8 * (n_steps + 5)

    def finish(self) -> None:
        """Record the training in the estimator; or do it, where the program could not."""
        if self.losses is None:
            start = time.perf_counter()
            self.training.problem = Problem(rows_of(self.x, self.rows), self.y, None)
            self.training.run()
            self.seconds += time.perf_counter() - start
        else:
            self.training.run(self.losses)


def train_jointly(members: Sequence[Member], workers: Workers | None = None) -> None:
    """Train the members in as few calls as possible, here or on workers; set their losses."""
    if workers is None:
        for call in _calls(members):
            call.train()
        return
    spreads: dict[str, Spread] = {}
    with ExitStack() as open_calls:  # after an error, those that are left are ended
        finish = []
        for call in _calls(members):
            backend = get_backend(call.first.training.estimator.network_.backend).name
            spread = spreads.setdefault(backend, Spread(workers.cluster(backend)))
            finish.append(open_calls.enter_context(call.begun(spread)))
        for each in finish:
            each()


def _calls(members: Iterable[Member]) -> Iterator[_Call]:
    """Yield calls that train all members whose losses have room."""
    for group in _alike(members):
        for part in _portions(group):
            while part:
                call = _Call(part[0])
                part = [member for member in part if not call.takes(member)]
                yield call


def _alike(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Yield members of which one call can train all, if their targets allow it."""
    groups: dict[Any, list[Member]] = {}
    for member in members:
        if member.n_bytes <= BYTES_OF_A_CALL:
            groups.setdefault(_kind(member), []).append(member)
    yield from groups.values()


def _kind(member: Member) -> Any:
    """Return what members of one call have in common."""
    estimator, x, y = member.training.estimator, member.x, member.y
    backend = get_backend(estimator.network_.backend)
    dense = isinstance(x, np.ndarray)
    return (
        estimator.network_.architecture,
        backend.name,
        estimator.batch_size if backend.uses_blas else None,  # which limits its threads
        estimator.n_threads,
        estimator.max_iter,
        estimator.tol,
        estimator.n_iter_no_change,
        bool(estimator.shuffle),
        estimator._divides_l2,
        estimator._loss_factor,
        estimator._stochastic.running.state.step,
        (dense, (x if dense else x.data).dtype, y.dtype, y.shape[1:]),
    )


def _portions(members: Sequence[Member]) -> Iterator[list[Member]]:
    portion: list[Member] = []
    used = 0
    for member in members:
        if portion and used + member.n_bytes > BYTES_OF_A_CALL:
            yield portion
            portion, used = [], 0
        portion.append(member)
        used += member.n_bytes
    yield portion


@dataclass
class _Call:
    """Members whose targets are one table, beside one of their inputs."""

    first: Member
    members: list[Member] = field(default_factory=list)
    tables: list[Any] = field(default_factory=list)
    targets: list[NDArray[Any]] = field(default_factory=list)
    known: list[NDArray[np.bool_]] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)

    def takes(self, member: Member) -> bool:
        """Take a member, unless its targets for the same rows of a table are others."""
        place = self.places.get(id(member.x))
        if place is None:
            place = self.places[id(member.x)] = len(self.tables)
            n_rows = member.x.shape[0]
            self.tables.append(member.x)
            self.targets.append(np.zeros((n_rows, *member.y.shape[1:]), member.y.dtype))
            self.known.append(np.zeros(n_rows, bool))
        y, known, rows = self.targets[place], self.known[place], member.rows
        there = known[rows]
        if (y[rows[there]] != member.y[there]).any():
            return False
        y[rows], known[rows] = member.y, True
        self.members.append(member)
        return True

    def train(self) -> None:
        """Train the members."""
        start = time.perf_counter()
        states, fits = self._states(), self._fits()
        with self.first.training.estimator._computing() as backend:
            backend.train_models(fits)
        self._record(fits, states, time.perf_counter() - start)

    @contextmanager
    def begun(self, spread: Spread) -> Iterator[Callable[[], None]]:
        """Have workers train the members; calling the yielded function waits for them."""
        states, fits = self._states(), self._fits()
        begun = spread.begin(fits)
        try:
            yield lambda: self._record(fits, states, begun.finish())
        finally:
            begun.end()

    def _states(self) -> list[Any]:
        return [
            member.training.estimator._random_state.get_state(legacy=False)
            for member in self.members
        ]

    def _record(self, fits: Fits, states: Sequence[Any], total_seconds: float) -> None:
        """Set what the training came to in the estimators, and their losses."""
        outcome = fits.outcome
        work = outcome.n_epochs * fits.shares.n_rows
        seconds = total_seconds / max(1, int(work.sum()))
        assert fits.slots is not None
        for i, (member, state) in enumerate(zip(self.members, states, strict=True)):
            member.seconds = seconds * int(work[i])
            estimator = member.training.estimator
            if ENDINGS[outcome.ending[i]] == "diverged":  # where `fit` goes on
                estimator._random_state.set_state(state)
                continue
            n_epochs = int(outcome.n_epochs[i])
            running = estimator._stochastic.running
            estimator.network_.parameters[...] = fits.params[i]
            running.state.slots[...] = fits.slots[i, : running.optimizer.n_state]
            n_steps = -(-len(member.rows) // fits.options[i].batch_size)
            running.state.step += n_epochs * n_steps
            member.losses = outcome.measured[i, :n_epochs, 0].tolist()

    def _fits(self) -> Fits:
        estimator, members = self.first.training.estimator, self.members
        stochastics = [member.training.estimator._stochastic for member in members]
        architecture, n_models = estimator.network_.architecture, len(members)
        optimizer = _same_objects()
        options = [
            replace(
                one.options,
                optimizer=optimizer(one.options.optimizer),
                l2=member.training.estimator._strength(one.total_weight),
            )
            for member, one in zip(members, stochastics, strict=True)
        ]
        n_slots = architecture.n_slots
        params = aligned_zeros(n_models * n_slots, architecture.dtype).reshape(n_models, n_slots)
        for row, member in zip(params, members, strict=True):
            row[...] = member.training.estimator.network_.parameters
        sizes = np.array([each.batch_size for each in options])
        n_rows = np.array([len(member.rows) for member in members])
        orders: Orders = InTurn()
        if estimator.shuffle:
            orders = Reorderings([member.training.estimator._random_state for member in members])
        patience = min(estimator.n_iter_no_change, NEVER)
        offsets = np.array([one.offset for one in stochastics])
        return Fits(
            architecture, params,
            np.lexsort((-n_rows, sizes)),  # what takes longest first
            Rows(_stacked(self.tables), np.concatenate(self.targets), None),
            self._shares(), options, int(estimator.max_iter), orders,
            np.maximum(n_rows - n_rows % sizes, 1), steps=stochastics[0].running.state.step,
            stopping=Stopping("loss", -1, estimator.tol, int(patience), False, True),
            divides_l2=estimator._divides_l2,
            recorded=Recorded(estimator._loss_factor, offsets, True),
            outcome=Outcome.of(n_models, int(estimator.max_iter)),
            slots=np.zeros((n_models, 2, n_slots), architecture.dtype),
        )  # fmt: skip

    def _shares(self) -> Shares:
        """Return each member's rows of the tables, one below the other."""
        ends = np.cumsum([table.shape[0] for table in self.tables])
        first = {key: int(ends[i]) - self.tables[i].shape[0] for key, i in self.places.items()}
        known: dict[int, tuple[int, NDArray[np.int64]]] = {}
        lists, starts, used = [], [], 0
        for member in self.members:
            key = id(member.rows)
            if key not in known:  # members of one fold share the list
                known[key] = used, member.rows + first[id(member.x)]
                lists.append(known[key][1])
                used += len(member.rows)
            starts.append(known[key][0])
        counts = np.array([len(member.rows) for member in self.members], np.int64)
        return Shares(np.array(starts, np.int64), counts, np.concatenate(lists))


def _stacked(tables: Sequence[Any]) -> Any:
    if len(tables) == 1:
        return tables[0]
    if isinstance(tables[0], np.ndarray):
        return np.concatenate(tables)
    return sparse.vstack(tables, format="csr")


def _same_objects() -> Callable[[Optimizer], Optimizer]:
    """Return a function that returns the same object for equal optimizers, which share rates."""
    known: dict[Optimizer, Optimizer] = {}

    def same(optimizer: Optimizer) -> Optimizer:
        try:
            return known.setdefault(optimizer, optimizer)
        except TypeError:  # a schedule of the user's own that has no hash
            return optimizer

    return same


class Tables:
    """Rows of training data, each table once.

    Members that learn from equal rows, such as the candidates of a search on one fold, then share
    them.
    """

    def __init__(self) -> None:
        self._known: dict[Any, list[Any]] = {}
        self.n_bytes = 0

    def same(self, x: Any) -> Any:
        """Return a table with the bits of x."""
        parts = [x] if isinstance(x, np.ndarray) else [x.data, x.indices, x.indptr]
        if not all(part.flags.c_contiguous and part.size for part in parts):
            return x
        bits = [part.reshape(-1).view(np.uint8) for part in parts]
        known = self._known.setdefault(_sketch(x, bits), [])
        for table, of_table in known:
            if all(np.array_equal(a, b) for a, b in zip(bits, of_table, strict=True)):
                return table
        known.append((x, bits))
        self.n_bytes += sum(len(part) for part in bits)
        return x


def _sketch(x: Any, bits: Sequence[Array]) -> Any:
    ends = tuple((part[:64].tobytes(), part[-64:].tobytes(), len(part)) for part in bits)
    dtype = (x if isinstance(x, np.ndarray) else x.data).dtype
    return x.shape, dtype, ends
