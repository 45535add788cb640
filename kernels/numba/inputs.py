"""Gathering the rows of a minibatch into the form read by the products.

Rows are copied to a matrix or, if most of x is zero, their non-zeros are packed; bytes are scaled
at the same time. Only these functions are compiled for each type of x; `gather`, which calls them,
takes any type, so that the programs are not compiled again for another type of x.

Shuffled rows are anywhere in memory. While a row is gathered, the corresponding row of the next
minibatch is prefetched.
"""

import numpy as np

from .compiling import kernel
from .elements import number, prefetch, put
from .layout import IN_STRIDE, INPUT_AT, N_IN
from .masks import BITS, lowest_bit, nonzero_mask

CACHE_LINE = 64  # bytes

PARTS_TOGETHER = 2
"""Parts of a row whose columns are filled together: compared with 1, 2 and all 13 of MNIST."""


@kernel
def gather(x, layer, rows, ahead, packed, memory):
    """Gather `rows` of x into the first layer's input or, if packed, into the non-zeros.

    `ahead` are the rows that will be gathered next.
    """
    nonzeros = memory.nonzeros
    scale = memory.work.dtype.type(x.scale)
    if len(x.indptr):
        starts = nonzeros.row_starts
        put(0, starts, 0)
        for i in range(len(rows)):
            row = number(rows, i)
            n = number(x.indptr, row + 1) - number(x.indptr, row)
            put(number(starts, i) + n, starts, i + 1)
        _gather_numbers(x.columns, x.indptr, rows, starts, nonzeros.column)
        _gather_numbers(x.reals, x.indptr, rows, starts, nonzeros.value)
    elif packed:
        if len(x.bytes):
            _pack(x.bytes, x.origin, x.row_step, scale, layer[N_IN], rows, ahead, nonzeros)
        else:
            _pack(x.reals, x.origin, x.row_step, scale, layer[N_IN], rows, ahead, nonzeros)
    elif len(x.bytes):
        _copy(x.bytes, x.origin, x.row_step, scale, layer, rows, ahead, memory.work)
    else:
        _copy(x.reals, x.origin, x.row_step, scale, layer, rows, ahead, memory.work)


@kernel
def _ask_for(values, at, n):
    """Prefetch n numbers from `at` on, one cache line at a time."""
    for c in range(0, n, CACHE_LINE // values.itemsize):
        prefetch(values, at + c)


@kernel
def _copy(values, origin, row_step, scale, layer, rows, ahead, work):
    """Copy rows of dense x to the first layer's input."""
    real = work.dtype.type
    n_in = layer[N_IN]
    for i in range(len(rows)):
        if i < len(ahead):
            _ask_for(values, origin + number(ahead, i) * row_step, n_in)
        at = origin + number(rows, i) * row_step
        to = layer[INPUT_AT] + i * layer[IN_STRIDE]
        for c in range(n_in):
            put(real(number(values, at + c)) * scale, work, to + c)


@kernel
def _pack(values, origin, row_step, scale, n_in, rows, ahead, nonzeros):
    """Pack the non-zeros of rows of dense x; one mask describes one part of a row."""
    starts, n_parts = nonzeros.row_starts, nonzeros.n_parts
    column, value = nonzeros.column, nonzeros.value
    real = value.dtype.type
    n = 0
    put(0, starts, 0)
    for i in range(len(rows)):
        if i < len(ahead):
            _ask_for(values, origin + number(ahead, i) * row_step, n_in)
        at = origin + number(rows, i) * row_step
        for part in range(n_parts):
            first = part * BITS
            if first + BITS <= n_in:
                mask = nonzero_mask(values, at + first)
            elif n_in >= BITS:  # the last ones of the row, without those that had their turn
                n_had = int(first - (n_in - BITS))  # a NumPy number overflows in plain Python
                first = n_in - BITS
                mask = nonzero_mask(values, at + first) & (-1 << n_had)
            else:
                mask = _mask_of_few(values, at, n_in)
            while mask != 0:
                c = first + lowest_bit(mask)
                mask &= mask - 1  # clear the lowest bit
                put(c, column, n)
                put(real(number(values, at + c)) * scale, value, n)
                n += 1
            put(n, starts, i * n_parts + part + 1)


@kernel
def _mask_of_few(values, at, n):
    """Return the mask of n numbers, fewer than `BITS`, that are not zero."""
    mask = 0
    for c in range(n):
        if number(values, at + c) != 0:
            mask |= 1 << c
    return mask


@kernel
def _gather_numbers(source, indptr, rows, starts, out):
    """Copy the entries of rows of CSR x: its values, or its column indices."""
    for i in range(len(rows)):
        start, to = number(indptr, number(rows, i)), number(starts, i)
        for e in range(number(starts, i + 1) - to):
            put(number(source, start + e), out, to + e)


@kernel
def transpose_nonzeros(n_rows, n_columns, nonzeros):
    """Pack the same non-zeros by columns, rows ascending: a counting sort."""
    starts, n_parts = nonzeros.row_starts, nonzeros.n_parts
    column, value, next_of = nonzeros.column, nonzeros.value, nonzeros.column_starts
    for c in range(n_columns + 1):
        put(0, next_of, c)
    for e in range(number(starts, n_rows * n_parts)):
        after = np.int64(number(column, e)) + 1
        put(number(next_of, after) + 1, next_of, after)
    for c in range(n_columns):
        put(number(next_of, c + 1) + number(next_of, c), next_of, c + 1)
    # While they are filled, next_of[c] advances to the end of column c, where c + 1 begins. A few
    # columns at a time, so that the output stays in the L1 cache until it is complete.
    for part in range(0, n_parts, PARTS_TOGETHER):
        next_part = min(part + PARTS_TOGETHER, n_parts)
        for r in range(n_rows):
            start, end = number(starts, r * n_parts + part), number(starts, r * n_parts + next_part)
            for e in range(start, end):
                of_e = np.int64(number(column, e))
                to = number(next_of, of_e)
                put(r, nonzeros.row, to)
                put(number(value, e), nonzeros.value_by_column, to)
                put(to + 1, next_of, of_e)
    for c in range(n_columns, 0, -1):
        put(number(next_of, c - 1), next_of, c)
    put(0, next_of, 0)
