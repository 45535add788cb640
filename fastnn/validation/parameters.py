"""How an error names a parameter: ``label='species'``, or ``--label species`` on a command line.

The command line sets its own notation while it calls the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import EllipsisType

from fastnn.validation.values import shortened

Value = str | int | None | EllipsisType | Mapping[str, str | None]
"""The value of a parameter; ``...`` for one that the user chooses.

A mapping is of one column's name to its value, None for one that the user chooses.
"""

Writer = Callable[[str, Value], str]


def _in_python(name: str, value: Value) -> str:
    if isinstance(value, Mapping) and None in value.values():
        return f"{name}[{shortened(repr(next(iter(value))))}]"
    return f"{name}=" if value is ... else f"{name}={value!r}"


_writer: ContextVar[Writer] = ContextVar("writer", default=_in_python)


def parameter(name: str, value: Value = ...) -> str:
    """Return a parameter and its value in the notation of the reader.

    >>> parameter("label", "species")
    "label='species'"
    >>> parameter("label")
    'label='
    >>> parameter("kinds", {"zip": "number"}), parameter("kinds", {"zip": None})
    ("kinds={'zip': 'number'}", "kinds['zip']")
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
