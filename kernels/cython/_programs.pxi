"""A network's layers as compiled code walks through them, and `predict`.

    z_l = h_{l-1} @ W_l + b_l,   h_l = activation_l(z_l)

All memory of a pass is one workspace, allocated before its first step. Rows are predicted a block
at a time; of several threads each takes its own rows.
"""

cdef enum:
    PREDICT_ROWS = 126  # 9 tiles of 14 rows: activations stay in L2 beside the weights
    LARGEST_SPARE = 1 << 26  # bytes of a workspace that is kept from call to call
    FORESEEN_BYTES = 512  # rows of at least as many are asked for ahead: 7 % less for 10,000 images

# Multiply-adds for each thread that make it worth while to wake them for a prediction, and to have
# them wait for each other in every training step.
cdef double work_to_wake_for = 4e7, work_to_share = 1e6


def set_work_for_threads(double to_wake_for, double to_share):
    """Set how much work for each thread it takes to use several; tests make it small.

    Parameters
    ----------
    to_wake_for, to_share : float
        Multiply-adds of a prediction, and of a training step.

    Returns
    -------
    tuple of float
        The numbers before.
    """
    global work_to_wake_for, work_to_share
    before = (work_to_wake_for, work_to_share)
    work_to_wake_for, work_to_share = to_wake_for, to_share
    return before


cdef struct Layer:
    Py_ssize_t n_in, n_out, stride
    Py_ssize_t weight, bias  # offsets in the parameters, in numbers; bias -1 for none
    activation activation
    bint keeps_z  # whether its derivative is taken from the pre-activation


cdef struct Activations:
    char *h  # output of the layer, (n_rows, n_out)
    char *z  # pre-activation; h, if it is not kept apart
    char *dropped  # output after dropout; h, if there is none
    char *delta  # derivative of the loss by z; training only
    Py_ssize_t row


cdef struct Workspace:
    Batch batch
    Activations *activations  # by layer


cdef class Program:
    """A network's programs in one instruction set.

    Parameters
    ----------
    kernels : Kernels
        The table of the network's dtype.
    layers : list of tuple
        ``(n_in, n_out, stride, weight offset, bias offset or -1, activation code, keeps z)``.
    loss : int
        Code of the loss.
    n_slots, n_weight_slots : int
        Lengths of the parameters and of the weights among them.
    input_scale, huber_delta : float
        As in `fastnn.architecture.Architecture`.
    get_num_threads : callable
        Returns how many threads may compute; asked when there is work for several.
    """

    cdef Kernels owner
    cdef const kernels *kernels
    cdef Memory memory, spare
    cdef Layer *layers
    cdef int n_layers
    cdef loss loss
    cdef Py_ssize_t n_slots, n_weight_slots, widest
    cdef double input_scale, huber_delta
    cdef object get_num_threads

    def __init__(
        self,
        Kernels kernels,
        list layers,
        int loss_code,
        Py_ssize_t n_slots,
        Py_ssize_t n_weight_slots,
        double input_scale,
        double huber_delta,
        get_num_threads,
    ):
        cdef Layer *layer
        cdef int i
        self.owner = kernels
        self.kernels = kernels.table
        self.n_layers = len(layers)
        self.memory = Memory(self.n_layers * sizeof(Layer))
        self.layers = <Layer *>self.memory.data
        self.loss = <loss>loss_code
        self.n_slots, self.n_weight_slots = n_slots, n_weight_slots
        self.input_scale, self.huber_delta = input_scale, huber_delta
        self.get_num_threads = get_num_threads
        self.widest = 0
        for i in range(self.n_layers):
            layer = &self.layers[i]
            (layer.n_in, layer.n_out, layer.stride, layer.weight, layer.bias, code,
             layer.keeps_z) = layers[i]
            layer.activation = <activation><int>code
            self.widest = max(self.widest, layer.n_out)

    cdef double work_of_a_row(self, double density) noexcept nogil:
        """Return the multiply-adds of one row's way through the layers."""
        cdef double work = 0.0
        cdef int i
        for i in range(self.n_layers):
            work += (density if i == 0 else 1.0) * self.layers[i].n_in * self.layers[i].n_out
        return work

    cdef int threads_for(self, double work, double work_of_each) except -1:
        """Return how many threads to divide so much work among."""
        if not work >= 2 * work_of_each:
            return 1
        return min(<int>self.get_num_threads(), <int>min(work / work_of_each, 1024.0))

    # -- memory ---------------------------------------------------------------------------------

    cdef Py_ssize_t most_terms(self, const Input *x) noexcept nogil:
        """Return the length of the longest sum in a dense product with weights."""
        return self.widest if x.is_sparse else max(self.widest, x.n_in)

    cdef Memory take_memory(self, size_t n_bytes):
        """Return the spare memory; new memory if that is too small or taken by another thread."""
        cdef Memory memory
        with critical_section(self):
            memory = self.spare
            self.spare = None
        if memory is None or memory.n_bytes < n_bytes:
            memory = Memory(n_bytes)
        allow(memory.data, memory.n_bytes)  # another layout may have left its red zones
        return memory

    cdef void give_back(self, Memory memory):
        """Keep a pass's memory for the next one: fresh pages cost more than a small pass."""
        with critical_section(self):
            if memory.n_bytes <= LARGEST_SPARE:
                self.spare = memory

    cdef void lay_out_activations(
        self, Workspace *w, Py_ssize_t n_rows, Space *space
    ) noexcept nogil:
        """Give each layer room for the outputs of n_rows rows."""
        cdef Activations *a
        cdef Activations counted_only
        cdef int i
        w.activations = <Activations *>reserve(space, self.n_layers * sizeof(Activations))
        for i in range(self.n_layers):
            a = &counted_only if space.base == NULL else &w.activations[i]
            a.row = padded(self.layers[i].n_out, self.kernels.size)
            a.h = reserve(space, n_rows * a.row * self.kernels.size)
            a.z = a.dropped = a.h

    # -- forward --------------------------------------------------------------------------------

    cdef void forward_layer(
        self,
        Py_ssize_t i,
        const char *params,
        Workspace *w,
        const Part *part,
        bint activates,
        const upcoming *next,
        char *panel,
    ) noexcept nogil:
        """Work out a part of layer i's pre-activations from what lies below it, and of its outputs:
        all but softmax, which takes whole rows. `next` are rows that the first layer will want.
        """
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.layers[i]
        cdef const Activations *a = &w.activations[i]
        cdef const Activations *below
        cdef const char *weight = params + (layer.weight + part.column) * k.size
        cdef Py_ssize_t offset = (part.row * a.row + part.column) * k.size
        cdef epilogue epilogue
        cdef Batch rows
        if part.n_rows == 0 or part.n_columns == 0:
            return
        epilogue.bias = NULL
        if layer.bias >= 0:
            epilogue.bias = params + (layer.bias + part.column) * k.size
        epilogue.activation, epilogue.h = IDENTITY, a.z + offset
        if activates and layer.activation != SOFTMAX:
            epilogue.activation, epilogue.h = layer.activation, a.h + offset
        if i == 0:
            rows = rows_after(&w.batch, part.row)
            forward(
                &rows, part.n_rows, part.n_columns, weight, layer.stride, &epilogue, next, panel,
                a.z + offset, a.row,
            )
        else:
            below = &w.activations[i - 1]
            k.forward(
                part.n_rows, layer.n_in, part.n_columns,
                below.dropped + part.row * below.row * k.size, below.row, weight, layer.stride,
                &epilogue, NULL, panel, a.z + offset, a.row,
            )

    def predict(self, params, x, out):
        """Forward through all layers: ``out`` from rows of x, apart from them in memory."""
        cdef list held = []
        cdef Input rows = read_input(x, held)
        cdef Array result, seen
        held.append(self.hold_parameters("params", params, False, &seen))
        held.append(hold("out", out, True, &result))
        needs(rows.n_in == self.layers[0].n_in, "x", "{} columns wide", self.layers[0].n_in)
        needs(
            result.shape[0] == rows.n_rows
            and result.shape[1] == self.layers[self.n_layers - 1].n_out
            and result.kind == letter_of_size(self.kernels.size),
            "out", "a row of the network's outputs, in its dtype, for each row of x",
        )
        check_entries(&rows, NULL, rows.n_rows)
        self.run(seen.data, &rows, &result)

    cdef Buffer hold_parameters(self, str name, object array, bint writable, Array *out):
        """Hold a vector in the layout of the parameters."""
        cdef Buffer held = hold(name, array, writable, out)
        needs(
            is_flat(out)
            and out.shape[1] == self.n_slots
            and out.kind == letter_of_size(self.kernels.size),
            name, "{} contiguous numbers of the network's dtype", self.n_slots,
        )
        return held

    cdef int run(self, const char *params, const Input *x, const Array *out) except -1:
        """Predict rows of x that the caller keeps alive."""
        cdef double density
        cdef Form form
        cdef Prediction prediction
        cdef int n_threads
        cdef Workspace w
        cdef char *panel
        cdef Memory memory
        cdef Py_ssize_t block, n_non_zeros
        cdef Space space
        cdef bint is_sound = True
        if x.n_rows == 0:
            return 0
        with nogil:
            form = form_of(self.kernels, x, NULL, x.n_rows, self.layers[0].n_out, &density)
        n_threads = self.threads_for(
            x.n_rows * self.work_of_a_row(density if form != DENSE else 1.0), work_to_wake_for
        )
        n_threads = min(n_threads, (x.n_rows + ROW_BLOCK - 1) // ROW_BLOCK)
        block = min(<Py_ssize_t>PREDICT_ROWS, x.n_rows)
        n_non_zeros = most_non_zeros(x, NULL, x.n_rows, block)
        space.base, space.used = NULL, 0
        self.lay_out_prediction(&w, x, form, block, n_non_zeros, &panel, &space)
        memory = self.take_memory(n_threads * space.used)
        if n_threads == 1:  # what Prediction does, without the object
            space.base, space.used = memory.data, 0
            self.lay_out_prediction(&w, x, form, block, n_non_zeros, &panel, &space)
            with nogil:
                is_sound = self.predict_rows(params, x, out, 0, x.n_rows, block, &w, panel)
        else:
            prediction = Prediction(self)
            prediction.params, prediction.x, prediction.out = params, x, out
            prediction.memory, prediction.form = memory, form
            prediction.block, prediction.n_non_zeros = block, n_non_zeros
            prediction.run(n_threads)
            is_sound = read_shared(&prediction.n_unsound) == 0
        self.give_back(memory)
        return refuse_changed(is_sound, "x")

    cdef void lay_out_prediction(
        self,
        Workspace *w,
        const Input *x,
        Form form,
        Py_ssize_t block,
        Py_ssize_t n_non_zeros,
        char **panel,
        Space *space,
    ) noexcept nogil:
        """Divide the space among what a block of rows needs; without memory yet, only add it up."""
        lay_out_batch(
            &w.batch, self.kernels, x, self.input_scale, form, block, n_non_zeros, space
        )
        self.lay_out_activations(w, block, space)
        panel[0] = reserve(space, panel_bytes(self.most_terms(x), 0, self.kernels.size))

    cdef bint predict_rows(
        self,
        const char *params,
        const Input *x,
        const Array *out,
        Py_ssize_t first,
        Py_ssize_t end,
        Py_ssize_t block,
        Workspace *w,
        char *panel,
    ) noexcept nogil:
        """Predict rows [first, end), a block at a time; subnormal numbers are zero. Return whether
        the rows were sound.
        """
        cdef uint64_t float_mode = flush_subnormals()
        cdef const Layer *last = &self.layers[self.n_layers - 1]
        cdef const Activations *a
        cdef bint in_place = lies_ready(&w.batch, x), is_sound = True
        # Short rows that lie one after the other the processor foresees by itself.
        cdef bint asks_ahead = x.dense.row_stride >= FORESEEN_BYTES
        cdef Input rest, later
        cdef upcoming next
        cdef Part part
        cdef Py_ssize_t i
        part.row = part.column = 0
        while first < end:
            part.n_rows = min(block, end - first)
            rest = rows_from(x, first)
            later = rows_from(x, first + part.n_rows)
            next = rows_to_come(
                &later, NULL, min(block, end - first - part.n_rows) if asks_ahead else 0
            )
            if in_place:
                borrow_rows(&w.batch, &rest)
            else:
                is_sound &= fetch(&w.batch, &rest, NULL, part.n_rows)
            for i in range(self.n_layers):
                part.n_columns = self.layers[i].n_out
                self.forward_layer(i, params, w, &part, True, &next, panel)
            a = &w.activations[self.n_layers - 1]
            if last.activation == SOFTMAX:
                self.kernels.softmax(part.n_rows, last.n_out, a.z, a.row, a.h, a.row)
            self.kernels.write_rows(
                part.n_rows, last.n_out, a.h, a.row, out.data + first * out.strides[0],
                out.strides[0], out.strides[1],
            )
            first += part.n_rows
        restore_float_mode(float_mode)
        return is_sound

    # -- training -------------------------------------------------------------------------------

    cdef int check_targets(self, const Input *x, const Array *y) except -1:
        """Refuse targets of which some would be read outside of the array."""
        cdef Py_ssize_t n_out = self.layers[self.n_layers - 1].n_out
        if self.loss == CROSS_ENTROPY:
            needs(
                y.shape[0] == 1
                and y.shape[1] == x.n_rows
                and is_integer(y, 8)
                and (<uintptr_t>y.data | <uintptr_t>y.strides[1]) % 8 == 0,
                "y", "{} aligned int64 labels, one for each row of x", x.n_rows,
            )
            return 0
        needs(
            y.shape[0] == x.n_rows and y.shape[1] == n_out and y.kind in (b"f", b"d"),
            "y", "floats of shape ({}, {})", x.n_rows, n_out,
        )
        return 0

    def train_epoch(
        self,
        params,
        slots,
        state,
        x,
        y,
        const int64_t[::1] order,
        const double[::1] sample_weight,
        const double[::1] rates,
        int rule_code,
        tuple coefficients,
        Py_ssize_t batch_size,
        bint mean,
        double l1,
        double l2,
        double max_norm,
        double clip_norm,
        const double[::1] dropout,
        const uint32_t[::1] thresholds,
        uint64_t dropout_seed,
    ):
        """Train on the rows `order`; return the sums of weight, loss, right rows and penalty.

        ``state.step`` counts the updates done, also when an interrupt ends the pass.
        """
        cdef Epoch epoch = Epoch(self)
        cdef Options *options = &epoch.options
        cdef Array seen
        cdef list held = []
        cdef Py_ssize_t n_vectors = vectors_of(rule_code), n_hidden = self.n_layers - 1
        if order.shape[0] == 0:
            return 0.0, 0.0, 0.0, 0.0
        needs(batch_size >= 1, "batch_size", "at least 1")
        held.append(self.hold_parameters("params", params, True, &seen))
        epoch.params = seen.data
        needs(len(slots) == n_vectors, "slots", "{} vectors, got {}", n_vectors, len(slots))
        epoch.first_state = epoch.second_state = NULL
        if n_vectors > 0:
            held.append(self.hold_parameters("slots[0]", slots[0], True, &seen))
            epoch.first_state = seen.data
        if n_vectors > 1:
            held.append(self.hold_parameters("slots[1]", slots[1], True, &seen))
            epoch.second_state = seen.data
        epoch.x = read_input(x, held)
        needs(epoch.x.n_in == self.layers[0].n_in, "x", "{} columns wide", self.layers[0].n_in)
        held.append(hold("y", y, False, &epoch.y))
        self.check_targets(&epoch.x, &epoch.y)
        needs(
            sample_weight is None or sample_weight.shape[0] == epoch.x.n_rows,
            "sample_weight", "{} numbers, one for each row of x", epoch.x.n_rows,
        )
        needs(
            rates.shape[0] >= (order.shape[0] - 1) // batch_size + 1,
            "learning_rates", "one for each minibatch",
        )
        needs(
            dropout is None
            or dropout.shape[0] == 0
            or (dropout.shape[0] == n_hidden and thresholds.shape[0] == n_hidden),
            "dropout", "{} rates, one for each hidden layer", n_hidden,
        )
        epoch.order, epoch.n_order = &order[0], order.shape[0]
        epoch.sample_weight = NULL if sample_weight is None else &sample_weight[0]
        epoch.rates = &rates[0]
        epoch.t = state.step
        epoch.step.rule = <rule>rule_code
        epoch.step.first_decay, epoch.step.second_decay, epoch.step.epsilon = coefficients[:3]
        options.weight_decay = coefficients[3]
        options.batch_size = min(batch_size, epoch.n_order)
        options.mean = mean
        options.l1, options.l2 = l1, l2
        options.max_norm, options.clip_norm = max_norm, clip_norm
        options.dropout_seed = dropout_seed
        options.dropout = NULL
        if dropout is not None and dropout.shape[0]:
            options.dropout, options.thresholds = &dropout[0], &thresholds[0]
        try:
            epoch.train()
        finally:
            state.step = epoch.t + epoch.n_steps
        return epoch.weight, epoch.loss, epoch.right, epoch.penalty


cdef class Prediction(Team):
    """One call of `Program.run` by several threads: each takes its own rows and workspace."""

    cdef Program program
    cdef const char *params
    cdef const Input *x
    cdef const Array *out
    cdef Memory memory
    cdef Form form
    cdef Py_ssize_t block, n_non_zeros
    cdef shared_number n_unsound  # members that met rows which another thread has changed

    def __init__(self, Program program):
        self.program = program

    cdef void work(self, int member, int n_members) noexcept nogil:
        cdef Workspace w
        cdef char *panel
        cdef Space space
        cdef Part part = rows_of(self.x.n_rows, 1, member, n_members)
        space.base, space.used = NULL, 0
        self.program.lay_out_prediction(
            &w, self.x, self.form, self.block, self.n_non_zeros, &panel, &space
        )
        space.base, space.used = self.memory.data + member * space.used, 0
        self.program.lay_out_prediction(
            &w, self.x, self.form, self.block, self.n_non_zeros, &panel, &space
        )
        if not self.program.predict_rows(
            self.params, self.x, self.out, part.row, part.row + part.n_rows, self.block, &w, panel
        ):
            add_one(&self.n_unsound)
        self.wait(member, n_members)
