"""The dense products: every one is ``out += A @ B``.

A network needs three products, and they differ in which matrix is A and how it is read:

    forward           z  += h @ W       A = h   (n, n_in)        B = W   (n_in, n_out)
    weight gradient   ∂W += hᵀ @ δ      A = hᵀ  (n_in, n)        B = δ   (n, n_out)
    input gradient    ∂h += δ @ Wᵀ      A = δ   (n, n_out)       B = Wᵀ  (n_out, n_in), transposed
    first

All three are flat arrays with the offset of the matrix, since creating a matrix view at each call
takes time. Rows of B and out are `stride` elements, whole lines of 64 bytes.
"""

from .compiling import kernel
from .elements import number, put
from .vectors import HAS_WIDE_REGISTERS, LINE, load, multiply_add, store, zeros

BLOCK = 16  # rows and columns transposed together: a cache line of float32


@kernel
def add_product(n, k, stride, a, a_at, row_step, column_step, b, b_at, out, out_at):
    """``out += A @ B``; A (n, k) by B (k, stride).

    ``A[r, p] = a[a_at + r · row_step + p · column_step]``. As many columns of B and out are
    processed at a time as there are registers for their sums.
    """
    per_line = LINE // out.itemsize
    first = 0
    if HAS_WIDE_REGISTERS:
        while stride - first >= 2 * per_line:
            _add_columns(
                zeros(out, 2), n, k, stride, a, a_at, row_step, column_step,
                b, b_at + first, out, out_at + first,
            )  # fmt: skip
            first += 2 * per_line
    while first < stride:
        _add_columns(
            zeros(out, 1), n, k, stride, a, a_at, row_step, column_step,
            b, b_at + first, out, out_at + first,
        )  # fmt: skip
        first += per_line


@kernel
def _add_columns(
    like, n, k, stride, a, a_at, row_step, column_step, b, b_at, out, out_at
):  # fmt: skip
    """`add_product` for the columns of one vector `like`, of which b_at and out_at are the first.

    Four rows of out at a time: each vector of B is used in four products, and
    the four sums stay in registers.
    """
    fours = n - n % 4
    for r in range(0, fours, 4):
        at0 = a_at + r * row_step
        at1 = at0 + row_step
        at2 = at1 + row_step
        at3 = at2 + row_step
        to0 = out_at + r * stride
        to1 = to0 + stride
        to2 = to1 + stride
        to3 = to2 + stride
        sum0, sum1 = load(like, out, to0), load(like, out, to1)
        sum2, sum3 = load(like, out, to2), load(like, out, to3)
        from_b = b_at
        for _ in range(k):
            row = load(like, b, from_b)
            sum0 = multiply_add(number(a, at0), row, sum0)
            sum1 = multiply_add(number(a, at1), row, sum1)
            sum2 = multiply_add(number(a, at2), row, sum2)
            sum3 = multiply_add(number(a, at3), row, sum3)
            at0 += column_step
            at1 += column_step
            at2 += column_step
            at3 += column_step
            from_b += stride
        store(sum0, out, to0)
        store(sum1, out, to1)
        store(sum2, out, to2)
        store(sum3, out, to3)
    for r in range(fours, n):
        at, to = a_at + r * row_step, out_at + r * stride
        total = load(like, out, to)
        for p in range(k):
            total = multiply_add(
                number(a, at + p * column_step), load(like, b, b_at + p * stride), total
            )
        store(total, out, to)


@kernel
def transpose(n_rows, n_columns, matrix, at, stride, out, out_at, out_stride):
    """``out[j, i] = matrix[i, j]`` for j below n_columns, in blocks that stay in the cache."""
    for first_row in range(0, n_rows, BLOCK):
        for first_column in range(0, n_columns, BLOCK):
            for i in range(first_row, min(first_row + BLOCK, n_rows)):
                for j in range(first_column, min(first_column + BLOCK, n_columns)):
                    put(number(matrix, at + i * stride + j), out, out_at + j * out_stride + i)
