"""A minibatch's rows, out of whatever the user has, into what the products read.

Rows are copied to a matrix or, if most of x is zero, their non-zeros are packed; uint8 is scaled
on the way. Only these functions are made for each type of x; `gather`, which calls them, takes
any, so that the programs are not compiled again when x is of another type.
"""

from .compiling import inner_kernel, kernel
from .layout import IN_STRIDE, INPUT_AT, N_IN

CACHE_LINE = 64  # bytes

BLOCK = 8  # elements looked at together: measured against 16 and 32 on MNIST

SAMPLED_ROWS = 64
"""Rows whose zeros are counted to decide whether packing pays: enough to know to about 0.01."""


@kernel
def density(values, steps, n_in, rows):
    """Return which fraction of dense x is not zero, judged from some of `rows`."""
    every = max(1, len(rows) // SAMPLED_ROWS)
    seen, found = 0, 0
    for i in range(0, len(rows), every):
        at = steps.origin + rows[i] * steps.row_step
        for c in range(n_in):
            found += values[at + c * steps.column_step] != 0
        seen += n_in
    return found / max(1, seen)


@inner_kernel
def gather(x, layer, rows, packed, memory):
    """Take `rows` out of x: to the first layer's input or, if packed, to the non-zeros."""
    starts, column = memory.nonzeros.row_starts, memory.nonzeros.column
    value, work = memory.nonzeros.value, memory.work
    if len(x.indptr):
        starts[0] = 0
        for i in range(len(rows)):
            starts[i + 1] = starts[i] + x.indptr[rows[i] + 1] - x.indptr[rows[i]]
        if len(x.short):
            _gather_columns(x.short, x.indptr, rows, starts, column)
        else:
            _gather_columns(x.long, x.indptr, rows, starts, column)
        if len(x.bytes):
            _gather_values(x.bytes, x.scale, x.indptr, rows, starts, value)
        elif len(x.singles):
            _gather_values(x.singles, x.scale, x.indptr, rows, starts, value)
        else:
            _gather_values(x.doubles, x.scale, x.indptr, rows, starts, value)
        return
    # What is fetched is stored, because reads whose result is used nowhere are left out.
    fetched = memory.squares
    if len(x.bytes):
        fetched[0] = _fetch(x.bytes, x.steps, layer[N_IN], rows)
        if packed:
            _pack(x.bytes, x.steps, x.scale, layer[N_IN], rows, starts, column, value)
        else:
            _copy(x.bytes, x.steps, x.scale, layer, rows, work)
    elif len(x.singles):
        fetched[0] = _fetch(x.singles, x.steps, layer[N_IN], rows)
        if packed:
            _pack(x.singles, x.steps, x.scale, layer[N_IN], rows, starts, column, value)
        else:
            _copy(x.singles, x.steps, x.scale, layer, rows, work)
    else:
        fetched[0] = _fetch(x.doubles, x.steps, layer[N_IN], rows)
        if packed:
            _pack(x.doubles, x.steps, x.scale, layer[N_IN], rows, starts, column, value)
        else:
            _copy(x.doubles, x.steps, x.scale, layer, rows, work)


@inner_kernel
def _fetch(values, steps, n_in, rows):
    """Return the sum of one number of each cache line of `rows`.

    Shuffled rows lie anywhere in memory. Reads that wait for nothing are done ten and more at a
    time, so that all rows arrive in the time it would take to go to a few, one after the other.
    """
    total = 0.0
    per_line = CACHE_LINE // values.itemsize
    for i in range(len(rows)):
        at = steps.origin + rows[i] * steps.row_step
        for c in range(0, n_in, per_line):
            total += values[at + c * steps.column_step]
    return total


@inner_kernel
def _copy(values, steps, scale, layer, rows, work):
    """Copy rows of dense x to the first layer's input."""
    n_in = layer[N_IN]
    real = work.dtype.type
    factor = real(scale)
    for i in range(len(rows)):
        at = steps.origin + rows[i] * steps.row_step
        to = layer[INPUT_AT] + i * layer[IN_STRIDE]
        row = work[to : to + n_in]
        if steps.column_step == 1:
            for c in range(n_in):
                row[c] = real(values[at + c]) * factor
        else:
            for c in range(n_in):
                row[c] = real(values[at + c * steps.column_step]) * factor


@inner_kernel
def _pack(values, steps, scale, n_in, rows, starts, column, value):
    """Pack the non-zeros of rows of dense x."""
    real = value.dtype.type
    factor = real(scale)
    in_blocks = n_in - n_in % BLOCK if steps.column_step == 1 else 0
    n = 0
    starts[0] = 0
    for i in range(len(rows)):
        at = steps.origin + rows[i] * steps.row_step
        row = values[at : at + in_blocks]
        for first in range(0, in_blocks, BLOCK):
            found = False
            for c in range(first, first + BLOCK):
                found |= row[c] != 0
            if found:
                # Written always and kept if not zero: a branch would be guessed wrong too often.
                for c in range(first, first + BLOCK):
                    column[n] = c
                    value[n] = real(row[c]) * factor
                    n += row[c] != 0
        for c in range(in_blocks, n_in):
            element = values[at + c * steps.column_step]
            column[n] = c
            value[n] = real(element) * factor
            n += element != 0
        starts[i + 1] = n


@inner_kernel
def _gather_columns(indices, indptr, rows, starts, column):
    """Copy the column numbers of rows of CSR x."""
    for i in range(len(rows)):
        start, to = indptr[rows[i]], starts[i]
        for e in range(starts[i + 1] - to):
            column[to + e] = indices[start + e]


@inner_kernel
def _gather_values(data, scale, indptr, rows, starts, value):
    """Copy the numbers of rows of CSR x."""
    real = value.dtype.type
    factor = real(scale)
    for i in range(len(rows)):
        start, to = indptr[rows[i]], starts[i]
        for e in range(starts[i + 1] - to):
            value[to + e] = real(data[start + e]) * factor


@inner_kernel
def transpose_nonzeros(n_rows, n_columns, nonzeros):
    """Pack the same non-zeros by columns, rows ascending: a counting sort."""
    starts, column, value = nonzeros.row_starts, nonzeros.column, nonzeros.value
    column_starts = nonzeros.column_starts
    for c in range(n_columns + 1):
        column_starts[c] = 0
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
