"""Reading Parquet files with Polars or pandas, whichever is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.datasets.readers.columns import Columns, are_distinct, left_out, name_rows, row_numbers
from fastnn.datasets.readers.known_columns import KnownColumns
from fastnn.datasets.readers.label_column import check_guess, label_column
from fastnn.datasets.readers.parquet_footer import promise_of, read_footer
from fastnn.datasets.readers.parquet_sizes import check_sizes
from fastnn.datasets.readers.sources import Source
from fastnn.tabular.identifiers import is_written_for_rows
from fastnn.validation.parameters import parameter
from fastnn.validation.values import shortened, words_of

BYTES_OF_A_VALUE = 16  # in a frame: 8 of a number, 16 of a view of text
BYTES_OF_A_TEXT = 80  # as an object, beside its characters
TEXT_DTYPES = ("String", "str", "string")  # Polars', and pandas'
SPARE_COLUMNS = 8  # of numbers: the label's, and what is sorted or converted on the way

Array = NDArray[Any]


def read_parquet(source: Source, label: str | int | None, known: KnownColumns) -> Columns:
    """Read a Parquet file; `fastnn.datasets.read_table` describes the arguments."""
    frame = parquet_frame(source)
    names = [str(name) for name in frame.columns]
    if not names or not len(frame):
        raise ValueError(f"{source.name} has {len(names)} columns and {len(frame)} rows: empty")
    wanted = known.label_of(label, names, source.name)
    column = label_column(wanted, names, len(names), source.name)
    features = [i for i in range(len(names)) if i != column.index]
    notes = []
    for i in [i for i in features if is_written_for_rows(names[i])]:
        cells = [str(value) for value in _values(frame, i, source).tolist()]
        if len(features) > 1 and names[i] not in (known.features or ()) and name_rows(cells):
            features.remove(i)
            notes.append(left_out(i + 1, names[i]))
    order = known.order([names[i] for i in features], [False] * len(features), source.name)
    features = [features[i] for i in order]
    n_rows = len(frame)
    source.budget.take(
        8 * n_rows * (len(features) + SPARE_COLUMNS),
        f"its columns become numbers, float64 {(n_rows, len(features))}",
    )
    x = np.empty((n_rows, len(features)))
    for column_of_x, i in enumerate(features):
        x[:, column_of_x] = _numbers(frame, i, names[i], source)
    feature_names = tuple(names[i] for i in features)
    labels = None
    if column.index is not None and label is not False:
        labels = _labels(frame, column.index, names[column.index], source)
        if column.by_position:
            check_guess(x, labels, source.name, has_names=True)
        notes += row_numbers(x, feature_names)
    return Columns(
        x,
        labels,
        feature_names,
        None if labels is None else names[column.index],  # type: ignore[index]
        column.reason,
        are_distinct(names),
        tuple(notes),
    )


def parquet_frame(source: Source) -> Any:
    """Return a file as a frame of Polars or pandas, whose memory is counted before it is read.

    Raises
    ------
    ValueError
        If it cannot be read, or is too large.
    ImportError
        If neither is installed.
    """
    _take_frame(source)
    return _frame(source)


def _take_frame(source: Source) -> None:
    """Count the memory stated in the footer, and check it against the file.

    A frame takes 16 bytes per value, and all text, uncompressed.
    """
    with _said_of(source):
        footer = read_footer(source.stream)
        n_rows, n_columns, n_bytes = promise_of(footer)
    source.budget.take(
        BYTES_OF_A_VALUE * n_rows * n_columns + n_bytes,
        f"it states {n_rows} rows of {n_columns} columns, {n_bytes} bytes uncompressed",
    )
    with _said_of(source):
        check_sizes(source.stream, footer)


@contextmanager
def _said_of(source: Source) -> Iterator[None]:
    """Name the file in errors about its metadata."""
    try:
        yield
    except ValueError as error:
        raise ValueError(
            f"{source.name} cannot be read as Parquet: {error}; it is damaged or of an unusual kind"
        ) from None


def _frame(source: Source) -> Any:
    for package in ("polars", "pandas"):
        try:
            return import_module(package).read_parquet(source.stream)
        except ImportError:  # the package, or what pandas reads such files with
            continue
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # Polars' panics are no Exception
            raise ValueError(
                f"{source.name} cannot be read as Parquet ({type(error).__name__}: "
                f"{words_of(error)}); it is damaged or of an unusual kind"
            ) from None
    raise ImportError(
        f"{source.name} is a Parquet file, which needs Polars, or pandas with PyArrow: pip install "
        "polars; or convert it to CSV"
    )


def _values(frame: Any, i: int, source: Source) -> Array:
    column = frame[frame.columns[i]]
    if str(column.dtype) in TEXT_DTYPES:  # equal cells, one in the frame, are many objects
        lengths = column.str.len_chars() if hasattr(column.str, "len_chars") else column.str.len()
        n_bytes = BYTES_OF_A_TEXT * len(column) + int(lengths.sum())
        source.budget.check(n_bytes, f"column {i + 1} is text, {int(lengths.sum())} characters")
    values: Array = np.asarray(column.to_numpy())
    return values


def _numbers(frame: Any, i: int, name: str, source: Source) -> NDArray[np.float64]:
    values = _values(frame, i, source)
    where = f"{source.name}, column {i + 1} ({shortened(name)})"
    if values.dtype.kind not in "biuf":
        nulls = values.dtype.kind == "O" and any(value is None for value in values)
        hint = "fill its empty cells" if nulls else "one-hot encode it (pandas.get_dummies)"
        raise ValueError(
            f"{where}: got {_shown(values)}, expected numbers; {hint}, remove it, or make it "
            f"the label: {parameter('label', i if shortened(name) != name else name)}"
        )
    numbers = values.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(
            f"{where}: got {numbers[row]} in row {row}, expected a finite number; "
            f"{np.count_nonzero(~finite)} of {len(numbers)} rows have none there. Fill such cells, "
            "for example with the median, or remove their rows or the column"
        )
    return numbers


def _labels(frame: Any, i: int, name: str, source: Source) -> Array:
    values = _values(frame, i, source)
    kind = values.dtype.kind
    if kind in "fiub":
        numbers = _numbers(frame, i, name, source)
        whole = kind != "f" and np.abs(numbers).max() < 2**53
        return numbers.astype(np.int64) if whole else numbers
    if kind in "TU" or (kind == "O" and all(isinstance(value, str) for value in values)):
        longest = max(map(len, values))
        reason = f"its labels become text, {len(values)} of up to {longest} characters"
        source.budget.take(4 * longest * len(values), reason)
        return values.astype(f"U{max(1, longest)}")
    raise ValueError(
        f"{source.name}, column {i + 1} ({shortened(name)}): got {_shown(values)}, expected labels "
        "that are text or numbers, one in each row"
    )


def _shown(values: Array) -> str:
    odd = next((value for value in values if not isinstance(value, str)), values[0])
    return "an empty cell" if odd is None else f"{odd!r:.40}"
