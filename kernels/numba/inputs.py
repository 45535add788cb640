"""A minibatch's rows, out of whatever the user has, into what the products read.

Rows are copied to a matrix or, if most of x is zero, their non-zeros are packed; uint8 is scaled
on the way. Only these functions are made for each type of x; `gather`, which calls them, takes
any, so that the programs are not compiled again when x is of another type.
"""

from .compiling import kernel
from .layout import IN_STRIDE, INPUT_AT, N_IN, matrix

CACHE_LINE = 64  # bytes

BLOCK = 8  # elements looked at together: measured against 16 and 32 on MNIST

SAMPLED_ROWS = 64
"""Rows whose zeros are counted to decide whether packing pays: enough to know to about 0.01."""


@kernel
def density(x, values, n_in, rows):
    """Return which fraction of dense x is not zero, judged from some of `rows`."""
    every = max(1, len(rows) // SAMPLED_ROWS)
    seen, found = 0, 0
    for i in range(0, len(rows), every):
        at = x.origin + rows[i] * x.row_step
        for c in range(n_in):
            found += values[at + c * x.column_step] != 0
        seen += n_in
    return found / max(1, seen)


@kernel
def gather(x, layer, rows, packed, memory):
    """Take `rows` out of x: to the first layer's input or, if packed, to the non-zeros."""
    nonzeros = memory.nonzeros
    if len(x.indptr):
        starts = nonzeros.row_starts
        starts[0] = 0
        for i in range(len(rows)):
            starts[i + 1] = starts[i] + x.indptr[rows[i] + 1] - x.indptr[rows[i]]
        if len(x.short):
            _gather_columns(x, x.short, rows, nonzeros)
        else:
            _gather_columns(x, x.long, rows, nonzeros)
        if len(x.bytes):
            _gather_values(x, x.bytes, rows, nonzeros)
        elif len(x.singles):
            _gather_values(x, x.singles, rows, nonzeros)
        else:
            _gather_values(x, x.doubles, rows, nonzeros)
    elif len(x.bytes):
        _take(x, x.bytes, layer, rows, packed, memory)
    elif len(x.singles):
        _take(x, x.singles, layer, rows, packed, memory)
    else:
        _take(x, x.doubles, layer, rows, packed, memory)


@kernel
def _take(x, values, layer, rows, packed, memory):
    """Take `rows` out of dense x, whose numbers are `values`."""
    # Stored, because reads whose result is used nowhere are left out.
    memory.squares[0] = _fetch(x, values, layer[N_IN], rows)
    if packed:
        _pack(x, values, layer[N_IN], rows, memory.nonzeros)
    else:
        out = matrix(memory.work, layer[INPUT_AT], len(rows), layer[IN_STRIDE])
        _copy(x, values, layer[N_IN], rows, out)


@kernel
def _fetch(x, values, n_in, rows):
    """Return the sum of one number of each cache line of `rows`.

    Shuffled rows lie anywhere in memory. Reads that wait for nothing are done ten and more at a
    time, so that all rows arrive in the time it would take to go to a few, one after the other.
    """
    total = values[0]
    per_line = CACHE_LINE // values.itemsize
    for i in range(len(rows)):
        at = x.origin + rows[i] * x.row_step
        for c in range(0, n_in, per_line):
            total += values[at + c * x.column_step]
    return total


@kernel
def _copy(x, values, n_in, rows, out):
    """Copy rows of dense x to out (n, stride)."""
    real = out.dtype.type
    scale = real(x.scale)
    for i in range(len(rows)):
        at = x.origin + rows[i] * x.row_step
        row = out[i]
        if x.column_step == 1:
            for c in range(n_in):
                row[c] = real(values[at + c]) * scale
        else:
            for c in range(n_in):
                row[c] = real(values[at + c * x.column_step]) * scale


@kernel
def _pack(x, values, n_in, rows, nonzeros):
    """Pack the non-zeros of rows of dense x."""
    starts, column, value = nonzeros.row_starts, nonzeros.column, nonzeros.value
    real = value.dtype.type
    scale = real(x.scale)
    in_blocks = n_in - n_in % BLOCK if x.column_step == 1 else 0
    n = 0
    starts[0] = 0
    for i in range(len(rows)):
        at = x.origin + rows[i] * x.row_step
        row = values[at : at + in_blocks]
        for first in range(0, in_blocks, BLOCK):
            found = False
            for c in range(first, first + BLOCK):
                found |= row[c] != 0
            if found:
                # Written always and kept if not zero: a branch would be guessed wrong too often.
                for c in range(first, first + BLOCK):
                    column[n] = c
                    value[n] = real(row[c]) * scale
                    n += row[c] != 0
        for c in range(in_blocks, n_in):
            element = values[at + c * x.column_step]
            column[n] = c
            value[n] = real(element) * scale
            n += element != 0
        starts[i + 1] = n


@kernel
def _gather_columns(x, indices, rows, nonzeros):
    """Copy the column numbers of rows of CSR x."""
    for i in range(len(rows)):
        start, to = x.indptr[rows[i]], nonzeros.row_starts[i]
        for e in range(nonzeros.row_starts[i + 1] - to):
            nonzeros.column[to + e] = indices[start + e]


@kernel
def _gather_values(x, data, rows, nonzeros):
    """Copy the numbers of rows of CSR x."""
    real = nonzeros.value.dtype.type
    scale = real(x.scale)
    for i in range(len(rows)):
        start, to = x.indptr[rows[i]], nonzeros.row_starts[i]
        for e in range(nonzeros.row_starts[i + 1] - to):
            nonzeros.value[to + e] = real(data[start + e]) * scale


@kernel
def transpose_nonzeros(n_rows, n_columns, nonzeros):
    """Pack the same non-zeros by columns, rows ascending: a counting sort."""
    starts, column, value = nonzeros.row_starts, nonzeros.column, nonzeros.value
    column_starts = nonzeros.column_starts
    column_starts[: n_columns + 1] = 0
    for e in range(starts[n_rows]):
        column_starts[column[e] + 1] += 1
    for c in range(n_columns):
        column_starts[c + 1] += column_starts[c]
    # While they are filled, column_starts[c] moves on to the end of column c, where c + 1 begins.
    for r in range(n_rows):
        for e in range(starts[r], starts[r + 1]):
            c = column[e]
            nonzeros.row[column_starts[c]] = r
            nonzeros.value_by_column[column_starts[c]] = value[e]
            column_starts[c] += 1
    for c in range(n_columns, 0, -1):
        column_starts[c] = column_starts[c - 1]
    column_starts[0] = 0
