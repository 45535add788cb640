"""How an error names a parameter: ``label='species'``, or ``--label species`` on a command line.

The command line sets its own notation while it calls the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import EllipsisType

Value = str | int | None | EllipsisType
"""The value of a parameter; ``...`` for one that the user chooses."""

Writer = Callable[[str, Value], str]


def _in_python(name: str, value: Value) -> str:
    return f"{name}=" if value is ... else f"{name}={value!r}"


_writer: ContextVar[Writer] = ContextVar("writer", default=_in_python)


def parameter(name: str, value: Value = ...) -> str:
    """Return a parameter and its value in the notation of the reader.

    >>> parameter("label", "species")
    "label='species'"
    >>> parameter("label")
    'label='
    """
    return _writer.get()(name, value)


@contextmanager
def parameters_written(writer: Writer) -> Iterator[None]:
    """Let errors name parameters with another notation."""
    token = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(token)
