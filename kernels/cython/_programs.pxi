"""The programs, each one call: ``predict`` and ``train_epoch`` of fastnn.backends.base.

A minibatch goes through the layers as the contract says:

    z_l = h_{l-1} @ W_l + b_l,   h_l = activation_l(z_l)
    δ_L from the loss;   δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1};   ∂W_l = h_{l-1}ᵀ @ δ_l

The delta below a layer is worked out before the layer's weights change, so plain SGD without a
penalty or a limit on the gradient adds ``-rate · h_{l-1}ᵀ δ_l`` straight into them: no gradient is
stored. All memory is one workspace, allocated before the first step.
"""

cdef enum:
    PREDICT_ROWS = 126  # 9 tiles of 14 rows: activations stay in L2 beside the weights
    LARGEST_SPARE = 1 << 26  # bytes of a workspace that is kept from call to call
    # Multiply-adds between two looks at pending signals: milliseconds on any processor.
    WORK_BETWEEN_SIGNALS = 1 << 27


cdef struct Layer:
    Py_ssize_t n_in, n_out, stride
    Py_ssize_t weight, bias  # offsets in the parameters, in numbers; bias -1 for none
    activation activation
    bint keeps_z  # whether its derivative is taken from the pre-activation


cdef struct Activations:
    char *h  # output of the layer, (n_rows, n_out)
    char *z  # pre-activation; h, if it is not kept apart
    char *dropped  # output after dropout; h, if there is none
    Py_ssize_t row


cdef struct Options:
    Py_ssize_t batch_size
    bint mean
    double l1, l2, max_norm, clip_norm
    uint64_t dropout_seed
    const double *dropout  # by hidden layer, or NULL
    const uint32_t *thresholds


cdef struct Workspace:
    Batch batch
    Activations *activations  # by layer
    char *delta
    char *delta_below
    char *panel
    char *grads
    int64_t *labels
    char *targets
    Py_ssize_t target_row
    double *row_weight
    double *norms


cdef struct Totals:
    double weight, loss, right, penalty
    int64_t n_steps


cdef uint64_t mix64(uint64_t z) noexcept nogil:
    """SplitMix64, as in fastnn.backends.dropout."""
    z += <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef void prepare_step(step *s, double weight_decay, double rate, int64_t t) noexcept nogil:
    """Work out the constants of update t, counted from 1."""
    s.learning_rate = rate
    s.shrink = 1.0
    if s.rule == ADAM or s.rule == ADAMW:
        s.shrink = 1.0 - rate * weight_decay
        s.size = rate / (1.0 - pow(s.first_decay, <double>t))
        s.correction = 1.0 / sqrt(1.0 - pow(s.second_decay, <double>t))


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
    """

    cdef Kernels owner
    cdef const kernels *kernels
    cdef Memory memory, spare
    cdef Layer *layers
    cdef int n_layers
    cdef loss loss
    cdef Py_ssize_t n_slots, n_weight_slots, widest
    cdef double input_scale, huber_delta

    def __init__(
        self,
        Kernels kernels,
        list layers,
        int loss_code,
        Py_ssize_t n_slots,
        Py_ssize_t n_weight_slots,
        double input_scale,
        double huber_delta,
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
        self.widest = 0
        for i in range(self.n_layers):
            layer = &self.layers[i]
            (layer.n_in, layer.n_out, layer.stride, layer.weight, layer.bias, code,
             layer.keeps_z) = layers[i]
            layer.activation = <activation><int>code
            self.widest = max(self.widest, layer.n_out)

    # -- memory ---------------------------------------------------------------------------------

    cdef void lay_out(
        self,
        Workspace *w,
        const Input *x,
        const Options *options,
        Form form,
        Py_ssize_t n_rows,
        Py_ssize_t n_non_zeros,
        bint training,
        Space *space,
    ) noexcept nogil:
        """Divide the space among what a pass needs; without memory yet, only add it up."""
        cdef const kernels *k = self.kernels
        cdef Py_ssize_t n_bytes, row
        cdef Activations *a
        cdef Activations skipped
        cdef int i
        lay_out_batch(&w.batch, k, x, self.input_scale, form, n_rows, n_non_zeros, space)
        w.activations = <Activations *>reserve(space, self.n_layers * sizeof(Activations))
        for i in range(self.n_layers):
            a = &skipped if space.base == NULL else &w.activations[i]
            a.row = padded(self.layers[i].n_out, k.size)
            n_bytes = n_rows * a.row * k.size
            a.h = reserve(space, n_bytes)
            a.z = a.dropped = a.h
            if training and self.layers[i].keeps_z:
                a.z = reserve(space, n_bytes)
            if training and i < self.n_layers - 1 and options.dropout != NULL:
                a.dropped = reserve(space, n_bytes)
        w.panel = reserve(space, panel_bytes(max(self.widest, max(x.n_in, n_rows))))
        if training:
            n_bytes = n_rows * padded(self.widest, k.size) * k.size
            w.delta = reserve(space, n_bytes)
            w.delta_below = reserve(space, n_bytes)
            w.grads = reserve(space, self.n_slots * k.size)
            w.labels = <int64_t *>reserve(space, n_rows * sizeof(int64_t))
            w.target_row = padded(self.layers[self.n_layers - 1].n_out, k.size)
            w.targets = reserve(space, n_rows * w.target_row * k.size)
            w.row_weight = <double *>reserve(space, n_rows * sizeof(double))
            w.norms = <double *>reserve(space, self.widest * sizeof(double))

    cdef Memory workspace(
        self,
        Workspace *w,
        const Input *x,
        const Options *options,
        Form form,
        Py_ssize_t n_rows,
        Py_ssize_t n_non_zeros,
        bint training,
    ):
        """Lay a pass's workspace out in the spare memory, or in new memory if that is too small or
        taken by another thread; it lives as long as what is returned.
        """
        cdef Memory memory
        cdef Space space
        space.base, space.used = NULL, 0
        self.lay_out(w, x, options, form, n_rows, n_non_zeros, training, &space)
        with critical_section(self):
            memory = self.spare
            self.spare = None
        if memory is None or memory.n_bytes < space.used:
            memory = Memory(space.used)
        allow(memory.data, memory.n_bytes)  # another layout may have left its red zones
        space.base, space.used = memory.data, 0
        self.lay_out(w, x, options, form, n_rows, n_non_zeros, training, &space)
        return memory

    cdef void give_back(self, Memory memory):
        """Keep a pass's memory for the next one: fresh pages cost more than a small pass."""
        with critical_section(self):
            if memory.n_bytes <= LARGEST_SPARE:
                self.spare = memory

    # -- forward --------------------------------------------------------------------------------

    cdef void forward_layer(
        self, Py_ssize_t i, const char *params, Workspace *w, Py_ssize_t n_rows
    ) noexcept nogil:
        """Work out the pre-activations of layer i from what lies below it."""
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.layers[i]
        cdef const Activations *a = &w.activations[i]
        cdef const char *weight = params + layer.weight * k.size
        cdef const char *bias = NULL if layer.bias < 0 else params + layer.bias * k.size
        if i == 0:
            forward(
                &w.batch, n_rows, layer.n_out, weight, layer.stride, bias, w.panel, a.z, a.row
            )
        else:
            k.forward(
                n_rows, layer.n_in, layer.n_out, w.activations[i - 1].dropped,
                w.activations[i - 1].row, weight, layer.stride, bias, w.panel, a.z, a.row,
            )

    def predict(self, params, x, out):
        """Forward through all layers: ``out`` from rows of x."""
        cdef Input rows = read_input(x)
        cdef Array result
        view(out, True, &result)
        self.run(address(params), &rows, &result)

    cdef int run(self, const char *params, const Input *x, const Array *out) except -1:
        """Predict a block of rows at a time."""
        cdef const kernels *k = self.kernels
        cdef Input rest
        cdef Workspace w
        cdef Py_ssize_t block = min(<Py_ssize_t>PREDICT_ROWS, x.n_rows)
        cdef Py_ssize_t first = 0, n_rows, n_non_zeros
        cdef Activations *a
        cdef Memory memory
        cdef Form form
        cdef bint in_place
        cdef int i
        if x.n_rows == 0:
            return 0
        with nogil:
            form = form_of(k, x, NULL, x.n_rows, self.layers[0].n_out)
            n_non_zeros = most_non_zeros(x, NULL, x.n_rows, block)
        memory = self.workspace(&w, x, NULL, form, block, n_non_zeros, False)
        in_place = lies_ready(&w.batch, x)
        with nogil:
            while first < x.n_rows:
                n_rows = min(block, x.n_rows - first)
                rest = rows_from(x, first)
                if in_place:
                    borrow(&w.batch, &rest)
                else:
                    fetch(&w.batch, &rest, NULL, n_rows)
                for i in range(self.n_layers):
                    a = &w.activations[i]
                    self.forward_layer(i, params, &w, n_rows)
                    if self.layers[i].activation == SOFTMAX:
                        k.softmax(n_rows, self.layers[i].n_out, a.z, a.row, a.h, a.row)
                    elif self.layers[i].activation != IDENTITY:
                        k.activate(
                            self.layers[i].activation, n_rows, self.layers[i].n_out, a.z, a.row,
                            a.h, a.row,
                        )
                a = &w.activations[self.n_layers - 1]
                k.write_rows(
                    n_rows, self.layers[self.n_layers - 1].n_out, a.h, a.row,
                    out.data + first * out.strides[0], out.strides[0], out.strides[1],
                )
                first += n_rows
        self.give_back(memory)
        return 0

    # -- training -------------------------------------------------------------------------------

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
        cdef Input rows = read_input(x)
        cdef Array target
        cdef char *p = address(params, True)
        cdef char *first_state = NULL
        cdef char *second_state = NULL
        cdef Py_ssize_t n_order = order.shape[0], n_slots = len(slots)
        cdef Py_ssize_t n_non_zeros, begin = 0, next_batch
        cdef const int64_t *row_numbers = &order[0] if n_order else NULL
        cdef const double *weights = NULL
        cdef Options options
        cdef step step
        cdef double weight_decay
        cdef Totals totals
        cdef Workspace w
        cdef Memory memory
        cdef Form form
        cdef int64_t t = state.step
        cdef uint64_t float_mode
        cdef int64_t work = 0, work_of_a_row = self.n_slots
        memset(&totals, 0, sizeof(totals))
        memset(&step, 0, sizeof(step))
        if n_order == 0:
            return 0.0, 0.0, 0.0, 0.0
        view(y, False, &target)
        if sample_weight is not None:
            weights = &sample_weight[0]
        if n_slots > 0:
            first_state = address(slots[0], True)
        if n_slots > 1:
            second_state = address(slots[1], True)
        options.batch_size = min(batch_size, n_order)
        options.mean = mean
        options.l1, options.l2 = l1, l2
        options.max_norm, options.clip_norm = max_norm, clip_norm
        options.dropout_seed = dropout_seed
        options.dropout = NULL
        if dropout is not None and dropout.shape[0]:
            options.dropout, options.thresholds = &dropout[0], &thresholds[0]
        step.rule = <rule>rule_code
        step.first_decay, step.second_decay, step.epsilon, weight_decay = coefficients
        self.check_rows(&rows, row_numbers, n_order, &target)
        with nogil:
            form = form_of(self.kernels, &rows, row_numbers, n_order, self.layers[0].n_out)
            n_non_zeros = most_non_zeros(&rows, row_numbers, n_order, options.batch_size)
        memory = self.workspace(
            &w, &rows, &options, form, options.batch_size, n_non_zeros, True
        )
        try:
            with nogil:
                while begin < n_order:
                    next_batch = begin + options.batch_size
                    announce(
                        &w.batch, &rows, row_numbers + next_batch,
                        max(<Py_ssize_t>0, min(options.batch_size, n_order - next_batch)),
                    )
                    prepare_step(
                        &step, weight_decay, rates[totals.n_steps], t + totals.n_steps + 1
                    )
                    float_mode = flush_subnormals()
                    self.train_batch(
                        p, first_state, second_state, &rows, &target, weights,
                        row_numbers + begin, min(options.batch_size, n_order - begin), &options,
                        &step, t + totals.n_steps, &w, &totals,
                    )
                    restore_float_mode(float_mode)
                    begin = next_batch
                    work += work_of_a_row * options.batch_size
                    if work > WORK_BETWEEN_SIGNALS:
                        work = 0
                        with gil:
                            PyErr_CheckSignals()
        finally:
            state.step = t + totals.n_steps
            self.give_back(memory)
        return totals.weight, totals.loss, totals.right, totals.penalty

    cdef int check_rows(
        self, const Input *x, const int64_t *order, Py_ssize_t n_order, const Array *target
    ) except -1:
        """Refuse row numbers and labels that point outside: C would follow them."""
        cdef Py_ssize_t i, n_rows = x.n_rows, n_classes = self.layers[self.n_layers - 1].n_out
        cdef bint row_outside = False, label_outside = False
        cdef int64_t label
        with nogil:
            for i in range(n_order):
                if order[i] < 0 or order[i] >= n_rows:
                    row_outside = True
            if self.loss == CROSS_ENTROPY and not row_outside:
                for i in range(n_order):
                    label = (<const int64_t *>(target.data + order[i] * target.strides[1]))[0]
                    if label < 0 or label >= n_classes:
                        label_outside = True
        if row_outside:
            raise IndexError(f"order holds row numbers outside [0, {n_rows})")
        if label_outside:
            raise IndexError(f"y holds labels outside [0, {n_classes})")
        return 0

    cdef void train_batch(
        self,
        char *params,
        char *first_state,
        char *second_state,
        const Input *x,
        const Array *y,
        const double *sample_weight,
        const int64_t *order,
        Py_ssize_t n_rows,
        const Options *options,
        const step *step,
        int64_t t,
        Workspace *w,
        Totals *totals,
    ) noexcept nogil:
        """One update, from the rows `order`; t updates were done before."""
        cdef const kernels *k = self.kernels
        cdef const Layer *layer
        cdef const Activations *a
        cdef const double *row_weight = NULL
        cdef double count = n_rows, factor, loss_sum, right, penalty, norm
        cdef bint fused = (
            step.rule == SGD and options.l1 == 0 and options.l2 == 0 and options.clip_norm == 0
        )
        cdef char *into = params if fused else w.grads
        cdef double scale = -step.learning_rate if fused else 1.0
        cdef Py_ssize_t i

        fetch(&w.batch, x, order, n_rows)
        for i in range(self.n_layers - 1):
            layer = &self.layers[i]
            a = &w.activations[i]
            self.forward_layer(i, params, w, n_rows)
            if layer.activation != IDENTITY:
                k.activate(layer.activation, n_rows, layer.n_out, a.z, a.row, a.h, a.row)
            if a.dropped != a.h:
                k.drop(
                    mix64(mix64(mix64(options.dropout_seed) ^ <uint64_t>t) ^ <uint64_t>i),
                    options.thresholds[i], options.dropout[i], n_rows, layer.n_out, a.h, a.row,
                    a.dropped, a.row,
                )
        self.forward_layer(self.n_layers - 1, params, w, n_rows)

        if sample_weight != NULL:
            row_weight = w.row_weight
            count = 0.0
            for i in range(n_rows):
                w.row_weight[i] = sample_weight[order[i]]
                count += w.row_weight[i]
        factor = 1.0
        if options.mean:
            factor = 1.0 / count if count != 0 else 0.0
        loss_sum = self.output_delta(y, order, row_weight, factor, n_rows, w, &right)

        if not fused:
            memset(w.grads, 0, self.n_slots * k.size)
        for i in range(self.n_layers - 1, -1, -1):
            self.backward_layer(i, params, into, scale, options, t, n_rows, w)

        penalty = 0.0
        if not fused:
            if options.l1 != 0 or options.l2 != 0:
                penalty = k.penalize(
                    self.n_weight_slots, params, options.l1, options.l2, w.grads
                )
            if options.clip_norm != 0:
                norm = sqrt(k.sum_of_squares(self.n_slots, w.grads))
                if norm > options.clip_norm:
                    k.scale(self.n_slots, options.clip_norm / norm, w.grads)
            k.update(step, self.n_slots, params, w.grads, first_state, second_state)
        if options.max_norm != 0:
            for i in range(self.n_layers):
                layer = &self.layers[i]
                k.limit_column_norms(
                    layer.n_in, layer.n_out, options.max_norm, w.norms,
                    params + layer.weight * k.size, layer.stride,
                )
        totals.weight += count
        totals.loss += loss_sum if factor != 0 else 0.0
        totals.right += right
        totals.penalty += penalty * count
        totals.n_steps += 1

    cdef double output_delta(
        self,
        const Array *y,
        const int64_t *order,
        const double *row_weight,
        double factor,
        Py_ssize_t n_rows,
        Workspace *w,
        double *right,
    ) noexcept nogil:
        """Work out the last layer's delta; return the weighted sum of the rows' losses."""
        cdef const kernels *k = self.kernels
        cdef Py_ssize_t n_out = self.layers[self.n_layers - 1].n_out, i
        cdef const Activations *a = &w.activations[self.n_layers - 1]
        cdef dense_input targets
        if self.loss == CROSS_ENTROPY:
            for i in range(n_rows):
                w.labels[i] = (<const int64_t *>(y.data + order[i] * y.strides[1]))[0]
            return k.softmax_cross_entropy(
                n_rows, n_out, a.z, a.row, w.labels, row_weight, factor, w.delta, a.row, right
            )
        targets.data = y.data
        targets.type = INPUT_DOUBLE if y.kind == b"d" else INPUT_FLOAT
        targets.row_stride, targets.column_stride = y.strides[0], y.strides[1]
        k.gather(&targets, order, n_rows, n_out, 1.0, w.targets, w.target_row)
        return k.elementwise_loss(
            self.loss, n_rows, n_out, a.z, a.row, w.targets, w.target_row, row_weight, factor,
            self.huber_delta, w.delta, a.row, right,
        )

    cdef void backward_layer(
        self,
        Py_ssize_t i,
        const char *params,
        char *into,
        double scale,
        const Options *options,
        int64_t t,
        Py_ssize_t n_rows,
        Workspace *w,
    ) noexcept nogil:
        """Take layer i's delta to the layer below, then add scale · gradient to `into`."""
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.layers[i]
        cdef const Activations *below = NULL
        cdef Py_ssize_t row = w.activations[i].row
        if i > 0:
            below = &w.activations[i - 1]
            k.backward(
                n_rows, layer.n_in, layer.n_out, w.delta, row, params + layer.weight * k.size,
                layer.stride, w.panel, w.delta_below, below.row,
            )
            k.derive(
                self.layers[i - 1].activation, n_rows, layer.n_in, below.z, below.row,
                w.delta_below, below.row,
            )
            if below.dropped != below.h:
                k.drop(
                    mix64(mix64(mix64(options.dropout_seed) ^ <uint64_t>t) ^ <uint64_t>(i - 1)),
                    options.thresholds[i - 1], options.dropout[i - 1], n_rows, layer.n_in,
                    w.delta_below, below.row, w.delta_below, below.row,
                )
            k.outer(
                n_rows, layer.n_in, layer.n_out, below.dropped, below.row, w.delta, row, scale,
                w.panel, into + layer.weight * k.size, layer.stride,
            )
        else:
            outer(
                &w.batch, n_rows, layer.n_out, w.delta, row, scale, w.panel,
                into + layer.weight * k.size, layer.stride,
            )
        if layer.bias >= 0:
            k.column_sums(
                n_rows, layer.n_out, w.delta, row, scale, into + layer.bias * k.size
            )
        w.delta, w.delta_below = w.delta_below, w.delta
