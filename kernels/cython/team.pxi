"""Threads that execute a pass in parallel.

All members of a team do the same steps, each on its own part of the arrays, and wait for
the others before reading what they have written. Each element of a result is computed by one
member, in the same way for any member: the results of teams of any size are bit-identical.
"""

cdef class Team:
    """Base class of passes executed by several threads."""

    cdef Memory gate_memory
    cdef Gate gate

    def __cinit__(self):
        self.gate_memory = Memory(sizeof(barrier))
        self.gate.barrier = <barrier *>self.gate_memory.data
        self.gate.waited = 0

    cdef void work(self, int member, int n_members) noexcept nogil:
        """Do a member's part; the last step is to wait for the others."""

    cdef int run(self, int n_threads) except -1:
        """Execute the pass with at most so many threads, including this one."""
        return go_through(self, n_threads)
