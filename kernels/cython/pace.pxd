"""Whether a team pays: work is timed with it and without, and what is faster goes on.

How much two threads gain depends on how far apart their processors are and on who else uses them,
which no program can know beforehand. The results have the same bits either way, so the first steps
are timed both ways; what is slower is tried again now and then, ever more rarely while it remains
slower, and so rarely that trials lose 2 % of the time at most.
"""

from libc.math cimport frexp

from kernels.cython.gate cimport shared_number, take, write_shared

cdef enum:
    ALONE
    TEAM
    MOST_PACES = 4  # kinds of work of a program that are remembered
    TRIAL = 2_000  # microseconds: hundreds of small steps, or one large one
    SHORTEST_RUN = 20_000  # of the chosen way, before the other is tried again
    LONGEST_RUN = 2_000_000
    MOST_PERCENT = 97  # of the chosen way's time, for the other to be chosen
    RUN_PER_LOSS = 50  # seconds of the chosen way for each that a trial has lost


cdef struct Pace:
    # Seconds that work takes alone and by a team.
    shared_number taken  # by a pass; others at the same time do not measure
    int n_threads, size  # what was measured: the team, and the work's power of two
    int choice
    bint is_trial  # of the other way
    double work[2], seconds[2]  # measured and not yet judged
    double per_work[2]  # seconds; 0 if unknown
    double run, left  # of the chosen way, in all and to go, before the next trial


cdef inline Pace *take_pace(Pace *paces, int n_threads, double work) noexcept nogil:
    """Return the record of work of this size, to be given back; NULL while another pass has it."""
    cdef int size = 0
    cdef Pace *pace
    frexp(work, &size)
    pace = &paces[<unsigned int>size % MOST_PACES]
    if not take(&pace.taken):
        return NULL
    if pace.n_threads != n_threads or pace.size != size:
        pace.n_threads, pace.size, pace.choice, pace.is_trial = n_threads, size, TEAM, False
        pace.work[ALONE] = pace.work[TEAM] = pace.seconds[ALONE] = pace.seconds[TEAM] = 0
        pace.per_work[ALONE] = pace.per_work[TEAM] = 0
        pace.run, pace.left = 1e-6 * SHORTEST_RUN, 0
    return pace


cdef inline void give_back_pace(Pace *pace) noexcept nogil:
    write_shared(&pace.taken, 0)


cdef inline int way_to_go(const Pace *pace) noexcept nogil:
    """Return ALONE or TEAM."""
    return 1 - pace.choice if pace.is_trial else pace.choice


cdef inline double seconds_to_go(const Pace *pace) noexcept nogil:
    """Return for how long, before `record` is to be called."""
    cdef int way = way_to_go(pace)
    if pace.is_trial or pace.per_work[way] == 0:
        return 1e-6 * TRIAL - pace.seconds[way]
    return max(pace.left, 1e-6 * TRIAL)


cdef inline void record(Pace *pace, double work, double seconds) noexcept nogil:
    """Note how long work took on the way to go, and choose how to go on."""
    cdef int way = way_to_go(pace), other = 1 - way
    cdef double lost
    pace.work[way] += work
    pace.seconds[way] += seconds
    if not pace.is_trial:
        pace.left -= seconds
    if pace.seconds[way] < 1e-6 * TRIAL or pace.work[way] <= 0:
        return
    lost = pace.seconds[way] - pace.work[way] * pace.per_work[other]
    pace.per_work[way] = pace.seconds[way] / pace.work[way]
    pace.work[way] = pace.seconds[way] = 0
    if pace.is_trial:
        pace.is_trial = False
        if pace.per_work[way] < 0.01 * MOST_PERCENT * pace.per_work[other]:
            pace.choice, pace.run = way, 1e-6 * SHORTEST_RUN
        else:
            pace.run = max(min(2 * pace.run, 1e-6 * LONGEST_RUN), RUN_PER_LOSS * lost)
        pace.left = pace.run
    elif pace.left <= 0 or (
        pace.per_work[other] < 0.01 * MOST_PERCENT * pace.per_work[way]
    ):
        # Its time is over, or it has become slower than the other was.
        pace.is_trial = True
