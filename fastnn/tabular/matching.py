"""Matching the columns of a table with those that were trained on."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Protocol

from fastnn.tabular.frame import Column, Frame
from fastnn.tabular.identifiers import is_of_rows
from fastnn.tabular.names import near
from fastnn.validation.frames import check_numbered_columns, some
from fastnn.validation.values import shortened


class Known(Protocol):
    """A column of the training table."""

    @property
    def name(self) -> str:
        """Its name."""


class Trained(Protocol):
    """What is known of the training table."""

    @property
    def table(self) -> tuple[Known, ...]:
        """All its columns."""

    @property
    def has_names(self) -> bool:
        """Whether they have names."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are read."""


def matched(trained: Trained, frame: Frame, ignored: Collection[str]) -> list[Column | None]:
    """Return the column of a frame for each of the training table; None for one left out.

    By name if both have names, else by position. Columns of row numbers, as pandas and R write
    them, are ignored without a warning: readers of files drop them.

    Raises
    ------
    ValueError
        If a column that is read is missing; or if a table without names has another number of
        columns.

    Warns
    -----
    UserWarning
        If a column is unknown, which is ignored.
    """
    if not (trained.has_names and frame.has_names):
        if frame.has_names:
            check_numbered_columns(frame.names)
        if len(frame.columns) != len(trained.table):
            raise ValueError(
                f"x must have the {len(trained.table)} columns of the training table, in its "
                f"order, {some([column.name for column in trained.table])}: got "
                f"{len(frame.columns)} columns without names"
            )
        return list(frame.columns)
    found = {column.name: column for column in frame.columns}
    missing = [name for name in trained.names if name not in found]
    known = {*ignored, *(column.name for column in trained.table)}
    unknown = [name for name in found if name not in known]
    if missing:
        also = f" and also has {some(unknown)}" if unknown else ""
        raise ValueError(
            f"x must have the columns that were trained on, {some(trained.names)}, in any order: "
            f"it lacks {_listed(missing, unknown)}{also}"
        )
    unknown = [name for name in unknown if not is_of_rows(name)]
    if unknown:
        columns = "a column" if len(unknown) == 1 else "columns"
        warnings.warn(
            f"x also has {columns} that the network was not trained on, {some(unknown)}: ignored",
            UserWarning,
            stacklevel=3,
        )
    return [found.get(column.name) for column in trained.table]


def _listed(missing: list[str], unknown: list[str]) -> str:
    """Return the names of missing columns, each with the unknown one most like it."""
    words = []
    for name in missing[:6]:
        like = near(name, unknown)
        words.append(shortened(repr(name)) + (f" (is it {like!r}?)" if like is not None else ""))
    others = f" and {len(missing) - 6} others" if len(missing) > 6 else ""
    return ", ".join(words) + others
