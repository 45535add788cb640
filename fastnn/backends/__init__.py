"""The registry of backends, and backend selection.

Precedence, highest first: ``Network(backend="cython")``, ``with fastnn.use_backend("numba"):``,
`fastnn.set_backend`, the environment variable ``FASTNN_BACKEND``, and ``"auto"``: Cython, else
Numba, else NumPy. Selecting a missing backend raises an error with the reason; only
``"auto"`` falls back. The selection is a context variable: threads and asyncio tasks do not affect
each other, and a task inherits the selection of the one that started it. The environment variable
applies to the whole process.
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
from fastnn.validation import check_backend_name, check_choice, check_dtype
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
    """A selected backend cannot run here; the message states the reason and what to do."""


_instruction_set: ContextVar[str | None] = ContextVar("fastnn_instruction_set", default=None)


@cache
def _load(name: str, instruction_set: str | None) -> Backend | str:
    """Return the backend, or the reason why it cannot run here."""
    module, adapter = _ADAPTERS[name]
    chosen = {} if instruction_set is None else {"isa": instruction_set}
    try:
        inside: Backend = getattr(import_module(module), adapter)(**chosen)
    except ImportError as error:
        return str(error)
    return Checked(inside)


def _in_use(name: str) -> Backend | str:
    """Return the backend of the instruction set in use, or the reason why it cannot run here."""
    return _load(name, _instruction_set.get() if name == "cython" else None)


def available_backends() -> dict[str, str | None]:
    """Return which backends are available.

    Returns
    -------
    dict
        Name to None, or to the reason why the backend is missing and how to install it.
    """
    return {name: _reason_absent(name) for name in NAMES}


def _reason_absent(name: str) -> str | None:
    try:
        found = _load(name, None)
    except ValueError as error:  # an invalid FASTNN_ISA: raised when the backend is selected
        return str(error)
    return found if isinstance(found, str) else None


def get_backend(name: str | None = None) -> Backend:
    """Return the backend `name` or, without one, the currently selected backend.

    Parameters
    ----------
    name : {"auto", "cython", "numba", "numpy"}, optional
        ``None`` and ``"auto"`` both mean the current selection.

    Returns
    -------
    Backend

    Raises
    ------
    BackendUnavailableError
        If a selected backend cannot run here.
    ValueError
        If there is no backend of that name.
    """
    if name is not None and name != "auto":
        return _named(name, "backend=")
    choice, source = selection()
    if choice != "auto":
        return _named(choice, source)
    return next(found for name in NAMES if not isinstance(found := _in_use(name), str))


def selection() -> tuple[str, str]:
    """Return the name that is selected, perhaps "auto", and by what."""
    choice, source = _used.get(), "use_backend"
    if choice is None:
        choice, source = _default.get(), "set_backend"
    if choice is None:
        choice, source = os.environ.get("FASTNN_BACKEND") or "auto", "FASTNN_BACKEND"
    return choice, source


def wanted(name: str) -> str:
    """Return the backend `name`, or, for "auto", what is selected here; perhaps "auto" again.

    For work that others do, who may have other backends.
    """
    return name if name != "auto" else selection()[0]


def _named(name: str, source: str) -> Backend:
    """Return the backend of that name; `source` is where it was given."""
    if type(name) is not str or name not in NAMES:
        check_backend_name(name, (*NAMES, "auto"), source)
    found = _in_use(name)
    if isinstance(found, str):
        raise BackendUnavailableError(
            f"the backend {name!r}, selected by {source}, cannot run here: {found}"
        )
    return found


def set_backend(name: BackendName) -> None:
    """Make `name` the default of this thread or task; ``"auto"`` selects the fastest available.

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


@contextmanager
def use_instruction_set(name: str | None) -> Iterator[None]:
    """Have the Cython backend use an instruction set inside a ``with`` block, in this thread only.

    Processors of different kinds round differently where their instruction sets do; with the same
    set they give the same bits.

    Parameters
    ----------
    name : str or None
        One of `instruction_sets`; None for the one of ``FASTNN_ISA``, or the widest.

    Raises
    ------
    ValueError
        If it cannot run here.
    """
    if name is not None:
        check_choice("the instruction set", name, instruction_sets())
    token = _instruction_set.set(name)
    try:
        yield
    finally:
        _instruction_set.reset(token)


def instruction_sets() -> tuple[str, ...]:
    """Return the sets that the Cython backend can use here, widest first; empty without it.

    With ``FASTNN_ISA`` that set and those narrower.
    """
    try:
        found = _load("cython", None)
    except ValueError:  # an invalid FASTNN_ISA
        return ()
    if isinstance(found, str):
        return ()
    names: list[str] = import_module(_ADAPTERS["cython"][0]).instruction_sets()
    return tuple(names[names.index(str(found.isa)) :])


def warmup(backend: BackendName = "auto", dtypes: Any = ("float32",)) -> None:
    """Compile a backend in advance, or load the compiled code from the cache.

    For the Numba backend this takes several seconds, once per dtype if the compiled code can be
    cached, and a few tenths of a second in later processes. The other backends have nothing to
    compile.

    Parameters
    ----------
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        ``"auto"`` means the current selection.
    dtypes : dtype or iterable of dtypes, default ("float32",)
        Of the networks that will be used: float32 or float64. For each dtype this compiles
        everything for dense inputs to networks of any size; a few functions for sparse inputs to
        large networks are compiled on first use.

    Raises
    ------
    BackendUnavailableError
        If a selected backend cannot run here.
    ValueError
        If the backend or dtype does not exist.
    """
    several = isinstance(dtypes, Iterable) and not isinstance(dtypes, str)
    names = dtypes if several else [dtypes]
    get_backend(backend).warmup([check_dtype(name) for name in names])


def check_backend(name: str, source: str = "backend=") -> None:
    """Check that a backend can run here; for ``"auto"``, the currently selected one."""
    get_backend(check_backend_name(name, (*NAMES, "auto"), source))


def _require(name: str, source: str) -> None:
    check_backend_name(name, (*NAMES, "auto"), source)
    if name != "auto":
        get_backend(name)


def restored_predictor(
    backend: str, architecture: Architecture, params: Array, reader: Any = None
) -> Predictor:
    """Return an unpickled predictor, on its backend or an available one."""
    try:
        found = get_backend(backend)
    except BackendUnavailableError:
        found = get_backend()
    return found.predictor(architecture, params, reader)


def _pickled(predictor: PlainPredictor) -> tuple[Any, ...]:
    return restored_predictor, predictor.recipe


copyreg.pickle(PlainPredictor, _pickled)
