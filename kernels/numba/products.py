"""The matrix products: every one is ``out += A @ B``, dense or with the zeros of A left out.

A network needs three products, and they differ in which matrix is A and how it is read:

    forward           z  += h @ W       A = h   (n, n_in)        B = W   (n_in, n_out)
    weight gradient   ∂W += hᵀ @ δ      A = hᵀ  (n_in, n)        B = δ   (n, n_out)
    input gradient    ∂h += δ @ Wᵀ      A = δ   (n, n_out)       B = Wᵀ  (n_out, n_in), transposed
    first

The inner loop always runs along rows of B and out, which are contiguous and whole vectors long; the
numbers of A are constants of that loop.
"""

from .compiling import apart_kernel, inner_kernel
from .vectors import use_wide_vectors

BLOCK = 16  # rows and columns transposed together: a cache line of float32


@apart_kernel
def add_product(n, k, a, row_step, column_step, b, out):
    """``out += A @ B``; A (n, k) with ``A[r, p] = a[r · row_step + p · column_step]``, B (k, m).

    Four rows of out and four of B at a time: each number loaded takes part in four products, and
    sixteen numbers of A, four of B and four sums fill the vector registers of AVX-512.
    """
    use_wide_vectors()
    n_fours, k_fours = n - n % 4, k - k % 4
    for r in range(0, n_fours, 4):
        at0 = r * row_step
        at1, at2, at3 = at0 + row_step, at0 + 2 * row_step, at0 + 3 * row_step
        out0, out1, out2, out3 = out[r], out[r + 1], out[r + 2], out[r + 3]
        for p in range(0, k_fours, 4):
            c0 = p * column_step
            c1, c2, c3 = c0 + column_step, c0 + 2 * column_step, c0 + 3 * column_step
            a00, a01, a02, a03 = a[at0 + c0], a[at0 + c1], a[at0 + c2], a[at0 + c3]
            a10, a11, a12, a13 = a[at1 + c0], a[at1 + c1], a[at1 + c2], a[at1 + c3]
            a20, a21, a22, a23 = a[at2 + c0], a[at2 + c1], a[at2 + c2], a[at2 + c3]
            a30, a31, a32, a33 = a[at3 + c0], a[at3 + c1], a[at3 + c2], a[at3 + c3]
            b0, b1, b2, b3 = b[p], b[p + 1], b[p + 2], b[p + 3]
            for j in range(len(b0)):
                # read before anything is written: the compiler cannot know that out is not b
                t0, t1, t2, t3 = b0[j], b1[j], b2[j], b3[j]
                s0 = out0[j] + a00 * t0 + a01 * t1 + a02 * t2 + a03 * t3
                s1 = out1[j] + a10 * t0 + a11 * t1 + a12 * t2 + a13 * t3
                s2 = out2[j] + a20 * t0 + a21 * t1 + a22 * t2 + a23 * t3
                s3 = out3[j] + a30 * t0 + a31 * t1 + a32 * t2 + a33 * t3
                out0[j], out1[j], out2[j], out3[j] = s0, s1, s2, s3
        for p in range(k_fours, k):
            c0 = p * column_step
            a00, a10, a20, a30 = a[at0 + c0], a[at1 + c0], a[at2 + c0], a[at3 + c0]
            b0 = b[p]
            for j in range(len(b0)):
                t0 = b0[j]
                s0, s1 = out0[j] + a00 * t0, out1[j] + a10 * t0
                s2, s3 = out2[j] + a20 * t0, out3[j] + a30 * t0
                out0[j], out1[j], out2[j], out3[j] = s0, s1, s2, s3
    for r in range(n_fours, n):
        _add_row(k, a, r * row_step, column_step, b, out[r])


@inner_kernel
def _add_row(k, a, at, column_step, b, out):
    """``out += a @ B`` for one row of A, which begins at element `at` of a."""
    k_fours = k - k % 4
    for p in range(0, k_fours, 4):
        c0 = at + p * column_step
        c1, c2, c3 = c0 + column_step, c0 + 2 * column_step, c0 + 3 * column_step
        a0, a1, a2, a3 = a[c0], a[c1], a[c2], a[c3]
        b0, b1, b2, b3 = b[p], b[p + 1], b[p + 2], b[p + 3]
        for j in range(len(out)):
            out[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
    for p in range(k_fours, k):
        a0, b0 = a[at + p * column_step], b[p]
        for j in range(len(out)):
            out[j] += a0 * b0[j]


@apart_kernel
def add_sparse_product(n, starts, index, value, b, out):
    """``out += A @ B``; row r of A has ``value[e]`` in column ``index[e]``, e from starts[r].

    It ends where row r + 1 begins. Eight non-zeros are taken at a time, so that a row of out is
    read and written once for eight rows of B. index is unsigned: a signed one might count from the
    end, which would have to be asked each time.
    """
    use_wide_vectors()
    for r in range(n):
        row = out[r]
        start, end = starts[r], starts[r + 1]
        eights = end - (end - start) % 8
        for e in range(start, eights, 8):
            a0, a1, a2, a3 = value[e], value[e + 1], value[e + 2], value[e + 3]
            a4, a5, a6, a7 = value[e + 4], value[e + 5], value[e + 6], value[e + 7]
            b0, b1, b2, b3 = b[index[e]], b[index[e + 1]], b[index[e + 2]], b[index[e + 3]]
            b4, b5, b6, b7 = b[index[e + 4]], b[index[e + 5]], b[index[e + 6]], b[index[e + 7]]
            for j in range(len(row)):
                first = a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
                row[j] += first + (a4 * b4[j] + a5 * b5[j] + a6 * b6[j] + a7 * b7[j])
        for e in range(eights, end):
            a0, b0 = value[e], b[index[e]]
            for j in range(len(row)):
                row[j] += a0 * b0[j]


@inner_kernel
def transpose(matrix, n_columns, out):
    """``out[j, i] = matrix[i, j]`` for j below n_columns, in blocks whose cache lines are kept."""
    n_rows = len(matrix)
    for first_row in range(0, n_rows, BLOCK):
        for first_column in range(0, n_columns, BLOCK):
            for i in range(first_row, min(first_row + BLOCK, n_rows)):
                for j in range(first_column, min(first_column + BLOCK, n_columns)):
                    out[j, i] = matrix[i, j]
