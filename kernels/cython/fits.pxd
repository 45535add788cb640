"""Whole fits of models: what each is told, the order of its rows, and when it ends."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "simd/random.h" nogil:
    struct bit_generator:
        void *state
        uint64_t (*next_uint64)(void *state) noexcept nogil
        uint32_t (*next_uint32)(void *state) noexcept nogil
    uint64_t pcg64_next(void *state) noexcept
    uint32_t pcg64_next_half(void *state) noexcept
    void shuffle(const bit_generator *g, int64_t *numbers, Py_ssize_t n)

cdef enum Shuffling:
    IN_TURN
    PERMUTED  # anew in each epoch, as by Generator.permutation
    REORDERED  # from one epoch to the next, as by RandomState.shuffle

cdef enum:  # what is measured of an epoch
    LOSS
    ACCURACY
    PENALTY
    VAL_LOSS
    VAL_ACCURACY
    N_METRICS

cdef enum Ending:
    COMPLETED
    STOPPED
    DIVERGED
    INTERRUPTED


cdef packed struct Recipe:
    # What the fit of a model is told, beside what is the same for all.
    int64_t first_row, n_rows, rows_per_call, batch_size
    int64_t first_watched, n_watched
    int64_t step  # updates done before
    int64_t first_rate, n_rates  # one, if it is constant
    int64_t rule, mean, drops
    int64_t groups, scales_features  # which factors; -1: none
    uint64_t dropout_seed
    double first_decay, second_decay, epsilon, weight_decay
    double l1, l2, max_norm, clip_norm
    double offset  # of the recorded loss


cdef struct Stopping:
    # When a fit ends before its last epoch.
    int metric  # N_METRICS: never
    double sign  # 1 where more is better, else -1
    double least_gain
    int64_t patience
    bint restores_best
    bint by_tolerance  # any lower loss is the best one, but only `least_gain` counts as progress


cdef struct Progress:
    # Where the fit of a model stands.
    double best
    int64_t best_epoch, without_progress


cdef inline bint asks_to_stop(
    const Stopping *rule, Progress *progress, double value, int64_t epoch
) noexcept nogil:
    """Compare an epoch, counted from 1, with the best one; return whether to stop."""
    if rule.by_tolerance:
        progress.without_progress += 1
        if not value > progress.best - rule.least_gain:
            progress.without_progress = 0
        progress.best = min(value, progress.best)
        return progress.without_progress > rule.patience
    if value == value and (
        progress.best_epoch == 0 or rule.sign * (value - progress.best) > rule.least_gain
    ):
        progress.best, progress.best_epoch = value, epoch
    return epoch - progress.best_epoch >= rule.patience


cdef inline void draw_order(
    const bit_generator *generator,
    Shuffling shuffling,
    bint is_first,
    Py_ssize_t n_rows,
    int64_t *order,
    int64_t *spare,
) noexcept nogil:
    """Draw the order of an epoch's rows, numbers from 0 on; `spare` has room for twice as many."""
    cdef int64_t *drawn = spare + n_rows
    cdef Py_ssize_t i
    if shuffling != REORDERED or is_first:
        for i in range(n_rows):
            order[i] = i
    if shuffling == PERMUTED:
        shuffle(generator, order, n_rows)
    elif shuffling == REORDERED:
        for i in range(n_rows):
            spare[i], drawn[i] = order[i], i
        shuffle(generator, drawn, n_rows)
        for i in range(n_rows):
            order[i] = spare[drawn[i]]
