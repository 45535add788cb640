"""Parquet files: refused in words, or read to the table that they hold."""

import contextlib
import io
import os

import numpy as np
import polars

from fastnn.datasets import read_table
from fuzz.table_oracle import check_rewritten, check_table
from fuzz.target import Target, read_or_refused


def seeds():
    x = np.arange(12.0)
    frames = [
        {"a": x, "b": x.astype(np.int32), "label": ["u", "v", "w"] * 4},
        {"a": x.astype(np.float32), "y": x > 4, "n": [None, *range(11)]},
        {"index": list(range(12)), "b": [0.5] * 12, "c": [2**60 + i for i in range(12)]},
    ]
    return [_written(frame, packing) for frame in frames for packing in ("uncompressed", "snappy")]


def _written(frame, packing):
    buffer = io.BytesIO()
    polars.DataFrame(frame).write_parquet(buffer, compression=packing, statistics=False)
    return buffer.getvalue()


def check(data, folder):
    path = folder / "table.parquet"
    path.write_bytes(data)
    with without_standard_error():
        table = read_or_refused(lambda: read_table(path), path)
    if table is None:
        return False
    check_table(table, with_labels=True)
    if table.y.dtype.kind != "U":  # text may be what CSV takes for a missing cell
        check_rewritten(table, path)
    return True


@contextlib.contextmanager
def without_standard_error():
    """Keep what Rust says of its panics from the terminal: pages of it."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def mutate(data, mutator):
    """Change the footer, which says what the file holds, or the pages; the ends stay."""
    size = int.from_bytes(data[-8:-4], "little")
    if mutator.coin(0.1) or not 0 < size <= len(data) - 12:
        return mutator.bytes(data)
    pages, footer = data[4 : -8 - size], data[-8 - size : -8]
    if mutator.coin():
        pages = mutator.bytes(pages)
    else:
        footer = mutator.bytes(footer)
    return b"PAR1" + pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


TARGET = Target("parquet_files", seeds, check, mutate)
