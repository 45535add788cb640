"""Steps of training, frozen: a network's parameters and its optimizer's state, held, with buffers
that are made once, and called with one minibatch after the other.

    train               forward, loss, backward, update: what a pass over one minibatch does
    forward, backward   the same in two halves, with a delta that comes from the caller
    value_and_gradient  the loss of any number of rows, and its gradient; no update
    apply               an update from a gradient that comes from the caller

A minibatch is taken as it is where compiled code can tell that it may be; otherwise the methods
return None, and are called again with what Python has made of it and checked.
"""

cdef enum:  # what a pass does with each minibatch, added up
    GO_FORWARD = 1
    JUDGE = 2
    GO_BACK = 4
    UPDATE = 8

cdef enum Place:
    NOWHERE
    WRITTEN  # in the buffer of its own
    IN_DELTAS  # not worked out: the activations and deltas that it is the product of are there

cdef enum Floats:
    REFUSED, FINITE, FLAGS  # what floats must be to be taken as they are

cdef enum:
    MEASURED_TOGETHER = 256  # rows: their activations stay in L2
    RATES_AHEAD = 64  # of a schedule, asked for together


@final
cdef class Steps(Team):
    """A training step in one instruction set; see `fastnn.backends.steps.Steps`.

    Parameters
    ----------
    program : Program
    model : tuple
        ``(params, slots, state)``: held, changed in place; ``state.step`` counts the updates.
    rule : tuple
        ``(code, coefficients, rates)``: ``rates(step, n)`` returns the rates of n updates.
    options : tuple
        ``(mean, l1, l2, max_norm, clip_norm, dropout, thresholds, dropout_seed)``.
    max_rows : int
        Most rows of a minibatch.
    taken : tuple
        ``(floats, bytes, y, low, high)``: which rows, and whether y, are taken as they are, and
        the range of targets.
    make : tuple
        ``(empty, dtype)``: ``empty(shape, dtype)`` makes the arrays that are returned.
    """

    cdef Program program
    cdef Shared shared
    cdef step step
    cdef double weight_decay
    cdef object state, rates_of, empty, dtype, array
    cdef double[::1] rates
    cdef int64_t first_rate
    cdef list held  # the model's buffers
    cdef const double[::1] dropout
    cdef const uint32_t[::1] thresholds

    # what minibatches may be
    cdef Py_ssize_t max_rows, n_in, n_out
    cdef Floats floats
    cdef bint takes_bytes, takes_y
    cdef double low, high, largest

    # what is handed in, and may yet be refused
    cdef Py_buffer buffers[3]
    cdef int n_buffers
    cdef list held_csr
    cdef Input next_x
    cdef int next_dims
    cdef double lone_target

    # the minibatch that the buffers hold
    cdef Py_ssize_t n_rows
    cdef int n_dims  # of x

    # buffers
    cdef Memory memory, row_numbers, labels, gradient_memory, input_gradient
    cdef int n_threads  # that they are laid out for
    cdef Py_ssize_t room, room_of_csr  # in rows, in non-zeros
    cdef bint is_of_bytes, drops

    # the pass
    cdef int tasks
    cdef Py_ssize_t begin, end, together  # rows, and how many of them at a time
    cdef int64_t n_done  # parity of the step: see `learn`

    cdef Place gradient_place
    cdef bint goes_on  # whether backward may be called
    cdef shared_number busy

    # Not __init__, which may be called again, by another thread during a call.
    def __cinit__(
        self,
        Program program not None,
        tuple model,
        tuple rule_parts,
        tuple options,
        Py_ssize_t max_rows,
        tuple taken,
        tuple make,
    ):
        cdef Shared *shared = &self.shared
        cdef Options *kept = &shared.options
        cdef Array written[3]
        params, slots, self.state = model
        rule_code, coefficients, self.rates_of = rule_parts
        self.program = program
        shared.net, shared.gate = &program.net, &self.gate
        self.held = []
        program.hold_model(shared, params, slots, rule_code, self.held, written)
        program.read_rule(&self.step, &self.weight_decay, rule_code, coefficients)
        (kept.mean, kept.l1, kept.l2, kept.max_norm, kept.clip_norm, self.dropout, self.thresholds,
         kept.dropout_seed) = options
        program.check_dropout(self.dropout, self.thresholds)
        needs(max_rows >= 1, "max_rows", "at least 1")
        self.max_rows = max_rows
        self.n_in = program.net.layers[0].n_in
        self.n_out = program.net.layers[program.net.n_layers - 1].n_out
        self.floats, self.takes_bytes, self.takes_y, self.low, self.high = taken
        self.largest = FLT_MAX if program.net.kernels.size == 4 else DBL_MAX
        self.array = type(params)
        self.empty, self.dtype = make
        self.rates, self.first_rate = self.empty(0, "float64"), 0
        shared.keeps_logits = True
        self.gradient_place = NOWHERE
        self.room = 0

    # -- what is handed in -----------------------------------------------------------------------

    cdef int enter(self) except -1:
        if not take(&self.busy):
            raise RuntimeError(
                "a call of this trainer has not ended yet, in another thread: it does one thing at "
                "a time; train a copy.deepcopy of the network"
            )
        return 0

    cdef void leave(self) noexcept:
        while self.n_buffers > 0:
            self.n_buffers -= 1
            PyBuffer_Release(&self.buffers[self.n_buffers])
        self.held_csr = None
        write_shared(&self.busy, 0)

    cdef int look_at(self, object array, Array *out) except -1:
        """Describe an array, and hold it until the end of the call; return its dimensions."""
        PyObject_GetBuffer(array, &self.buffers[self.n_buffers], flags_of(False))
        self.n_buffers += 1
        return describe(&self.buffers[self.n_buffers - 1], out)

    cdef bint take_x(self, object x, bint is_checked, Py_ssize_t most) except -1:
        """Take rows, or one, of x; say whether they could be."""
        cdef Array seen
        cdef Input *rows = &self.next_x
        cdef const kernels *k = self.shared.net.kernels
        if is_checked and hasattr(x, "indptr"):
            self.held_csr, self.next_dims = [], 2
            rows[0] = read_input(x, self.held_csr)
            needs(rows.n_in == self.n_in, "x", "{} columns wide", self.n_in)
            check_entries(rows, NULL, rows.n_rows)
        elif type(x) is not self.array:
            return False
        else:
            self.next_dims = self.look_at(x, &seen)
            if not 1 <= self.next_dims <= 2 or seen.shape[1] != self.n_in:
                return False
            if input_type_of(seen.kind) < 0:
                return False
            rows.is_sparse = False
            rows.dense.data = seen.data
            rows.dense.type = <input_type>input_type_of(seen.kind)
            rows.dense.row_stride, rows.dense.column_stride = seen.strides[0], seen.strides[1]
            rows.n_rows, rows.n_in = seen.shape[0], seen.shape[1]
            if not is_checked:
                if rows.dense.type == INPUT_BYTE:
                    if not self.takes_bytes:
                        return False
                elif self.floats == REFUSED or not k.lies_within(
                    &rows.dense, rows.n_rows, self.n_in, -self.largest, self.largest
                ):
                    return False
                elif self.floats == FLAGS and not k.holds_flags(
                    &rows.dense, rows.n_rows, self.n_in
                ):
                    return False
        return 1 <= rows.n_rows <= most

    cdef bint take_y(self, object y, bint is_checked) except -1:
        """Take the labels or targets of the rows; say whether they could be."""
        cdef Shared *shared = &self.shared
        cdef Array *wanted = &shared.y
        cdef dense_input numbers
        if not (is_checked or self.takes_y):
            return False
        if shared.net.loss == CROSS_ENTROPY:
            return self.take_labels(y)
        if type(y) is self.array:
            if self.look_at(y, wanted) not in (1, 2) or wanted.kind not in (b"f", b"d"):
                return False
            if (
                self.buffers[self.n_buffers - 1].ndim == 1
                and self.n_out == 1
                and wanted.shape[1] == self.next_x.n_rows
            ):
                wanted.shape[0], wanted.strides[0] = wanted.shape[1], wanted.strides[1]
                wanted.shape[1] = 1
            elif self.buffers[self.n_buffers - 1].ndim == 1 and self.next_dims == 2:
                return False
        elif self.next_dims == 1 and self.n_out == 1 and isinstance(y, (float, int)):
            self.lone_target = y
            wanted.data, wanted.kind, wanted.itemsize = <char *>&self.lone_target, b"d", 8
            wanted.shape[0] = wanted.shape[1] = 1
            wanted.strides[0] = wanted.strides[1] = 8
        else:
            return False
        if wanted.shape[0] != self.next_x.n_rows or wanted.shape[1] != self.n_out:
            return False
        numbers.data, numbers.type = wanted.data, <input_type>input_type_of(wanted.kind)
        numbers.row_stride, numbers.column_stride = wanted.strides[0], wanted.strides[1]
        return is_checked or shared.net.kernels.lies_within(
            &numbers, self.next_x.n_rows, self.n_out, self.low, self.high
        )

    cdef bint take_labels(self, object y) except -1:
        """Take labels as int64 of its own; say whether they could be."""
        cdef Array seen
        cdef int64_t *labels = <int64_t *>self.labels.data
        cdef Array *wanted = &self.shared.y
        cdef Py_ssize_t i
        if type(y) is self.array:
            if self.look_at(y, &seen) != 1 or seen.shape[1] != self.next_x.n_rows:
                return False
            if not copy_integers(&seen, labels):
                return False
        elif self.next_dims == 1 and PyIndex_Check(y):
            try:
                labels[0] = y.__index__()
            except OverflowError:
                return False
        else:
            return False
        for i in range(self.next_x.n_rows):
            if labels[i] < 0 or labels[i] >= self.n_out:
                return False
        wanted.data, wanted.kind, wanted.itemsize = <char *>labels, b"q", 8
        wanted.shape[0], wanted.shape[1] = 1, self.next_x.n_rows
        wanted.strides[0], wanted.strides[1] = 0, 8
        return True

    cdef bint take_weight(self, object sample_weight) except -1:
        """Take the rows' weights; say whether they could be."""
        cdef Array seen
        cdef const double *weights
        cdef double total = 0.0
        cdef Py_ssize_t i
        self.shared.sample_weight = NULL
        if sample_weight is None:
            return True
        if type(sample_weight) is not self.array or self.look_at(sample_weight, &seen) != 1:
            return False
        if seen.kind != b"d" or not is_flat(&seen) or seen.shape[1] != self.next_x.n_rows:
            return False
        weights = <const double *>seen.data
        for i in range(self.next_x.n_rows):
            if not weights[i] >= 0:
                return False
            total += weights[i]
        self.shared.sample_weight = weights
        return 0 < total <= DBL_MAX

    cdef bint take_minibatch(
        self, object x, object y, object sample_weight, bint is_checked, Py_ssize_t most
    ) except -1:
        if not self.take_x(x, is_checked, most):
            return False
        self.number_rows()
        if not (self.take_y(y, is_checked) and self.take_weight(sample_weight)):
            return False
        self.accept()
        return True

    cdef int number_rows(self) except -1:
        """Have room for the numbers and labels of so many rows."""
        cdef Py_ssize_t room, i, n_rows = self.next_x.n_rows
        if self.row_numbers is None or self.row_numbers.n_bytes < <size_t>n_rows * 8:
            room = max(n_rows, min(self.max_rows, <Py_ssize_t>MEASURED_TOGETHER))
            self.labels = Memory(room * 8)
            self.row_numbers = Memory(room * 8)
            for i in range(room):
                (<int64_t *>self.row_numbers.data)[i] = i
            self.shared.order = <const int64_t *>self.row_numbers.data
        return 0

    cdef void accept(self) noexcept:
        """Go on with what was handed in: nothing can be wrong with it any more."""
        self.shared.x, self.n_rows, self.n_dims = self.next_x, self.next_x.n_rows, self.next_dims
        self.shared.n_order = self.n_rows
        self.goes_on = False
        if self.gradient_place == IN_DELTAS:
            self.gradient_place = NOWHERE

    # -- buffers ---------------------------------------------------------------------------------

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
        self.room, self.room_of_csr = shared.options.batch_size, n_non_zeros
        self.n_threads, self.is_of_bytes, self.drops = n_threads, of_bytes, drops
        return n_threads

    cdef char *gradient_buffer(self) except NULL:
        """Return room for a whole gradient, whose padding is zero."""
        if self.gradient_memory is None:
            self.gradient_memory = Memory(self.shared.net.n_slots * self.shared.net.kernels.size)
        return self.gradient_memory.data

    cdef int begin_step(self) except -1:
        """Prepare the next update's constants."""
        cdef int64_t t = self.state.step
        cdef double rate
        if not self.first_rate <= t < self.first_rate + self.rates.shape[0]:
            self.rates, self.first_rate = self.rates_of(t, RATES_AHEAD), t
            needs(self.rates.shape[0] == RATES_AHEAD, "learning_rates", "{} rates", RATES_AHEAD)
        rate = self.rates[t - self.first_rate]
        self.n_done = t % 2  # see `learn`
        self.shared.t = t - self.n_done
        prepare_step(&self.step, self.weight_decay, rate, t + 1)
        return 0

    cdef int end_step(self) except -1:
        """Count the update."""
        self.state.step = self.shared.t + self.n_done + 1
        return 0

    # -- what is asked for -------------------------------------------------------------------------

    def train(self, x, y, sample_weight=None, bint is_checked=False):
        """One update from a minibatch; return the mean loss of its rows, or None."""
        cdef Shared *shared = &self.shared
        cdef int n_threads
        cdef bint whole = has_penalty(&shared.options) or shared.options.clip_norm != 0
        self.enter()
        try:
            if not self.take_minibatch(x, y, sample_weight, is_checked, self.max_rows):
                return None
            n_threads = self.prepare(self.n_rows, self.dropout.shape[0] > 0)
            self.begin_step()
            shared.gradient = self.gradient_buffer() if whole else NULL
            shared.weight = shared.loss = shared.right = shared.penalty = 0.0
            self.go(GO_FORWARD | JUDGE | GO_BACK | UPDATE, self.n_rows, n_threads)
            self.gradient_place = WRITTEN if whole else IN_DELTAS
            self.end_step()
            return shared.loss / shared.weight
        finally:
            self.leave()

    def forward(self, x, bint logits=False, bint is_checked=False):
        """Return the outputs or logits of rows, and keep what `backward` needs; or None."""
        cdef Shared *shared = &self.shared
        cdef const Activations *a
        cdef Array seen
        self.enter()
        try:
            if not self.take_x(x, is_checked, self.max_rows):
                return None
            self.number_rows()
            self.accept()
            n_threads = self.prepare(self.n_rows, self.dropout.shape[0] > 0)
            shared.t, self.n_done, shared.y.data = self.state.step, 0, NULL
            out = self.empty(self.shape_of_outputs(), self.dtype)
            self.go(GO_FORWARD, self.n_rows, n_threads)
            a = &shared.w.activations[shared.net.n_layers - 1]
            self.look_at(out, &seen)
            shared.net.kernels.write_rows(
                self.n_rows, self.n_out, a.z if logits else a.h, a.row, seen.data,
                self.n_out * seen.itemsize, seen.itemsize,
            )
            self.goes_on = True
            return out
        finally:
            self.leave()

    cdef tuple shape_of_outputs(self):
        cdef tuple shape = (self.n_rows, self.n_out)
        return shape[2 - self.n_dims:]

    def backward(self, delta, bint of_outputs, bint updates, bint wants_input_gradient):
        """Go on from `forward` with the derivative of a loss by its logits, or by its outputs."""
        cdef Shared *shared = &self.shared
        cdef bint whole = (
            not updates or has_penalty(&shared.options) or shared.options.clip_norm != 0
        )
        self.enter()
        try:
            if not self.goes_on:
                raise RuntimeError(
                    "backward goes on from trainer.forward(x), which must be called before it: once "
                    "for each update, with no other call of the trainer in between"
                )
            self.take_delta(delta, of_outputs)
            self.begin_step()
            shared.gradient = self.gradient_buffer() if whole else NULL
            shared.input_gradient = NULL
            if wants_input_gradient:
                shared.input_gradient_row = padded(self.n_in, shared.net.kernels.size)
                shared.input_gradient = self.room_for_input_gradient()
            self.goes_on = not updates
            self.go(GO_BACK | UPDATE if updates else GO_BACK, self.n_rows, self.n_threads)
            self.gradient_place = WRITTEN if whole else IN_DELTAS
            if updates:
                self.end_step()
            if wants_input_gradient:
                return self.written_input_gradient()
        finally:
            shared.input_gradient = NULL
            self.leave()

    cdef int take_delta(self, object delta, bint of_outputs) except -1:
        """Take a delta of the last layer, that of its outputs times their derivative."""
        cdef const kernels *k = self.shared.net.kernels
        cdef const Activations *a = &self.shared.w.activations[self.shared.net.n_layers - 1]
        cdef Array seen
        cdef dense_input numbers
        cdef Py_ssize_t i, n_bytes = self.n_out * k.size
        cdef int n_dims = 0
        if type(delta) is self.array:
            n_dims = self.look_at(delta, &seen)
        if n_dims not in (1, 2) or seen.kind not in (b"f", b"d"):
            raise TypeError(f"delta must be an array of float32 or float64, got {kind_of(delta)}")
        if n_dims != self.n_dims or seen.shape[0] != self.n_rows or seen.shape[1] != self.n_out:
            raise ValueError(
                f"delta must have the shape of the outputs, {self.shape_of_outputs()}, got "
                f"{kind_of(delta)}"
            )
        numbers.data, numbers.type = seen.data, <input_type>input_type_of(seen.kind)
        numbers.row_stride, numbers.column_stride = seen.strides[0], seen.strides[1]
        if not k.lies_within(&numbers, self.n_rows, self.n_out, -self.largest, self.largest):
            raise ValueError("delta must be finite, and within the range of the network's dtype")
        k.gather(&numbers, NULL, self.n_rows, self.n_out, 1.0, a.delta, a.row)
        for i in range(self.n_rows):
            memset(a.delta + i * a.row * k.size + n_bytes, 0, a.row * k.size - n_bytes)
        if of_outputs:
            k.derive(
                self.shared.net.layers[self.shared.net.n_layers - 1].activation, self.n_rows,
                self.n_out, a.h, a.row, a.delta, a.row,
            )
        return 0

    cdef char *room_for_input_gradient(self) except NULL:
        cdef size_t n_bytes = (
            self.room * self.shared.input_gradient_row * self.shared.net.kernels.size
        )
        if self.input_gradient is None or self.input_gradient.n_bytes < n_bytes:
            self.input_gradient = Memory(n_bytes)
        return self.input_gradient.data

    cdef object written_input_gradient(self):
        """Return the derivative by the rows as they were handed in, of bytes by each byte."""
        cdef Shared *shared = &self.shared
        cdef const kernels *k = shared.net.kernels
        cdef Array seen
        cdef Py_ssize_t i
        cdef tuple shape = (self.n_rows, self.n_in)
        out = self.empty(shape[2 - self.n_dims:], self.dtype)
        self.look_at(out, &seen)
        if self.is_of_bytes:
            for i in range(self.n_rows):
                k.scale(
                    self.n_in, shared.net.input_scale,
                    shared.input_gradient + i * shared.input_gradient_row * k.size,
                )
        k.write_rows(
            self.n_rows, self.n_in, shared.input_gradient, shared.input_gradient_row, seen.data,
            self.n_in * seen.itemsize, seen.itemsize,
        )
        return out

    def gradient(self):
        """Return the gradient of the last update, or of the last `backward`."""
        cdef const kernels *k = self.shared.net.kernels
        cdef Array seen
        cdef Part part
        cdef const Layer *layer
        cdef int i
        self.enter()
        try:
            if self.gradient_place == NOWHERE:
                raise RuntimeError(
                    "there is no gradient yet, or no more: it is that of the last update or "
                    "backward, until the next call of forward or value_and_gradient"
                )
            if self.gradient_place == IN_DELTAS:
                self.shared.gradient = self.gradient_buffer()
                part.row = part.column = 0
                for i in range(self.shared.net.n_layers):
                    layer = &self.shared.net.layers[i]
                    part.n_rows, part.n_columns = layer.n_in, layer.n_out
                    add_gradient(
                        &self.shared, i, &part, self.n_rows, 1.0, False, self.shared.own[0].panel,
                        self.shared.gradient + layer.weight * k.size, layer.stride,
                    )
                    if layer.bias >= 0:
                        k.column_sums(
                            self.n_rows, layer.n_out, self.shared.w.activations[i].delta,
                            self.shared.w.activations[i].row, 1.0, False,
                            self.shared.gradient + layer.bias * k.size,
                        )
                self.gradient_place = WRITTEN
            out = self.empty(self.shared.net.n_slots, self.dtype)
            self.look_at(out, &seen)
            memcpy(seen.data, self.gradient_buffer(), self.shared.net.n_slots * k.size)
            return out
        finally:
            self.leave()

    def value_and_gradient(self, params, x, y, sample_weight, out, bint is_checked=False):
        """Return the loss of all rows with the penalty, and write its gradient to `out`; or None.
        """
        cdef Shared *shared = &self.shared
        cdef char *own_params = shared.params
        cdef Array seen
        cdef Py_ssize_t n_rows, step_rows, i
        cdef double total = 0.0, work
        cdef int n_threads
        cdef list held = []
        self.enter()
        try:
            held.append(self.program.hold_parameters("parameters", params, False, &seen))
            shared.params = seen.data
            held.append(self.program.hold_parameters("out", out, True, &seen))
            shared.gradient = seen.data
            if not self.take_minibatch(x, y, sample_weight, is_checked, <Py_ssize_t>1 << 48):
                return None
            n_rows = self.n_rows
            n_threads = self.prepare(min(n_rows, <Py_ssize_t>MEASURED_TOGETHER), False)
            shared.gradient = seen.data
            memset(seen.data, 0, shared.net.n_slots * shared.net.kernels.size)
            if shared.sample_weight == NULL:
                total = n_rows
            else:
                for i in range(n_rows):
                    total += shared.sample_weight[i]
            shared.count_of_all = total
            shared.weight = shared.loss = shared.right = shared.penalty = 0.0
            work = MEASURED_TOGETHER * <double>shared.net.n_slots
            step_rows = MEASURED_TOGETHER * <Py_ssize_t>(1 + WORK_BETWEEN_SIGNALS / work)
            self.begin = 0
            while self.begin < n_rows:
                self.go(GO_FORWARD | JUDGE | GO_BACK, min(self.begin + step_rows, n_rows), n_threads)
                PyErr_CheckSignals()
            value = shared.loss / total if shared.options.mean else shared.loss
            return value + shared.penalty / shared.weight
        finally:
            shared.params, shared.count_of_all, shared.adds_gradient = own_params, 0.0, False
            self.begin = 0
            self.leave()

    def apply(self, gradient):
        """One update from a gradient in the layout of the parameters."""
        cdef Shared *shared = &self.shared
        cdef Array seen
        self.enter()
        try:
            self.look_at(gradient, &seen)
            needs(
                is_flat(&seen) and seen.shape[1] == shared.net.n_slots
                and seen.kind in (b"f", b"d"),
                "gradient", "{} contiguous floats", shared.net.n_slots,
            )
            self.take_gradient(&seen, False)
            self.prepare_alone()
            self.begin_step()
            shared.gradient = self.gradient_buffer()
            self.gradient_place, self.goes_on = NOWHERE, False
            self.take_gradient(&seen, True)
            self.go(UPDATE, 1, 1)
            self.gradient_place = WRITTEN
            self.end_step()
        finally:
            self.leave()

    cdef int take_gradient(self, const Array *array, bint copies) except -1:
        """Check a gradient, or copy it, without its padding."""
        cdef const Layer *layer
        cdef int i
        for i in range(self.shared.net.n_layers):
            layer = &self.shared.net.layers[i]
            self.take_part(array, layer.weight, layer.n_in, layer.n_out, layer.stride, copies)
            if layer.bias >= 0:
                self.take_part(array, layer.bias, 1, layer.n_out, layer.n_out, copies)
        return 0

    cdef int take_part(
        self, const Array *array, Py_ssize_t first, Py_ssize_t n_rows, Py_ssize_t n_columns,
        Py_ssize_t stride, bint copies,
    ) except -1:
        """The same for one matrix of it."""
        cdef const kernels *k = self.shared.net.kernels
        cdef dense_input numbers
        numbers.data = array.data + first * array.itemsize
        numbers.type = <input_type>input_type_of(array.kind)
        numbers.row_stride, numbers.column_stride = stride * array.itemsize, array.itemsize
        if copies:
            k.gather(
                &numbers, NULL, n_rows, n_columns, 1.0, self.shared.gradient + first * k.size,
                stride,
            )
        elif not k.lies_within(&numbers, n_rows, n_columns, -self.largest, self.largest):
            raise ValueError("gradient must be finite, and within the range of the network's dtype")
        return 0

    cdef int prepare_alone(self) except -1:
        """Have buffers for an update by itself: as for one row."""
        cdef Input *row = &self.next_x
        if self.room > 0:
            return 0
        memset(row, 0, sizeof(Input))
        row.n_in, row.n_rows, self.next_dims = self.n_in, 1, 2
        self.number_rows()
        row.dense.type = INPUT_BYTE
        row.dense.data = self.labels.data  # one zero, read as often as there are columns
        self.accept()
        self.prepare(1, self.dropout.shape[0] > 0)
        return 0

    # -- a pass ------------------------------------------------------------------------------------

    cdef int go(self, int tasks, Py_ssize_t end, int n_threads) except -1:
        """Go through the rows from `begin` on, as many at a time as there is room for."""
        self.tasks, self.end = tasks, end
        self.together = self.shared.options.batch_size
        if n_threads == 1:
            with nogil:
                self.work(0, 1)
        else:
            self.run(n_threads)
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
                backward_batch(shared, n_rows, &self.step, self.n_done, member, n_members)
            if self.tasks & UPDATE:
                update_limited(shared, &self.step, member, n_members)
            wait(&self.gate, member, n_members)
            begin += n_rows
            if member == 0 and self.tasks & JUDGE and not self.tasks & UPDATE:
                shared.adds_gradient = True
        restore_float_mode(float_mode)


cdef bint copy_integers(const Array *array, int64_t *out) noexcept nogil:
    """Copy a row of integers, of which uint64 past int64 become negative; say whether they are some.
    """
    cdef Py_ssize_t i
    cdef bint is_signed = array.kind in (b"b", b"h", b"i", b"l", b"q")
    if not is_signed and array.kind not in (b"?", b"B", b"H", b"I", b"L", b"Q"):
        return False
    for i in range(array.shape[1]):
        out[i] = integer_at(array.data + i * array.strides[1], array.itemsize, is_signed)
    return True


cdef int64_t integer_at(const char *address, Py_ssize_t size, bint is_signed) noexcept nogil:
    """Return the integer there, wherever it lies."""
    cdef uint8_t one
    cdef uint16_t two
    cdef uint32_t four
    cdef int64_t eight
    if size == 1:
        memcpy(&one, address, 1)
        return <int8_t>one if is_signed else one
    if size == 2:
        memcpy(&two, address, 2)
        return <int16_t>two if is_signed else two
    if size == 4:
        memcpy(&four, address, 4)
        return <int32_t>four if is_signed else four
    memcpy(&eight, address, 8)
    return eight
