"""The registry of backends, and the switch between them.

Precedence, highest first: ``Network(backend="cython")``, ``with fastnn.use_backend("numba"):``,
`fastnn.set_backend`, the environment variable ``FASTNN_BACKEND``, and ``"auto"``: Cython, else
Numba, else NumPy. A backend that was named and is missing is an error that says why; only
``"auto"`` falls back. Choices are context variables: threads and asyncio tasks do not see each
other's, and a task starts with the choice of the one that started it. The environment variable is
for the whole process.
"""

from __future__ import annotations

import copyreg
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.checked import Checked
from fastnn.backends.predictor import PlainPredictor, Predictor
from fastnn.validation import check_backend_name, check_dtype
from fastnn.vocabulary import BackendName

_ADAPTERS = {
    "cython": ("fastnn.backends.cython", "CythonBackend"),
    "numba": ("fastnn.backends.numba", "NumbaBackend"),
    "numpy": ("fastnn.backends.reference", "Reference"),
}

NAMES = tuple(_ADAPTERS)
"""The backends, in the order in which ``"auto"`` tries them."""

_used: ContextVar[str | None] = ContextVar("fastnn_backend", default=None)
_default: ContextVar[str | None] = ContextVar("fastnn_default_backend", default=None)


class BackendUnavailableError(RuntimeError):
    """A backend was asked for by name and cannot run here; the message says why and what to do."""


@cache
def _load(name: str) -> Backend | str:
    """Return the backend, or the reason why it cannot run here."""
    module, adapter = _ADAPTERS[name]
    try:
        inside: Backend = getattr(import_module(module), adapter)()
    except ImportError as error:
        return str(error)
    return Checked(inside)


def available_backends() -> dict[str, str | None]:
    """Say which backends can run here.

    Returns
    -------
    dict
        Name to None, or to the reason why the backend is absent and how to get it.
    """
    return {name: _reason_absent(name) for name in NAMES}


def _reason_absent(name: str) -> str | None:
    try:
        found = _load(name)
    except ValueError as error:  # a wrong FASTNN_ISA: an error when the backend is wanted
        return str(error)
    return found if isinstance(found, str) else None


def get_backend(name: str | None = None) -> Backend:
    """Return the backend that `name` or, without one, the switch selects now.

    Parameters
    ----------
    name : {"auto", "cython", "numba", "numpy"}, optional
        ``None`` and ``"auto"`` both ask the switch.

    Returns
    -------
    Backend

    Raises
    ------
    BackendUnavailableError
        If a backend was named and cannot run here.
    ValueError
        If there is no backend of that name.
    """
    if name is not None and name != "auto":
        return _named(name, "backend=")
    choice, source = _used.get(), "use_backend"
    if choice is None:
        choice, source = _default.get(), "set_backend"
    if choice is None:
        choice, source = os.environ.get("FASTNN_BACKEND") or "auto", "FASTNN_BACKEND"
    if choice != "auto":
        return _named(choice, source)
    return next(found for name in NAMES if not isinstance(found := _load(name), str))


def _named(name: str, source: str) -> Backend:
    """Return the backend of that name; `source` is where it was given."""
    if type(name) is not str or name not in NAMES:
        check_backend_name(name, (*NAMES, "auto"), source)
    found = _load(name)
    if isinstance(found, str):
        raise BackendUnavailableError(
            f"the backend {name!r}, asked for by {source}, cannot run here: {found}"
        )
    return found


def set_backend(name: BackendName) -> None:
    """Make `name` the default of this thread or task; ``"auto"`` picks the fastest that runs here.

    Parameters
    ----------
    name : {"auto", "cython", "numba", "numpy"}

    Raises
    ------
    BackendUnavailableError
        If that backend cannot run here; the default is then unchanged.
    ValueError
        If there is no backend of that name.
    """
    _require(name, "set_backend")
    _default.set(name)


@contextmanager
def use_backend(name: BackendName) -> Iterator[None]:
    """Use `name` inside a ``with`` block, in this thread or task only.

    Parameters
    ----------
    name : {"auto", "cython", "numba", "numpy"}

    Raises
    ------
    BackendUnavailableError
        If that backend cannot run here.
    ValueError
        If there is no backend of that name.
    """
    _require(name, "use_backend")
    token = _used.set(name)
    try:
        yield
    finally:
        _used.reset(token)


def warmup(backend: BackendName = "auto", dtypes: Any = ("float32",)) -> None:
    """Do now what a backend would do at its first fit: compile, or load what was compiled before.

    The Numba backend takes some seconds for it, once for each dtype on a machine that can keep what
    it compiled, and some tenths of a second in later processes. The other backends have nothing to
    do.

    Parameters
    ----------
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        ``"auto"`` asks the switch.
    dtypes : dtype or iterable of dtypes, default ("float32",)
        Of the networks that will be used: float32 or float64. Compiled once for a dtype is all
        a network of any size can do with dense inputs of any kind; few things for sparse inputs to
        large networks remain.

    Raises
    ------
    BackendUnavailableError
        If a backend was named and cannot run here.
    ValueError
        If there is no backend, or no network, of that name or dtype.
    """
    several = isinstance(dtypes, Iterable) and not isinstance(dtypes, str)
    names = dtypes if several else [dtypes]
    get_backend(backend).warmup([check_dtype(name) for name in names])


def check_backend(name: str, source: str = "backend=") -> None:
    """Check that a backend can run here; for ``"auto"``, that the one the switch chooses can."""
    get_backend(check_backend_name(name, (*NAMES, "auto"), source))


def _require(name: str, source: str) -> None:
    check_backend_name(name, (*NAMES, "auto"), source)
    if name != "auto":
        get_backend(name)


def restored_predictor(
    backend: str, architecture: Architecture, params: Array, reader: Any = None
) -> Predictor:
    """Return a predictor that was pickled, on its backend or the one that runs here."""
    try:
        found = get_backend(backend)
    except BackendUnavailableError:
        found = get_backend()
    return found.predictor(architecture, params, reader)


def _pickled(predictor: PlainPredictor) -> tuple[Any, ...]:
    return restored_predictor, predictor.recipe


copyreg.pickle(PlainPredictor, _pickled)
