"""What the workers of a cluster are, and how all of them are to compute.

The results of a task must not depend on the worker that does it. Before the first task every worker
says what it can do; all then use the same backend, and the widest instruction set that all have.
"""

from __future__ import annotations

import logging
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastnn.backends import available_backends, get_backend, instruction_sets, use_instruction_set
from fastnn.backends.threads import blas_limited, threads_limited
from fastnn.system.processor import processor_features
from fastnn.system.version import __version__

log = logging.getLogger("fastnn.cluster")


class Abilities(NamedTuple):
    """What a worker can compute with.

    Attributes
    ----------
    version : str
        Of fastnn.
    missing : dict
        Backend to None, or to the reason why it cannot run there.
    instruction_sets : tuple of str
        Of the Cython backend, widest first, such as "x86_64/avx2".
    processor : str
        Its architecture, and what other libraries find in it.
    """

    version: str
    missing: dict[str, str | None]
    instruction_sets: tuple[str, ...]
    processor: str


def abilities() -> Abilities:
    """Return what this process can compute with."""
    sets = tuple(f"{platform.machine()}/{name}" for name in instruction_sets())
    processor = f"{platform.machine()} {processor_features() or ''}".strip()
    return Abilities(__version__, available_backends(), sets, processor)


@dataclass(frozen=True)
class Computing:
    """How every task of a fit is computed.

    Attributes
    ----------
    version : str
        Of fastnn.
    backend : str
    isa : str or None
        The instruction set, as `Abilities` names it; None for backends that do not choose one.
    """

    version: str
    backend: str
    isa: str | None

    @contextmanager
    def here(self) -> Iterator[None]:
        """Compute that way within the block, in this thread, which is one of the worker's.

        Raises
        ------
        RuntimeError
            If this worker cannot.
        """
        if self.version != __version__:
            raise RuntimeError(
                f"this worker has fastnn {__version__}, the client {self.version}: install the "
                "same version everywhere"
            )
        name = None if self.isa is None else self.isa.rpartition("/")[2]
        if self.isa is not None and self.isa not in (ours := abilities().instruction_sets):
            raise RuntimeError(
                f"this worker has the instruction sets {', '.join(ours) or 'none'}, and the work "
                f"was begun with {self.isa}: it joined later. Start again with all workers "
                f"connected, or set FASTNN_ISA to a set that all have"
            )
        with ExitStack() as stack:
            stack.enter_context(use_instruction_set(name))
            stack.enter_context(threads_limited(1))  # tasks are what is shared out
            stack.enter_context(blas_limited(get_backend(self.backend).uses_blas))
            yield


def agreed(workers: Mapping[str, Abilities], backend: str) -> Computing:
    """Return how workers of these addresses are to compute, so that all have the same bits.

    Parameters
    ----------
    workers : mapping
        Address to abilities; at least one.
    backend : str
        "auto" for the fastest that all have.

    Raises
    ------
    RuntimeError
        If a worker has another version of fastnn, or lacks the backend.
    """
    for address, worker in workers.items():
        if worker.version != __version__:
            raise RuntimeError(
                f"the worker {address} has fastnn {worker.version}, this process {__version__}: "
                "install the same version everywhere"
            )
    if backend == "auto":
        backend = next(
            name
            for name in abilities().missing
            if all(worker.missing[name] is None for worker in workers.values())
        )
    for address, worker in workers.items():
        reason = worker.missing[backend]
        if reason is not None:
            raise RuntimeError(
                f"the backend {backend!r} cannot run on the worker {address}: {reason}"
            )
    if backend != "cython":
        found = Counter(worker.processor for worker in workers.values())
        if len(found) > 1:
            log.warning(
                "the workers have different processors (%s), for which the backend %r may round "
                "differently: results can depend on who computes what. The cython backend uses "
                "one instruction set for all",
                _counted(found),
                backend,
            )
        return Computing(__version__, backend, None)
    widest = Counter(worker.instruction_sets[0] for worker in workers.values())
    first, *others = workers.values()
    isa = next(
        (
            name
            for name in first.instruction_sets
            if all(name in other.instruction_sets for other in others)
        ),
        None,
    )
    if isa is None:
        raise RuntimeError(
            f"the workers have no instruction set in common ({_counted(widest)}): use machines of "
            "one architecture, or the backend 'numpy'"
        )
    if len(widest) > 1:
        log.warning("the workers differ (%s): all use %s", _counted(widest), isa)
    return Computing(__version__, backend, isa)


def _counted(found: Mapping[Any, int]) -> str:
    return ", ".join(f"{n} with {name}" for name, n in found.items())
