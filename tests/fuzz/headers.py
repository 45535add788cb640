"""What is guessed about a CSV file, the header and the label, is one of the ways to say it.

An input draws a grid of cells that is a sound file. Read with nothing said about it, it is refused
in words, or the table is that of the header that was said and the label that was named.
"""

import csv
import io

from fastnn.datasets import read_table
from fuzz.draws import Draws
from fuzz.table_oracle import are_same, check_table
from fuzz.target import Target, read_or_refused

NUMBERS = ("0", "1", "2", "3", "0.5", "-1", "1e3", "255", "7", "1.0", " 4")
WORDS = (
    "a", "b", "x", "y", "label", "Label", "target", "class", "species", "", "?", "nan", "NA",
    "Unnamed: 0", "rownames", "1,5", "1990", "é", "inf", "1_0",
)  # fmt: skip


def seeds():
    return [bytes((7 * i + j) % 256 for j in range(90)) for i in range(0, 240, 20)]


def grid(draws):
    """Return rows of cells, of which the first may be names."""
    width, n_rows = draws.number(1, 12), draws.number(1, 24)
    kinds = [draws.number(0, 5) for _ in range(width)]
    first = [draws.choice(NUMBERS + WORDS + (str(i),) * 20) for i in range(width)]
    if draws.number(0, 3) == 0:
        first = [str(i) for i in range(width)]
    return [first, *([_cell(draws, kind, row) for kind in kinds] for row in range(n_rows))]


def _cell(draws, kind, row):
    match kind:
        case 0:
            return str(row)
        case 1:
            return str(draws.number(0, 2))
        case 2:
            return draws.choice(WORDS)
        case 3:
            return str(draws.number(0, 255) / 4)
    return draws.choice(NUMBERS)


def check(data, folder):
    draws = Draws(data)
    text = io.StringIO()
    csv.writer(text, delimiter=draws.choice(",;\t")).writerows(grid(draws))
    path = folder / "table.csv"
    path.write_bytes(text.getvalue().encode())
    guessed = read(path)
    if guessed is None:
        return False
    check_table(guessed, with_labels=True)
    tables = (
        read(path, header=header, label=label)
        for label in (guessed.label_name, *range(guessed.x.shape[1] + 2))  # one may name the rows
        for header in (True, False)
    )
    assert any(table is not None and said_alike(table, guessed) for table in tables)
    return True


def said_alike(table, other):
    """Say whether two tables, and the names in them, are the same."""
    names = [(t.label_name, t.feature_names) for t in (table, other)]
    return names[0] == names[1] and are_same(table, other)


def read(path, **arguments):
    return read_or_refused(lambda: read_table(path, **arguments), path)


TARGET = Target("headers", seeds, check, lambda data, mutator: mutator.bytes(data))
