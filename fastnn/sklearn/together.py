"""Fits of many scikit-learn estimators at once; perceptrons among them are trained together.

The result of each is that of its own ``fit(X[rows], y[rows])``, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed

from fastnn.rows.strides import by_rows
from fastnn.sklearn.alone import Done, Wanted, fitted
from fastnn.sklearn.cluster_fits import Workers
from fastnn.sklearn.joint_training import Member, Tables, can_join, train_jointly
from fastnn.sklearn.perceptron import Perceptron
from fastnn.sklearn.training import Checked, Training

BYTES_AT_A_TIME = 1 << 29
"""Of the networks and rows of estimators that are trained together."""

BYTES_OF_SLICES = 1 << 26
"""Of rows that are kept for the next estimators of the same fold."""


def fit_each(
    wanted: Iterable[Wanted],
    *,
    parallel: Parallel | None = None,
    workers: Workers | None = None,
    n_bytes: int = BYTES_AT_A_TIME,
) -> Iterator[Done]:
    """Do the fits, and yield in their order what came of each.

    An estimator with ``random_state=None``, if it is trained with others, has a generator of its
    own that is seeded by NumPy's global one. Errors of a fit are caught, an interrupt is not.

    Parameters
    ----------
    wanted : iterable of Wanted
        Taken as they are needed.
    parallel : Parallel, optional
        Fits those that are fitted alone.
    workers : Workers, optional
        Do the fits instead of this process.
    n_bytes : int
        Networks and rows that are in memory at once.
    """
    wave = _Wave()
    for each in wanted:
        if wave.has_generator_of(each.estimator):
            yield from wave.finished(parallel, workers)
            wave = _Wave()
        wave.add(each)
        if wave.n_bytes > n_bytes:
            yield from wave.finished(parallel, workers)
            wave = _Wave()
    yield from wave.finished(parallel, workers)


@dataclass
class _Entry:
    """A fit that was begun, or, without a member, is to be done alone."""

    wanted: Wanted
    member: Member | None = None
    error: Exception | None = None
    seconds: float = 0.0
    open: ExitStack = field(default_factory=ExitStack)
    """What ends the preparation, and undoes it after an error."""

    def finish(self) -> None:
        """End a fit that was trained with others."""
        assert self.member is not None
        start = time.perf_counter()
        try:
            with self.open:
                self.member.finish()
        except Exception as error:
            self.error = error
        self.seconds += time.perf_counter() - start + self.member.seconds


class _Slices:
    """The rows of the fits that come next, such as the folds of a search, and their checks."""

    def __init__(self) -> None:
        self._cut: dict[Any, tuple[Wanted, Any, Any]] = {}
        self.checked: dict[Any, Checked] = {}
        self._n_bytes = 0

    def of(self, wanted: Wanted) -> tuple[Any, Any]:
        """Return the X and y of a fit, the same objects for the same rows."""
        key = id(wanted.X), id(wanted.y), id(wanted.rows)
        if key in self._cut:
            return self._cut[key][1:]
        X, y = _safe_split(wanted.estimator, wanted.X, wanted.y, wanted.rows)
        n_bytes = 8 * int(np.prod(X.shape)) if hasattr(X, "shape") else BYTES_OF_SLICES
        if self._n_bytes + n_bytes > BYTES_OF_SLICES:
            self._cut, self.checked, self._n_bytes = {}, {}, 0
        if n_bytes < BYTES_OF_SLICES:
            self._cut[key] = wanted, X, y
            self._n_bytes += n_bytes
        return X, y

    def keep(self, key: Any, X: Any, training: Training) -> None:
        """Remember the checks of rows that come again; let go of what else the training holds."""
        if key is not None and any(X is known for _, known, _ in self._cut.values()):
            self.checked[key] = training.checked
        del training.checked


def _checks(estimator: Perceptron, X: Any, y: Any) -> Any:
    """Return what the checks of X and y depend on, None if on what was learned before."""
    if hasattr(estimator, "network_"):
        return None
    return type(estimator), getattr(estimator, "loss", None), id(X), id(y)


class _Wave:
    """Fits that are trained together."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._tables = Tables()
        self._slices = _Slices()
        self._wholes: dict[int, tuple[Any, Any]] = {}
        self._rows: dict[int, tuple[Any, NDArray[np.int64]]] = {}
        self._generators: set[int] = set()
        self._n_bytes = 0

    @property
    def n_bytes(self) -> int:
        """Of the networks and their optimizers, and of the rows."""
        return self._n_bytes + self._tables.n_bytes

    def has_generator_of(self, estimator: Any) -> bool:
        """Say whether the generator of an estimator is in use, so that it has to wait."""
        return id(_random_state(estimator)) in self._generators

    def add(self, wanted: Wanted) -> None:
        """Prepare a fit, if it can be trained with others."""
        entry = _Entry(wanted)
        self._entries.append(entry)
        last = _last_step(wanted.estimator, wanted.fit_params)
        if last is None:
            return
        start = time.perf_counter()
        generator = _random_state(wanted.estimator)
        if generator is not None:
            self._generators.add(id(generator))
        try:
            X, y = self._slices.of(wanted)
            if last is not wanted.estimator:
                X = _through_steps(wanted.estimator, X, y)
            key = _checks(last, X, y)
            training = entry.open.enter_context(
                last._prepared(
                    X, y, random_state=_own_generator(last), checked=self._slices.checked.get(key)
                )
            )
            self._slices.keep(key, X, training)
            entry.member = self._member(training, wanted, last is wanted.estimator)
            self._n_bytes += 6 * last.network_.parameters.nbytes
        except Exception as error:
            entry.error = error
        entry.seconds = time.perf_counter() - start

    def _member(self, training: Training, wanted: Wanted, takes_x: bool) -> Member:
        """Return a member that shares its rows with others, if they have the same."""
        x, y, table = training.problem.x, training.problem.y, wanted.X
        del training.problem  # which holds a copy of the rows
        if takes_x and isinstance(table, np.ndarray) and isinstance(x, np.ndarray):
            rows = self._row_numbers(wanted.rows, len(table))
            if table.dtype == x.dtype and rows is not None:
                if id(table) not in self._wholes:
                    self._wholes[id(table)] = table, by_rows(table)
                return Member(training, self._wholes[id(table)][1], rows, y)
        x = self._tables.same(x)
        return Member(training, x, np.arange(x.shape[0]), y)

    def _row_numbers(self, rows: NDArray[Any], n_rows: int) -> NDArray[np.int64] | None:
        """Return row numbers of a table, the same object for the same object."""
        if id(rows) not in self._rows:
            numbers = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
            self._rows[id(rows)] = rows, np.where(numbers < 0, numbers + n_rows, numbers)
        return self._rows[id(rows)][1]

    def finished(self, parallel: Parallel | None, workers: Workers | None) -> Iterator[Done]:
        """Do what is left to do."""
        members = [entry.member for entry in self._entries if entry.member is not None]
        alone = [e for e in self._entries if e.member is None and e.error is None]
        try:
            if workers is None:
                train_jointly(members)
                several = (parallel or Parallel(n_jobs=1))(delayed(fitted)(e.wanted) for e in alone)
            else:
                tasks = workers.begin([e.wanted for e in alone])
                train_jointly(members, workers)
                several = workers.results(tasks)
            done = dict(zip(map(id, alone), several, strict=True))
            for entry in self._entries:
                if entry.member is not None:
                    entry.finish()
        except BaseException as error:
            for entry in self._entries:
                with suppress(BaseException):
                    entry.open.__exit__(type(error), error, error.__traceback__)
            raise
        for entry in self._entries:
            yield done.get(id(entry)) or Done(entry.wanted.estimator, entry.error, entry.seconds)


def _last_step(estimator: Any, fit_params: dict[str, Any]) -> Any:
    """Return the perceptron that can be trained with others, of an estimator or a pipeline."""
    if can_join(estimator, fit_params):
        return estimator
    if type(estimator) is not Pipeline or get_config()["enable_metadata_routing"]:
        return None
    last = estimator.steps[-1][1] if estimator.steps else None
    return last if can_join(last, fit_params) else None


def _random_state(estimator: Any) -> np.random.RandomState | None:
    """Return the generator that is a parameter of the perceptron."""
    last = estimator.steps[-1][1] if type(estimator) is Pipeline and estimator.steps else estimator
    generator = getattr(last, "random_state", None)
    return generator if isinstance(generator, np.random.RandomState) else None


def _own_generator(perceptron: Any) -> np.random.RandomState | None:
    """Return a generator where NumPy's global one would be used, which cannot be shared."""
    if perceptron.random_state is None or perceptron.random_state is np.random:
        seed = check_random_state(None).randint(2**32, dtype=np.uint64)
        return np.random.RandomState(seed)
    return None


class _Taker(BaseEstimator):  # type: ignore[misc]
    """In the place of a pipeline's last step: takes what the others made of the rows."""

    def fit(self, X: Any, y: Any = None) -> Self:
        self.X_ = X
        return self


def _through_steps(pipeline: Pipeline, X: Any, y: Any) -> Any:
    """Fit all steps of a pipeline but the last; return the rows for that one."""
    taker, name = _Taker(), pipeline.steps[-1][0]
    before = Pipeline(
        [*pipeline.steps[:-1], (name, taker)], memory=pipeline.memory, verbose=pipeline.verbose
    )
    before.fit(X, y)
    pipeline.steps[:-1] = before.steps[:-1]
    return taker.X_
