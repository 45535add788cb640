"""`read`: files as Dask collections, rows and their labels, read where they are computed."""

from __future__ import annotations

import math
import os
from typing import Any

from fastnn.cluster.tasks import checked_client
from fastnn.dask.arrays import chunked, flat, npy_files, zarr_arrays
from fastnn.dask.files import check_seen, current_client, files_of
from fastnn.dask.frames import csv_table, parquet_table
from fastnn.dask.tables import Table
from fastnn.datasets.readers.formats import CSV, PARQUET
from fastnn.system.packages import imported
from fastnn.validation import check_count
from fastnn.validation.parameters import parameter


def read(
    path: Any,
    *,
    label: str | int | None = None,
    targets: Any = None,
    header: bool | None = None,
    partitions: int | None = None,
    client: Any = None,
) -> tuple[Any, Any]:
    """Return the rows in files and their labels as Dask collections, for `fastnn.dask.fit`.

    Nothing is read yet but headers. Each task reads its own part, so the files must lie where all
    workers see them under the same path: on a shared file system, or at a URL.

    Parameters
    ----------
    path : path-like, sequence of them, or array with chunks
        A file, a folder of files, a pattern such as ``"rows/*.csv"``, or a URL that fsspec can
        open: Parquet, CSV, NPY (also a folder written by `dask.array.to_npy_stack`) or Zarr. Files
        of a folder are read in natural order (2 before 10). Or an array with ``.shape``, ``.dtype``
        and ``.chunks``, such as Zarr's. Rows of several dimensions are flattened.
    label : str or int, optional
        The label column of Parquet or CSV files, chosen as by `fastnn.datasets.read_table`: by
        default the column called label, target, class, species or y, otherwise the last. False
        takes all columns as features.
    targets : the same as path, optional
        The labels of rows in NPY or Zarr. A Zarr group with arrays x and y holds both.
    header : bool, optional
        Whether the first line of each CSV file names the columns; by default that is detected.
    partitions : int, optional
        The least number of partitions. By default 8, fewer if one would have less than 1 MB. Files
        and row groups of Parquet are not joined, and pieces of NPY files and Zarr have at most
        128 MB; the pieces of Zarr are whole chunks, unless chunks are much larger.
    client : distributed.Client, optional
        Whose workers must see the files; by default those of the current one, if there is one.

    Returns
    -------
    x : dask dataframe or array (n_rows, n_features)
    y : dask series or array (n_rows,) or (n_rows, n_out), or None
        None without labels. Cut at the same rows.

    Raises
    ------
    ImportError
        If Dask, or what reads the format, is not installed.
    FileNotFoundError
        If there is no such file here, or a worker does not see it.
    TypeError, ValueError
        If the files are not such a table: of several kinds or columns, with columns that are no
        numbers, without the label; or if x and the targets differ in their numbers of rows.

    Examples
    --------
    >>> import fastnn.dask
    >>> x, y = fastnn.dask.read("s3://bucket/clicks/", label="clicked")  # doctest: +SKIP
    >>> x, y = fastnn.dask.read("x.npy", targets="y.npy")  # doctest: +SKIP
    """
    table = read_table(
        path, label=label, targets=targets, header=header, partitions=partitions, client=client
    )
    return table.x, table.y


def read_table(
    path: Any,
    *,
    label: Any = None,
    targets: Any = None,
    header: bool | None = None,
    partitions: int | None = None,
    client: Any = None,
) -> Table:
    """Return the same with names, and what was inferred."""
    imported("dask", "dask")
    if label is True or not isinstance(label, str | int | None):
        raise TypeError(f"label must be a column's name or index, or False for none, got {label!r}")
    least = None if partitions is None else check_count("partitions", partitions)
    client = current_client(None if client is None else checked_client(client))
    given = {"label": None if label is False else label, "header": header}
    if not _is_path(path):
        _refuse(given, "an array", "Parquet and CSV files")
        return _of_arrays("x", flat(chunked(path, least)), targets, least, client)
    files = files_of(path)
    check_seen(client, files)
    if files.kind in (PARQUET.key, CSV.key):
        if targets is not None:
            raise ValueError(
                f"{parameter('targets')} is for NPY files and Zarr, but {files.name} has its label "
                f"in a column: {parameter('label')} selects it"
            )
        if files.kind == PARQUET.key:
            _refuse({"header": header}, files.name, "CSV files")
            return parquet_table(files, label, least, client)
        return csv_table(files, label, header, least, client)
    _refuse(given, files.name, "Parquet and CSV files")
    if files.kind != "zarr":
        return _of_arrays(files.name, flat(npy_files(files, least)), targets, least, client)
    x, y = zarr_arrays(files, least)
    if y is not None and targets is not None:
        raise ValueError(f"{files.name} has its own y: leave out {parameter('targets')}")
    return _of_arrays(files.name, flat(x), y if targets is None else targets, least, client)


def _refuse(given: dict[str, Any], name: str, where: str) -> None:
    for option, value in given.items():
        if value is not None:
            raise ValueError(f"{parameter(option, value)} is for {where}, but the data are {name}")


def _is_path(path: Any) -> bool:
    if isinstance(path, list | tuple):
        return all(map(_is_path, path))
    return isinstance(path, str | os.PathLike)


def _of_arrays(name: str, x: Any, targets: Any, least: int | None, client: Any) -> Table:
    """Return a table of an array, and of its targets if there are any."""
    names = tuple(f"column {i + 1}" for i in range(x.shape[1]))
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {x.dtype}; expected numbers")
    if targets is None:
        return Table(name, x, None, names)
    y_name, y = "the targets", targets
    if _is_path(targets):
        files = files_of(targets)
        check_seen(client, files)
        if files.kind in (PARQUET.key, CSV.key):
            raise ValueError(f"{parameter('targets')} must be NPY files or Zarr, got {files.name}")
        y_name = files.name
        y = zarr_arrays(files, 1)[0] if files.kind == "zarr" else npy_files(files, 1)
    else:
        y = chunked(y, 1)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2):
        raise ValueError(
            f"{y_name} has shape {y.shape}; expected one label for each of {x.shape[0]} rows"
        )
    known = not (math.isnan(x.shape[0]) or math.isnan(y.shape[0]))
    if known and x.shape[0] != y.shape[0]:
        raise ValueError(
            f"{name} has {x.shape[0]} rows, but {y_name} has {y.shape[0]}: there must be one for "
            "each row"
        )
    y = y.rechunk({0: x.chunks[0], **({1: -1} if y.ndim == 2 else {})}) if known else y
    return Table(name, x, y, names, "y")
