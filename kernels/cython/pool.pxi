"""Threads that help with one pass at a time.

They are Python threads, which every platform has, each asleep at a lock of its own between
passes. To start them, take them, wake them, wait until they are done and give them back runs no
line of Python: no signal's handler can raise an exception in between and leave them taken, or
waiting for something that never comes. (`threading.Thread` would: it locks and waits in Python.)
Python does not wait for them when it exits.

One caller at a time is served: another one that comes meanwhile, from its own thread or from a
signal's handler, finds nobody and does its work alone. A forked child starts with a pool of its
own.
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
    """Sleep, help with a pass, and so on: what the helper of that number does, from 0."""
    with nogil:
        while True:
            PyThread_acquire_lock(pool.bells[number], 1)
            (<Team>pool.team).work(number + 1, pool.n_members)
            add_one(&pool.done)


cdef int helpers(int wanted) except -1:
    """Start helpers until there are so many, if they can be started; return how many there are."""
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
    """Have at most so many threads, this one among them, do the team's work; see `Team.run`."""
    cdef int n_helpers = 0, i
    if n_threads <= 1 or not take(&pool.taken):
        with nogil:
            team.work(0, 1)
        return 0
    try:
        n_helpers = helpers(n_threads - 1)
        # From here on nothing can be raised until everybody is done.
        pool.team, pool.n_members = <const void *>team, 1 + n_helpers
        write_shared(&pool.done, 0)
        for i in range(n_helpers):
            PyThread_release_lock(pool.bells[i])
        with nogil:
            team.work(0, 1 + n_helpers)
            while read_shared(&pool.done) < n_helpers:
                give_way()
    finally:
        write_shared(&pool.taken, 0)
    return 0


def pool_state():
    """Return how many helpers there are, and whether they are taken."""
    return pool.n_helpers, read_shared(&pool.taken) != 0


def forget_pool():
    """Start anew: in a forked child, where the threads do not exist."""
    memset(&pool, 0, sizeof(pool))  # the locks are lost: some thread may have been asleep at them


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_pool)
