"""Cells of a later table that training had not: counted while it is read, told in one warning."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from fastnn.system.printable import named
from fastnn.tabular.categories import OneHot, Ordered, TwoValues
from fastnn.tabular.frame import Column
from fastnn.tabular.read_column import ReadColumn
from fastnn.validation.frames import some
from fastnn.validation.values import shortened

FEWEST_CELLS = 20
"""Known cells of a column from which the share of "any other" says something."""

MOST_SHOWN = 6
"""Columns that are named."""


class Surprises:
    """What was found so far in one table."""

    def __init__(self) -> None:
        self._missing: list[str] = []
        self._unseen: list[str] = []
        self._is_other = {False: False, True: False}

    def note(
        self,
        read: ReadColumn,
        column: Column,
        out: NDArray[np.float32],
        missing: NDArray[np.bool_],
    ) -> None:
        """Note what is surprising in a column whose own outputs (n_rows, n_own) are written."""
        encoding = read.encoding
        if not (read.had_missing or getattr(encoding, "indicator", False)) and missing.any():
            self._missing.append(f"{read.name} ({int(missing.sum()):,})")
        if not isinstance(encoding, OneHot | Ordered | TwoValues):
            return
        has_other = isinstance(encoding, OneHot) and encoding.has_other
        unseen = out[:, -1] == 1.0 if has_other else ~missing & ~out.any(axis=1)
        count, n_known = int(unseen.sum()), len(missing) - int(missing.sum())
        if not count or (has_other and not _are_many(count, n_known, read.other_share)):
            return
        example = shortened(repr(str(column.values[int(unseen.argmax())])))
        n_rows = f"{n_known:,} row{'' if n_known == 1 else 's'}"
        name = named(shortened(read.name))
        self._unseen.append(f"{name} ({count:,} of {n_rows}, such as {example})")
        self._is_other[has_other] = True

    def warn(self, stacklevel: int) -> None:
        """Warn of all that was found, once for missing cells and once for unseen values."""
        for text in self.sentences():
            warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)

    def sentences(self) -> list[str]:
        """Return what was found: a sentence on missing cells, and one on unseen values."""
        found = []
        if self._missing:
            found.append(
                f"x has missing cells in columns that had none in training: {some(self._missing)}; "
                "they are read as the median, or as no category"
            )
        if self._unseen:
            rarely = ", or rarely" if self._is_other[True] else ""
            how = {False: "no category", True: "any other"}
            read_as = " or ".join(how[is_other] for is_other in how if self._is_other[is_other])
            shown = ", ".join(self._unseen[:MOST_SHOWN])
            if len(self._unseen) > MOST_SHOWN:
                shown += f" and {len(self._unseen) - MOST_SHOWN} others"
            found.append(
                f"x has values that training had not{rarely}: {shown}; they are read as {read_as}"
            )
        return found


def _are_many(n_other: int, n_known: int, share: float) -> bool:
    """Return whether more cells are "any other" than such a share in training lets expect.

    Rare values of training are not kept, so that they cannot be told from those it never had: many
    are more than half, and nearer to all of them than to that share.
    """
    return n_known >= FEWEST_CELLS and n_other > n_known * (1.0 + share) / 2.0
