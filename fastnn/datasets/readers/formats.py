"""The table of data formats, used by readers, the command line and errors.

The magic bytes of a format are in `fastnn.system.file_kinds`, under the same key, with those of
formats without a reader. Readers are imported on first use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from numpy.typing import NDArray

from fastnn.datasets.readers.known_columns import KnownColumns
from fastnn.datasets.readers.sources import PACKED, Source
from fastnn.datasets.tables import Table
from fastnn.system.file_kinds import BY_KEY, FileKind, kind_of, zip_members
from fastnn.system.memory_budget import Budget
from fastnn.validation.parameters import Value, parameter

Label = str | int | None
Option = Literal["label", "header", "targets"]


@dataclass(frozen=True)
class Format:
    """A row of the table below.

    Parameters
    ----------
    key : str
        The key in `file_kinds`; CSV is text, which has no magic bytes and no row there.
    name : str
        Name in errors and help.
    endings : tuple of str
        File extensions in lower case, in addition to those in `file_kinds`.
    labels : {"column", "array"} or None
        Where the labels are; None if they are in a separate file.
    options : tuple of str
        Parameters of `read_table` and options of the command line that apply to it.
    """

    key: str
    name: str
    endings: tuple[str, ...]
    labels: Literal["column", "array"] | None
    options: tuple[Option, ...]

    @property
    def kind(self) -> FileKind | None:
        """Its row in `file_kinds`; None for text."""
        return BY_KEY.get(self.key)

    @property
    def described(self) -> str:
        """Name of such a file in messages, with its article."""
        return self.kind.name if self.kind else f"a {self.name} file"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All file extensions."""
        return (*(self.kind.suffixes if self.kind else ()), *self.endings)


@dataclass(frozen=True)
class TableFormat(Format):
    """Rows with their labels: ``read(source, label, header, known)``, as for `read_table`."""

    read: Callable[[Source, Label, bool | None, KnownColumns], Table]


@dataclass(frozen=True)
class ArrayFormat(Format):
    """One array without labels: ``read(file, path, budget)``, which maps large files."""

    read: Callable[[BinaryIO, Path, Budget], NDArray[Any]]


def _csv(source: Source, label: Label, header: bool | None, known: KnownColumns) -> Table:
    from fastnn.datasets.readers.csv import read_csv  # here, for a quick `import fastnn`

    return read_csv(source, label, header, known).table(source.path.stem)


def _npz(source: Source, label: Label, header: bool | None, known: KnownColumns) -> Table:
    from fastnn.datasets.readers.npz import read_npz_table

    return read_npz_table(source, with_labels=label is not False)


def _parquet(source: Source, label: Label, header: bool | None, known: KnownColumns) -> Table:
    from fastnn.datasets.readers.parquet import read_parquet

    return read_parquet(source, label, known).table(source.path.stem)


def _npy(file: BinaryIO, path: Path, budget: Budget) -> NDArray[Any]:
    from fastnn.datasets.readers.npy import read_npy

    return read_npy(file, path, budget)


def _idx(file: BinaryIO, path: Path, budget: Budget) -> NDArray[Any]:
    from fastnn.datasets.readers.idx import map_idx

    return map_idx(file, path, budget)


CSV = TableFormat(
    "csv", "CSV", (".csv", ".tsv", ".txt", ".data"), "column", ("label", "header"), _csv
)
NPZ = TableFormat("npz", "NPZ", (), "array", (), _npz)
PARQUET = TableFormat("parquet", "Parquet", (), "column", ("label",), _parquet)
NPY = ArrayFormat("npy", "NPY", (), None, ("targets",), _npy)
IDX = ArrayFormat(
    "idx",
    "IDX",
    ("-ubyte", *(f"{ending}.gz" for ending in (*BY_KEY["idx"].suffixes, "-ubyte"))),
    None,
    ("targets",),
    _idx,
)

FORMATS: tuple[TableFormat | ArrayFormat, ...] = (CSV, NPZ, PARQUET, NPY, IDX)


# -- which a file is ------------------------------------------------------------------------------


def format_by_name(path: str | os.PathLike[str]) -> TableFormat | ArrayFormat | None:
    """Return the format by the name of a file, or None; a table may also be compressed."""
    name = os.fspath(path).lower()
    for found in FORMATS:
        packings = ("", *PACKED.values()) if isinstance(found, TableFormat) else ("",)
        if name.endswith(tuple(end + packing for end in found.suffixes for packing in packings)):
            return found
    return None


def holds_one_array(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is an array without labels, by its name."""
    return isinstance(format_by_name(path), ArrayFormat)


def table_format(source: Source) -> TableFormat:
    """Return the format of a table, by its bytes.

    Raises
    ------
    ValueError
        If the file has another format; the message names it, and what to do.
    """
    key = CSV.key if source.kind is None else source.kind.key
    is_npz_by_name = format_by_name(source.path) is NPZ
    if (key == CSV.key and is_npz_by_name) or (key == "zip" and not _is_archive(source)):
        key = NPZ.key  # truncated, empty, or not named as an archive: its reader raises the error
    found = next((f for f in FORMATS if f.key == key), None)
    if isinstance(found, TableFormat):
        return found
    if found is None:
        raise source.refused()
    raise ValueError(
        f"{source.name} is {found.described}, a single array: read it and "
        "its labels with fastnn.datasets.read_arrays, or on the command line give the file of "
        f"labels, --targets FILE, and use the extension {found.suffixes[0]} for the file of rows"
    )


def _is_archive(source: Source) -> bool:
    members = zip_members(source.stream)
    source.stream.seek(0)
    return bool(members) and source.path.suffix.lower() == ".zip"


def array_format(path: Path, head: bytes) -> ArrayFormat:
    """Return the format of an array, by its first bytes, or otherwise by its name.

    Raises
    ------
    ValueError
        If the file has another format.
    """
    arrays = [found for found in FORMATS if isinstance(found, ArrayFormat)]
    for found in arrays:
        if found.kind and re.match(found.kind.begins, head):
            return found
    by_name, kind = format_by_name(path), kind_of(head, path)
    if isinstance(by_name, ArrayFormat):  # its reader raises the error
        return by_name
    if kind is BY_KEY["gzip"]:  # only IDX may be compressed
        return IDX
    raise ValueError(
        f"{path} is {'not an array' if kind is None else kind.name}: expected an "
        f"{names_of(arrays)} file"
    )


# -- messages -------------------------------------------------------------------------------------


def that_take(option: Option) -> list[Format]:
    """Return the formats to which a parameter of `read_table`, or an option, applies."""
    return [found for found in FORMATS if option in found.options]


def names_of(formats: Iterable[Format], word: str = "or") -> str:
    """Return "CSV, NPZ or Parquet"."""
    *names, last = [found.name for found in formats]
    return f"{', '.join(names)} {word} {last}" if names else last


def check_options(source: Source, found: Format, label: Label, header: bool | None) -> None:
    """Check that the arguments of `read_table` apply to a format.

    Raises
    ------
    ValueError
        If they do not.
    """
    asked: dict[Option, Value] = {
        "label": None if label is False else label,  # without labels any table can be read
        "header": header,
    }
    for option, value in asked.items():
        if value is not None and option not in found.options:
            raise ValueError(
                f"{source.name} is {found.described}, but "
                f"{parameter(option, value)} is for {names_of(that_take(option), 'and')} files: "
                "omit it"
            )
