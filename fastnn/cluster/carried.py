"""Values on their way between processes, whose arrays arrive aligned.

A message holds arrays one after the other, wherever they come to lie, and pickle makes arrays of
that memory as it is. Kernels read numbers where the processor expects them only.
"""

from __future__ import annotations

from pickle import PickleBuffer
from typing import Any

import numpy as np

from fastnn.architecture import aligned_zeros


class Carried:
    """A value as workers hold it.

    Parameters
    ----------
    value : object
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        from distributed.protocol.pickle import dumps

        buffers: list[PickleBuffer] = []
        text = dumps(self.value, buffer_callback=buffers.append, protocol=5)
        return _restored, (text, buffers)

    def __sizeof__(self) -> int:
        """Return the size of the value, by which Dask decides what to move."""
        from dask.sizeof import sizeof

        return int(sizeof(self.value))


def value_of(argument: Any) -> Any:
    """Return what is carried, also in lists and tuples."""
    if isinstance(argument, Carried):
        return argument.value
    if type(argument) in (list, tuple):
        return type(argument)(map(value_of, argument))
    return argument


def _restored(text: bytes, buffers: list[Any]) -> Carried:
    from distributed.protocol.pickle import loads

    return Carried(loads(text, buffers=[_aligned(buffer) for buffer in buffers]))


def _aligned(buffer: Any) -> Any:
    received = np.frombuffer(buffer, np.uint8)
    copy = aligned_zeros(received.size, np.uint8)
    copy[...] = received
    return copy
