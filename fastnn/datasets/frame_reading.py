"""Reading a table with mixed columns from a file."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from fastnn.datasets.readers.sources import Source, opened
from fastnn.datasets.readers.zipped import unzipped
from fastnn.system.file_kinds import BY_KEY
from fastnn.system.memory_budget import memory_errors_of
from fastnn.tabular.frame import NOTATIONS, Column, Frame, Kind
from fastnn.tabular.kinds import as_kind, not_read
from fastnn.validation.parameters import parameter
from fastnn.validation.values import check_choice, check_instance, describe

if TYPE_CHECKING:
    from fastnn.datasets.mixed.options import Options


def read_frame(
    path: str | os.PathLike[str],
    *,
    kinds: Mapping[str, Kind] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    missing: str | Collection[str] = (),
    day_first: bool | None = None,
    encoding: str | None = None,
    notations: Mapping[str, str] | None = None,
    as_is: Collection[str] = (),
    drop: Collection[str] | Callable[[Sequence[str]], Collection[str]] = (),
) -> Frame:
    """Read a table with columns of numbers, flags, text and times from a text or Parquet file.

    A text file has one row per line, and cells separated by comma, semicolon, tab, ``|`` or
    spaces, with or without quotes; or it is ARFF. Delimiter, header, decimal comma, encoding and
    the kind of each column are inferred from the whole file. The `notes` of the frame and the
    `note` of a column say what was guessed, and which argument changes it.

    A column holds numbers (also 1,234.5, 12% or $5, without the sign), flags (true and false, yes
    and no, t and f, y and n), times (dates of one form, with or without a time of day), or else
    text. Numbers with leading zeros or over 2**53 are text, as they are codes. Times of day are
    numbers, in hours.

    Cells that are empty, ``?``, NA, N/A, NaN, null, None, nil, ``-``, ``.`` or an error of Excel,
    in upper or lower case, are missing. In columns of text, only empty cells, ``?``, NA, N/A, NaN,
    null and None as programs write them are; others, such as none or ``-``, are categories.

    An unnamed first column with row numbers or names, as written by pandas and R, is left out.

    Files may be compressed with gzip, bzip2 or xz, or be a zip file with a single text file.

    Parameters
    ----------
    path : str or os.PathLike
        The format is detected from the first bytes. "-" is standard input.
    kinds : mapping of str to {"number", "flag", "text", "time"}, optional
        The kinds of some columns. A cell of another kind is an error. Text stays as it is written,
        without surrounding spaces.
    header : bool, optional
        Whether the first line contains the column names. By default it does if it holds no values:
        no numbers, no times, nothing that occurs again below it.
    delimiter : str, optional
        What separates cells, one character; a space means spaces and tabs of any number.
    decimal : {".", ","}, optional
        What is written before decimals.
    missing : str or collection of str, optional
        Further cells that are missing values, such as "unknown" or "-999"; exactly as written,
        except that numbers are compared as numbers.
    day_first : bool, optional
        Whether 1/2/2020 is the first of February, where no date of a column decides.
    encoding : str, optional
        By default a byte order mark decides, otherwise it is UTF-8 or, if the file is not,
        Windows-1252.
    notations : mapping of str to {".", ",", "day first", "month first"}, optional
        How numbers or dates of some columns were written in another file, as `Column.notation` of
        its columns. It is used where nothing in this file decides; a column that is written
        otherwise is read so, and named in the notes.
    as_is : collection of str, optional
        Columns of text whose cells are all kept, such as NA; only empty ones are missing.
    drop : collection of str, or callable
        Columns that are not looked at, whatever they hold, or a function that returns them, given
        the names of all. They remain in the frame as text, all of it missing.

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If the file is not such a table; the message names its format, or the line and column. If it
        is unclear whether the first line is a header. If dates of a column in `kinds` could begin
        with the day or the month. If it needs more memory than `fastnn.system.memory_budget` allows
        for a file of its size, or than is free.
    TypeError
        If an argument has the wrong type.
    OSError
        If the file cannot be opened or read.
    ImportError
        If it is a Parquet file and no package to read it is installed.

    Examples
    --------
    >>> frame = read_frame("houses.csv", kinds={"zip": "text"})  # doctest: +SKIP
    >>> [(column.name, column.kind) for column in frame.columns]  # doctest: +SKIP
    [('zip', 'text'), ('rooms', 'number'), ('sold', 'time')]
    """
    from fastnn.datasets.mixed.options import Options  # here, for a quick `import fastnn`

    kinds = _checked_kinds(kinds)
    for name, flag in (("header", header), ("day_first", day_first)):
        if flag is not None:
            check_instance(name, flag, bool, "True, False or None")
    if decimal is not None:
        check_choice("decimal", decimal, (".", ","))
    _check_delimiter(delimiter)
    _check_encoding(encoding)
    words = frozenset([missing] if isinstance(missing, str) else missing)
    for word in words:
        check_instance("missing", word, str, "text, or a collection of texts")
    notations = {} if notations is None else notations
    for name, notation in notations.items():
        check_choice(f"notations[{name!r}]", notation, NOTATIONS)
    options = Options(
        kinds, header, delimiter, decimal, day_first, words, notations, frozenset(as_is), drop
    )
    with opened(path) as packed, memory_errors_of(packed.name), unzipped(packed) as source:
        if source.kind is BY_KEY["parquet"]:
            return _read_parquet(source, options)
        _check_format(source)
        from fastnn.datasets.mixed.reading import read_text

        return read_text(source, options, encoding)


def _checked_kinds(kinds: Mapping[str, Kind] | None) -> Mapping[str, Kind]:
    if kinds is None:
        return {}
    check_instance("kinds", kinds, Mapping, "a mapping of column names to kinds")  # type: ignore[type-abstract]
    for name, kind in kinds.items():
        check_choice(f"kinds[{name!r}]", kind, get_args(Kind))
    return kinds


def _check_delimiter(delimiter: str | None) -> None:
    if delimiter is None:
        return
    check_instance("delimiter", delimiter, str, "one character")
    if len(delimiter) != 1 or delimiter in '"\r\n' or delimiter.isalnum():
        raise ValueError(f"delimiter must be one character such as ';', got {describe(delimiter)}")


def _check_encoding(encoding: str | None) -> None:
    if encoding is None:
        return
    check_instance("encoding", encoding, str, "the name of an encoding")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(
            f"encoding must be one that Python knows, such as 'utf-8' or 'cp1252', got {encoding!r}"
        ) from None


def _read_parquet(source: Source, options: Options) -> Frame:
    from fastnn.datasets.readers.parquet import parquet_frame

    for name in ("header", "delimiter", "decimal", "day_first", "missing"):
        if getattr(options, name) not in (None, frozenset()):
            raise ValueError(
                f"{source.name} is a Parquet file, but {parameter(name)} is for text files: omit it"
            )
    table = parquet_frame(source)
    names = list(map(str, table.columns))
    dropped = options.dropped(names)
    columns = [
        not_read(name, len(table))
        if name in dropped
        else _column_of_parquet(source, table[[key]], name, options)
        for name, key in zip(names, table.columns, strict=True)
    ]
    return Frame(tuple(columns), len(table))


def _column_of_parquet(source: Source, table: Any, name: str, options: Options) -> Column:
    """Return the only column of a frame of Polars or pandas; errors name the file."""
    from fastnn.tabular.frames import as_frame

    try:
        found: Column = replace(as_frame(table).columns[0], name=name)
        return as_kind(found, options.kinds.get(name, found.kind))
    except (TypeError, ValueError) as error:
        said, _, _ = str(error).partition(": ")
        raise type(error)(
            f"{source.name}{said.removeprefix('x')}: correct its cells, or leave the column out "
            f"with {parameter('drop', name)}"
        ) from None


def _check_format(source: Source) -> None:
    """Check that a file may be text.

    Raises
    ------
    ValueError
        If it has another format; the message names it, and what to do.
    """
    kind = source.kind
    if kind is None or kind.key == "arff":
        return
    if kind.for_table:
        raise source.refused()
    raise ValueError(
        f"{source.name} is {kind.name}, which holds arrays: read it with "
        "fastnn.datasets.read_table or fastnn.datasets.read_array"
    )
