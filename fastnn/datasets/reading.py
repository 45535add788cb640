"""Reading a table from a file of any kind that tables come in; every other kind is named.

What the file is, its first bytes tell; `fastnn.datasets.readers.formats` has a reader for each.
"""

from __future__ import annotations

import os

from fastnn.datasets.readers.formats import check_options, table_format
from fastnn.datasets.readers.known_columns import KnownColumns, Names
from fastnn.datasets.readers.sources import opened
from fastnn.datasets.readers.zipped import unzipped
from fastnn.datasets.tables import Table
from fastnn.system.memory_budget import memory_errors_of


def read_table(
    path: str | os.PathLike[str],
    *,
    label: str | int | None = None,
    header: bool | None = None,
    trained_on: Names | None = None,
) -> Table:
    """Read features and labels from a CSV, NPZ or Parquet file.

    A CSV file is UTF-8 text, one row a line, separated by comma, semicolon or tab (whichever the
    first line has most of), cells quoted or not. Every cell but the label must be a finite number;
    columns of True and False, as pandas.get_dummies makes them, are read as 1 and 0, and noted.
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
        takes more memory than `fastnn.system.memory_budget` allows a file of its size, or than is
        free.
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
    known = KnownColumns()
    if trained_on is not None:
        known = KnownColumns(trained_on.feature_names, trained_on.label_name)
    with opened(path) as packed, memory_errors_of(packed.name), unzipped(packed) as source:
        found = table_format(source)
        check_options(source, found, label, header)
        return found.read(source, label, header, known)
