"""`train_epoch`: a pass over minibatches, by one thread or several.

    δ_L from the loss;   δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1};   ∂W_l = h_{l-1}ᵀ @ δ_l

A step is in `step.pxd`, what its threads share in `shared.pxd`.
"""

cdef enum:
    # Multiply-adds between checks for signals: milliseconds on any processor.
    WORK_BETWEEN_SIGNALS = 1 << 27


# If other programs use the processors, threads wait for one that is not running. When the first has
# waited for this fraction of the time, after some milliseconds, it continues alone, with
# bit-identical results.
cdef double most_waiting = 0.4, grace = 0.005


def set_patience(double most, double seconds):
    """Set the maximum waiting time of training before it continues with one thread.

    Parameters
    ----------
    most : float
        Fraction of the time; below 0, only the first step is waited for.
    seconds : float
        Time added to the duration of a pass, so that it is not judged too early.

    Returns
    -------
    tuple of float
        The previous values.
    """
    global most_waiting, grace
    before = (most_waiting, grace)
    most_waiting, grace = most, seconds
    return before


cdef class Epoch(Team):
    """One call of `train_epoch`."""

    cdef Program program
    cdef Shared shared
    cdef step step  # what does not change from step to step
    cdef double weight_decay
    cdef int64_t n_steps, work_since_signals
    cdef bint interrupted, dismissed, paused
    cdef double begun, pause_at  # when
    cdef object error  # what ended it

    def __init__(self, Program program):
        self.program = program
        self.shared.net, self.shared.gate = &program.net, &self.gate
        self.pause_at = INFINITY

    cdef int train(self) except -1:
        """Check arguments, choose the form of the rows and the threads, lay out memory, and run."""
        cdef Program program = self.program
        cdef Shared *shared = &self.shared
        cdef const Network *net = shared.net
        cdef double density, work
        cdef Py_ssize_t n_non_zeros
        cdef int n_threads
        cdef Form form
        cdef Space space
        cdef Memory memory
        cdef bint limits_gradient = shared.options.clip_norm != 0
        self.check_rows()
        with nogil:
            form = form_of(
                net.kernels, &shared.x, shared.order, shared.n_order, net.layers[0].n_out, &density
            )
            n_non_zeros = most_non_zeros(
                &shared.x, shared.order, shared.n_order, shared.options.batch_size
            )
        work = shared.options.batch_size * work_of_a_row(net, 1.0 if form == DENSE else density)
        n_threads = program.threads_for(3 * work, work_to_share)
        space.base, space.used = NULL, 0
        lay_out(shared, form, n_non_zeros, n_threads, limits_gradient, &space)
        memory = program.take_memory(space.used)
        space.base, space.used = memory.data, 0
        lay_out(shared, form, n_non_zeros, n_threads, limits_gradient, &space)
        clear_gradient(shared)
        begin_scaling(shared)
        self.go(n_threads, 3 * work)
        program.give_back(memory)
        if self.interrupted:
            raise self.error
        return refuse_changed(read_shared(&shared.n_unsound) == 0, "x and y")

    cdef int go(self, int n_threads, double work) except -1:
        """Go through the minibatches, now and then the other way: with the team or without."""
        cdef Pace *pace = self.program.pace_of(self.program.training_paces, n_threads, work)
        cdef int way = TEAM
        cdef int64_t n_before
        cdef double begun
        try:
            while not self.has_ended():
                n_before, begun = self.n_steps, seconds_now()
                if pace != NULL:
                    way = way_to_go(pace)
                    self.pause_at = begun + seconds_to_go(pace)
                self.paused = self.dismissed = False
                self.gate.waited = 0
                self.run(n_threads if way == TEAM else 1)
                if pace != NULL:
                    record(pace, (self.n_steps - n_before) * work, seconds_now() - begun)
        finally:
            if pace != NULL:
                give_back_pace(pace)
        return 0

    cdef bint has_ended(self) noexcept:
        return (
            self.interrupted
            or read_shared(&self.shared.n_unsound) != 0
            or self.n_steps * self.shared.options.batch_size >= self.shared.n_order
        )

    cdef int check_rows(self) except -1:
        """Refuse row numbers, labels and CSR entries that are out of bounds."""
        cdef const Shared *shared = &self.shared
        cdef Py_ssize_t i, n_rows = shared.x.n_rows
        cdef Py_ssize_t n_classes = shared.net.layers[shared.net.n_layers - 1].n_out
        cdef bint row_outside = False, label_outside = False
        cdef int64_t label
        with nogil:
            for i in range(shared.n_order):
                if shared.order[i] < 0 or shared.order[i] >= n_rows:
                    row_outside = True
            if shared.net.loss == CROSS_ENTROPY and not row_outside:
                for i in range(shared.n_order):
                    label = (
                        <const int64_t *>(shared.y.data + shared.order[i] * shared.y.strides[1])
                    )[0]
                    if label < 0 or label >= n_classes:
                        label_outside = True
        if row_outside:
            raise ValueError(f"order must hold row numbers in [0, {n_rows})")
        if label_outside:
            raise ValueError(f"y must hold classes in [0, {n_classes}) for the rows in order")
        check_entries(&shared.x, shared.order, shared.n_order)
        return 0

    # -- the work of each thread ----------------------------------------------------------------

    cdef void work(self, int member, int n_members) noexcept nogil:
        cdef Shared *shared = &self.shared
        cdef int64_t n_done = self.n_steps
        cdef Py_ssize_t begin = n_done * shared.options.batch_size, n_rows
        cdef uint64_t float_mode = flush_subnormals()
        cdef step *steps = shared.own[member].steps
        cdef double count
        steps[0] = self.step
        if member == 0:
            self.begun = seconds_now() - grace
        while begin < shared.n_order:
            n_rows = min(shared.options.batch_size, shared.n_order - begin)
            prepare_groups(
                shared, steps, self.weight_decay, shared.rates[n_done], shared.t + n_done + 1
            )
            if member == 0 and self.work_since_signals > WORK_BETWEEN_SIGNALS:
                restore_float_mode(float_mode)
                self.look_at_signals()
                float_mode = flush_subnormals()
            fetch_rows(shared, begin, n_rows, member, n_members)
            wait(&self.gate, member, n_members)
            # No member changes these before all have read them, after the next barriers.
            if self.interrupted or read_shared(&shared.n_unsound):
                break
            count = train_batch(shared, begin, n_rows, steps, n_done, member, n_members)
            if member == 0:
                add_up(shared, n_rows, count)
                self.take_stock(n_rows)
            wait(&self.gate, member, n_members)
            n_done += 1
            begin += n_rows
            if self.paused:
                break
            if self.dismissed and n_members > 1:
                if member > 0:
                    break
                n_members = 1
        restore_float_mode(float_mode)

    cdef void take_stock(self, Py_ssize_t n_rows) noexcept nogil:
        """Count a step, and check whether waiting for the other threads is still worthwhile."""
        self.n_steps += 1
        # Written once: the first continues alone while another member may still read it.
        if not self.dismissed and (self.gate.waited > 0 or most_waiting < 0) and (
            self.gate.waited > most_waiting * (seconds_now() - self.begun)
        ):
            self.dismissed = True
        if seconds_now() >= self.pause_at:
            self.paused = True
        self.work_since_signals += self.shared.net.n_slots * n_rows

    cdef void look_at_signals(self) noexcept nogil:
        """Check whether a signal handler, such as Ctrl-C's, raises, and keep the exception."""
        self.work_since_signals = 0
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                self.error, self.interrupted = error, True
