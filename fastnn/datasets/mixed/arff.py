"""ARFF tables, of Weka, OpenML and KEEL: attributes with types, then lines of cells.

@relation name
@attribute age numeric            also real, integer, with or without a range as in KEEL
@attribute sex {female, male}     text of these categories
@attribute note string
@attribute day date "yyyy-MM-dd"
@data
25, male, ?, 2019-01-31
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastnn.datasets.mixed.dialect import Dialect, dialect_of
from fastnn.datasets.mixed.options import shown_cell
from fastnn.tabular.frame import Kind

_ATTRIBUTE = re.compile(
    r"@attribute\s+(?P<name>'(?:[^'\\]|\\.)*'|\"[^\"]*\"|[^\s{]+)\s*(?P<type>.+)", re.I
)
_KINDS: dict[str, Kind] = {
    "numeric": "number", "real": "number", "integer": "number", "string": "text", "date": "time",
}  # fmt: skip
_BEGINS = re.compile(r"\s*@(relation|attribute)\b", re.I)
IGNORED = ("@relation", "@inputs", "@input", "@outputs", "@output")
MISSING = frozenset(("", "?", "<null>"))
"""What is missing in such files; words such as NA may be categories."""


@dataclass(frozen=True)
class Attribute:
    """A declared column; `categories` are those of a nominal one."""

    name: str
    kind: Kind
    categories: tuple[str, ...] | None = None


def begins_arff(line: str) -> bool:
    """Return whether the first line that is no comment begins an ARFF table."""
    return _BEGINS.match(line) is not None


def read_head(lines: Iterator[tuple[int, str]], name: str) -> tuple[list[Attribute], int]:
    """Return the attributes, and the number of the line @data; the next line is the first row.

    Raises
    ------
    ValueError
        If a line of the head cannot be read.
    """
    attributes: list[Attribute] = []
    for number, line in lines:
        line = line.strip()
        if not line or line.startswith("%"):
            continue
        word = line.split(None, 1)[0].lower()
        if word == "@data":
            if not attributes:
                raise ValueError(f"{name}, line {number}: ARFF without any @attribute above @data")
            return attributes, number
        if word == "@attribute":
            attributes.append(_attribute(line, f"{name}, line {number}"))
        elif word not in IGNORED:
            raise ValueError(
                f"{name}, line {number}: got {shown_cell(line)}, expected @attribute or @data, as "
                "the file begins as ARFF"
            )
    raise ValueError(f"{name} begins as ARFF, but has no line @data")


def _attribute(line: str, where: str) -> Attribute:
    found = _ATTRIBUTE.fullmatch(line)
    if found is None:
        raise ValueError(f"{where}: got {shown_cell(line)}, expected @attribute name type")
    name, kind = _unquoted(found["name"]), found["type"].strip()
    if kind.startswith("{"):
        inside = kind[1 : kind.rindex("}")] if "}" in kind else ""
        categories = tuple(dict.fromkeys(row_dialect([inside]).cells(inside)))
        if not inside.strip() or not categories:
            raise ValueError(f"{where}: got {shown_cell(kind)}, expected categories within {{}}")
        return Attribute(name, "text", categories)
    word = re.split(r"[\s\[]", kind, maxsplit=1)[0].lower()
    if word not in _KINDS:
        raise ValueError(
            f"{where}: got the type {shown_cell(kind)}, expected numeric, real, integer, string, "
            "date or categories within {}"
        )
    return Attribute(name, _KINDS[word])


def _unquoted(name: str) -> str:
    if name[:1] in "'\"" and len(name) > 1:
        name = name[1:-1]
    return re.sub(r"\\(.)", r"\1", name).strip()


def row_dialect(lines: list[str]) -> Dialect:
    """Return the dialect of the rows: commas, or tabs, with quotes of either sort."""
    text = "".join(lines)
    delimiter = "\t" if "\t" in text and "," not in text else ","
    found = dialect_of(lines, delimiter)
    return Dialect(delimiter, found.quote, "\\" if "\\" in text else None, found.space_after_quote)
