"""The product ``z = x @ W`` for an x that is mostly zeros, in five steps from plain loops.

x (n, n_in), W (n_in, n_out), z (n, n_out). From the third step on x is packed: row r has
``value[e]`` in ``column[e]`` for starts[r] ≤ e < starts[r + 1]. `docs/one-kernel-three-ways.md`
walks through them, and `sparse_forward.py` times them; fastnn's own kernel is the step after.
"""

from fastnn.kernels.numba.elements import number
from fastnn.kernels.numba.vectors import LINE, load, multiply_add, store, zeros
from numba import njit

OPTIONS = {"error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc"}, "nogil": True}


@njit(**OPTIONS)
def column_by_column(x, weight, z):
    for r in range(len(x)):
        for j in range(weight.shape[1]):
            total = z.dtype.type(0.0)
            for c in range(len(weight)):
                total += x[r, c] * weight[c, j]
            z[r, j] = total


@njit(**OPTIONS)
def row_by_row(x, weight, z):
    z[:] = 0
    for r in range(len(x)):
        for c in range(len(weight)):
            for j in range(weight.shape[1]):
                z[r, j] += x[r, c] * weight[c, j]


@njit(**OPTIONS)
def nonzeros_only(starts, column, value, weight, z):
    z[:] = 0
    for r in range(len(z)):
        for e in range(starts[r], starts[r + 1]):
            for j in range(weight.shape[1]):
                z[r, j] += value[e] * weight[column[e], j]


@njit(**OPTIONS)
def four_at_a_time(starts, column, value, weight, z):
    z[:] = 0
    for r in range(len(z)):
        fours = starts[r + 1] - (starts[r + 1] - starts[r]) % 4
        for e in range(starts[r], fours, 4):
            x0, x1, x2, x3 = value[e], value[e + 1], value[e + 2], value[e + 3]
            w0, w1 = weight[column[e]], weight[column[e + 1]]
            w2, w3 = weight[column[e + 2]], weight[column[e + 3]]
            for j in range(weight.shape[1]):
                z[r, j] += x0 * w0[j] + x1 * w1[j] + x2 * w2[j] + x3 * w3[j]
        for e in range(fours, starts[r + 1]):
            for j in range(weight.shape[1]):
                z[r, j] += value[e] * weight[column[e], j]


@njit(**OPTIONS)
def sums_in_registers(starts, column, value, weight, z):
    """Rows of the flat weight and z are seven lines of 64 bytes: 112 float32, 100 in use."""
    stride = len(z) // (len(starts) - 1)
    half = 4 * LINE // z.itemsize
    _sum_columns(zeros(z, 4), 0, stride, starts, column, value, weight, z)
    _sum_columns(zeros(z, 3), half, stride, starts, column, value, weight, z)


@njit(**OPTIONS)
def _sum_columns(nothing, first, stride, starts, column, value, weight, z):
    for r in range(len(starts) - 1):
        total = nothing
        for e in range(starts[r], starts[r + 1]):
            row = load(nothing, weight, number(column, e) * stride + first)
            total = multiply_add(number(value, e), row, total)
        store(total, z, r * stride + first)
