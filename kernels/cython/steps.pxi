"""Steps of training, frozen: a network's parameters and its optimizer's state, held, with buffers
that are made once, and called with one minibatch after the other.

    train               forward, loss, backward, update: what a pass over one minibatch does
    forward, backward   the same in two halves, with a delta that comes from the caller
    value_and_gradient  the loss of any number of rows, and its gradient; no update
    apply               an update from a gradient that comes from the caller

A minibatch is taken as it is where compiled code can tell that it may be; otherwise the methods
return None, and are called again with what Python has made of it and checked.
"""


@final
cdef class Steps(StepPass):
    """A training step in one instruction set; see `fastnn.backends.steps.Steps`.

    Parameters
    ----------
    program : Program
    model : tuple
        ``(params, slots, state)``: held, changed in place; ``state.step`` counts the updates.
    rule : tuple
        ``(code, coefficients, rates, factors, scales_features)``: ``rates(step, n)`` returns the
        rates of n updates; factors (2 n_layers + 1, 2) are those of groups of parameters, or None.
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

    cdef object empty, dtype
    cdef list held  # the model's buffers
    cdef Array written[MOST_WRITTEN]  # the same: parameters, and the optimizer's vectors
    cdef Memory input_gradient

    # whose attributes they are made for
    cdef dict fields
    cdef tuple names, values
    cdef object slots, seed
    cdef str claimed, words

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
        params, slots, self.state = model
        self.slots = slots
        rule_code, coefficients, self.rates_of, self.factors, scales_features = rule_parts
        self.program = program
        shared.net, shared.gate = &program.net, &self.gate
        self.held = []
        program.read_groups(kept, self.factors, scales_features)
        program.hold_model(shared, params, slots, rule_code, self.held, self.written)
        self.steps = Memory(n_steps(shared) * sizeof(step))
        program.read_rule(<step *>self.steps.data, &self.weight_decay, rule_code, coefficients)
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

    def watch(self, dict fields, dict made_for, str claim, str words):
        """Have `train` return None for unchecked rows once an object's attributes are not those
        that the steps were made for, and claim the object meanwhile.

        Parameters
        ----------
        fields : dict
            The object's attributes; one that is missing counts as None.
        made_for : dict
            Those that must be the same objects.
        claim : str
            The attribute that whoever trains the object sets, and deletes at the end.
        words : str
            Of the RuntimeError if somebody else does.
        """
        self.fields, self.claimed, self.words = fields, claim, words
        self.names, self.values = tuple(made_for), tuple(made_for.values())
        self.seed = self.state.dropout_seed

    cdef bint is_current(self) except -1:
        """Return whether the attributes are those that the steps were made for."""
        cdef Py_ssize_t i
        for i in range(len(self.names)):
            if self.fields.get(self.names[i]) is not self.values[i]:
                return False
        return self.state.slots is self.slots and (
            self.dropout.shape[0] == 0 or self.state.dropout_seed is self.seed
        )

    cdef bint claim(self) except -1:
        """Claim the watched object for this call; return whether it was."""
        if self.fields is None:
            return False
        if self.fields.setdefault(self.claimed, self) is not self:
            raise RuntimeError(self.words)
        return True

    def train(self, x, y, sample_weight=None, bint is_checked=False, draw=None):
        """One update from a minibatch; return the mean loss of its rows, or None."""
        cdef Shared *shared = &self.shared
        cdef int n_threads
        cdef bint whole = has_penalty(&shared.options) or shared.options.clip_norm != 0
        cdef bint is_claimed = False
        self.enter()
        try:
            is_claimed = not is_checked and self.claim()
            if is_claimed and not self.is_current():
                return None
            self.begin_step()  # first: what it may refuse costs the generator no order
            if not self.take_minibatch(
                x, y, sample_weight, is_checked, self.max_rows, draw, self.written, MOST_WRITTEN
            ):
                return None
            n_threads = self.prepare(self.n_rows, self.dropout.shape[0] > 0)
            shared.gradient = self.gradient_buffer() if whole else NULL
            shared.weight = shared.loss = shared.right = shared.penalty = 0.0
            self.go(GO_FORWARD | JUDGE | GO_BACK | UPDATE, self.n_rows, self.n_rows, n_threads)
            self.gradient_place = WRITTEN if whole else IN_DELTAS
            self.end_step()
            return shared.loss / shared.weight
        finally:
            if is_claimed:
                del self.fields[self.claimed]
            self.leave()

    def measured(self):
        """Return loss, accuracy and penalty of the last update's minibatch, weighted means."""
        cdef const Shared *shared = &self.shared
        return (
            shared.loss / shared.weight, shared.right / shared.weight,
            shared.penalty / shared.weight,
        )

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
            self.take_order(None)
            self.accept()
            n_threads = self.prepare(self.n_rows, self.dropout.shape[0] > 0)
            shared.t, self.n_done, shared.y.data = self.step_number(), 0, NULL
            self.forward_step = shared.t
            out = self.empty(self.shape_of_outputs(), self.dtype)
            self.go(GO_FORWARD, self.n_rows, self.n_rows, n_threads)
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
        cdef int tasks = GO_BACK | UPDATE if updates else GO_BACK
        cdef bint whole = (
            not updates or has_penalty(&shared.options) or shared.options.clip_norm != 0
        )
        self.enter()
        try:
            if not (self.goes_on and self.forward_step == self.step_number()):
                raise RuntimeError(
                    "backward continues from trainer.forward(x), which must be called before it: "
                    "once per update, with no other call of the trainer in between"
                )
            self.take_delta(delta, of_outputs)
            self.begin_step()
            shared.gradient = self.gradient_buffer() if whole else NULL
            shared.input_gradient = NULL
            if wants_input_gradient:
                by_x = self.empty((self.n_rows, self.n_in)[2 - self.n_dims:], self.dtype)
                shared.input_gradient_row = padded(self.n_in, shared.net.kernels.size)
                shared.input_gradient = self.room_for_input_gradient()
            self.goes_on = not updates
            self.go(tasks, self.n_rows, self.n_rows, self.n_threads)
            self.gradient_place = WRITTEN if whole else IN_DELTAS
            if updates:
                self.end_step()
            if wants_input_gradient:
                self.write_input_gradient(by_x)
                return by_x
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
        cdef uint64_t float_mode
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
        float_mode = flush_subnormals()
        k.gather(&numbers, NULL, self.n_rows, self.n_out, 1.0, a.delta, a.row)
        for i in range(self.n_rows):
            memset(a.delta + i * a.row * k.size + n_bytes, 0, a.row * k.size - n_bytes)
        if of_outputs:
            k.derive(
                self.shared.net.layers[self.shared.net.n_layers - 1].activation, self.n_rows,
                self.n_out, a.h, a.row, a.delta, a.row,
            )
        restore_float_mode(float_mode)
        return 0

    cdef char *room_for_input_gradient(self) except NULL:
        cdef size_t n_bytes = (
            self.room * self.shared.input_gradient_row * self.shared.net.kernels.size
        )
        if self.input_gradient is None or self.input_gradient.n_bytes < n_bytes:
            self.input_gradient = Memory(n_bytes)
        return self.input_gradient.data

    cdef int write_input_gradient(self, object out) except -1:
        """Write the derivative by the rows as they were handed in, of bytes by each byte."""
        cdef Shared *shared = &self.shared
        cdef const kernels *k = shared.net.kernels
        cdef Array seen
        cdef Py_ssize_t i
        cdef uint64_t float_mode
        self.look_at(out, &seen)
        float_mode = flush_subnormals()
        if (shared.x.csr.type if shared.x.is_sparse else shared.x.dense.type) == INPUT_BYTE:
            for i in range(self.n_rows):
                k.scale(
                    self.n_in, shared.net.input_scale,
                    shared.input_gradient + i * shared.input_gradient_row * k.size,
                )
        k.write_rows(
            self.n_rows, self.n_in, shared.input_gradient, shared.input_gradient_row, seen.data,
            self.n_in * seen.itemsize, seen.itemsize,
        )
        restore_float_mode(float_mode)
        return 0

    def gradient(self):
        """Return the gradient of the last update, or of the last `backward`."""
        cdef const kernels *k = self.shared.net.kernels
        cdef Array seen
        cdef Part part
        cdef const Layer *layer
        cdef int i
        cdef uint64_t float_mode
        self.enter()
        try:
            if self.gradient_place == NOWHERE:
                raise RuntimeError(
                    "there is no gradient: it is that of the last update or backward, until the "
                    "next call of forward"
                )
            if self.gradient_place == IN_DELTAS:
                self.shared.gradient = self.gradient_buffer()
                float_mode = flush_subnormals()
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
                restore_float_mode(float_mode)
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
        cdef Array seen, point
        cdef Py_ssize_t n_rows, step_rows, i
        cdef double total = 0.0, work
        cdef int n_threads
        cdef list held = []
        self.enter()
        try:
            held.append(self.program.hold_parameters("parameters", params, False, &point))
            shared.params = point.data
            held.append(self.program.hold_parameters("out", out, True, &seen))
            needs(
                not lies_in(&point, seen.data, extent(&seen)), "out",
                "apart from parameters in memory",
            )
            if not self.take_minibatch(
                x, y, sample_weight, is_checked, <Py_ssize_t>1 << 48, None, &seen, 1
            ):
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
                self.go(
                    GO_FORWARD | JUDGE | GO_BACK, min(self.begin + step_rows, n_rows),
                    MEASURED_TOGETHER, n_threads,
                )
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
            self.go(UPDATE, 1, 1, 1)
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
