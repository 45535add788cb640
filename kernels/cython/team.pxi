"""Threads that go through a pass side by side.

Each member of a team does the same steps, every one on its own part of the arrays, and waits for
the others where it is going to read what they write. An element of a result is computed by one
member, in the same way whichever it is: the results of a team of any size have the same bits.
"""

cdef enum:
    ROW_BLOCK = 8  # rows are given out by as many


cdef struct Part:
    # A part of a matrix.
    Py_ssize_t row, n_rows, column, n_columns


cdef Py_ssize_t share(
    Py_ssize_t n, Py_ssize_t granule, Py_ssize_t member, Py_ssize_t n_members
) noexcept nogil:
    """Return the first of the n things that a member takes if they are given out by granules."""
    cdef Py_ssize_t n_granules = (n + granule - 1) // granule
    return min(n, n_granules * member // n_members * granule)


cdef Part rows_of(
    Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t member, Py_ssize_t n_members
) noexcept nogil:
    """Return a member's part of a matrix that is divided into blocks of rows."""
    cdef Part part
    part.row = share(n_rows, ROW_BLOCK, member, n_members)
    part.n_rows = share(n_rows, ROW_BLOCK, member + 1, n_members) - part.row
    part.column, part.n_columns = 0, n_columns
    return part


cdef Part part_of(
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


cdef class Team:
    """A pass that several threads go through: those who do it derive from this class."""

    cdef Memory shared
    cdef barrier *gate
    cdef double waited  # seconds that the caller gave way to others

    def __cinit__(self):
        self.shared = Memory(sizeof(barrier))
        self.gate = <barrier *>self.shared.data

    cdef void work(self, int member, int n_members) noexcept nogil:
        """Do a member's part; the last step is to wait for the others."""

    cdef void wait(self, int member, int n_members) noexcept nogil:
        """Wait for the others."""
        cdef double seconds = wait_at(self.gate, n_members)
        if member == 0:
            self.waited += seconds

    cdef int run(self, int n_threads) except -1:
        """Go through the pass with at most so many threads, this one among them."""
        return go_through(self, n_threads)
