"""Reading a table from a file of any kind that tables come in; every other kind is named.

What the file is, `fastnn.file_kinds` tells from its first bytes; for each kind of table there is a
reader, imported when there is such a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, cast

from fastnn.datasets.columns import Columns
from fastnn.datasets.known_columns import KnownColumns
from fastnn.datasets.sources import Source, opened
from fastnn.datasets.split import Split
from fastnn.datasets.tables import Table
from fastnn.file_kinds import zip_members
from fastnn.memory_budget import memory_errors_of
from fastnn.trained_on import TrainedOn

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".data")

Label = str | int | None


def read_table(
    path: str | os.PathLike[str],
    *,
    label: str | int | None = None,
    header: bool | None = None,
    trained_on: TrainedOn | None = None,
) -> Table:
    """Read features and labels from a CSV, NPZ or Parquet file.

    A CSV file is UTF-8 text, one row a line, separated by comma, semicolon or tab (whichever the
    first line has most of), cells quoted or not. Every cell but the label must be a finite number.
    A first column without a name that numbers or names the rows, as pandas and R write it, is left
    out; the table's `notes` say so. Parquet needs Polars, or pandas with PyArrow.

    An NPZ file has arrays ``x`` and ``y``, or ``x_train`` and ``y_train`` with perhaps ``x_test``,
    ``y_test``, ``x_validation`` and ``y_validation``. Rows of more than one dimension, as images
    are, become flat; one-hot labels become integers. Nothing is ever unpickled.

    Files may be packed by gzip, bzip2 or xz, and a CSV file may lie alone in a zip file. A pipe is
    read once. Other kinds of files are refused by name, with what to do.

    Parameters
    ----------
    path : str or os.PathLike
        Its kind is told by its first bytes. "-" is standard input.
    label : str or int, optional
        The label column of a CSV or Parquet file: its name in the header, or its index, from the
        end if negative; a string of digits is an index if no column is called that. By default a
        column called label, target, class, species or y in the header (y between other columns is
        not taken beside a column x), or else the last column; the table's `label_reason` says
        which. False reads a file without labels, to predict on: every column is a feature then.
    header : bool, optional
        Whether the first line of a CSV file names the columns. By default it does if none of its
        cells is a number, or if they count the columns from 0, as pandas does, and the rows below
        are written otherwise.
    trained_on : TrainedOn, optional
        The `Network.trained_on` of a network that the rows are for. If it knows the names of its
        columns, a file with names is matched by them: the features come in the network's order, and
        its label is the label, or left out with ``label=False``. A file without names, and an NPZ,
        are read as ever.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If the file is not such a table; for a CSV, the message names the line and the column. If
        the first line may be a header or not; if the last column would be the label of rows that
        look like pictures with their label in front; if it lacks known columns or has others. If it
        takes more memory than `fastnn.memory_budget` allows a file of its size, or than is free.
    TypeError
        If label or header is of the wrong kind.
    OSError
        If the file cannot be opened or read.
    ImportError
        If it is a Parquet file and nothing that reads such is installed.
    """
    if label is True or not isinstance(label, str | int | None):
        raise TypeError(f"label must be a column's name or index, or False for none, got {label!r}")
    if not isinstance(header, bool | None):
        raise TypeError(f"header must be True, False or None, got {header!r}")
    with opened(path) as source, memory_errors_of(source.name):
        kind = "csv" if source.kind is None else source.kind.key
        if kind == "zip":
            kind = _kind_in_zip(source)
        if kind == "npz" or source.path.suffix.lower() == ".npz":
            return _npz_table(source, label)
        if kind not in COLUMN_READERS:
            raise source.refused()
        known = KnownColumns()
        if trained_on is not None:
            known = KnownColumns(trained_on.feature_names, trained_on.label_name)
        columns = COLUMN_READERS[kind](source, label, header, known)
    return Table(
        source.path.stem,
        columns.features,
        columns.labels,
        columns.feature_names,
        columns.label_name,
        has_names=columns.has_names,
        label_reason=columns.label_reason,
        notes=columns.notes,
    )


def _csv(source: Source, label: Label, header: bool | None, known: KnownColumns) -> Columns:
    from fastnn.datasets.csv_table import read_csv  # here, for a quick `import fastnn`

    return read_csv(source, label, header, known)


def _csv_in_zip(source: Source, label: Label, header: bool | None, known: KnownColumns) -> Columns:
    import zipfile

    from fastnn.datasets.npz_table import said_of

    members = _texts(zip_members(source.stream))
    if len(members) != 1:
        raise ValueError(
            f"{source.name} is a zip file with {len(members)} tables, {', '.join(members[:5])}: "
            "unpack it and name one"
        )
    with (
        said_of(source.name, "a zip file"),
        zipfile.ZipFile(source.stream) as archive,
        archive.open(members[0]) as stream,
    ):
        member = replace(
            source, name=f"{source.name}, {members[0]}", stream=cast(BinaryIO, stream), kind=None
        )
        return _csv(member, label, header, known)


def _parquet(source: Source, label: Label, header: bool | None, known: KnownColumns) -> Columns:
    from fastnn.datasets.parquet_table import read_parquet

    return read_parquet(source, label, header, known)


COLUMN_READERS: dict[str, Callable[[Source, Label, bool | None, KnownColumns], Columns]] = {
    "csv": _csv,
    "csv in zip": _csv_in_zip,
    "parquet": _parquet,
}


def _texts(members: list[str]) -> list[str]:
    return [
        name
        for name in members
        if name.lower().endswith(TEXT_SUFFIXES) and not name.startswith("__MACOSX/")
    ]


def _kind_in_zip(source: Source) -> str:
    """Return what a zip file holds: text, or else what is read, or refused, as an NPZ."""
    members = zip_members(source.stream)
    source.stream.seek(0)
    if _texts(members):
        return "csv in zip"
    return "npz" if source.path.suffix.lower() != ".zip" or not members else "zip"


def _npz_table(source: Source, label: Label) -> Table:
    if label is not None and label is not False:
        raise ValueError(
            f"{source.name}: label={label!r} names a column of a CSV; an NPZ has its array y"
        )
    from fastnn.datasets.npz_table import read_npz

    parts = read_npz(source.stream, source.name, source.budget, with_labels=label is None)
    x, y = parts["all"] if "all" in parts else parts["train"]

    def own(part: str) -> Split | None:
        part_x, part_y = parts.get(part, (x[:0], None))
        return None if part_y is None else Split(part_x, part_y)

    names = tuple(f"column {i + 1}" for i in range(x.shape[1]))
    label_name = None if y is None else "y"
    return Table(source.path.stem, x, y, names, label_name, own("validation"), own("test"))
