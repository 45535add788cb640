"""Checks of Python arguments, and descriptions of their memory for C.

C does not check addresses, strides and row numbers. So every array is passed to
`hold`, which describes it and prevents its memory from being freed or resized during the life of
the `Buffer`; before it is read or written, `needs` checks that it is large
enough, and `check_entries` that the entries of a CSR matrix are in bounds.

Another thread may change the contents of the memory at any time. So row numbers, labels and entries
are checked again when they are used as indices; `refuse_changed` raises the error.
"""

cdef enum:
    FITS, FALLS, OUTSIDE  # results of check_entries


cdef bint is_native(char order) noexcept nogil:
    """Return whether the first character of a format means native byte order."""
    cdef int one = 1
    if order == b"<":
        return (<const char *>&one)[0] == 1
    if order == b">":
        return (<const char *>&one)[0] == 0
    return order in (b"@", b"=", b"^")


cdef char letter_of(const char *format) noexcept nogil:
    """Return the letter of a format that is one number of this machine's byte order, else 0."""
    if format == NULL:  # of bytes
        return b"B"
    if format[0] != 0 and format[1] != 0 and is_native(format[0]):
        format += 1
    return format[0] if format[0] != 0 and format[1] == 0 else 0


cdef int describe(const Py_buffer *buffer, Array *out) except -1:
    """Describe a buffer of one or two dimensions, one is one row; return how many it has."""
    cdef int i
    cdef Py_ssize_t step = buffer.itemsize
    if not 1 <= buffer.ndim <= 2:
        return buffer.ndim
    out.data = <char *>buffer.buf
    out.itemsize = buffer.itemsize
    out.kind = letter_of(buffer.format)
    out.shape[0] = 1
    out.strides[0] = 0
    for i in range(buffer.ndim - 1, -1, -1):
        out.shape[i + 2 - buffer.ndim] = buffer.shape[i]
        # Strides are asked for, and still those of ctypes are NULL: C-contiguous.
        out.strides[i + 2 - buffer.ndim] = step if buffer.strides == NULL else buffer.strides[i]
        step *= buffer.shape[i]
    return buffer.ndim


cdef int flags_of(bint writable) noexcept:
    return PyBUF_FORMAT | PyBUF_STRIDES | (PyBUF_WRITABLE * writable)


cdef class Buffer:
    """Memory of an argument, which cannot be freed or resized during the life of this object."""

    cdef Py_buffer buffer
    cdef bint is_held

    def __dealloc__(self):
        if self.is_held:
            PyBuffer_Release(&self.buffer)


cdef Buffer hold(str name, object array, bint writable, Array *out):
    """Describe an array of one or two dimensions, and hold its memory."""
    cdef Buffer held = Buffer.__new__(Buffer)
    PyObject_GetBuffer(array, &held.buffer, flags_of(writable))
    held.is_held = True
    if not 1 <= describe(&held.buffer, out) <= 2:
        raise ValueError(f"{name} must have one or two dimensions, got {held.buffer.ndim}")
    return held


cdef int needs(
    bint is_so, str name, str what, Py_ssize_t number=0, Py_ssize_t second=0
) except -1:
    """Refuse an invalid array; the message is a format for two numbers."""
    if not is_so:
        raise ValueError(f"{name} must be {what.format(number, second)}")
    return 0


cdef bint is_flat(const Array *array) noexcept nogil:
    """Return whether the array is one row of contiguous numbers, each aligned to its size."""
    return array.shape[0] == 1 and (
        array.shape[1] == 0  # wherever it lies
        or (
            (array.strides[1] == array.itemsize or array.shape[1] == 1)
            and <uintptr_t>array.data % array.itemsize == 0
        )
    )


cdef char letter_of_size(size_t size) noexcept nogil:
    """Return the letter of the kernels' numbers."""
    return b"f" if size == 4 else b"d"


cdef input_type type_of(const Array *array) except *:
    cdef int code = input_type_of(array.kind)
    if code < 0:
        raise TypeError(f"inputs are {', '.join(INPUT_TYPES)}")
    return <input_type>code


cdef bint is_integer(const Array *array, Py_ssize_t size) noexcept nogil:
    return array.itemsize == size and array.kind in (b"i", b"l", b"q")


cdef Input read_input(object x, list held) except *:
    """Describe an input, an array (n_rows, n_in) or a CSR matrix of SciPy's; its memory is held by
    what `held` gets. The entries of a matrix are not looked at: see `check_entries`.
    """
    cdef Input out
    cdef Array part, indices, indptr
    memset(&out, 0, sizeof(out))
    out.is_sparse = hasattr(x, "indptr")
    if not out.is_sparse:
        held.append(hold("x", x, False, &part))
        out.dense.data = part.data
        out.dense.type = type_of(&part)
        out.dense.row_stride, out.dense.column_stride = part.strides[0], part.strides[1]
        out.n_rows, out.n_in = part.shape[0], part.shape[1]
        return out
    held.append(hold("x.data", x.data, False, &part))
    held.append(hold("x.indices", x.indices, False, &indices))
    held.append(hold("x.indptr", x.indptr, False, &indptr))
    out.n_rows, out.n_in = x.shape
    out.csr.type = type_of(&part)
    out.csr.wide = indptr.itemsize == 8
    out.csr.n_entries, out.csr.n_in = part.shape[1], out.n_in
    needs(is_flat(&part), "x.data", "contiguous and aligned")
    needs(is_flat(&indices), "x.indices", "contiguous and aligned")
    needs(is_flat(&indptr), "x.indptr", "contiguous and aligned")
    needs(
        is_integer(&indptr, 8 if out.csr.wide else 4)
        and is_integer(&indices, indptr.itemsize),
        "x.indices and x.indptr", "int32 or int64, both the same",
    )
    needs(indices.shape[1] == out.csr.n_entries, "x.indices", "as long as x.data")
    needs(
        out.n_rows >= 0 and indptr.shape[1] == out.n_rows + 1, "x.indptr",
        "of length {} for the rows of x, not {}", out.n_rows + 1, indptr.shape[1],
    )
    out.csr.data, out.csr.indices, out.csr.indptr = part.data, indices.data, indptr.data
    return out


cdef int look_at_entries(
    const Input *x, const int64_t *order, Py_ssize_t n_rows
) noexcept nogil:
    """Return whether the entries of CSR rows, the first ones or an order's, are in bounds."""
    cdef Py_ssize_t i, e, row, begin, end, column
    for i in range(n_rows):
        row = order[i] if order != NULL else i
        begin, end = row_start(&x.csr, row), row_start(&x.csr, row + 1)
        if begin < 0 or begin > end or end > x.csr.n_entries:
            return FALLS
        for e in range(begin, end):
            if x.csr.wide:
                column = <Py_ssize_t>(<const int64_t *>x.csr.indices)[e]
            else:
                column = (<const int *>x.csr.indices)[e]
            if column < 0 or column >= x.n_in:
                return OUTSIDE
    return FITS


cdef int check_entries(const Input *x, const int64_t *order, Py_ssize_t n_rows) except -1:
    """Refuse a CSR matrix with entries out of bounds in those rows."""
    cdef int found
    if not x.is_sparse:
        return 0
    needs(row_start(&x.csr, 0) == 0, "x.indptr", "numbers from 0 on")
    with nogil:
        found = look_at_entries(x, order, n_rows)
    needs(
        found != FALLS, "x.indptr", "numbers 0 to {} that do not fall from row to row",
        x.csr.n_entries,
    )
    needs(found != OUTSIDE, "x.indices", "column numbers 0 to {}", x.n_in - 1)
    return 0


cdef int refuse_changed(bint is_sound, str name) except -1:
    """Raise the error for contents that changed after they were checked."""
    if not is_sound:
        raise ValueError(
            f"{name} must not change while it is read: another thread writes to it; hand in a copy"
        )
    return 0


cdef bint share_memory(
    const char *first, Py_ssize_t n_bytes, const char *other, Py_ssize_t others
) noexcept nogil:
    return first < other + others and other < first + n_bytes


cdef bint lies_in(const Array *array, const char *memory, Py_ssize_t n_bytes) noexcept nogil:
    """Say whether some of the memory lies where an array does, or between its numbers."""
    cdef Py_ssize_t rows, columns
    cdef const char *first
    if array.shape[0] == 0 or array.shape[1] == 0:
        return False
    rows = (array.shape[0] - 1) * array.strides[0]
    columns = (array.shape[1] - 1) * array.strides[1]
    first = array.data + min(rows, <Py_ssize_t>0) + min(columns, <Py_ssize_t>0)
    rows, columns = max(rows, -rows), max(columns, -columns)
    return share_memory(memory, n_bytes, first, rows + columns + array.itemsize)


cdef Py_ssize_t extent(const Array *array) noexcept nogil:
    """Return the bytes from an array's first number to behind its last; strides not negative."""
    if array.shape[0] == 0 or array.shape[1] == 0:
        return 0
    return (
        (array.shape[0] - 1) * array.strides[0]
        + (array.shape[1] - 1) * array.strides[1]
        + array.itemsize
    )


cdef bint reads(const Input *x, const char *memory, Py_ssize_t n_bytes) noexcept nogil:
    """Say whether some of the memory lies where the input does, or between its parts."""
    cdef Py_ssize_t size, width = 8 if x.csr.wide else 4
    cdef Array dense
    if x.is_sparse:
        size = input_size(x.csr.type)
        return (
            share_memory(memory, n_bytes, <const char *>x.csr.data, x.csr.n_entries * size)
            or share_memory(memory, n_bytes, <const char *>x.csr.indices, x.csr.n_entries * width)
            or share_memory(memory, n_bytes, <const char *>x.csr.indptr, (x.n_rows + 1) * width)
        )
    dense.data, dense.itemsize = <char *>x.dense.data, input_size(x.dense.type)
    dense.shape[0], dense.shape[1] = x.n_rows, x.n_in
    dense.strides[0], dense.strides[1] = x.dense.row_stride, x.dense.column_stride
    return lies_in(&dense, memory, n_bytes)
