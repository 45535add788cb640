"""The barrier of a team of threads."""

cdef extern from "simd/barrier.h" nogil:
    ctypedef long shared_number
    struct barrier:
        pass
    long read_shared(shared_number *n)
    void write_shared(shared_number *n, long value)
    long add_one(shared_number *n)
    bint take(shared_number *n)
    void give_way(long n)
    double wait_at(barrier *b, int n_threads)
    double seconds_now()
    double handicap


cdef struct Gate:
    # The barrier of a team.
    barrier *barrier
    double waited  # seconds that the first gave way to others


cdef inline void wait(Gate *gate, int member, int n_members) noexcept nogil:
    """Wait for the others; everything written before is visible to all afterwards."""
    cdef double seconds = wait_at(gate.barrier, n_members)
    if member == 0:
        gate.waited += seconds
    elif handicap > 0:
        be_late()


cdef inline void be_late() noexcept nogil:
    cdef double end = seconds_now() + handicap
    while seconds_now() < end:
        give_way(0)
