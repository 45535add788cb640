"""Parquet and CSV files as Dask dataframes of features and their labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice
from typing import Any

from fastnn.dask.files import Files
from fastnn.dask.tables import Table, n_partitions
from fastnn.datasets.readers.columns import are_distinct, left_out
from fastnn.datasets.readers.csv import delimiter_of, header_or_not
from fastnn.datasets.readers.csv_header import SAMPLE_ROWS as HEADER_ROWS
from fastnn.datasets.readers.label_column import (
    SAMPLE_ROWS,
    LabelColumn,
    check_guess,
    label_column,
)
from fastnn.datasets.readers.sources import PACKED
from fastnn.system.packages import imported
from fastnn.system.printable import named
from fastnn.tabular.identifiers import is_written_for_rows
from fastnn.validation import frame_values
from fastnn.validation.frames import some
from fastnn.validation.parameters import parameter
from fastnn.validation.values import shortened

BYTES_OF_A_NUMBER = 8


def parquet_table(files: Files, label: Any, least: int | None, client: Any) -> Table:
    """Read Parquet files: a partition is a file, or a row group if there are few files.

    Raises
    ------
    ImportError
        If PyArrow is not installed.
    ValueError
        If they are damaged, or not such a table.
    """
    dd, pq = imported("dask.dataframe", "dask"), imported("pyarrow.parquet", "dask")
    n_rows, columns = 0, []
    for path in files.paths:
        with files.system.open(path, "rb") as file:
            try:
                of_file = pq.ParquetFile(file)
                n_rows += of_file.metadata.num_rows
                columns.append(of_file.schema_arrow.names)
            except (OSError, ValueError) as error:  # PyArrow's are of these kinds
                raise ValueError(f"{named(path)} cannot be read as Parquet: {error}") from None
    _check_alike(files, columns)
    if not n_rows:
        raise ValueError(f"{files.name} has {len(columns[0])} columns and no rows: empty")
    wanted = n_partitions(n_rows * len(columns[0]) * BYTES_OF_A_NUMBER, least)
    frame = dd.read_parquet(files.whole, index=False)
    if frame.npartitions < wanted:
        frame = dd.read_parquet(files.whole, index=False, split_row_groups=True)
    return _table(files, _cut(frame, wanted), label, client, has_header=True)


def csv_table(
    files: Files, label: Any, header: bool | None, least: int | None, client: Any
) -> Table:
    """Read CSV files, cut into blocks of bytes; compressed ones are a partition each.

    Raises
    ------
    ValueError
        If they are not such a table.
    """
    dd = imported("dask.dataframe", "dask")
    first, delimiter, has_header = _first_line(files, files.paths[0], header)
    columns = [first, *(_first_line(files, path, has_header)[0] for path in files.paths[1:])]
    if has_header:
        _check_alike(files, columns)
    is_packed = files.paths[0].lower().endswith(tuple(PACKED.values()))
    settings: dict[str, Any] = {
        "sep": delimiter,
        "blocksize": None if is_packed else _block_bytes(files.sizes, least),
    }
    if not has_header:
        names = [f"column {i}" for i in range(1, len(first) + 1)]
        settings |= {"header": None, "names": names}
    whole = files.whole if isinstance(files.whole, list) else files.paths
    if not files.is_local:
        whole = [files.system.unstrip_protocol(path) for path in files.paths]
    frame = dd.read_csv(whole, **settings)
    # a column of whole numbers in the first lines may have fractions, or be empty, further on
    whole_numbers = {n: "float64" for n, d in frame.dtypes.items() if d.kind in "iu"}
    column = _label_of(files, frame, label)
    if column.index is not None:
        whole_numbers.pop(frame.columns[column.index], None)
    frame = dd.read_csv(whole, dtype=whole_numbers, **settings)
    return _table(files, frame, label, client, has_header=has_header)


def _table(files: Files, frame: Any, label: Any, client: Any, *, has_header: bool) -> Table:
    """Return features and label of a frame."""
    names = [str(name) for name in frame.columns]
    column = _label_of(files, frame, label)
    features = [i for i in range(len(names)) if i != column.index]
    notes = []
    for i in [i for i in features if is_written_for_rows(names[i])]:
        if len(features) > 1:
            features.remove(i)
            notes.append(left_out(i + 1, names[i]))
    _check_numbers(files, frame, names, features)
    x = _selected(frame, [frame.columns[i] for i in features])
    y = None if column.index is None else _selected(frame, frame.columns[column.index])
    found = Table(
        files.name,
        x,
        y,
        tuple(names[i] for i in features),
        None if column.index is None else names[column.index],
        has_header and are_distinct(names),
        column.reason,
        tuple(notes),
    )
    if column.by_position:
        _check_guess(found, client)
    return found


def _selected(frame: Any, columns: Any) -> Any:
    """Return columns of a frame, cut as the frame is.

    ``frame[columns]`` of a Parquet file would not be: where Dask reads few columns, it joins
    partitions.
    """
    return frame.map_partitions(_columns, columns, meta=frame._meta[columns])


def _columns(part: Any, columns: Any) -> Any:
    return part[columns]


def _block_bytes(sizes: Sequence[int], least: int | None) -> int:
    """Return the bytes of a block; Dask cuts a file of n blocks and a part of one into n."""
    wanted = n_blocks = n_partitions(sum(sizes), least)
    while n_blocks < 2 * wanted:
        block = max(1, sum(sizes) // n_blocks)
        if sum(max(1, size // block) for size in sizes) >= wanted:
            break
        n_blocks += 1
    return block


def _label_of(files: Files, frame: Any, label: Any) -> LabelColumn:
    names = [str(name) for name in frame.columns]
    return label_column(label, names, len(names), files.name)


def _cut(frame: Any, wanted: int) -> Any:
    return frame.repartition(npartitions=wanted) if frame.npartitions < wanted else frame


def _check_alike(files: Files, columns: Sequence[Sequence[str]]) -> None:
    """Check that all files have the same columns, which Dask does not."""
    for path, names in zip(files.paths, columns, strict=True):
        if list(names) == list(columns[0]):
            continue
        ours, theirs = set(names), set(columns[0])
        if ours == theirs:
            what = "its columns in another order than"
        else:
            differing = [f"lacks {some(sorted(theirs - ours))}"] if theirs - ours else []
            differing += [f"has also {some(sorted(ours - theirs))}"] if ours - theirs else []
            what = f"other columns, it {' and '.join(differing)}, than"
        raise ValueError(
            f"{named(path)} has {what} {named(files.paths[0])}: all files must have the same "
            "columns in one order"
        )


def _check_numbers(files: Files, frame: Any, names: Sequence[str], features: Sequence[int]) -> None:
    for i in features:
        dtype = frame.dtypes.iloc[i]
        if getattr(dtype, "kind", "O") not in "biuf":
            raise ValueError(
                f"{files.name}, column {i + 1} ({shortened(names[i])}): got {dtype}, expected "
                "numbers; one-hot encode it (dask.dataframe.get_dummies), remove it, or make it "
                f"the label: {parameter('label', names[i])}"
            )


def _check_guess(table: Table, client: Any) -> None:
    """Check on some rows that the label is not the first column instead of the last."""
    head = table.nodes()[0]
    found = head.compute(scheduler="sync") if client is None else client.compute(head).result()
    x, y = (part.iloc[:SAMPLE_ROWS] for part in found[:2])
    values = frame_values(x).astype(float)
    labels = y.to_numpy()
    labels = labels.astype("U") if labels.dtype.kind not in "biuf" else labels
    if len(labels):
        check_guess(values, labels, table.name, has_names=table.has_names)


def _first_line(files: Files, path: str, header: bool | None) -> tuple[list[str], str, bool]:
    """Return the cells of the first line of a CSV file, the delimiter, and if it is a header."""
    with files.system.open(path, "rb", compression="infer") as file:
        lines = [line for line in islice(file, 1 + HEADER_ROWS) if line.strip()]
    if not lines:
        raise ValueError(f"{named(path)} has no lines; expected rows of numbers")
    delimiter = delimiter_of(lines[0])
    text = io.StringIO(b"".join(lines).decode("utf-8-sig", errors="replace"))
    rows = list(enumerate(csv.reader(text, delimiter=delimiter), start=1))
    cells = rows[0][1]
    return cells, delimiter, header_or_not(cells, rows[1:], header, named(path), 1)
