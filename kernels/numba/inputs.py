"""A minibatch's rows, out of whatever the user has, into what the products read.

Dense x of any strides comes as `Strided`, CSR as `Compressed`. Rows are copied to a matrix or, if
most of x is zero, their non-zeros are packed; uint8 is scaled on the way. These functions alone
depend on the type of x.
"""

from .compiling import kernel

BLOCK = 16  # elements looked at together: one vector of bytes, two to four of floats

SAMPLED_ROWS = 64
"""Rows whose zeros are counted to decide whether packing pays: enough to know to about 0.01."""


@kernel
def density(x, n_in, rows):
    """Return which fraction of dense x is not zero, judged from some of `rows`."""
    every = max(1, len(rows) // SAMPLED_ROWS)
    seen, found = 0, 0
    for i in range(0, len(rows), every):
        at = x.origin + rows[i] * x.row_step
        for c in range(n_in):
            found += x.flat[at + c * x.column_step] != 0
        seen += n_in
    return found / max(1, seen)


@kernel
def gather_dense(x, scale, n_in, rows, out):
    """Copy rows of x, times `scale`, to out (n, stride)."""
    real = out.dtype.type
    factor = real(scale)
    for i in range(len(rows)):
        at = x.origin + rows[i] * x.row_step
        row = out[i]
        if x.column_step == 1:
            elements = x.flat[at : at + n_in]
            for c in range(n_in):
                row[c] = real(elements[c]) * factor
        else:
            for c in range(n_in):
                row[c] = real(x.flat[at + c * x.column_step]) * factor


@kernel
def gather_nonzeros(x, scale, n_in, rows, nonzeros):
    """Pack the non-zeros of rows of dense x, times `scale`."""
    starts, column, value = nonzeros.row_starts, nonzeros.column, nonzeros.value
    real = value.dtype.type
    factor = real(scale)
    in_blocks = n_in - n_in % BLOCK if x.column_step == 1 else 0
    n = 0
    starts[0] = 0
    for i in range(len(rows)):
        at = x.origin + rows[i] * x.row_step
        for first in range(0, in_blocks, BLOCK):
            block = x.flat[at + first : at + first + BLOCK]
            found = False
            for c in range(BLOCK):
                found |= block[c] != 0
            if found:
                # Written always and kept if not zero: a branch would be guessed wrong too often.
                for c in range(BLOCK):
                    column[n] = first + c
                    value[n] = real(block[c]) * factor
                    n += block[c] != 0
        for c in range(in_blocks, n_in):
            element = x.flat[at + c * x.column_step]
            column[n] = c
            value[n] = real(element) * factor
            n += element != 0
        starts[i + 1] = n


@kernel
def gather_csr(x, scale, rows, nonzeros):
    """Pack rows of CSR x, times `scale`."""
    starts, column, value = nonzeros.row_starts, nonzeros.column, nonzeros.value
    real = value.dtype.type
    factor = real(scale)
    n = 0
    starts[0] = 0
    for i in range(len(rows)):
        for e in range(x.indptr[rows[i]], x.indptr[rows[i] + 1]):
            column[n] = x.indices[e]
            value[n] = real(x.data[e]) * factor
            n += 1
        starts[i + 1] = n


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
