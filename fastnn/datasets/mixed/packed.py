"""The cells of a column in little memory, and its numbers if all of them are plain ones.

Blocks of cells are kept as one text each, with NUL between the cells: a cell by itself takes 57
bytes beside its characters. Numbers are converted block by block while the cells are in the cache.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.mixed.numbers import plain_numbers
from fastnn.datasets.mixed.options import Options

BYTES_OF_A_CELL = 57  # a str of its own and its place in a list, beside its characters
_SPACES = " \t\n\r\v\f"
_STARTS = ("\0" + "0", "\0-0", "\0+0")
_CODE = re.compile(r"(?:^|\0)[-+]?0\d+(?:\0|$)")


class PackedCells:
    """Cells, which are added in blocks.

    Attributes
    ----------
    n_bytes : int
        The memory they take.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._blocks: list[str] = []
        self._numbers: list[NDArray[np.float64]] | None = []
        self.n_bytes = 0

    def add(self, cells: Sequence[str]) -> None:
        """Add cells, of which surrounding spaces are left out."""
        block = "\0".join(cells)
        if not block.isascii() or any(space in block for space in _SPACES):
            cells = [cell.strip() for cell in cells]
            block = "\0".join(cells)
        self._blocks.append(block)
        self.n_bytes += sys.getsizeof(block)
        if self._numbers is not None:
            numbers = self._read(cells, block)
            if numbers is None:
                self.n_bytes -= sum(one.nbytes for one in self._numbers)
                self._numbers = None
            else:
                self.n_bytes += numbers.nbytes
                self._numbers.append(numbers)

    def _read(self, cells: Sequence[str], block: str) -> NDArray[np.float64] | None:
        """Return plain numbers, NaN for cells that are missing, or None."""
        numbers = plain_numbers(cells, block)
        if numbers is not None:
            return numbers
        gone = self._options.missing_in(dict.fromkeys(cells))
        if not gone:
            return None
        known = ["nan" if cell in gone else cell for cell in cells]
        return plain_numbers(known, block)

    def cells(self) -> list[str]:
        """Return all cells."""
        return "\0".join(self._blocks).split("\0") if self._blocks else []

    def first(self) -> list[str]:
        """Return the cells of the first block."""
        return self._blocks[0].split("\0") if self._blocks else []

    def numbers(self) -> NDArray[np.float64] | None:
        """Return all cells as float64, NaN for missing ones, if they are plain numbers, or None."""
        return np.concatenate(self._numbers) if self._numbers else None

    def has(self, text: str) -> bool:
        """Return whether some text is in a cell."""
        return any(text in block for block in self._blocks)

    def has_codes(self) -> bool:
        """Return whether a cell is a whole number with leading zeros, such as a zip code."""
        return any(
            (any(start in block for start in _STARTS) or block[:1] in "0-+")
            and _CODE.search(block) is not None
            for block in self._blocks
        )

    def is_empty(self) -> bool:
        """Return whether no cell has text."""
        return not any(block.strip("\0") for block in self._blocks)
