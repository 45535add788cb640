"""CSV files, packed or not: refused in words, or read to the numbers that stand in the cells.

The first byte of an input chooses the arguments of `read_table`, the others are the file.
"""

import bz2
import gzip
import lzma

import numpy as np

from fastnn.datasets import read_table
from fastnn.rows.trained_on import TrainedOn
from fuzz.mutation import repacked, zipped
from fuzz.table_oracle import check_rewritten, check_table
from fuzz.target import Target, read_or_refused

HEADERS = (None, True, False)
LABELS = (None, False, 0, -1, "label", "b", "1", 7)
KNOWN = (None, TrainedOn("numbers", ("a", "b"), "label"), TrainedOn("numbers", None, "column 2"))
N_ARGUMENTS = len(HEADERS) * len(LABELS) * len(KNOWN)
TOKENS = (
    ",", ";", "\t", "\n", "\r\n", "\r", '"', '""', " ", "nan", "-inf", "1e999", "0", "1", "2",
    "-1.5", "1,5", "1_0", "0x1", "?", "label", "y", "x", "a", "b", "\ufeff", "\0", "١", "\u2028",
    "é", '"a\nb"', "Unnamed: 0", "9007199254740993", "99999999999999999999",
)  # fmt: skip
PLAIN = (
    "a,b,label\n1,2,x\n3,4,y\n5,6,x\n",
    "1.5;2;0\n3;4e2;1\n\n-5;6;1\n",
    "﻿x\ty\tz\n0.5\t1\t2\n1.5\t3\t4\n",
    ',a,b,species\n0,1.5,2.5,"one, two"\n1,3.5,4.5,"three ""3"""\r\n',
    "0,1,2,3,label\n0.5,0.25,0.1,0.9,3\n0.1,0.5,0.3,0.7,1\n",
    "1,5;2,5;a\n",
    "7,0,255\n" * 12,
    "label,b,a\n0,1,2\n1,2,1\n",
)


def seeds():
    files = [text.encode() for text in PLAIN]
    files += [gzip.compress(files[0], mtime=0), bz2.compress(files[1]), lzma.compress(files[0])]
    files.append(zipped([("table.csv", files[3])]))
    odd = [bytes([7 * i % N_ARGUMENTS]) + data for i, data in enumerate(files)]
    return [b"\0" + data for data in files] + odd


def arguments(byte):
    """Return the arguments of `read_table` that a byte chooses."""
    byte, header = divmod(byte, len(HEADERS))
    byte, label = divmod(byte, len(LABELS))
    known = KNOWN[byte % len(KNOWN)]
    return {"header": HEADERS[header], "label": LABELS[label], "trained_on": known}


def check(data, folder):
    if not data:
        return False
    path = folder / "table.csv"
    path.write_bytes(data[1:])
    options = arguments(data[0])
    table = read_or_refused(lambda: read_table(path, **options), path)
    if table is None:
        return False
    check_table(table, with_labels=options["label"] is not False)
    check_cells(table, data[1:])
    check_rewritten(table, path)
    return True


def check_cells(table, contents):
    """Check that each feature is a column of the file, where that is simple to take apart."""
    if b'"' in contents or contents.startswith((b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return
    text = contents.decode("utf-8").removeprefix("\ufeff")
    rows = [line for line in text.split("\n") if line.strip()]
    assert len(rows) - len(table.x) in (0, 1)
    rows = rows[-len(table.x) :]
    columns = set()
    for delimiter in ",;\t":
        cells = [row.split(delimiter) for row in rows]
        if len({len(row) for row in cells}) == 1:
            columns |= {_numbers(column) for column in zip(*cells, strict=True)}
    assert {column.tobytes() for column in np.ascontiguousarray(table.x.T)} <= columns


def _numbers(cells):
    try:
        return np.array([float(cell) for cell in cells]).tobytes()
    except ValueError:
        return None


def mutate(data, mutator):
    if not data or mutator.coin(0.1):
        data = bytes([mutator.rng.randrange(N_ARGUMENTS)]) + data[1:]

    def changed(contents):
        if mutator.coin(0.2):
            return mutator.bytes(contents)
        return mutator.text(contents.decode("utf-8", "replace"), TOKENS).encode()

    contents = repacked(data[1:], mutator, changed) if mutator.coin(0.7) else None
    return data[:1] + (changed(data[1:]) if contents is None else contents)


TARGET = Target("csv_tables", seeds, check, mutate)
