"""Products with a minibatch that is mostly zeros: ``out += A @ B``, skipping the zeros of A.

    forward           z  += x @ W       A = x   (n, n_in), its non-zeros by rows
    weight gradient   ∂W += xᵀ @ δ      A = xᵀ  (n_in, n), the same non-zeros by columns

Row r of out is the sum of the rows of B selected by the non-zeros of A in row r. It is summed in
registers, as many columns at a time as fit. The rest of the time is spent loading rows of B: to
keep those for one *part* of A's columns in the L1 cache, all rows of A are processed for one part
before the next.
"""

import numpy as np

from .compiling import kernel
from .elements import number
from .vectors import HAS_WIDE_REGISTERS, LINE, load, multiply_add, store, zeros

PARTS_TOGETHER = 2
"""Parts of a row (see `Nonzeros`) processed together: compared with 1, 3, 4 and all."""


@kernel
def add_sparse_product(n, n_parts, starts, index, value, stride, b, b_at, out, out_at):
    """``out += A @ B``; part s of row r of A begins at element ``starts[r · n_parts + s]``.

    It ends where the next one begins. Element e is ``value[e]`` in column ``index[e]``. Rows of the
    flat B and out are `stride` long, whole lines.
    """
    # Four lines fill half of sixteen registers. With wide registers a single pass over A suffices
    # for 100 or 128 columns of float32: a fifth faster on MNIST.
    per_line = LINE // out.itemsize
    first = 0
    while first < stride:
        left = (stride - first) // per_line
        rest = n, n_parts, starts, index, value, stride, b, b_at + first, out, out_at + first
        if HAS_WIDE_REGISTERS and left >= 8:
            lines = 8
            _add_columns(zeros(out, 8), *rest)
        elif HAS_WIDE_REGISTERS and left == 7:
            lines = 7
            _add_columns(zeros(out, 7), *rest)
        elif left >= 4:
            lines = 4
            _add_columns(zeros(out, 4), *rest)
        elif left == 3:
            lines = 3
            _add_columns(zeros(out, 3), *rest)
        elif left == 2:
            lines = 2
            _add_columns(zeros(out, 2), *rest)
        else:
            lines = 1
            _add_columns(zeros(out, 1), *rest)
        first += lines * per_line


@kernel
def _add_columns(like, n, n_parts, starts, index, value, stride, b, b_at, out, out_at):
    """`add_sparse_product` for the columns of one vector `like`, the first at b_at and out_at."""
    for part in range(0, n_parts, PARTS_TOGETHER):
        next_part = min(part + PARTS_TOGETHER, n_parts)
        for r in range(n):
            start, end = number(starts, r * n_parts + part), number(starts, r * n_parts + next_part)
            if start < end:
                to = out_at + r * stride
                total = load(like, out, to)
                for e in range(start, end):
                    at = b_at + np.int64(number(index, e)) * stride
                    total = multiply_add(number(value, e), load(like, b, at), total)
                store(total, out, to)
