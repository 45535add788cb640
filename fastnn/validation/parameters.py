"""How an error names a parameter: ``label='species'``, or ``--label species`` on a command line.

Who shows errors to someone that writes no Python says, while it calls the library, how parameters
are written there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import EllipsisType

Value = str | int | None | EllipsisType
"""What a parameter is set to; ``...`` for a value that is the reader's to choose."""

Writer = Callable[[str, Value], str]


def _in_python(name: str, value: Value) -> str:
    return f"{name}=" if value is ... else f"{name}={value!r}"


_writer: ContextVar[Writer] = ContextVar("writer", default=_in_python)


def parameter(name: str, value: Value = ...) -> str:
    """Return a parameter and its value as whoever reads the error writes them.

    >>> parameter("label", "species")
    "label='species'"
    >>> parameter("label")
    'label='
    """
    return _writer.get()(name, value)


@contextmanager
def parameters_written(writer: Writer) -> Iterator[None]:
    """Have errors name parameters in another way."""
    token = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(token)
