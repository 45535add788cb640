"""`Columns`: what each column of a table becomes in the rows that a network learns from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Frame
from fastnn.tabular.frames import as_frame
from fastnn.tabular.kinds import as_kind, check_zone, nothing_known
from fastnn.tabular.matching import matched
from fastnn.tabular.printed import printed
from fastnn.tabular.read_column import ReadColumn
from fastnn.tabular.stored import from_json, to_json
from fastnn.tabular.surprises import Surprises


@dataclass(frozen=True)
class Columns:
    """What each column of a table becomes: a value, made by `learn_columns`.

    ``print(columns)`` shows a table of it.

    Attributes
    ----------
    table : tuple of ReadColumn
        All columns of the training table, in order, those left out too.
    has_names : bool
        Whether tables are matched by the names of their columns; if not, by position.
    names : tuple of str
        The columns that are read, in order.
    left_out : dict of str to str
        The others, and why.
    feature_names : tuple of str
        A name for each output: "age", "age is missing", "sex = male", "date: month sin".
    sources : tuple of int
        For each output the index in `names` of the column it comes from.
    n_out : int
        Number of outputs.
    typical_row : ndarray of shape (n_out,) float32
        Numbers at their median, no category, nothing missing.

    Examples
    --------
    >>> from fastnn.tabular import learn_columns
    >>> columns = learn_columns({"age": [22, 38, None, 35], "sex": ["m", "f", "f", "m"]})
    >>> columns.feature_names
    ('age', 'age is missing', 'sex = f')
    >>> columns.rows({"sex": ["m"], "age": [35]})
    array([[ 0.,  0., -1.]], dtype=float32)
    """

    table: tuple[ReadColumn, ...]
    has_names: bool = True

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns that are read, in order."""
        return tuple(column.name for column in self.table if column.encoding is not None)

    @cached_property
    def left_out(self) -> dict[str, str]:
        """The columns that are not read, and why."""
        return {c.name: c.note or "" for c in self.table if c.encoding is None}

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each output."""
        return tuple(output for column in self.table for output in column.outputs)

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """For each output the index in `names` of the column it comes from."""
        read = [column for column in self.table if column.encoding is not None]
        return tuple(i for i, column in enumerate(read) for _ in column.outputs)

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.feature_names)

    def rows(self, x: Any, *, ignored: Collection[str] = ()) -> NDArray[np.float32]:
        """Return a table as rows that a network learns from.

        Parameters
        ----------
        x : table
            Anything that `as_frame` takes. Columns are matched by name, in any order; those that
            are left out may be missing. Tables without names must have all columns of the training
            table in its order.
        ignored : collection of str
            Further columns that the table may have, such as that of the labels.

        Returns
        -------
        ndarray of shape (n_rows, n_out)
            float32, finite.

        Raises
        ------
        TypeError, ValueError
            If columns are missing, or a cell cannot be read as in training; the message names them.
            If times have a time zone, and those of training had none, or the reverse.

        Warns
        -----
        UserWarning
            If cells are missing in a column that had none missing in training. If values are none
            of training's: any in a column without the output "any other", else more than half of
            them. If the table has further columns, which are ignored.
        """
        out, surprises = self._read(as_frame(x), ignored)
        surprises.warn(stacklevel=2)
        return out

    def rows_and_remarks(
        self, x: Any, *, ignored: Collection[str] = ()
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Return what `rows` does, and what it warns of cells as sentences instead of warnings.

        Parameters
        ----------
        x, ignored
            As of `rows`.

        Returns
        -------
        rows : ndarray of shape (n_rows, n_out)
        remarks : list of str
            On missing cells and on values that training had not.

        Raises
        ------
        TypeError, ValueError
            As from `rows`.

        Warns
        -----
        UserWarning
            If the table has further columns, which are ignored.
        """
        out, surprises = self._read(as_frame(x), ignored)
        return out, surprises.sentences()

    def _read(
        self, frame: Frame, ignored: Collection[str]
    ) -> tuple[NDArray[np.float32], Surprises]:
        out = np.zeros((frame.n_rows, self.n_out), np.float32)
        first, surprises = 0, Surprises()
        for read, column in zip(self.table, matched(self, frame, ignored), strict=True):
            if read.encoding is None or column is None:
                continue
            end = first + len(read.outputs)
            n_own = len(read.outputs) - read.encoding.indicator
            converted = as_kind(column, read.encoding.kind)
            check_zone(read.has_zone, converted)
            own = out[:, first : first + n_own]
            missing = read.encoding.encode(converted, own)
            if read.encoding.indicator:
                out[:, end - 1] = missing
            surprises.note(read, converted, own, missing)
            first = end
        return out, surprises

    @cached_property
    def typical_row(self) -> NDArray[np.float32]:
        """The row (n_out,) of which no cell says anything: numbers at the median, no category."""
        row = np.zeros((1, self.n_out), np.float32)
        first = 0
        for read in self.table:
            if read.encoding is not None:
                n_own = len(read.outputs) - read.encoding.indicator
                missing = nothing_known(read.name, read.encoding.kind)
                read.encoding.encode(missing, row[:, first : first + n_own])
                first += len(read.outputs)
        typical: NDArray[np.float32] = row[0]
        return typical

    def to_json(self) -> str:
        """Return the columns as JSON text, from which `from_json` makes an equal value."""
        return to_json(self.table, self.has_names)

    @staticmethod
    def from_json(text: str) -> Columns:
        """Return the columns that `to_json` wrote; nothing in the text is executed.

        Raises
        ------
        TypeError, ValueError
            If it is damaged.
        """
        return Columns(*from_json(text))

    def __str__(self) -> str:
        return printed(self.table)
