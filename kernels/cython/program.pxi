"""The programs of a network, as called from Python: arguments are checked, held and unpacked.

All memory of a pass is one workspace, allocated before its first step.
"""

cdef enum:
    # Multiply-adds, and numbers of the input, up to which a prediction keeps the GIL: in so few
    # microseconds no other thread would gain by it, but threads that all predict would wake one
    # another at each call.
    WORK_WITH_GIL = 100_000
    MOST_WRITTEN = 5  # parameters, a rule's vectors, and the two of scaled features

# Multiply-adds per thread that make it worthwhile to wake them for a prediction, and to synchronize
# them in every training step.
cdef double work_to_wake_for = 4e7, work_to_share = 1e6

# Whether work is timed with a team and without, to go on with what is faster.
cdef bint teams_are_tried = True


cdef bint keeps_gil(const Input *x, double work) noexcept nogil:
    """Return whether the work on some rows is too short to let other threads run meanwhile."""
    return work <= WORK_WITH_GIL and <double>x.n_rows * x.n_in <= WORK_WITH_GIL


def set_work_for_threads(double to_wake_for, double to_share, bint tries=False):
    """Set the minimum work per thread for using several; tests make it small.

    Parameters
    ----------
    to_wake_for, to_share : float
        Multiply-adds of a prediction, and of a training step.
    tries : bool
        Whether teams are then tried against one thread, or always work.

    Returns
    -------
    tuple of float, float and bool
        The previous values.
    """
    global work_to_wake_for, work_to_share, teams_are_tried
    before = (work_to_wake_for, work_to_share, teams_are_tried)
    work_to_wake_for, work_to_share, teams_are_tried = to_wake_for, to_share, tries
    return before


cdef class Program:
    """The programs of a network for one instruction set.

    Parameters
    ----------
    kernels : Kernels
        The table of the network's dtype.
    layers : list of tuple
        ``(n_in, n_out, stride, weight offset, bias offset or -1, activation code, keeps z)``.
    loss, loss_activation : int
        Codes of the loss, and of what is applied to the last layer's z before it.
    loss_constants : ndarray of shape (n_out,)
        The loss's constant for each output.
    label_smoothing : float
        Of softmax's targets.
    n_slots, n_weight_slots : int
        Lengths of the parameters and of the weights among them.
    input_scale : float
        As in `fastnn.architecture.Architecture`.
    get_num_threads : callable
        Returns the maximum number of threads; called when there is work for several.
    """

    cdef Kernels owner
    cdef Network net
    cdef Memory memory
    cdef Padded loss_constants
    cdef Spare spare
    cdef Pace[MOST_PACES] prediction_paces, training_paces, step_paces
    cdef object get_num_threads

    def __init__(
        self,
        Kernels kernels,
        list layers,
        int loss_code,
        int loss_activation_code,
        loss_constants,
        double label_smoothing,
        Py_ssize_t n_slots,
        Py_ssize_t n_weight_slots,
        double input_scale,
        get_num_threads,
    ):
        cdef Layer *layer
        cdef int i
        self.owner = kernels
        self.memory = Memory(len(layers) * sizeof(Layer))
        self.net.kernels = kernels.table
        self.net.n_layers, self.net.layers = len(layers), <const Layer *>self.memory.data
        self.net.loss = <loss>code_in(LOSSES, "loss", loss_code)
        self.net.n_slots, self.net.n_weight_slots = n_slots, n_weight_slots
        self.net.label_smoothing, self.net.input_scale = label_smoothing, input_scale
        self.net.widest = 0
        self.get_num_threads = get_num_threads
        for i in range(self.net.n_layers):
            layer = <Layer *>self.memory.data + i
            (layer.n_in, layer.n_out, layer.stride, layer.weight, layer.bias, code,
             layer.keeps_z) = layers[i]
            layer.activation = <activation>code_in(ACTIVATIONS, "activation", code)
            self.net.widest = max(self.net.widest, layer.n_out)
        self.net.loss_activation = <activation>loss_activation_in(loss_activation_code)
        self.loss_constants = pad("loss_constants", kernels.table, loss_constants)
        has_shape(
            "loss_constants", self.loss_constants, 1, self.net.layers[self.net.n_layers - 1].n_out
        )
        self.net.loss_constants = self.loss_constants.data

    cdef int threads_for(self, double work, double work_of_each) except -1:
        """Return the number of threads for this amount of work."""
        if not work >= 2 * work_of_each:
            return 1
        return min(<int>self.get_num_threads(), <int>min(work / work_of_each, 1024.0))

    cdef Pace *pace_of(self, Pace *paces, int n_threads, double work) noexcept:
        """Return the record of such work, to be given back; NULL where nothing is to be tried."""
        return take_pace(paces, n_threads, work) if n_threads > 1 and teams_are_tried else NULL

    def paces(self):
        """Return what was measured with a team and without.

        Returns
        -------
        list of tuple
            ``(kind, n_threads, work, is_team, seconds_alone, seconds_by_team)``: "prediction",
            "training" or "step"; multiply-adds, rounded up to a power of two; whether the team was
            chosen; seconds a multiply-add, 0 where not measured.
        """
        cdef const Pace *pace
        cdef int kind, i
        cdef list found = []
        for kind, name in enumerate(("prediction", "training", "step")):
            for i in range(MOST_PACES):
                if kind == 0:
                    pace = &self.prediction_paces[i]
                elif kind == 1:
                    pace = &self.training_paces[i]
                else:
                    pace = &self.step_paces[i]
                if pace.n_threads > 1:
                    found.append((
                        name, pace.n_threads, 2.0**pace.size, pace.choice == TEAM,
                        pace.per_work[ALONE], pace.per_work[TEAM],
                    ))
        return found

    # -- memory ---------------------------------------------------------------------------------

    cdef Memory take_memory(self, size_t n_bytes):
        """Return the spare memory; new memory if that is too small, given up, or taken by another
        thread.
        """
        cdef Memory memory = spares.take(&self.spare)
        if memory is None or memory.n_bytes < n_bytes:
            memory = Memory(n_bytes)
        allow(memory.data, memory.n_bytes)  # another layout may have left red zones
        return memory

    cdef int give_back(self, Memory memory) except -1:
        """Keep a pass's memory for the next one: fresh pages cost more than a small pass."""
        spares.keep(&self.spare, memory)
        return 0

    def __dealloc__(self):
        spares.take(&self.spare)

    # -- prediction -----------------------------------------------------------------------------

    def predict(self, params, x, out, int n_layers):
        """Forward through the first layers: ``out`` from rows of x, apart from them in memory."""
        cdef list held = []
        cdef Input rows = read_input(x, held)
        cdef Array result, seen
        cdef Network net = self.net
        held.append(self.hold_parameters("params", params, False, &seen))
        held.append(hold("out", out, True, &result))
        needs(rows.n_in == self.net.layers[0].n_in, "x", "{} columns wide", self.net.layers[0].n_in)
        needs(1 <= n_layers <= self.net.n_layers, "n_layers", "1 to {}", self.net.n_layers)
        needs(
            result.shape[0] == rows.n_rows
            and result.shape[1] == self.net.layers[n_layers - 1].n_out
            and result.kind == letter_of_size(self.net.kernels.size),
            "out", "a row of the network's outputs, in its dtype, for each row of x",
        )
        needs(
            not lies_in(&seen, result.data, extent(&result))
            and not reads(&rows, result.data, extent(&result)),
            "out", "apart from x and params in memory",
        )
        check_entries(&rows, NULL, rows.n_rows)
        net.n_layers = n_layers
        self.run(&net, seen.data, &rows, &result)

    cdef Buffer hold_parameters(self, str name, object array, bint writable, Array *out):
        """Hold a vector in the layout of the parameters."""
        cdef Buffer held = hold(name, array, writable, out)
        needs(
            is_flat(out)
            and out.shape[1] == self.net.n_slots
            and out.kind == letter_of_size(self.net.kernels.size),
            name, "{} contiguous numbers of the network's dtype", self.net.n_slots,
        )
        return held

    cdef int run(
        self, const Network *net, const char *params, const Input *x, const Array *out
    ) except -1:
        """Predict rows of x that the caller keeps alive."""
        cdef double density, work, begun
        cdef Form form
        cdef int n_threads
        cdef Pace *pace
        cdef uint64_t float_mode
        if x.n_rows == 0:
            return 0
        float_mode = flush_subnormals()  # once for the call: within it, that costs nothing
        try:
            if keeps_gil(x, 0):
                form = form_of(net.kernels, x, NULL, x.n_rows, net.layers[0].n_out, &density)
            else:
                with nogil:
                    form = form_of(net.kernels, x, NULL, x.n_rows, net.layers[0].n_out, &density)
            work = x.n_rows * work_of_a_row(net, density if form != DENSE else 1.0)
            n_threads = self.threads_for(work, work_to_wake_for)
            n_threads = min(n_threads, (x.n_rows + ROW_BLOCK - 1) // ROW_BLOCK)
            pace = self.pace_of(self.prediction_paces, n_threads, work)
            if pace == NULL:
                return self.run_by(n_threads, net, form, params, x, out, work)
            begun = seconds_now()
            try:
                if way_to_go(pace) == ALONE:
                    n_threads = 1
                return self.run_by(n_threads, net, form, params, x, out, work)
            finally:
                record(pace, work, seconds_now() - begun)
                give_back_pace(pace)
        finally:
            restore_float_mode(float_mode)

    cdef int run_by(
        self,
        int n_threads,
        const Network *net,
        Form form,
        const char *params,
        const Input *x,
        const Array *out,
        double work,
    ) except -1:
        """Predict the rows by so many threads."""
        cdef Prediction prediction
        cdef Workspace w
        cdef char *panel
        cdef Memory memory
        cdef Py_ssize_t block = min(<Py_ssize_t>PREDICTED_TOGETHER, x.n_rows)
        cdef Py_ssize_t n_non_zeros = most_non_zeros(x, NULL, x.n_rows, block)
        cdef Space space
        cdef bint is_sound
        space.base, space.used = NULL, 0
        lay_out_prediction(net, &w, x, form, block, n_non_zeros, &panel, &space)
        memory = self.take_memory(n_threads * space.used)
        if n_threads == 1:  # what Prediction does, without the object
            space.base, space.used = memory.data, 0
            lay_out_prediction(net, &w, x, form, block, n_non_zeros, &panel, &space)
            if keeps_gil(x, work):
                is_sound = predict_rows(net, params, x, out, 0, x.n_rows, block, &w, panel)
            else:
                with nogil:
                    is_sound = predict_rows(net, params, x, out, 0, x.n_rows, block, &w, panel)
        else:
            prediction = Prediction()
            prediction.net = net
            prediction.params, prediction.x, prediction.out = params, x, out
            prediction.memory, prediction.form = memory, form
            prediction.block, prediction.n_non_zeros = block, n_non_zeros
            prediction.run(n_threads)
            is_sound = read_shared(&prediction.n_unsound) == 0
        self.give_back(memory)
        return refuse_changed(is_sound, "x")

    # -- training -------------------------------------------------------------------------------

    cdef int check_targets(self, const Input *x, const Array *y) except -1:
        """Refuse targets that would be read out of bounds."""
        cdef Py_ssize_t n_out = self.net.layers[self.net.n_layers - 1].n_out
        if self.net.loss == CROSS_ENTROPY:
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

    cdef int hold_model(
        self,
        Shared *shared,
        object params,
        object slots,
        int rule_code,
        list held,
        Array *written,
    ) except -1:
        """Hold what is written to, the parameters and the vectors that the optimizer remembers;
        return how many of these there are.
        """
        cdef int n_vectors = vectors_of_rule(code_in(RULES, "rule", rule_code)), i
        cdef int n_all = n_vectors + (2 if shared.options.scales_features else 0)
        memset(written, 0, MOST_WRITTEN * sizeof(Array))
        held.append(self.hold_parameters("params", params, True, &written[0]))
        shared.params = written[0].data
        needs(len(slots) == n_all, "slots", "{} vectors, got {}", n_all, len(slots))
        for i in range(n_all):
            held.append(self.hold_parameters(f"slots[{i}]", slots[i], True, &written[1 + i]))
        shared.first_state = shared.second_state = shared.raw = shared.scales = NULL
        if n_vectors > 0:
            shared.first_state = written[1].data
        if n_vectors > 1:
            shared.second_state = written[2].data
        if shared.options.scales_features:
            shared.raw, shared.scales = written[n_all - 1].data, written[n_all].data
        return n_all

    cdef int read_groups(
        self, Options *options, const double[:, ::1] factors, bint scales_features
    ) except -1:
        """Read the factors of groups of parameters, if there are any."""
        options.factors, options.scales_features = NULL, scales_features
        if factors is not None:
            self.check_factors(factors)
            options.factors = &factors[0, 0]
        return needs(
            options.factors != NULL or not scales_features, "factors",
            "those of groups of parameters, to scale features",
        )

    cdef int check_factors(self, const double[:, ::1] factors) except -1:
        cdef Py_ssize_t n_groups = 2 * self.net.n_layers + 1
        return needs(
            factors.shape[0] == n_groups and factors.shape[1] == 2, "factors",
            "of shape ({}, 2)", n_groups,
        )

    cdef int read_rule(
        self, step *constants, double *weight_decay, int rule_code, tuple coefficients
    ) except -1:
        """Read what of an update does not change from step to step."""
        constants.rule = <rule>code_in(RULES, "rule", rule_code)
        (constants.first_decay, constants.second_decay, constants.epsilon,
         weight_decay[0]) = coefficients
        return 0

    cdef int check_dropout(
        self, const double[::1] dropout, const uint32_t[::1] thresholds
    ) except -1:
        cdef Py_ssize_t n_hidden = self.net.n_layers - 1
        return needs(
            dropout is None
            or dropout.shape[0] == 0
            or (dropout.shape[0] == n_hidden and thresholds.shape[0] == n_hidden),
            "dropout", "{} rates, one for each hidden layer", n_hidden,
        )

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
        const double[:, ::1] factors=None,
        bint scales_features=False,
    ):
        """Train on the rows `order`; return the sums of weight, loss, right rows and penalty.

        ``state.step`` counts the updates done, also when an interrupt ends the pass.
        """
        cdef Epoch epoch = Epoch(self)
        cdef Shared *shared = &epoch.shared
        cdef Options *options = &shared.options
        cdef list held = []
        cdef Array written[MOST_WRITTEN]  # params, and the optimizer's vectors
        cdef int i, j, n_vectors
        cdef Py_ssize_t n_in = self.net.layers[0].n_in
        if order.shape[0] == 0:
            return 0.0, 0.0, 0.0, 0.0
        needs(batch_size >= 1, "batch_size", "at least 1")
        self.read_groups(options, factors, scales_features)
        n_vectors = self.hold_model(shared, params, slots, rule_code, held, written)
        shared.x = read_input(x, held)
        needs(shared.x.n_in == n_in, "x", "{} columns wide", n_in)
        held.append(hold("y", y, False, &shared.y))
        self.check_targets(&shared.x, &shared.y)
        needs(
            sample_weight is None or sample_weight.shape[0] == shared.x.n_rows,
            "sample_weight", "{} numbers, one for each row of x", shared.x.n_rows,
        )
        needs(
            rates.shape[0] >= (order.shape[0] - 1) // batch_size + 1,
            "learning_rates", "one for each minibatch",
        )
        self.check_dropout(dropout, thresholds)
        shared.order, shared.n_order = &order[0], order.shape[0]
        shared.sample_weight = NULL if sample_weight is None else &sample_weight[0]
        for i in range(1 + n_vectors):
            needs(
                is_apart(&written[i], shared),
                "params and slots", "apart from each other and from what is read",
            )
            for j in range(i):
                needs(
                    not lies_in(&written[j], written[i].data, extent(&written[i])),
                    "params and slots", "apart from each other and from what is read",
                )
        shared.rates = &rates[0]
        shared.t = state.step
        self.read_rule(&epoch.step, &epoch.weight_decay, rule_code, coefficients)
        options.batch_size = min(batch_size, shared.n_order)
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
            state.step = shared.t + epoch.n_steps
        return shared.weight, shared.loss, shared.right, shared.penalty


cdef bint is_apart(const Array *written, const Shared *shared) noexcept nogil:
    """Say whether nothing that a pass reads lies where it writes."""
    cdef Py_ssize_t n_bytes = extent(written)
    return not (
        reads(&shared.x, written.data, n_bytes)
        or lies_in(&shared.y, written.data, n_bytes)
        or share_memory(
            written.data, n_bytes, <const char *>shared.order, shared.n_order * sizeof(int64_t)
        )
        or (
            shared.sample_weight != NULL
            and share_memory(
                written.data, n_bytes,
                <const char *>shared.sample_weight, shared.x.n_rows * sizeof(double),
            )
        )
    )


cdef class Prediction(Team):
    """One call of `Program.run` by several threads: each takes its own rows and workspace."""

    cdef const Network *net
    cdef const char *params
    cdef const Input *x
    cdef const Array *out
    cdef Memory memory
    cdef Form form
    cdef Py_ssize_t block, n_non_zeros
    cdef shared_number n_unsound  # members that found rows changed by another thread

    cdef void work(self, int member, int n_members) noexcept nogil:
        cdef Workspace w
        cdef char *panel
        cdef Space space
        cdef const Network *net = self.net
        cdef Part part = rows_of(self.x.n_rows, 1, member, n_members)
        space.base, space.used = NULL, 0
        lay_out_prediction(
            net, &w, self.x, self.form, self.block, self.n_non_zeros, &panel, &space
        )
        space.base, space.used = self.memory.data + member * space.used, 0
        lay_out_prediction(
            net, &w, self.x, self.form, self.block, self.n_non_zeros, &panel, &space
        )
        if not predict_rows(
            net, self.params, self.x, self.out, part.row, part.row + part.n_rows, self.block, &w,
            panel,
        ):
            add_one(&self.n_unsound)
        wait(&self.gate, member, n_members)
