"""Tasks on a cluster: pure functions of their arguments, done again when they are lost.

A worker that dies is Dask's ordinary case: it computes again what that worker held, from the
functions and arguments that it knows. What it does not know are values that the client handed to a
worker directly (`Shared`): with the only copy, the tasks that need it are cancelled. Such tasks are
submitted again here, after the value was sent again. Since they are pure, nothing changes.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from weakref import WeakSet

from fastnn.cluster.carried import Carried, value_of
from fastnn.cluster.workers import Abilities, Computing, abilities, agreed
from fastnn.system.packages import imported
from fastnn.validation.values import describe

ATTEMPTS = 20
"""How often a task is submitted before it is given up."""

NOT_YET = ("newly-created", "connecting")
"""What a client is before it is connected."""

PATIENCE = 60.0
"""Seconds to wait for the first worker, or for a new one after the last was lost."""


class LostError(ConnectionError):
    """The scheduler, or every worker, was lost; what the client has is kept."""


class TaskError(RuntimeError):
    """A task cannot be done: it killed the workers that tried, or its data cannot be made again."""


class Cluster:
    """A Dask client whose workers agree on how they compute.

    As a context it lets the workers forget all tasks at its end. Within a task of Dask's it gives
    that task's thread to others meanwhile, which would otherwise wait for it.

    Parameters
    ----------
    client : distributed.Client, optional
        By default the current one, as in Dask.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        "auto" is the fastest that all workers have.

    Attributes
    ----------
    client : distributed.Client
    computing : Computing
        How every task is computed.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If `client` is not a synchronous client.
    RuntimeError
        If there is no client, or no worker, or the workers cannot agree.
    """

    def __init__(self, client: Any = None, *, backend: str = "auto") -> None:
        self.client = checked_client(client)
        self.computing = agreed(self._abilities(), backend)
        self._made: WeakSet[Task | Shared] = WeakSet()
        self._left_pool = False

    def __enter__(self) -> Cluster:
        self._left_pool = _leave_pool()
        return self

    def __exit__(self, *_: object) -> None:
        for made in list(self._made):
            made.forget()
        if self._left_pool:
            from distributed import rejoin

            rejoin()

    def share(self, value: Any) -> Shared:
        """Return a value for the arguments of tasks, which is sent to the workers once.

        Values go to the workers in turn, and Dask has a task done where one of its arguments is:
        beside a value that all tasks need, one of each task's own spreads them.

        Raises
        ------
        TypeError
            If the value cannot be pickled.
        """
        return Shared(self, value)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the call of a pure function as a node of a Dask graph, a ``Delayed``.

        Parameters
        ----------
        function : callable
            Its result depends on nothing but its arguments.
        *arguments
            Small ones. `Task`, `Shared` and other nodes stand for their results.
        """
        from dask import delayed

        name = f"fastnn-{function.__name__.strip('_')}-{uuid.uuid4().hex}"
        given = [a.future if isinstance(a, Task | Shared) else a for a in arguments]
        return delayed(computed, pure=False)(function, self.computing, *given, dask_key_name=name)

    def submit(self, build: Callable[[], Any], needs: Sequence[Task | Shared] = ()) -> Task:
        """Have the workers compute a graph.

        Parameters
        ----------
        build : callable
            Returns the last node of a graph of its own; called again if the task must be submitted
            again.
        needs : sequence
            Whose futures the graph contains.
        """
        return Task(self, build, needs)

    def done(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Yield each task when it is done, the first one first.

        Raises
        ------
        LostError
            If the scheduler is lost, or all workers are and none comes back.
        TaskError
            If a task cannot be done.
        Exception
            What a task raised.
        """
        from distributed import as_completed

        of_key: dict[Any, Task] = {}
        waiting = as_completed(loop=self.client.loop)  # it may not be the default client
        for task in tasks:
            of_key[task.future.key] = task
            waiting.add(task.future)
        while of_key:
            if waiting.is_empty():
                raise LostError(self._lost())
            future = next(waiting)
            task = of_key.pop(future.key)
            if future.status == "finished":
                yield task
            elif future.status == "error":
                raise _of_task(future)
            else:
                task.restore()
                of_key[task.future.key] = task
                waiting.add(task.future)

    def results(self, tasks: Sequence[Task]) -> list[Any]:
        """Return the results of tasks, in their order, sent by the workers that hold them.

        Raises
        ------
        LostError, TaskError, Exception
            As `done`.
        """
        for _ in range(ATTEMPTS):
            for _ in self.done(tasks):
                pass
            try:
                futures = [task.future for task in tasks]
                return list(map(value_of, self.client.gather(futures, direct=True)))
            except self._losses() as error:  # a worker died in between
                self.check_connected(error)
        raise TaskError(f"results were lost {ATTEMPTS} times on their way to the client")

    def memory_limit(self) -> int | None:
        """Return the bytes that all workers may use; None if one has no limit."""
        limits = [w["memory_limit"] for w in self.client.scheduler_info(-1)["workers"].values()]
        return sum(limits) if limits and all(limits) else None

    def check_connected(self, error: BaseException | None = None) -> None:
        """Raise LostError if the scheduler is gone."""
        if self.client.status != "running" or _says_lost(error):
            raise LostError(self._lost()) from error

    def retrying(self, function: Callable[[], Any]) -> Any:
        """Call a function that talks to workers, again if one is lost meanwhile."""
        start, pause = time.monotonic(), 0.05
        while True:
            try:
                return function()
            except Exception as error:
                self.check_connected(error)  # without a scheduler, Dask may raise anything
                if not isinstance(error, self._losses()):
                    raise
                if time.monotonic() - start > PATIENCE:
                    raise LostError(self._lost()) from error
                time.sleep(pause)  # the scheduler has yet to notice
                pause = min(2 * pause, 2.0)

    def _lost(self) -> str:
        address = getattr(self.client.scheduler, "address", "of the client")
        if self.client.status != "running":
            return f"the connection to the scheduler {address} was lost"
        return f"the workers of the scheduler {address} were lost, and none came back"

    def _losses(self) -> tuple[type[BaseException], ...]:
        from asyncio import CancelledError as Cancelled
        from concurrent.futures import CancelledError

        from distributed import CancelledError as CancelledByDask
        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError

        return (
            CancelledError, Cancelled, CancelledByDask, ClosedClientError, CommClosedError,
            OSError, TimeoutError,
        )  # fmt: skip

    def _abilities(self) -> dict[str, Abilities]:
        start = time.monotonic()
        while not (known := self._asked()):  # those that were there have just died
            if time.monotonic() - start > PATIENCE:
                raise LostError(self._lost())
            time.sleep(0.2)
        return known

    def _asked(self) -> dict[str, Abilities]:
        """Return what the workers answer that are there."""
        client = self.client
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            address = client.scheduler.address
            raise RuntimeError(
                f"no worker has connected to the scheduler {address} within {PATIENCE:.0f} s: "
                f"start some, such as with 'dask worker {address}'"
            ) from None

        def asked() -> dict[str, Any]:
            answers: dict[str, Any] = client.run(abilities, on_error="return")
            if all(isinstance(answer, OSError) for answer in answers.values()):
                raise OSError("no worker has answered")  # others may be on their way
            return answers

        found = self.retrying(asked)
        known = {}
        for address, answer in found.items():
            if isinstance(answer, ImportError):
                raise RuntimeError(
                    f"the worker {address} cannot import fastnn ({answer}): install the same "
                    "version there"
                )
            if isinstance(answer, Abilities):
                known[address] = answer
            elif not isinstance(answer, OSError):  # of a worker that has just died
                raise RuntimeError(f"the worker {address} cannot use fastnn: {answer!r}")
        return known


class Shared:
    """A value that tasks need, sent to one worker; the others fetch it from each other.

    It goes neither through the scheduler nor into the graph of tasks, unless the client cannot
    reach the workers.
    """

    def __init__(self, cluster: Cluster, value: Any) -> None:
        self._cluster = cluster
        self._carried = Carried.packed(value)
        self._scatter()

    def _scatter(self) -> None:
        client = self._cluster.client

        def sent(direct: bool) -> Any:
            try:
                return client.scatter([self._carried], direct=direct, hash=False)[0]
            except KeyError as error:  # of the scheduler, which has just lost that worker
                raise TimeoutError(f"the worker {error} was lost") from error

        def send() -> Any:
            try:
                return sent(True)
            except OSError:  # perhaps only the scheduler can reach that worker
                return sent(False)

        self.future = self._cluster.retrying(send)
        self._cluster._made.add(self)

    def forget(self) -> None:
        """Let the workers forget the value, for good."""
        self.future = None

    def restore(self) -> None:
        """Send the value again if it was lost."""
        if self.future.status in ("cancelled", "lost"):
            self._scatter()


class Task:
    """A graph of pure functions that workers compute, of which they hold the last result.

    Attributes
    ----------
    future : distributed.Future
        Of the last submission.
    """

    future: Any

    def __init__(
        self, cluster: Cluster, build: Callable[[], Any], needs: Sequence[Task | Shared]
    ) -> None:
        self._cluster, self._build, self._needs = cluster, build, needs
        self._n_attempts = 0
        cluster._made.add(self)
        self._submit()

    def _submit(self) -> None:
        compute = self._cluster.client.compute
        self.future = self._cluster.retrying(lambda: compute(self._build(), optimize_graph=False))

    def release(self) -> None:
        """Let the workers forget the result; `restore` has it computed again."""
        self.future = None

    def forget(self) -> None:
        """Let the workers forget the result, for good, and what it was made from here."""
        self.future, self._needs, self._build = None, (), _nothing

    def restore(self) -> None:
        """Submit the task again if it was cancelled or released, after what it needs.

        Raises
        ------
        LostError
            If it was cancelled because the scheduler is gone.
        TaskError
            If this has happened too often.
        """
        if self.future is not None:
            if self.future.status not in ("cancelled", "lost"):
                return
            self._cluster.check_connected(_reason(self.future))
            self._n_attempts += 1
            if self._n_attempts > ATTEMPTS:
                raise TaskError(
                    f"the task {self.future.key} was cancelled {ATTEMPTS} times: another client "
                    "cancels it, or data that it needs cannot be computed again"
                )
        for needed in self._needs:
            needed.restore()
        self._submit()


def _nothing() -> Any:
    """Return no graph: the task is over."""


def _leave_pool() -> bool:
    """Give the thread of the task that this is, if it is one, to others; return whether it was."""
    from distributed import get_worker, secede

    try:
        get_worker()
        secede()
    except (KeyError, ValueError):  # it has left already, or is no task
        return False
    return True


def computed(function: Callable[..., Any], computing: Computing, *arguments: Any) -> Carried:
    """Return ``function(*arguments)``, computed the way that all workers agreed on."""
    with computing.here():
        return Carried(function(*map(value_of, arguments)))


def checked_client(client: Any) -> Any:
    """Return a synchronous Dask client; the current one if None is given.

    Raises
    ------
    ImportError, TypeError, RuntimeError
        If there is none.
    """
    distributed = imported("distributed", "dask")
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError:
            raise RuntimeError(
                "there is no Dask client: make one, such as distributed.Client() for this machine "
                "or distributed.Client('tcp://scheduler:8786'), or pass it as client="
            ) from None
    if not isinstance(client, distributed.Client):
        raise TypeError(f"client must be a distributed.Client, got {describe(client)}")
    if client.asynchronous:
        raise TypeError("client must be synchronous: make it without asynchronous=True")
    deadline = time.monotonic() + PATIENCE
    while client.status in NOT_YET and time.monotonic() < deadline:
        time.sleep(0.01)  # such as one that another thread has just made
    if client.status != "running":
        raise RuntimeError(f"the client is {client.status}, not connected to a scheduler")
    return client


def _reason(future: Any) -> BaseException | None:
    """Return why a future was cancelled, if it is known."""
    try:
        error = future.exception(timeout=1)
    except BaseException as raised:  # a cancelled future raises it
        if isinstance(raised, KeyboardInterrupt | SystemExit):
            raise
        error = raised
    return error if isinstance(error, BaseException) else None


def _says_lost(error: BaseException | None) -> bool:
    return getattr(error, "reason", None) == "scheduler-connection-lost"


def _of_task(future: Any) -> BaseException:
    """Return what is to be raised for a task that failed."""
    from distributed import KilledWorker

    error: BaseException = future.exception()
    if isinstance(error, KilledWorker):
        return TaskError(
            f"the task {future.key} was running on {error.allowed_failures + 1} workers when they "
            "died, most likely because their memory was used up: make partitions smaller, or "
            f"raise the workers' memory_limit ({error})"
        )
    return error
