"""Passes over checked rows: their order, their parts, and the memory used for files.

A part is the rows of one call of a backend's program. In a memory-mapped file one window is read
ahead, and the pages of a window already used are released; if the file is truncated meanwhile, an
error is raised before the next rows are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.rows.calls import calls
from fastnn.rows.checked import Rows
from fastnn.rows.order import read_blocks_ahead, row_order, window_rows
from fastnn.rows.strides import by_rows
from fastnn.system.memory_maps import check_whole, release
from fastnn.validation.first_look import is_own

if TYPE_CHECKING:
    from numpy.random import Generator


class Passes(NamedTuple):
    """Repeated passes of a fit over its rows.

    Parameters
    ----------
    data : Rows
        See `Passes.over`.
    architecture : Architecture
        Determines how many rows one call takes.
    batch_size : int
        Parts are whole minibatches, except at the end of a pass.
    shuffle : bool or "blocks"
        See `Network.fit`.
    is_mapped : bool
        Whether x or y may lie in a file.
    """

    data: Rows
    architecture: Architecture
    batch_size: int
    shuffle: bool | str
    is_mapped: bool

    @classmethod
    def over(
        cls, data: Rows, architecture: Architecture, batch_size: int, shuffle: bool | str
    ) -> Passes:
        """Return passes over checked rows; column-major arrays are copied once."""
        batch_size = min(batch_size, len(data.y))  # may exceed a C integer
        x = by_rows(data.x)
        if x is not data.x:
            data = data._replace(x=x)
        is_mapped = not (is_own(x) and is_own(data.y))
        return cls(data, architecture, batch_size, shuffle, is_mapped)

    @property
    def n_rows(self) -> int:
        """Rows of a pass."""
        return len(self.data.y)

    def one(self, rng: Generator, say: Any = None) -> Iterable[NDArray[np.int64]]:
        """Return the row numbers of one pass, part by part; `rng` draws their order."""
        x, n_rows = self.data.x, self.n_rows
        order = row_order(rng, x, n_rows, self.shuffle)
        if n_rows <= self.batch_size and not self.is_mapped:
            return [order]
        window = window_rows(x, self.shuffle)
        parts = calls(self.architecture, n_rows, self.batch_size, window)
        if self.is_mapped:
            return self._watched(order, window, parts)
        return [order[part] for part in parts]

    def _watched(
        self, order: NDArray[np.int64], window: int, parts: Iterable[slice]
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the parts of an order, with an eye on the file that the rows lie in."""
        x, y, _ = self.data
        ahead = 0
        check_whole(x)
        check_whole(y)
        for part in parts:
            if part.start >= ahead:  # a window begins: read the next one in the background
                ahead = (part.start // window + 1) * window
                read_blocks_ahead(x, order[ahead : ahead + window])
            yield order[part]
            check_whole(x)
            check_whole(y)
            if part.stop >= min(ahead, len(order)):
                release(x)
                release(y)
