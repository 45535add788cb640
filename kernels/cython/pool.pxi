"""Threads that help with one pass at a time.

They are Python threads, which every platform has, each waiting on its own lock between
passes. Starting, acquiring, waking, joining and releasing them executes no
Python code: no signal handler can raise an exception in between and leave them acquired, or
waiting forever. (With `threading.Thread` it could: it locks and waits in Python.)
Python does not wait for them at exit.

They serve one caller at a time: another caller, from its own thread or a
signal handler, gets no helpers and works alone. A forked child starts with a new
pool.
"""

cdef enum:
    MOST_HELPERS = 1023


cdef struct Pool:
    shared_number taken
    shared_number done  # helpers that have gone through the pass
    int n_helpers
    PyThread_type_lock bells[MOST_HELPERS]  # held by nobody in particular, until it rings
    const void *team
    int n_members


cdef Pool pool
memset(&pool, 0, sizeof(pool))


def help_with_passes(int number):
    """The loop of a helper, numbered from 0: sleep, then help with a pass."""
    with nogil:
        while True:
            PyThread_acquire_lock(pool.bells[number], 1)
            (<Team>pool.team).work(number + 1, pool.n_members)
            add_one(&pool.done)


cdef int helpers(int wanted) except -1:
    """Start helpers up to the wanted number, if possible; return how many there are."""
    cdef PyThread_type_lock bell
    if pool.n_helpers < wanted and is_finalizing():  # a new thread would never come to run
        wanted = pool.n_helpers
    wanted = min(wanted, <int>MOST_HELPERS)
    while pool.n_helpers < wanted:
        if pool.bells[pool.n_helpers] == NULL:
            bell = PyThread_allocate_lock()
            if bell == NULL:
                break
            PyThread_acquire_lock(bell, 1)
            pool.bells[pool.n_helpers] = bell
        try:
            start_new_thread(help_with_passes, (pool.n_helpers,))
        except RuntimeError:  # no more threads
            break
        pool.n_helpers += 1
    return min(wanted, pool.n_helpers)


cdef int go_through(Team team, int n_threads) except -1:
    """Do the team's work with at most so many threads, including this one; see `Team.run`."""
    cdef int n_helpers = 0, i
    cdef long n_looks = 0
    if n_threads <= 1 or not take(&pool.taken):
        with nogil:
            team.work(0, 1)
        return 0
    try:
        n_helpers = helpers(n_threads - 1)
        # From here on nothing can be raised until all helpers are done.
        pool.team, pool.n_members = <const void *>team, 1 + n_helpers
        write_shared(&pool.done, 0)
        for i in range(n_helpers):
            PyThread_release_lock(pool.bells[i])
        with nogil:
            team.work(0, 1 + n_helpers)
            while read_shared(&pool.done) < n_helpers:
                give_way(n_looks)
                n_looks += 1
    finally:
        write_shared(&pool.taken, 0)
    return 0


def set_handicap(double seconds):
    """Have all threads but the first lose so many seconds at each barrier; return how many before.

    For tests: processors that are far apart, or taken by others, are slow to meet.
    """
    global handicap
    before = handicap
    handicap = seconds
    return before


def pool_state():
    """Return the number of helpers, and whether they are in use."""
    return pool.n_helpers, read_shared(&pool.taken) != 0


def forget_pool():
    """Start anew: in a forked child, where the threads do not exist."""
    memset(&pool, 0, sizeof(pool))  # the locks are lost: some thread may have been asleep at them


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_pool)
