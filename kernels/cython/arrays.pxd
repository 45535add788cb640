"""Arrays as C sees them: addresses, strides, inputs, and aligned pieces of a workspace."""

from libc.stdint cimport int64_t

from kernels.cython.table cimport BLOCK_COLUMNS, PANEL_VECTORS, csr_input, dense_input

cdef enum:
    ALIGNMENT = 64  # bytes of the widest vector and of a cache line
    # A row stride of the workspace that is a multiple of this uses at most an eighth of L1's sets.
    # Parameters, laid out by fastnn.architecture, avoid only multiples of 1024: another line per
    # row of weights would be read in every step.
    AVOIDED_STRIDE = 512


cdef struct Array:
    char *data
    Py_ssize_t shape[2]
    Py_ssize_t strides[2]  # bytes
    Py_ssize_t itemsize
    char kind  # the format's letter


cdef struct Input:
    Py_ssize_t n_rows, n_in
    bint is_sparse
    dense_input dense
    csr_input csr


cdef inline Input rows_from(const Input *x, Py_ssize_t first) noexcept nogil:
    """Return the input without its first rows."""
    cdef Input rest = x[0]
    if x.is_sparse:
        rest.csr.indptr = <const char *>x.csr.indptr + first * (8 if x.csr.wide else 4)
    else:
        rest.dense.data = x.dense.data + first * x.dense.row_stride
    rest.n_rows = x.n_rows - first
    return rest


cdef inline Py_ssize_t row_start(const csr_input *x, Py_ssize_t row) noexcept nogil:
    """Return where a CSR row's non-zeros begin."""
    if x.wide:
        return <Py_ssize_t>(<const int64_t *>x.indptr)[row]
    return (<const int *>x.indptr)[row]


cdef inline Py_ssize_t padded(Py_ssize_t n, size_t size) noexcept nogil:
    """Return the row stride, in numbers, of a matrix of n columns in the workspace."""
    cdef Py_ssize_t n_bytes = (n * size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    if n_bytes % AVOIDED_STRIDE == 0:
        n_bytes += ALIGNMENT
    return n_bytes // size


cdef inline size_t panel_bytes(Py_ssize_t n_columns, Py_ssize_t n_rows, size_t size) noexcept nogil:
    """Return the size of the scratch of a layer's dense products: sums run over inputs or outputs,
    at most n_columns, and in the gradient over n_rows rows, blocks of whose columns are copied too.
    """
    return max(
        n_columns * PANEL_VECTORS * ALIGNMENT,
        n_rows * (PANEL_VECTORS * ALIGNMENT + BLOCK_COLUMNS * <Py_ssize_t>size),
    )


cdef struct Space:
    char *base  # NULL while the size is still being worked out
    size_t used


cdef extern from "simd/redzone.h" nogil:
    enum:
        REDZONE
    void forbid(void *address, size_t n_bytes)
    void allow(void *address, size_t n_bytes)


cdef inline char *reserve(Space *space, size_t n_bytes) noexcept nogil:
    """Take an aligned piece of the space; only count it if there is no memory yet."""
    cdef char *piece = NULL
    cdef size_t whole = (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT + REDZONE
    if space.base != NULL:
        piece = space.base + space.used
        forbid(piece + n_bytes, whole - n_bytes)
    space.used += whole
    return piece
