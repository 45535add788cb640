"""`train_epoch`: a pass over minibatches, by one thread or several.

    δ_L from the loss;   δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1};   ∂W_l = h_{l-1}ᵀ @ δ_l

The gradient of a layer and the update of its weights are one pass: as soon as the delta below is
known, nobody reads the weights any more. Plain SGD without a penalty adds ``-rate · h_{l-1}ᵀ δ_l``
straight into them; otherwise a block of rows at a time gets its gradient, which is still in the
cache when the rule is applied. Only a limit on the norm of the gradient needs all of it first.

Every thread owns a part of each weight matrix, mostly a block of its columns, with the optimizer's
state: it works out the outputs of these units, and it updates them, alone and always. No gradient
is added up across threads; what crosses between them is activations and deltas.
"""

cdef enum:
    # Multiply-adds between two looks at pending signals: milliseconds on any processor.
    WORK_BETWEEN_SIGNALS = 1 << 27
    GRADIENT_BYTES = 1 << 15  # of a gradient that is applied while it is in the cache
    GRADIENT_ROWS = 42  # at least: whole tiles, and B's panel is copied for each block
    PIECE = 4096  # parameters that are summed up at a time


# Where other work takes the processors, threads wait for one that does not run. When the first has
# waited for so much of the time, after some milliseconds, it goes on alone: the bits are the same.
cdef double most_waiting = 0.4, grace = 0.005


def set_patience(double most, double seconds):
    """Set how much of the time a training waits for its threads before it goes on with one.

    Parameters
    ----------
    most : float
        Part of the time; below 0, no step is waited for after the first.
    seconds : float
        How long a training counts as running when it begins.

    Returns
    -------
    tuple of float
        The numbers before.
    """
    global most_waiting, grace
    before = (most_waiting, grace)
    most_waiting, grace = most, seconds
    return before


cdef struct Options:
    Py_ssize_t batch_size
    bint mean
    double l1, l2, max_norm, clip_norm, weight_decay
    uint64_t dropout_seed
    const double *dropout  # by hidden layer, or NULL
    const uint32_t *thresholds


cdef struct OwnSpace:
    # A thread's scratch.
    char *panel
    char *gradient
    double *norms
    upcoming next  # its share of the next minibatch


cdef uint64_t mix64(uint64_t z) noexcept nogil:
    """SplitMix64, as in fastnn.backends.dropout."""
    z += <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef Py_ssize_t vectors_of(int rule_code) except -1:
    """Return how many vectors a rule remembers; SGD comes first and both Adams last."""
    if rule_code < SGD or rule_code > ADAMW:
        raise ValueError(f"there is no rule of code {rule_code}")
    return 0 if rule_code == SGD else 2 if rule_code >= ADAM else 1


cdef void prepare_step(step *s, double weight_decay, double rate, int64_t t) noexcept nogil:
    """Work out the constants of update t, counted from 1."""
    s.learning_rate = rate
    s.shrink = 1.0
    if s.rule == ADAM or s.rule == ADAMW:
        s.shrink = 1.0 - rate * weight_decay
        s.size = rate / (1.0 - pow(s.first_decay, <double>t))
        s.correction = 1.0 / sqrt(1.0 - pow(s.second_decay, <double>t))


cdef class Epoch(Team):
    """One call of `train_epoch`: everything its threads share."""

    cdef Program program
    cdef const kernels *kernels
    cdef char *params
    cdef char *first_state
    cdef char *second_state
    cdef Input x
    cdef Array y
    cdef const int64_t *order
    cdef Py_ssize_t n_order, largest_batch
    cdef const double *sample_weight
    cdef const double *rates
    cdef Options options
    cdef step step  # what does not change from step to step
    cdef int64_t t  # updates done before this epoch

    cdef Workspace w
    cdef char *gradient  # of all parameters, if its norm is limited
    cdef int64_t *labels
    cdef char *targets
    cdef Py_ssize_t target_row
    cdef double *row_weight
    cdef double *row_loss
    cdef double *row_right
    cdef double *penalties  # of each PIECE weights
    cdef double *squares  # of each PIECE parameters
    cdef OwnSpace *own  # by thread

    cdef double weight, loss, right, penalty  # sums so far
    cdef int64_t n_steps, work_since_signals
    cdef bint interrupted, dismissed
    cdef shared_number n_unsound  # times that a member met what another thread has changed
    cdef double begun  # when
    cdef object error  # what ended it

    def __init__(self, Program program):
        self.program = program
        self.kernels = program.kernels

    cdef bint has_penalty(self) noexcept nogil:
        return self.options.l1 != 0 or self.options.l2 != 0

    cdef void lay_out(
        self, Form form, Py_ssize_t n_non_zeros, int n_threads, Space *space
    ) noexcept nogil:
        """Divide the space among what the pass needs; without memory yet, only add it up."""
        cdef const kernels *k = self.kernels
        cdef Py_ssize_t n_rows = self.options.batch_size, n_bytes = 0, n_pieces
        cdef const Layer *layer
        cdef Activations *a
        cdef Activations counted_only
        cdef OwnSpace *own
        cdef OwnSpace counted_too
        cdef int i
        lay_out_batch(
            &self.w.batch, k, &self.x, self.program.input_scale, form, n_rows, n_non_zeros, space
        )
        self.program.lay_out_activations(&self.w, n_rows, space)
        for i in range(self.program.n_layers):
            layer = &self.program.layers[i]
            a = &counted_only if space.base == NULL else &self.w.activations[i]
            a.row = padded(layer.n_out, k.size)
            a.delta = reserve(space, n_rows * a.row * k.size)
            if layer.keeps_z:
                a.z = reserve(space, n_rows * a.row * k.size)
            if i < self.program.n_layers - 1 and self.options.dropout != NULL:
                a.dropped = reserve(space, n_rows * a.row * k.size)
            n_bytes = max(n_bytes, self.gradient_rows(layer) * a.row * k.size)
        self.gradient = NULL
        if self.options.clip_norm != 0:
            self.gradient = reserve(space, self.program.n_slots * k.size)
        self.labels = <int64_t *>reserve(space, n_rows * sizeof(int64_t))
        self.target_row = padded(self.program.layers[self.program.n_layers - 1].n_out, k.size)
        self.targets = reserve(space, n_rows * self.target_row * k.size)
        self.row_weight = <double *>reserve(space, n_rows * sizeof(double))
        self.row_loss = <double *>reserve(space, n_rows * sizeof(double))
        self.row_right = <double *>reserve(space, n_rows * sizeof(double))
        n_pieces = (self.program.n_slots + PIECE - 1) // PIECE
        self.penalties = <double *>reserve(space, n_pieces * sizeof(double))
        self.squares = <double *>reserve(space, n_pieces * sizeof(double))
        self.own = <OwnSpace *>reserve(space, n_threads * sizeof(OwnSpace))
        for i in range(n_threads):
            own = &counted_too if space.base == NULL else &self.own[i]
            own.panel = reserve(
                space, panel_bytes(self.program.most_terms(&self.x), n_rows, k.size)
            )
            own.gradient = reserve(space, n_bytes)
            own.norms = <double *>reserve(space, self.program.widest * sizeof(double))

    cdef Py_ssize_t gradient_rows(self, const Layer *layer) noexcept nogil:
        """Return how many rows of a gradient are worked out and applied at a time."""
        cdef Py_ssize_t fitting = GRADIENT_BYTES // <Py_ssize_t>(layer.n_out * self.kernels.size)
        if self.x.is_sparse and layer == self.program.layers:
            return layer.n_in  # its rows come in any order: all at once
        return min(layer.n_in, max(<Py_ssize_t>GRADIENT_ROWS, fitting))

    cdef int train(self) except -1:
        """Check, choose how the rows are kept and by how many threads, lay out, and run."""
        cdef Program program = self.program
        cdef const Layer *first = &program.layers[0]
        cdef double density, work
        cdef Py_ssize_t n_non_zeros
        cdef int n_threads
        cdef Form form
        cdef Space space
        cdef Memory memory
        self.check_rows()
        with nogil:
            form = form_of(self.kernels, &self.x, self.order, self.n_order, first.n_out, &density)
            n_non_zeros = most_non_zeros(
                &self.x, self.order, self.n_order, self.options.batch_size
            )
        work = self.options.batch_size * program.work_of_a_row(1.0 if form == DENSE else density)
        n_threads = program.threads_for(3 * work, work_to_share)
        space.base, space.used = NULL, 0
        self.lay_out(form, n_non_zeros, n_threads, &space)
        memory = program.take_memory(space.used)
        space.base, space.used = memory.data, 0
        self.lay_out(form, n_non_zeros, n_threads, &space)
        if self.gradient != NULL:
            memset(self.gradient, 0, program.n_slots * self.kernels.size)
        self.run(n_threads)
        program.give_back(memory)
        if self.interrupted:
            raise self.error
        return refuse_changed(read_shared(&self.n_unsound) == 0, "x and y")

    cdef int check_rows(self) except -1:
        """Refuse row numbers, labels and CSR entries that point outside: C would follow them."""
        cdef Py_ssize_t i, n_rows = self.x.n_rows
        cdef Py_ssize_t n_classes = self.program.layers[self.program.n_layers - 1].n_out
        cdef bint row_outside = False, label_outside = False
        cdef int64_t label
        with nogil:
            for i in range(self.n_order):
                if self.order[i] < 0 or self.order[i] >= n_rows:
                    row_outside = True
            if self.program.loss == CROSS_ENTROPY and not row_outside:
                for i in range(self.n_order):
                    label = (
                        <const int64_t *>(self.y.data + self.order[i] * self.y.strides[1])
                    )[0]
                    if label < 0 or label >= n_classes:
                        label_outside = True
        if row_outside:
            raise ValueError(f"order must hold row numbers in [0, {n_rows})")
        if label_outside:
            raise ValueError(f"y must hold classes in [0, {n_classes}) for the rows in order")
        check_entries(&self.x, self.order, self.n_order)
        return 0

    # -- what each thread does ------------------------------------------------------------------

    cdef void work(self, int member, int n_members) noexcept nogil:
        cdef Py_ssize_t begin = 0, n_rows
        cdef int64_t n_done = 0
        cdef uint64_t float_mode = flush_subnormals()
        cdef step step = self.step
        if member == 0:
            self.begun = seconds_now() - grace
        while begin < self.n_order:
            n_rows = min(self.options.batch_size, self.n_order - begin)
            prepare_step(
                &step, self.options.weight_decay, self.rates[n_done], self.t + n_done + 1
            )
            if member == 0 and self.work_since_signals > WORK_BETWEEN_SIGNALS:
                restore_float_mode(float_mode)
                self.look_at_signals()
                float_mode = flush_subnormals()
            self.fetch_rows(begin, n_rows, member, n_members)
            self.wait(member, n_members)
            # Nobody comes to change these before all have read them, behind the next waits.
            if self.interrupted or read_shared(&self.n_unsound):
                break
            self.train_batch(begin, n_rows, &step, n_done, member, n_members)
            n_done += 1
            begin += n_rows
            if self.dismissed and n_members > 1:
                if member > 0:
                    break
                n_members = 1
        restore_float_mode(float_mode)

    cdef void look_at_signals(self) noexcept nogil:
        """See whether a signal's handler, Ctrl-C's for one, raises an exception, and keep that."""
        self.work_since_signals = 0
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException as error:
                self.error, self.interrupted = error, True

    cdef void fetch_rows(
        self, Py_ssize_t begin, Py_ssize_t n_rows, int member, int n_members
    ) noexcept nogil:
        """Take a member's share of the minibatch; what lies in CSR rows is taken by the first."""
        cdef Part part = rows_of(n_rows, 1, member, n_members)
        cdef Py_ssize_t end = begin + n_rows
        cdef Part later = rows_of(
            min(self.options.batch_size, self.n_order - end), 1, member, n_members
        )
        cdef Batch rows
        cdef bint is_sound = True
        self.own[member].next = rows_to_come(
            &self.x, self.order + end + later.row, later.n_rows
        )
        if self.x.is_sparse:
            if member == 0:
                is_sound = fetch(&self.w.batch, &self.x, self.order + begin, n_rows)
        else:
            rows = rows_after(&self.w.batch, part.row)
            is_sound = fetch(&rows, &self.x, self.order + begin + part.row, part.n_rows)
        if self.program.loss == CROSS_ENTROPY:
            is_sound &= self.fetch_labels(self.order + begin, part.row, part.n_rows)
        if not is_sound:
            add_one(&self.n_unsound)

    cdef bint fetch_labels(
        self, const int64_t *order, Py_ssize_t first, Py_ssize_t n_rows
    ) noexcept nogil:
        """Take the labels of some rows of the minibatch; say whether they are classes, as they were
        when they were checked.
        """
        cdef Py_ssize_t n_classes = self.program.layers[self.program.n_layers - 1].n_out, i
        cdef bint is_sound = True
        for i in range(first, first + n_rows):
            self.labels[i] = (<const int64_t *>(self.y.data + order[i] * self.y.strides[1]))[0]
            is_sound &= 0 <= self.labels[i] < n_classes
        return is_sound

    cdef void train_batch(
        self,
        Py_ssize_t begin,
        Py_ssize_t n_rows,
        const step *step,
        int64_t n_done,
        int member,
        int n_members,
    ) noexcept nogil:
        """One update from the minibatch that was fetched; n_done came before in this epoch."""
        cdef OwnSpace *own = &self.own[member]
        cdef double count, norm = 0.0
        cdef Part part
        cdef int last = self.program.n_layers - 1
        cdef int i

        index_columns(&self.w.batch, n_rows, member, n_members)
        for i in range(last):
            part = self.part_of_layer(i, n_rows, member, n_members)
            self.program.forward_layer(i, self.params, &self.w, &part, True, &own.next, own.panel)
            self.drop(i, n_done, &part, False)
            self.wait(member, n_members)
        part = self.part_of_layer(last, n_rows, member, n_members)
        self.program.forward_layer(last, self.params, &self.w, &part, False, &own.next, own.panel)
        if part.n_columns < self.program.layers[last].n_out:
            self.wait(member, n_members)
        count = self.judge(begin, n_rows, member, n_members)
        self.wait(member, n_members)

        for i in range(last, -1, -1):
            if i > 0:
                self.backward(i, n_done, n_rows, own, member, n_members)
                self.wait(member, n_members)
            self.learn(i, step, n_done, n_rows, own, member, n_members)
        if self.gradient != NULL:
            self.wait(member, n_members)
            norm = self.gradient_norm(member, n_members)
            for i in range(self.program.n_layers):
                self.apply_limited(i, step, norm, member, n_members)
        if self.options.max_norm != 0:
            self.wait(member, n_members)
            for i in range(self.program.n_layers):
                self.limit_norms(i, own, member, n_members)
        if member == 0:
            self.add_up(n_rows, count)
        self.wait(member, n_members)

    cdef Part part_of_layer(
        self, Py_ssize_t i, Py_ssize_t n_rows, int member, int n_members
    ) noexcept nogil:
        """Return a member's part of layer i's outputs, or of its weights: columns that are the same
        in both. Where zeros are skipped it takes rows, since finding non-zeros costs as much for
        few columns as for many: with MNIST and 784-100 two threads are 1.45 times as fast as one
        by rows, 1.2 times by columns.
        """
        cdef Py_ssize_t n_out = self.program.layers[i].n_out
        if i == 0 and self.w.batch.form == MASKED:
            return rows_of(n_rows, n_out, member, n_members)
        return part_of(n_rows, n_out, self.kernels.size, member, n_members)

    cdef void drop(
        self, Py_ssize_t i, int64_t n_done, const Part *part, bint backward
    ) noexcept nogil:
        """Drop units of hidden layer i: of its outputs, or of the delta that comes back to them."""
        cdef const Activations *a = &self.w.activations[i]
        cdef const Options *options = &self.options
        cdef Py_ssize_t width = self.program.layers[i].n_out
        cdef Py_ssize_t offset = (part.row * a.row + part.column) * self.kernels.size
        cdef uint64_t key
        if options.dropout == NULL or part.n_rows == 0 or part.n_columns == 0:
            return
        key = mix64(mix64(options.dropout_seed) ^ <uint64_t>(self.t + n_done))
        self.kernels.drop(
            mix64(key ^ <uint64_t>i), options.thresholds[i], options.dropout[i],
            part.row * width + part.column, width, part.n_rows, part.n_columns,
            (a.delta if backward else a.h) + offset, a.row,
            (a.delta if backward else a.dropped) + offset, a.row,
        )

    # -- loss -----------------------------------------------------------------------------------

    cdef double judge(
        self, Py_ssize_t begin, Py_ssize_t n_rows, int member, int n_members
    ) noexcept nogil:
        """Work out the last layer's delta for a member's rows, and what is added up of them later;
        return the sum of the minibatch's weights.
        """
        cdef const kernels *k = self.kernels
        cdef const int64_t *order = self.order + begin
        cdef Part part = rows_of(n_rows, 1, member, n_members)
        cdef double count = n_rows, factor = 1.0
        cdef Py_ssize_t i, piece, n_pieces
        if self.sample_weight != NULL:
            count = 0.0
            for i in range(n_rows):
                count += self.sample_weight[order[i]]
            for i in range(part.row, part.row + part.n_rows):
                self.row_weight[i] = self.sample_weight[order[i]]
        if self.options.mean:
            factor = 1.0 / count if count != 0 else 0.0
        if part.n_rows > 0:
            self.judge_rows(order, part.row, part.n_rows, factor)
        if self.has_penalty():
            n_pieces = (self.program.n_weight_slots + PIECE - 1) // PIECE
            for piece in range(
                share(n_pieces, 1, member, n_members), share(n_pieces, 1, member + 1, n_members)
            ):
                self.penalties[piece] = k.penalty(
                    min(<Py_ssize_t>PIECE, self.program.n_weight_slots - piece * PIECE),
                    self.params + piece * PIECE * k.size, self.options.l1, self.options.l2,
                )
        return count

    cdef void judge_rows(
        self, const int64_t *order, Py_ssize_t first, Py_ssize_t n_rows, double factor
    ) noexcept nogil:
        """Work out the last layer's delta for some rows, and their weighted losses."""
        cdef const kernels *k = self.kernels
        cdef Py_ssize_t n_out = self.program.layers[self.program.n_layers - 1].n_out
        cdef const Activations *a = &self.w.activations[self.program.n_layers - 1]
        cdef char *z = a.z + first * a.row * k.size
        cdef char *delta = a.delta + first * a.row * k.size
        cdef char *target
        cdef const double *row_weight = NULL
        cdef dense_input targets
        if self.sample_weight != NULL:
            row_weight = self.row_weight + first
        if self.program.loss == CROSS_ENTROPY:
            k.softmax_cross_entropy(
                n_rows, n_out, z, a.row, self.labels + first, row_weight, factor, delta, a.row,
                self.row_loss + first, self.row_right + first,
            )
        else:
            targets.data = self.y.data
            targets.type = INPUT_DOUBLE if self.y.kind == b"d" else INPUT_FLOAT
            targets.row_stride, targets.column_stride = self.y.strides[0], self.y.strides[1]
            target = self.targets + first * self.target_row * k.size
            k.gather(&targets, order + first, n_rows, n_out, 1.0, target, self.target_row)
            k.elementwise_loss(
                self.program.loss, n_rows, n_out, z, a.row, target, self.target_row, row_weight,
                factor, self.program.huber_delta, delta, a.row, self.row_loss + first,
                self.row_right + first,
            )

    cdef void add_up(self, Py_ssize_t n_rows, double count) noexcept nogil:
        """Add the minibatch to the sums, always in the same order."""
        cdef Py_ssize_t i
        cdef double loss = 0.0, right = 0.0, penalty = 0.0
        if count != 0:  # else even infinite losses count nothing
            for i in range(n_rows):
                loss += self.row_loss[i]
                right += self.row_right[i]
        self.loss += loss
        self.right += right
        if self.has_penalty():
            for i in range((self.program.n_weight_slots + PIECE - 1) // PIECE):
                penalty += self.penalties[i]
        self.penalty += penalty * count
        self.weight += count
        self.n_steps += 1
        if (self.waited > 0 or most_waiting < 0) and (
            self.waited > most_waiting * (seconds_now() - self.begun)
        ):
            self.dismissed = True  # for good: another member may still be about to read it
        self.work_since_signals += self.program.n_slots * n_rows

    # -- backward -------------------------------------------------------------------------------

    cdef void backward(
        self,
        Py_ssize_t i,
        int64_t n_done,
        Py_ssize_t n_rows,
        OwnSpace *own,
        int member,
        int n_members,
    ) noexcept nogil:
        """Take a part of layer i's delta to the layer below."""
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.program.layers[i]
        cdef const Activations *a = &self.w.activations[i]
        cdef const Activations *below = &self.w.activations[i - 1]
        cdef Part part = part_of(n_rows, layer.n_in, k.size, member, n_members)
        cdef Py_ssize_t offset = (part.row * below.row + part.column) * k.size
        if part.n_rows == 0 or part.n_columns == 0:
            return
        k.backward(
            part.n_rows, part.n_columns, layer.n_out, a.delta + part.row * a.row * k.size, a.row,
            self.params + (layer.weight + part.column * layer.stride) * k.size, layer.stride,
            own.panel, below.delta + offset, below.row,
        )
        k.derive(
            self.program.layers[i - 1].activation, part.n_rows, part.n_columns, below.z + offset,
            below.row, below.delta + offset, below.row,
        )
        self.drop(i - 1, n_done, &part, True)

    cdef void add_gradient(
        self,
        Py_ssize_t i,
        const Part *part,
        Py_ssize_t n_rows,
        double scale,
        bint add,
        char *panel,
        char *out,
        Py_ssize_t out_row,
    ) noexcept nogil:
        """``out += scale · gradient`` for a part of layer i's weights, or ``out = gradient``."""
        cdef const kernels *k = self.kernels
        cdef const Activations *a = &self.w.activations[i]
        cdef const Activations *below
        cdef const char *delta = a.delta + part.column * k.size
        if i == 0:
            outer(
                &self.w.batch, n_rows, part.row, part.row + part.n_rows, part.n_columns, delta,
                a.row, scale, add, panel, out, out_row,
            )
        else:
            below = &self.w.activations[i - 1]
            k.outer(
                n_rows, part.n_rows, part.n_columns, below.dropped + part.row * k.size, below.row,
                delta, a.row, scale, add, panel, out, out_row,
            )

    cdef void learn(
        self,
        Py_ssize_t i,
        const step *step,
        int64_t n_done,
        Py_ssize_t n_rows,
        OwnSpace *own,
        int member,
        int n_members,
    ) noexcept nogil:
        """Work out the gradient of a member's part of layer i and update that part."""
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.program.layers[i]
        cdef Part part = self.part_of_layer(i, layer.n_in, member, n_members)
        cdef Part block = part
        cdef Py_ssize_t end = part.row + part.n_rows, height, row, n, n_blocks
        cdef Py_ssize_t offset = (layer.weight + part.row * layer.stride + part.column) * k.size
        cdef bint direct = step.rule == SGD and not self.has_penalty()
        if part.n_rows == 0 or part.n_columns == 0:
            return
        if self.gradient != NULL:
            self.add_gradient(
                i, &part, n_rows, 1.0, False, own.panel, self.gradient + offset, layer.stride
            )
            if self.has_penalty():
                k.add_penalty(
                    part.n_rows, part.n_columns, self.params + offset, layer.stride,
                    self.options.l1, self.options.l2, self.gradient + offset, layer.stride,
                )
        elif direct:
            self.add_gradient(
                i, &part, n_rows, -step.learning_rate, True, own.panel, self.params + offset,
                layer.stride,
            )
        else:
            row = padded(part.n_columns, k.size)
            height = self.gradient_rows(layer)
            n_blocks = (part.n_rows + height - 1) // height
            # Every other step backwards: the state that the last one left in the cache comes first.
            for n in range(n_blocks):
                block.row = part.row + height * (n_blocks - 1 - n if n_done % 2 else n)
                block.n_rows = min(height, end - block.row)
                offset = (layer.weight + block.row * layer.stride + part.column) * k.size
                self.add_gradient(i, &block, n_rows, 1.0, False, own.panel, own.gradient, row)
                if self.has_penalty():
                    k.add_penalty(
                        block.n_rows, block.n_columns, self.params + offset, layer.stride,
                        self.options.l1, self.options.l2, own.gradient, row,
                    )
                self.update_part(step, &block, offset, layer.stride, own.gradient, row)
        if layer.bias >= 0 and part.row == 0:
            self.learn_bias(layer, &self.w.activations[i], &part, step, n_rows, own, direct)

    cdef void learn_bias(
        self,
        const Layer *layer,
        const Activations *a,
        const Part *part,
        const step *step,
        Py_ssize_t n_rows,
        OwnSpace *own,
        bint direct,
    ) noexcept nogil:
        """The same for the biases of the part's columns; there is no penalty on them."""
        cdef const kernels *k = self.kernels
        cdef const char *delta = a.delta + part.column * k.size
        cdef Py_ssize_t offset = (layer.bias + part.column) * k.size
        cdef Part one_row = part[0]
        one_row.n_rows = 1
        if self.gradient != NULL:
            k.column_sums(
                n_rows, part.n_columns, delta, a.row, 1.0, False, self.gradient + offset
            )
        elif direct:
            k.column_sums(
                n_rows, part.n_columns, delta, a.row, -step.learning_rate, True,
                self.params + offset,
            )
        else:
            k.column_sums(n_rows, part.n_columns, delta, a.row, 1.0, False, own.gradient)
            self.update_part(step, &one_row, offset, 0, own.gradient, 0)

    cdef void update_part(
        self,
        const step *step,
        const Part *part,
        Py_ssize_t offset,
        Py_ssize_t stride,
        const char *gradient,
        Py_ssize_t gradient_row,
    ) noexcept nogil:
        """Apply the rule to a part of the parameters, offset bytes from the first."""
        self.kernels.update(
            step, part.n_rows, part.n_columns, self.params + offset, stride, gradient,
            gradient_row, NULL if self.first_state == NULL else self.first_state + offset,
            NULL if self.second_state == NULL else self.second_state + offset,
        )

    # -- limits ---------------------------------------------------------------------------------

    cdef double gradient_norm(self, int member, int n_members) noexcept nogil:
        """Return the norm of the whole gradient, added up in the same order by all."""
        cdef Py_ssize_t n_slots = self.program.n_slots, n_pieces, piece
        cdef double sum_of_squares = 0.0
        n_pieces = (n_slots + PIECE - 1) // PIECE
        for piece in range(
            share(n_pieces, 1, member, n_members), share(n_pieces, 1, member + 1, n_members)
        ):
            self.squares[piece] = self.kernels.sum_of_squares(
                min(<Py_ssize_t>PIECE, n_slots - piece * PIECE),
                self.gradient + piece * PIECE * self.kernels.size,
            )
        self.wait(member, n_members)
        for piece in range(n_pieces):
            sum_of_squares += self.squares[piece]
        return sqrt(sum_of_squares)

    cdef void apply_limited(
        self, Py_ssize_t i, const step *step, double norm, int member, int n_members
    ) noexcept nogil:
        """Update a member's part of layer i from the gradient, scaled down to the limit."""
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.program.layers[i]
        cdef Part part = self.part_of_layer(i, layer.n_in, member, n_members)
        cdef Py_ssize_t row
        if part.n_rows == 0 or part.n_columns == 0:
            return
        for row in range(part.row, part.row + part.n_rows):
            self.apply_row(
                step, &part, (layer.weight + row * layer.stride + part.column) * k.size, norm
            )
        if layer.bias >= 0 and part.row == 0:
            self.apply_row(step, &part, (layer.bias + part.column) * k.size, norm)

    cdef void apply_row(
        self, const step *step, const Part *part, Py_ssize_t offset, double norm
    ) noexcept nogil:
        """The same for one row, offset bytes from the first parameter."""
        cdef Part one_row = part[0]
        one_row.n_rows = 1
        if norm > self.options.clip_norm:
            self.kernels.scale(
                part.n_columns, self.options.clip_norm / norm, self.gradient + offset
            )
        self.update_part(step, &one_row, offset, 0, self.gradient + offset, 0)

    cdef void limit_norms(
        self, Py_ssize_t i, OwnSpace *own, int member, int n_members
    ) noexcept nogil:
        """Scale columns of layer i's weights down to the limit: a member's own, or, where it owns
        rows, all of them by the first.
        """
        cdef const kernels *k = self.kernels
        cdef const Layer *layer = &self.program.layers[i]
        cdef Part part = self.part_of_layer(i, layer.n_in, member, n_members)
        if part.n_columns < layer.n_out or member == 0:
            k.limit_column_norms(
                layer.n_in, part.n_columns, self.options.max_norm, own.norms,
                self.params + (layer.weight + part.column) * k.size, layer.stride,
            )
