"""Values on their way between processes, whose arrays arrive aligned.

A message holds arrays one after the other, wherever they come to lie, and pickle makes arrays of
that memory as it is. Kernels read numbers only where the processor expects them.
"""

from __future__ import annotations

from pickle import PickleBuffer
from typing import Any

import numpy as np

from fastnn.architecture import Array, aligned_zeros

Pickled = tuple[bytes, list[Any]]
"""A pickle, and the memory of its arrays."""


class Carried:
    """A value as workers hold it, which is unpickled where a task asks for it.

    Parameters
    ----------
    value : object
    pickled : Pickled, optional
        Of the value, which is then not needed.
    """

    def __init__(self, value: Any, pickled: Pickled | None = None) -> None:
        self._value, self._pickled = value, pickled
        self._is_there = pickled is None

    @classmethod
    def packed(cls, value: Any) -> Carried:
        """Return a value that has been pickled.

        Raises
        ------
        TypeError
            If it cannot be.
        """
        try:
            return cls(None, _pickled(value))
        except Exception as error:  # whatever the methods of a user's class raise
            raise TypeError(f"what is to be sent to workers cannot be pickled: {error}") from error

    @property
    def value(self) -> Any:
        """The value.

        Raises
        ------
        RuntimeError
            If it is of a class that is not known here.
        """
        if not self._is_there:
            from cloudpickle import loads

            assert self._pickled is not None
            text, buffers = self._pickled
            try:
                self._value = loads(text, buffers=buffers)
            except (ImportError, AttributeError) as error:
                raise RuntimeError(
                    f"a worker does not know a class that it was sent: {error}. Install its module "
                    "on the workers, or send the file by client.upload_file"
                ) from error
            self._is_there = True
        return self._value

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, self._pickled or _pickled(self._value)

    def __sizeof__(self) -> int:
        """Return the size of the value, by which Dask decides what to move."""
        if self._pickled is not None:
            text, buffers = self._pickled
            return len(text) + sum(np.frombuffer(buffer, np.uint8).size for buffer in buffers)
        from dask.sizeof import sizeof

        return int(sizeof(self._value))


def value_of(argument: Any) -> Any:
    """Return what is carried, also in lists and tuples."""
    if isinstance(argument, Carried):
        return argument.value
    if type(argument) in (list, tuple):
        return type(argument)(map(value_of, argument))
    return argument


def _pickled(value: Any) -> Pickled:
    from cloudpickle import dumps

    buffers: list[PickleBuffer] = []
    text: bytes = dumps(value, protocol=5, buffer_callback=buffers.append)
    return text, buffers


def _arrived(text: bytes, buffers: list[Any]) -> Carried:
    return Carried(None, (text, [_aligned(buffer) for buffer in buffers]))


def _aligned(buffer: Any) -> Array:
    received = np.frombuffer(buffer, np.uint8)
    copy = aligned_zeros(received.size, np.uint8)
    copy[...] = received
    return copy
