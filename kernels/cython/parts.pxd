"""Division of a matrix among the members of a team of threads."""

from kernels.cython.arrays cimport ALIGNMENT

cdef enum:
    ROW_BLOCK = 8  # rows are distributed in blocks of this size


cdef struct Part:
    # A part of a matrix.
    Py_ssize_t row, n_rows, column, n_columns


cdef inline Py_ssize_t share(
    Py_ssize_t n, Py_ssize_t granule, Py_ssize_t member, Py_ssize_t n_members
) noexcept nogil:
    """Return the first of the n items of a member if they are distributed in granules."""
    cdef Py_ssize_t n_granules = (n + granule - 1) // granule
    return min(n, n_granules * member // n_members * granule)


cdef inline Part rows_of(
    Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t member, Py_ssize_t n_members
) noexcept nogil:
    """Return a member's part of a matrix that is divided into blocks of rows."""
    cdef Part part
    part.row = share(n_rows, ROW_BLOCK, member, n_members)
    part.n_rows = share(n_rows, ROW_BLOCK, member + 1, n_members) - part.row
    part.column, part.n_columns = 0, n_columns
    return part


cdef inline Part part_of(
    Py_ssize_t n_rows, Py_ssize_t n_columns, size_t size, Py_ssize_t member, Py_ssize_t n_members
) noexcept nogil:
    """Return a member's part of a matrix: whole cache lines of columns, so that from one minibatch
    to the next it meets the same weights, in its own cache; rows, if there are too few columns.
    """
    cdef Part part
    cdef Py_ssize_t line = ALIGNMENT // size
    if n_members > 1 and (n_columns + line - 1) // line < n_members:
        return rows_of(n_rows, n_columns, member, n_members)
    part.row, part.n_rows = 0, n_rows
    part.column = share(n_columns, line, member, n_members)
    part.n_columns = share(n_columns, line, member + 1, n_members) - part.column
    return part
