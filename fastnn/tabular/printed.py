"""Columns as text: one aligned table."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from fastnn.system.printable import printable
from fastnn.tabular.read_column import ReadColumn

WIDTH = 80
LONGEST = 24
"""Of a name, and of how it is encoded."""

LEAST_NOTE = 16
HEADER = ("column", "read as", "encoded as", "outputs", "note")


def printed(table: Sequence[ReadColumn]) -> str:
    """Return a line for each column, its note wrapped, and the number of outputs."""
    cells = [HEADER] + [
        (
            _short(printable(column.name)),
            column.read_as,
            _short("left out" if column.encoding is None else column.encoding.words),
            f"{len(column.outputs):,}",
            printable(column.note or ""),
        )
        for column in table
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    indent = sum(widths) + 2 * len(widths)
    room = max(WIDTH - indent, LEAST_NOTE)
    lines = []
    for name, read_as, encoded_as, outputs, note in cells:
        first, *others = wrap(note, room) or [""]
        start = (
            f"{name:<{widths[0]}}  {read_as:<{widths[1]}}  {encoded_as:<{widths[2]}}  "
            f"{outputs:>{widths[3]}}  "
        )
        lines += [(start + first).rstrip(), *(" " * indent + other for other in others)]
    n_read = sum(column.encoding is not None for column in table)
    n_out = sum(len(column.outputs) for column in table)
    columns = "1 column is read" if n_read == 1 else f"{n_read:,} columns are read"
    outputs = "1 output" if n_out == 1 else f"{n_out:,} outputs"
    return "\n".join([*lines, "", f"{columns}, {outputs}"])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
