"""A pass over minibatches in steps: buffers that are made once, and what is done with each.

The tasks of `training.pxi`'s pass, one by one: forward, the loss, backward, the update.
"""

cdef enum:  # what a pass does with each minibatch, added up
    GO_FORWARD = 1
    JUDGE = 2
    GO_BACK = 4
    UPDATE = 8

cdef enum Place:
    NOWHERE
    WRITTEN  # in the buffer of its own
    IN_DELTAS  # not computed: the activations and deltas that it is the product of are there

cdef enum:
    RATES_AHEAD = 64  # of a schedule, asked for together


cdef class StepPass(Minibatch):
    """The buffers of steps, and a pass that uses them."""

    cdef Program program
    cdef Memory steps  # the constants of the next update, for each group of parameters
    cdef const double[:, ::1] factors
    cdef double weight_decay
    cdef object state, rates_of
    cdef const double[::1] rates
    cdef int64_t first_rate
    cdef const double[::1] dropout
    cdef const uint32_t[::1] thresholds

    # the minibatch that the buffers hold
    cdef Py_ssize_t n_rows
    cdef int n_dims  # of x

    # buffers
    cdef Memory memory, gradient_memory
    cdef int n_threads  # that they are laid out for
    cdef double work_together  # multiply-adds forward
    cdef Py_ssize_t room, room_of_csr  # in rows, in non-zeros
    cdef bint is_of_bytes, drops

    # the pass
    cdef int tasks
    cdef Py_ssize_t begin, end, together  # rows, and how many of them at a time
    cdef int64_t n_done  # parity of the step: see `learn`

    cdef Place gradient_place
    cdef bint goes_on  # whether backward may be called
    cdef int64_t forward_step  # before which step forward was

    cdef bint take_minibatch(
        self, object x, object y, object sample_weight, bint is_checked, Py_ssize_t most,
        object draw, const Array *written, int n_written,
    ) except -1:
        cdef int i
        if not (is_checked or self.are_own(y, sample_weight)):
            return False
        if not self.take_x(x, is_checked, most):
            return False
        self.number_rows()
        if not (self.take_y(y, is_checked) and self.take_weight(sample_weight, is_checked)):
            return False
        for i in range(n_written):
            if self.is_read(&written[i]):
                if is_checked:
                    raise ValueError(
                        "x, y and sample_weight must not share memory with what is written to, the "
                        "network's parameters, optimizer state or out: hand in copies"
                    )
                return False
        self.take_order(draw)
        self.accept()
        return True

    cdef bint are_own(self, object y, object sample_weight) except -1:
        return (type(y) is not self.array or self.is_own(y)) and (
            sample_weight is None or self.is_own(sample_weight)
        )

    cdef bint is_read(self, const Array *written) noexcept:
        """Say whether something of the minibatch lies where a call writes."""
        cdef Py_ssize_t n_bytes = extent(written)
        return (
            reads(&self.next_x, written.data, n_bytes)
            or lies_in(&self.shared.y, written.data, n_bytes)
            or (
                self.shared.sample_weight != NULL
                and share_memory(
                    written.data, n_bytes, <const char *>self.shared.sample_weight,
                    self.next_x.n_rows * sizeof(double),
                )
            )
        )

    cdef void accept(self) noexcept:
        """Go on with what was handed in: nothing can be wrong with it any more."""
        self.shared.x, self.n_rows, self.n_dims = self.next_x, self.next_x.n_rows, self.next_dims
        self.shared.n_order = self.n_rows
        self.goes_on, self.gradient_place = False, NOWHERE

    cdef int prepare(self, Py_ssize_t together, bint drops) except -1:
        """Choose how the rows are kept and by how many threads, and lay out the buffers for as many
        rows at a time; return how many threads.
        """
        cdef Shared *shared = &self.shared
        cdef const Network *net = shared.net
        cdef double density, work
        cdef Form form = form_of(
            net.kernels, &shared.x, shared.order, self.n_rows, net.layers[0].n_out, &density
        )
        cdef Py_ssize_t n_non_zeros = most_non_zeros(
            &shared.x, shared.order, self.n_rows, together
        )
        cdef int n_threads
        cdef bint of_bytes = not shared.x.is_sparse and shared.x.dense.type == INPUT_BYTE
        cdef Space space
        work = together * work_of_a_row(net, 1.0 if form == DENSE else density)
        n_threads = self.program.threads_for(3 * work, work_to_share)
        self.work_together = work
        if (
            form == shared.w.batch.form
            and together <= self.room
            and n_non_zeros <= self.room_of_csr
            and n_threads <= self.n_threads
            and of_bytes == self.is_of_bytes
            and drops == self.drops
        ):
            return n_threads
        shared.options.batch_size = max(together, self.room)
        self.room = 0  # if there is no memory
        shared.options.dropout = &self.dropout[0] if drops else NULL
        shared.options.thresholds = &self.thresholds[0] if drops else NULL
        space.base, space.used = NULL, 0
        lay_out(shared, form, n_non_zeros, n_threads, False, &space)
        if self.memory is None or self.memory.n_bytes < space.used:
            self.memory = None
            self.memory = Memory(space.used)
        allow(self.memory.data, self.memory.n_bytes)
        space.base, space.used = self.memory.data, 0
        lay_out(shared, form, n_non_zeros, n_threads, False, &space)
        clear_gradient(shared)
        self.room, self.room_of_csr = shared.options.batch_size, n_non_zeros
        self.n_threads, self.is_of_bytes, self.drops = n_threads, of_bytes, drops
        return n_threads

    cdef int prepare_alone(self) except -1:
        """Have buffers for an update by itself: as for one row."""
        cdef Input *row = &self.next_x
        if self.room > 0:
            return 0
        memset(row, 0, sizeof(Input))
        row.n_in, row.n_rows, self.next_dims = self.n_in, 1, 2
        self.number_rows()
        self.take_order(None)
        row.dense.type = INPUT_BYTE
        row.dense.data = self.labels.data  # one zero, read as often as there are columns
        self.accept()
        self.prepare(1, self.dropout.shape[0] > 0)
        return 0

    cdef char *gradient_buffer(self) except NULL:
        """Return room for a whole gradient, whose padding is zero."""
        if self.gradient_memory is None:
            self.gradient_memory = Memory(self.shared.net.n_slots * self.shared.net.kernels.size)
        return self.gradient_memory.data

    cdef int64_t step_number(self) except -1:
        """Return how many updates were done, as far as the state can be believed."""
        cdef int64_t t = -1
        if not PyIndex_Check(self.state.step):
            raise TypeError(
                f"the optimizer state's step must be an integer, got {self.state.step!r}"
            )
        try:
            t = self.state.step
        except OverflowError:
            pass
        if not 0 <= t < INT64_MAX - 2 * RATES_AHEAD:
            raise ValueError(
                f"the optimizer state's step must be at least 0 and below 2**63, got "
                f"{self.state.step}"
            )
        return t

    cdef int begin_step(self) except -1:
        """Prepare the next update's constants."""
        cdef int64_t t = self.step_number()
        cdef double rate
        if not self.first_rate <= t < self.first_rate + self.rates.shape[0]:
            self.rates, self.first_rate = self.rates_of(t, RATES_AHEAD), t
            needs(self.rates.shape[0] == RATES_AHEAD, "learning_rates", "{} rates", RATES_AHEAD)
        rate = self.rates[t - self.first_rate]
        self.n_done = t % 2  # see `learn`
        self.shared.t = t - self.n_done
        prepare_groups(&self.shared, <step *>self.steps.data, self.weight_decay, rate, t + 1)
        begin_scaling(&self.shared)
        return 0

    cdef int end_step(self) except -1:
        """Count the update."""
        self.state.step = self.shared.t + self.n_done + 1
        return 0

    cdef int go(
        self, int tasks, Py_ssize_t end, Py_ssize_t together, int n_threads
    ) except -1:
        """Go through the rows from `begin` to `end`, so many at a time."""
        cdef double work = self.work_together * (2 if tasks & GO_BACK else 1) * (
            (end - self.begin + together - 1) // together
        )
        cdef Pace *pace = self.program.pace_of(self.program.step_paces, n_threads, work)
        cdef double begun
        self.tasks, self.end, self.together = tasks, end, together
        if pace != NULL and way_to_go(pace) == ALONE:
            n_threads = 1
        begun = seconds_now() if pace != NULL else 0.0
        try:
            if n_threads == 1:
                with nogil:
                    self.work(0, 1)
            else:
                self.run(n_threads)
        finally:
            if pace != NULL:
                record(pace, work, seconds_now() - begun)
                give_back_pace(pace)
        if read_shared(&self.shared.n_unsound) != 0:
            write_shared(&self.shared.n_unsound, 0)
            refuse_changed(False, "x and y")
        self.begin = end if tasks & JUDGE and not tasks & UPDATE else 0
        return 0

    cdef void work(self, int member, int n_members) noexcept nogil:
        cdef Shared *shared = &self.shared
        cdef uint64_t float_mode = flush_subnormals()
        cdef Py_ssize_t begin = self.begin, n_rows
        cdef double count
        cdef const step *steps = <const step *>self.steps.data
        while begin < self.end:
            n_rows = min(self.together, self.end - begin)
            if self.tasks & GO_FORWARD:
                fetch_rows(shared, begin, n_rows, member, n_members)
                wait(&self.gate, member, n_members)
                if read_shared(&shared.n_unsound):
                    break
                forward_batch(
                    shared, n_rows, self.n_done, not self.tasks & JUDGE, member, n_members
                )
            if self.tasks & JUDGE:
                count = judge(shared, begin, n_rows, member, n_members)
                wait(&self.gate, member, n_members)
                if member == 0:
                    add_up(shared, n_rows, count)
            elif self.tasks & GO_FORWARD:
                normalize(shared, n_rows, member, n_members)
            if self.tasks & GO_BACK:
                backward_batch(shared, n_rows, steps, self.n_done, member, n_members)
            if self.tasks & UPDATE:
                update_limited(shared, steps, member, n_members)
            wait(&self.gate, member, n_members)
            begin += n_rows
            if member == 0 and self.tasks & JUDGE and not self.tasks & UPDATE:
                shared.adds_gradient = True
        restore_float_mode(float_mode)
