"""What must be true of every table that was read."""

import csv
import io

import numpy as np
from support.examples import same_bits

from fastnn.datasets import read_table


def check_table(table, with_labels):
    """Check a table by itself, and how it is split."""
    x, y, n_rows = table.x, table.y, len(table.x)
    assert x.ndim == 2
    assert x.dtype in (np.uint8, np.float32, np.float64)
    assert n_rows > 0
    assert x.shape[1] == len(table.feature_names) > 0
    assert np.isfinite(x).all()
    assert (y is not None) == with_labels
    if y is None:
        return
    assert len(y) == n_rows
    assert y.dtype in (np.int64, np.float64) or y.dtype.kind == "U"
    try:
        with np.errstate(over="ignore"):
            data = table.split(test=0.25, seed=0)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        return
    if table.test is None:
        assert len(data.train) + len(data.validation) + len(data.test) == n_rows
    if data.class_labels is not None:
        assert 0 <= data.train.y.min() <= data.train.y.max() < len(data.class_labels)


def check_rewritten(table, path):
    """Check that the table, written as plain CSV, is read to the same bits."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    names = [f"feature {i}" for i in range(table.x.shape[1])]
    writer.writerow(names if table.y is None else [*names, "label"])
    labels = [[]] * len(table.x) if table.y is None else [[v] for v in table.y.tolist()]
    for row, label in zip(table.x.tolist(), labels, strict=True):
        writer.writerow([*row, *label])
    path.write_bytes(text.getvalue().encode())
    assert are_same(read_table(path, header=True, label=False if table.y is None else -1), table)


def are_same(table, other):
    """Say whether two tables hold the same bits."""
    if table.y is None or other.y is None:
        return table.y is other.y and same_bits(table.x, other.x)
    return same_bits(table.x, other.x) and same_bits(table.y, other.y)
