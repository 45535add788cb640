"""Reading a table from a file; errors for other files name their format.

The format is detected from the first bytes; `fastnn.datasets.readers.formats` has the readers.
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

    A CSV file is UTF-8 text, one row per line, separated by comma, semicolon or tab (whichever is
    most frequent in the first line), with or without quotes. Every cell but the label must be a
    finite number; columns of True and False, as written by pandas.get_dummies, are read as 1 and 0,
    with a note. An unnamed first column with row numbers or names, as written by pandas and R, is
    left out, also with a note in the table's `notes`. Parquet needs Polars, or pandas with PyArrow.

    An NPZ file has arrays ``x`` and ``y``, or ``x_train`` and ``y_train`` and optionally
    ``x_test``, ``y_test``, ``x_validation`` and ``y_validation``. Rows with several dimensions,
    such as images, are flattened; one-hot labels become integers. Nothing is ever unpickled.

    Files may be compressed with gzip, bzip2 or xz, or be a zip file with a single CSV file. A pipe
    is read once. For other files the error names the format and what to do.

    Parameters
    ----------
    path : str or os.PathLike
        The format is detected from the first bytes. "-" is standard input.
    label : str or int, optional
        The label column of a CSV or Parquet file: its name in the header, or its index, from the
        end if negative; a string of digits is an index if no column has that name. By default the
        column called label, target, class, species or y in the header (but not y between other
        columns if there is an x), otherwise the last column; the table's `label_reason` explains
        the choice. False reads all columns as features, for prediction.
    header : bool, optional
        Whether the first line of a CSV file contains the column names. By default it does if none
        of its cells is a number, or if they number the columns from 0, as in pandas, and the rows
        below have another form.
    trained_on : TrainedOn, optional
        The `Network.trained_on` of the network that the rows are for. If it has column names, a
        file with names is matched by name: the features are returned in the network's order, and
        its label is the label, or left out with ``label=False``. Files without names and NPZ files
        are read as usual.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If the file is not such a table; for CSV, the message gives line and column. If
        it is unclear whether the first line is a header; if the last column would be the label of
        rows that look like images with the label first; if columns are missing or unknown. If it
        needs more memory than `fastnn.system.memory_budget` allows for a file of its size, or than
        is free.
    TypeError
        If label or header has the wrong type.
    OSError
        If the file cannot be opened or read.
    ImportError
        If it is a Parquet file and no package to read it is installed.
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
