"""Whole fits of many models, spread over the workers of a cluster in chunks of models.

A chunk is `Fits` of some of the models, which a worker does by its backend's `train_models`; and
since a model has the bits that it has alone, it does not matter which models are in a chunk, or who
does it. What a chunk changes (parameters, random generators, what was measured) comes back in one
piece, and is stored in one piece.

The table of rows is sent once to each worker; or, where the chunks have few rows in common, such as
those of groups, to each chunk its own rows.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.backends import get_backend
from fastnn.backends.fits import Fits, Outcome
from fastnn.cluster import Cluster, Shared, Task
from fastnn.model.ensemble_model import room_for
from fastnn.rows.checked import Rows
from fastnn.rows.orders import Orders
from fastnn.rows.shares import Shares
from fastnn.system.ctrl_c import ctrl_c_held

WORK_OF_CHUNK = 2e9
"""Multiply-adds of the forward passes of a chunk, so that it takes some tenths of a second: much
longer than to send it, and short enough to wait for after Ctrl-C, or to do again."""

WORK_OF_ROW = 100
"""What a row costs beside the multiply-adds, in their unit."""

MOST_CHUNKS = 2000
"""Of a fit: the scheduler of the cluster needs about a millisecond for each."""

NO_ROWS = Rows(None, np.empty(0), None)
"""Stand for a table that is sent apart."""


class Chunk(NamedTuple):
    """Fits of some models, as they are sent.

    Attributes
    ----------
    fits : Fits
        Their rows are `NO_ROWS` if they are sent apart.
    backend : str
    with_slots : bool
        Whether the optimizers' state vectors are wanted.
    """

    fits: Fits
    backend: str
    with_slots: bool


class Trained(NamedTuple):
    """What comes of a chunk.

    Attributes
    ----------
    params : ndarray of shape (n_models, n_slots)
    outcome : Outcome
    orders : Orders
        After those of all epochs were drawn.
    slots : ndarray of shape (n_models, 2, n_slots) or None
    seconds : float
    """

    params: Array
    outcome: Outcome
    orders: Orders
    slots: Array | None
    seconds: float


def train_chunk(chunk: Chunk, x: Any, rest: Any, watched_x: Any, watched_rest: Any) -> Trained:
    """Do the fits of a chunk, on a worker; rows are None if they were sent with it."""
    start = time.perf_counter()
    sent, n_models = chunk.fits, len(chunk.fits.params)
    params = room_for(sent.architecture, n_models)
    params[...] = sent.params
    slots = np.zeros((n_models, 2, params.shape[1]), params.dtype) if chunk.with_slots else None
    fits = replace(
        sent,
        params=params,
        data=sent.data if x is None else Rows(x, *rest),
        orders=copy.deepcopy(sent.orders),  # what was sent may be needed again
        watched=sent.watched if watched_x is None else Rows(watched_x, *watched_rest),
        outcome=Outcome.of(n_models, sent.epochs),
        slots=slots,
    )
    get_backend(chunk.backend).train_models(fits)
    longest = int(fits.outcome.n_epochs.max(initial=0))
    outcome = replace(fits.outcome, measured=fits.outcome.measured[:, :longest])
    return Trained(params, outcome, fits.orders, slots, time.perf_counter() - start)


class Spread:
    """The workers of a cluster, which stand in the place of a backend that trains many models.

    Parameters
    ----------
    cluster : Cluster
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._inputs: dict[int, tuple[Any, Shared]] = {}

    def train_models(self, fits: Fits, progress: Callable[[int], object] | None = None) -> None:
        """Do whole fits of many models; see `Backend.train_models`.

        An interrupt or an error leaves each chunk as it was, or done.
        """
        with self.cluster:
            self.begin(fits).finish(progress)

    def begin(self, fits: Fits) -> Begun:
        """Have the workers begin.

        Raises
        ------
        TypeError
            If what a model is told cannot be sent.
        """
        chunks = chunks_of(fits)
        data = _Table(self, fits.data, fits.shares, chunks)
        watched = None
        if fits.watched is not None and fits.watched_shares is not None:
            watched = _Table(self, fits.watched, fits.watched_shares, chunks)
        turn = np.zeros(len(fits.params), np.int64)
        turn[fits.models] = np.arange(len(fits.models))
        begun = Begun(self.cluster, fits)
        try:
            for number, models in enumerate(chunks):
                rows, shares = data.of(number)
                seen, of_seen = (None, None) if watched is None else watched.of(number)
                part = replace(
                    fits,
                    params=fits.params[models],
                    models=np.argsort(turn[models]),
                    data=rows,
                    shares=shares,
                    options=[fits.options[i] for i in models.tolist()],
                    orders=fits.orders.part(models),
                    rows_per_call=fits.rows_per_call[models],
                    watched=seen,
                    watched_shares=of_seen,
                    recorded=fits.recorded.part(models),
                    outcome=Outcome.of(0, 0),
                    slots=None,
                )
                begun.tasks[self._task(part, fits.slots is not None, data, watched)] = models
        except BaseException:
            begun.end()
            raise
        return begun

    def _task(self, part: Fits, with_slots: bool, data: _Table, watched: _Table | None) -> Task:
        try:
            chunk = self.cluster.share(Chunk(part, self.cluster.computing.backend, with_slots))
        except TypeError as error:
            raise TypeError(
                f"{error}: use optimizers and schedules that can be, or fit without client="
            ) from error
        arguments = [chunk, *data.apart, *(_WITH_THE_CHUNK if watched is None else watched.apart)]
        return self.cluster.submit(
            lambda: self.cluster.call(train_chunk, *arguments),
            [part for part in arguments if part is not None],
        )

    def share(self, x: Any) -> Shared:
        """Send inputs, the same object once."""
        if id(x) not in self._inputs:
            self._inputs[id(x)] = x, self.cluster.share(_in_memory(x))
        return self._inputs[id(x)][1]


_WITH_THE_CHUNK = None, None


class _Table:
    """A table of rows, which is sent as a whole, or each chunk's rows with the chunk.

    Attributes
    ----------
    apart : pair of Shared or None
        The whole table: inputs, and the rest; None if the chunks have their rows.
    """

    def __init__(
        self, spread: Spread, rows: Rows, shares: Shares, chunks: Sequence[NDArray[np.int64]]
    ) -> None:
        self._rows = rows
        self._shares = [shares.part(models) for models in chunks]
        self._used = self._cut(len(rows.y))
        self.apart: tuple[Shared | None, Shared | None] = _WITH_THE_CHUNK
        if self._used is None and chunks:
            rest = spread.cluster.share((_in_memory(rows.y), _in_memory(rows.sample_weight)))
            self.apart = spread.share(rows.x), rest

    def _cut(self, n_rows: int) -> list[NDArray[np.int64]] | None:
        """Return each chunk's rows if that is no more than the table, else None."""
        used, n_used = [], 0
        for shares in self._shares:
            rows = shares.used(n_rows)
            n_used += len(rows)
            if n_used > n_rows or len(rows) == n_rows:
                return None
            used.append(rows if len(rows) else np.zeros(1, np.int64))  # no table is empty
        return used

    def of(self, chunk: int) -> tuple[Rows, Shares]:
        """Return the rows that are sent with a chunk, and its shares of its table."""
        shares = self._shares[chunk]
        if self._used is None:
            return NO_ROWS, shares
        (x, y, weight), used = self._rows, self._used[chunk]
        rows = (_in_memory(part if part is None else part[used]) for part in (x, y, weight))
        return Rows(*rows), shares.among(used)


def _in_memory(array: Any) -> Any:
    """Return what a memory map shows, which a worker may have no file for."""
    return np.asarray(array) if isinstance(array, np.ndarray) else array


class Begun:
    """Fits that workers do.

    Parameters
    ----------
    cluster : Cluster
    fits : Fits

    Attributes
    ----------
    tasks : dict
        Each chunk's task to its models.
    """

    def __init__(self, cluster: Cluster, fits: Fits) -> None:
        self._cluster, self._fits = cluster, fits
        self.tasks: dict[Task, NDArray[np.int64]] = {}

    def finish(self, progress: Callable[[int], object] | None = None) -> float:
        """Wait for all chunks, and store what comes of each.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of models done.

        Returns
        -------
        float
            Seconds that the workers took, added up.

        Raises
        ------
        LostError, TaskError, Exception
            As `Cluster.done`.
        """
        seconds, n_done = 0.0, 0
        try:
            for task in self._cluster.done(list(self.tasks)):
                (trained,) = self._cluster.results([task])
                models = self.tasks[task]
                with ctrl_c_held():
                    self._store(models, trained)
                    del self.tasks[task]
                seconds, n_done = seconds + trained.seconds, n_done + len(models)
                if progress is not None:
                    progress(n_done)
        finally:
            self.end()
        return seconds

    def _store(self, models: NDArray[np.int64], trained: Trained) -> None:
        fits, outcome = self._fits, trained.outcome
        fits.params[models] = trained.params
        fits.outcome.measured[models, : outcome.measured.shape[1]] = outcome.measured
        fits.outcome.n_epochs[models] = outcome.n_epochs
        fits.outcome.ending[models] = outcome.ending
        fits.orders.go_on_from(models, trained.orders)
        if fits.slots is not None:
            fits.slots[models] = trained.slots

    def end(self) -> None:
        """Let go of chunks that are not done; workers end those that they have begun."""
        for task in self.tasks:
            task.release()
        self.tasks.clear()


def chunks_of(fits: Fits) -> list[NDArray[np.int64]]:
    """Return the numbers of the models in each chunk, neighbours of about the same work in all."""
    models = np.sort(fits.models)
    a, n_rows = fits.architecture, fits.shares.n_rows[models].astype(np.float64)
    if fits.watched_shares is not None:
        n_rows += fits.watched_shares.n_rows[models] / 3  # without a backward pass
    work = n_rows * fits.epochs * (a.n_parameters + WORK_OF_ROW)
    before = np.cumsum(work) - work
    number = before // max(WORK_OF_CHUNK, work.sum() / MOST_CHUNKS)
    return np.split(models, np.flatnonzero(np.diff(number)) + 1) if len(models) else []
