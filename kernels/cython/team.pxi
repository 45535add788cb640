"""Threads that go through a pass side by side.

Each member of a team does the same steps, every one on its own part of the arrays, and waits for
the others where it is going to read what they write. An element of a result is computed by one
member, in the same way whichever it is: the results of a team of any size have the same bits.
"""

cdef class Team:
    """A pass that several threads go through: those who do it derive from this class."""

    cdef Memory gate_memory
    cdef Gate gate

    def __cinit__(self):
        self.gate_memory = Memory(sizeof(barrier))
        self.gate.barrier = <barrier *>self.gate_memory.data
        self.gate.waited = 0

    cdef void work(self, int member, int n_members) noexcept nogil:
        """Do a member's part; the last step is to wait for the others."""

    cdef int run(self, int n_threads) except -1:
        """Go through the pass with at most so many threads, this one among them."""
        return go_through(self, n_threads)
