"""Fits of scikit-learn estimators on the workers of a Dask cluster.

Perceptrons that are trained together are spread in chunks, see `fastnn.training.spread_fits`; each
of the others is a task. What fits warn of is warned of here.
"""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from sklearn import config_context, get_config

from fastnn.backends import get_backend, use_backend
from fastnn.cluster import Cluster, Shared, Task
from fastnn.cluster.tasks import checked_client
from fastnn.sklearn.alone import Done, Wanted, fitted
from fastnn.vocabulary import BackendName

Caught = list[tuple[Warning, type[Warning], str, int]]
"""What was warned of: message, category, file and line."""


class Workers:
    """The workers of a client.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    ImportError, TypeError, RuntimeError
        If it is no client that is connected.
    """

    def __init__(self, client: Any) -> None:
        self._client = checked_client(client)
        self._clusters: dict[str, Cluster] = {}
        self._open = ExitStack()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def cluster(self, backend: str) -> Cluster:
        """Return the cluster whose tasks are computed by a backend."""
        if backend not in self._clusters:
            cluster = Cluster(self._client, backend=backend)
            self._clusters[backend] = self._open.enter_context(cluster)
        return self._clusters[backend]

    def begin(self, several: Sequence[Wanted]) -> list[Task]:
        """Have each estimator fitted by its own method."""
        if not several:
            return []
        cluster = self.cluster(get_backend().name)
        settings = get_config(), list(warnings.filters)
        known: dict[int, Shared] = {}  # by values, which live as long

        def sent(value: Any) -> Shared:
            if id(value) not in known:
                known[id(value)] = cluster.share(value)
            return known[id(value)]

        def task(wanted: Wanted) -> Task:
            estimator = cluster.share(wanted.estimator)
            parts = [estimator, *(sent(value) for value in wanted[1:])]

            def build() -> Any:
                return cluster.call(fit_alone, cluster.computing.backend, settings, *parts)

            return cluster.submit(build, parts)

        return [task(wanted) for wanted in several]

    def results(self, tasks: Sequence[Task]) -> list[Done]:
        """Wait for fits, and warn of what they warned of."""
        if not tasks:
            return []
        found = self.cluster(get_backend().name).results(tasks)
        for _, caught in found:
            for message, category, file, line in caught:
                warnings.warn_explicit(message, category, file, line)
        return [done for done, _ in found]


def fit_alone(
    backend: BackendName, settings: tuple[dict[str, Any], list[Any]], estimator: Any, *others: Any
) -> tuple[Done, Caught]:
    """Fit an estimator on a worker, as the client's scikit-learn and warnings are set."""
    config, filters = settings
    estimator = copy.deepcopy(estimator)  # what was sent may be needed again
    with use_backend(backend), config_context(**config), _recorded(filters) as caught:
        return fitted(Wanted(estimator, *others)), caught


_caught: ContextVar[Caught] = ContextVar("fastnn_caught_warnings")
_lock = threading.Lock()
_blocks: list[object] = []
_outer = ExitStack()


@contextmanager
def _recorded(filters: list[Any]) -> Iterator[Caught]:
    """Record warnings within the block, in this thread.

    Filters belong to the process: the first block sets them, and the last one restores them.
    """
    caught: Caught = []
    token, block = _caught.set(caught), object()
    with _lock:
        if not _blocks:
            _outer.enter_context(warnings.catch_warnings())
            warnings.filters[:] = filters  # type: ignore[index]
            warnings.showwarning = _record(warnings.showwarning)
        _blocks.append(block)
    try:
        yield caught
    finally:
        with _lock:
            _blocks.remove(block)
            if not _blocks:
                _outer.close()
        _caught.reset(token)


def _record(otherwise: Any) -> Any:
    def show(message: Any, category: Any, file: str, line: int, *more: Any) -> None:
        caught = _caught.get(None)
        if caught is None:  # of another thread
            otherwise(message, category, file, line, *more)
        else:
            caught.append((message, category, file, line))

    return show
