"""Python arrays as C sees them: addresses, strides, inputs, and aligned memory."""

cdef enum:
    ALIGNMENT = 64  # bytes of the widest vector and of a cache line
    AVOIDED_STRIDE = 512  # a row stride that is a multiple of this meets too few cache sets


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


cdef int view(object array, bint writable, Array *out) except -1:
    """Describe an array of one or two dimensions; one is one row. The caller keeps it alive."""
    cdef Py_buffer buffer
    cdef int i
    PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES | (PyBUF_WRITABLE * writable))
    out.data = <char *>buffer.buf
    out.itemsize = buffer.itemsize
    # Before the letter there may be a byte order (the adapter lets only the native one through).
    out.kind = buffer.format[strlen(buffer.format) - 1]
    out.shape[0] = 1
    out.strides[0] = 0
    for i in range(buffer.ndim):
        out.shape[i + 2 - buffer.ndim] = buffer.shape[i]
        out.strides[i + 2 - buffer.ndim] = buffer.strides[i]
    PyBuffer_Release(&buffer)
    return 0


cdef char *address(object array, bint writable=False) except? NULL:
    """Return where an array begins; NULL for None."""
    cdef Array seen
    if array is None:
        return NULL
    view(array, writable, &seen)
    return seen.data


cdef input_type type_of(Array *array) except *:
    if array.kind == b"B":
        return INPUT_BYTE
    if array.kind == b"f":
        return INPUT_FLOAT
    if array.kind == b"d":
        return INPUT_DOUBLE
    raise TypeError("inputs are float32, float64 or uint8")


cdef Input read_input(object x) except *:
    """Describe an input: an array (n_rows, n_in), or a CSR matrix of SciPy's."""
    cdef Input out
    cdef Array part
    memset(&out, 0, sizeof(out))
    out.is_sparse = hasattr(x, "indptr")
    if out.is_sparse:
        view(x.data, False, &part)
        out.csr.data = part.data
        out.csr.type = type_of(&part)
        view(x.indptr, False, &part)
        out.csr.indptr = part.data
        out.csr.wide = part.itemsize == 8
        out.csr.indices = address(x.indices)
        out.n_rows, out.n_in = x.shape
    else:
        view(x, False, &part)
        out.dense.data = part.data
        out.dense.type = type_of(&part)
        out.dense.row_stride, out.dense.column_stride = part.strides[0], part.strides[1]
        out.n_rows, out.n_in = part.shape[0], part.shape[1]
    return out


cdef Input rows_from(const Input *x, Py_ssize_t first) noexcept nogil:
    """Return the input without its first rows."""
    cdef Input rest = x[0]
    if x.is_sparse:
        rest.csr.indptr = <const char *>x.csr.indptr + first * (8 if x.csr.wide else 4)
    else:
        rest.dense.data = x.dense.data + first * x.dense.row_stride
    rest.n_rows = x.n_rows - first
    return rest


cdef Py_ssize_t row_start(const csr_input *x, Py_ssize_t row) noexcept nogil:
    """Return where a CSR row's non-zeros begin."""
    if x.wide:
        return <Py_ssize_t>(<const int64_t *>x.indptr)[row]
    return (<const int *>x.indptr)[row]


cdef Py_ssize_t padded(Py_ssize_t n, size_t size) noexcept nogil:
    """Return the row stride, in numbers, of a matrix of n columns in the workspace."""
    cdef Py_ssize_t n_bytes = (n * size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    if n_bytes % AVOIDED_STRIDE == 0:
        n_bytes += ALIGNMENT
    return n_bytes // size


cdef size_t panel_bytes(Py_ssize_t n_columns, Py_ssize_t n_rows, size_t size) noexcept nogil:
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


cdef char *reserve(Space *space, size_t n_bytes) noexcept nogil:
    """Take an aligned piece of the space; only count it if there is no memory yet."""
    cdef char *piece = NULL
    cdef size_t whole = (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT + REDZONE
    if space.base != NULL:
        piece = space.base + space.used
        forbid(piece + n_bytes, whole - n_bytes)
    space.used += whole
    return piece


cdef class Memory:
    """Aligned memory that lives as long as this object; zeros at first."""

    cdef void *raw
    cdef char *data
    cdef size_t n_bytes

    def __cinit__(self, size_t n_bytes):
        self.raw = calloc(n_bytes + 2 * ALIGNMENT, 1)
        if self.raw == NULL:
            raise MemoryError(f"no memory for a workspace of {n_bytes} bytes")
        self.data = <char *>((<uintptr_t>self.raw + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT)
        self.n_bytes = n_bytes
        forbid(self.data + n_bytes, <char *>self.raw + 2 * ALIGNMENT - self.data)

    def __dealloc__(self):
        free(self.raw)
