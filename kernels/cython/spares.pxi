"""Workspaces that programs keep between calls, up to a total size.

Each program keeps one for its next pass. They are in a list, most recently used first;
if their total size exceeds `spares.most` bytes, those at the end of the list are freed. Taking and
keeping one moves a few pointers under one lock, which costs nothing in an interpreter with a GIL.
"""

cdef enum:
    MOST_SPARE = 1 << 26  # bytes: one training of a large network's, or hundreds of small ones'


cdef struct Spare:
    PyObject *memory  # a Memory that the list owns, or NULL
    Spare *newer
    Spare *older


@final
cdef class Spares:
    """The list of spare workspaces."""

    cdef Spare *newest
    cdef Spare *oldest
    cdef size_t n_bytes, most

    def __cinit__(self):
        self.newest = self.oldest = NULL
        self.n_bytes, self.most = 0, MOST_SPARE

    cdef Memory take(self, Spare *spare):
        """Return the kept memory, which then belongs to the caller; None if there is none."""
        cdef Memory memory
        with critical_section(self):
            memory = self.without(spare)
        return memory

    cdef int keep(self, Spare *spare, Memory memory) except -1:
        """Keep memory, and free the least recently used if the total is too large."""
        cdef Memory freed
        if memory.n_bytes > self.most:
            return 0
        with critical_section(self):
            freed = self.without(spare)  # of another thread, which allocated its own
            Py_INCREF(memory)
            spare.memory, spare.newer, spare.older = <PyObject *>memory, NULL, self.newest
            if self.newest != NULL:
                self.newest.newer = spare
            else:
                self.oldest = spare
            self.newest = spare
            self.n_bytes += memory.n_bytes
        while self.n_bytes > self.most:
            with critical_section(self):  # and is freed outside of it
                freed = self.without(self.oldest) if self.n_bytes > self.most else None
        return 0

    cdef Memory without(self, Spare *spare):
        """Take a spare out of the list and return its memory; only under the lock."""
        cdef Memory memory
        if spare.memory == NULL:
            return None
        memory = <Memory>spare.memory
        Py_DECREF(memory)
        spare.memory = NULL
        if spare.newer != NULL:
            spare.newer.older = spare.older
        else:
            self.newest = spare.older
        if spare.older != NULL:
            spare.older.newer = spare.newer
        else:
            self.oldest = spare.newer
        self.n_bytes -= memory.n_bytes
        return memory


cdef Spares spares = Spares()


def set_most_spare(size_t n_bytes):
    """Set the maximum bytes of spare workspaces; tests make it small.

    Returns
    -------
    int
        The previous value.
    """
    before = spares.most
    spares.most = n_bytes
    return before


def spare_bytes():
    """Return how many bytes of spare workspaces are kept."""
    return spares.n_bytes
