"""`train_models`: whole fits of many models of one architecture, each by one thread.

A thread takes the next model when it has finished one: parameters and the optimizer's vectors stay
in its cache for the whole fit. What it computes depends on the model alone, so the bits are those
of `train_epoch` on the same rows, by any number of threads.
"""

cdef enum:
    CACHE_LINE = 64
    STEP_WORK = 20000  # multiply-adds that take as long as all else in a minibatch

cdef double seconds_between_looks = 0.1


cdef struct OwnFit:
    # What one thread needs.
    Shared shared
    Gate gate
    Measuring measuring
    char *space  # of steps
    char *measuring_space
    size_t n_bytes, measuring_bytes  # of these
    char *slots  # the optimizer's vectors
    char *best
    int64_t *order  # of the rows of the model
    int64_t *spare
    int64_t *rows  # the same, as rows of x
    int64_t *watched
    char apart[CACHE_LINE]


cdef class Generators:
    """The bit generators of models.

    Parameters
    ----------
    states : ndarray of shape (n_models, 6) uint64, or list of BitGenerator
        The states of PCG64s, which are advanced in place; or NumPy's own generators.
    """

    cdef Memory memory
    cdef object held
    cdef uint64_t[:, ::1] states

    def __cinit__(self, states):
        cdef bit_generator *each
        cdef Py_ssize_t i, n = len(states)
        self.memory = Memory(n * sizeof(bit_generator))
        self.held = tuple(states) if isinstance(states, list) else states
        each = <bit_generator *>self.memory.data
        if isinstance(states, list):
            for i in range(n):
                capsule = states[i].capsule  # which keeps nothing alive
                each[i] = (<bit_generator *>PyCapsule_GetPointer(capsule, "BitGenerator"))[0]
            return
        self.states = states
        needs(self.states.shape[1] == 6, "states", "6 numbers for each model")
        for i in range(n):
            each[i].state = &self.states[i, 0]
            each[i].next_uint64, each[i].next_uint32 = pcg64_next, pcg64_next_half

    def shuffle(self, Py_ssize_t i, Py_ssize_t n):
        """Return the numbers below n in an order that generator i draws: for tests of the draws."""
        needs(0 <= i < <Py_ssize_t>(self.memory.n_bytes // sizeof(bit_generator)), "i", "a model")
        cdef Memory numbers = Memory(n * sizeof(int64_t))
        cdef Py_ssize_t j
        for j in range(n):
            (<int64_t *>numbers.data)[j] = j
        shuffle(<const bit_generator *>self.memory.data + i, <int64_t *>numbers.data, n)
        return [(<int64_t *>numbers.data)[j] for j in range(n)]


cdef class Fits(Team):
    """One call of `train_models`."""

    cdef Program program
    cdef const int64_t[::1] models, rows, watched_rows
    cdef const Recipe[::1] recipes
    cdef const double[::1] rates, sample_weight
    cdef const double[:, ::1] dropout
    cdef const uint32_t[:, ::1] thresholds
    cdef Generators generators
    cdef Shuffling shuffling
    cdef Stopping stopping
    cdef double loss_factor
    cdef bint divides_l2, adds_penalty
    cdef int64_t n_epochs
    cdef double[:, :, ::1] measured
    cdef int64_t[:, ::1] ended

    cdef Array params, slots, y, watched_y
    cdef Input x, watched_x
    cdef bint watches, keeps_slots
    cdef Py_ssize_t n_non_zeros, watched_non_zeros  # at most in a minibatch
    cdef Py_ssize_t most_rows, most_watched
    cdef Options widest  # the options that need most space
    cdef OwnFit *own
    cdef Memory memory

    cdef shared_number begun, done, n_left, stops, n_unsound
    cdef int64_t work_since_look
    cdef double last_look
    cdef uint64_t float_mode  # of the first thread
    cdef object progress, error

    # -- preparation ----------------------------------------------------------------------------

    cdef int train(self, int n_threads) except -1:
        """Lay out the space of each thread, and run."""
        cdef Space space
        cdef Memory threads = Memory(n_threads * sizeof(OwnFit))
        cdef Py_ssize_t n_bytes
        cdef int i
        self.own = <OwnFit *>threads.data
        space.base, space.used = NULL, 0
        self.lay_out_thread(&self.own[0], &space)
        n_bytes = space.used + CACHE_LINE
        self.memory = self.program.take_memory(n_threads * n_bytes)
        for i in range(n_threads):
            space.base, space.used = self.memory.data + i * n_bytes, 0
            self.lay_out_thread(&self.own[i], &space)
        self.last_look = seconds_now()
        self.run(n_threads)
        self.program.give_back(self.memory)
        self.report()
        if self.error is not None:
            raise self.error
        return refuse_changed(read_shared(&self.n_unsound) == 0, "x and y")

    cdef void lay_out_thread(self, OwnFit *own, Space *space) noexcept nogil:
        cdef Shared *shared = &own.shared
        cdef const Network *net = &self.program.net
        cdef size_t n_bytes = net.n_slots * net.kernels.size
        shared.net, shared.gate = net, &own.gate
        shared.x, shared.y = self.x, self.y
        shared.options = self.widest
        own.n_bytes = self.space_of(shared)
        own.space = reserve(space, own.n_bytes)
        if self.watches:
            own.measuring_bytes = self.space_of_measuring(&own.measuring)
            own.measuring_space = reserve(space, own.measuring_bytes)
            own.watched = <int64_t *>reserve(space, self.most_watched * sizeof(int64_t))
        own.slots = reserve(space, 2 * n_bytes)
        own.best = reserve(space, n_bytes)
        own.order = <int64_t *>reserve(space, self.most_rows * sizeof(int64_t))
        own.spare = <int64_t *>reserve(space, 2 * self.most_rows * sizeof(int64_t))
        own.rows = <int64_t *>reserve(space, self.most_rows * sizeof(int64_t))

    cdef size_t space_of(self, Shared *shared) noexcept nogil:
        """Return the size of the space of steps, in the form of rows that takes most."""
        cdef Space dense, masked
        dense.base = masked.base = NULL
        dense.used = masked.used = 0
        if self.x.is_sparse:
            lay_out(shared, CSR, self.n_non_zeros, 1, True, &dense)
            return dense.used
        lay_out(shared, DENSE, 0, 1, True, &dense)
        lay_out(shared, MASKED, 0, 1, True, &masked)
        return max(dense.used, masked.used)

    cdef size_t space_of_measuring(self, Measuring *m) noexcept nogil:
        cdef const Network *net = &self.program.net
        cdef const Input *x = &self.watched_x
        cdef Space dense, masked
        dense.base = masked.base = NULL
        dense.used = masked.used = 0
        if x.is_sparse:
            lay_out_measuring(m, net, x, CSR, self.watched_non_zeros, &dense)
            return dense.used
        lay_out_measuring(m, net, x, DENSE, 0, &dense)
        lay_out_measuring(m, net, x, MASKED, 0, &masked)
        return max(dense.used, masked.used)

    # -- the work of each thread ----------------------------------------------------------------

    cdef void work(self, int member, int n_members) noexcept nogil:
        cdef uint64_t float_mode = flush_subnormals()
        cdef Py_ssize_t n_models = self.models.shape[0], i
        if member == 0:
            self.float_mode = float_mode
        while not read_shared(&self.stops):
            i = add_one(&self.begun) - 1
            if i >= n_models:
                break
            self.fit(&self.own[member], self.models[i], member)
            add_one(&self.done)
            if member == 0 and seconds_now() - self.last_look > seconds_between_looks:
                self.look_up()
        if member > 0:
            add_one(&self.n_left)
        while member == 0 and read_shared(&self.n_left) < n_members - 1:
            give_way()
            if seconds_now() - self.last_look > seconds_between_looks:
                self.look_up()
        restore_float_mode(float_mode)

    cdef void look_up(self) noexcept nogil:
        """Look at signals, and say how far the work is; an exception ends it."""
        self.work_since_look, self.last_look = 0, seconds_now()
        restore_float_mode(self.float_mode)
        with gil:
            try:
                PyErr_CheckSignals()
                self.report()
            except BaseException as error:
                self.error = error
                write_shared(&self.stops, 1)
        flush_subnormals()

    cdef int report(self) except -1:
        if self.progress is not None:
            self.progress(read_shared(&self.done))
        return 0

    cdef void fit(self, OwnFit *own, Py_ssize_t i, int member) noexcept nogil:
        """Do the whole fit of model i."""
        cdef Shared *shared = &own.shared
        cdef const Network *net = shared.net
        cdef const Recipe *recipe = &self.recipes[i]
        cdef size_t n_bytes = net.n_slots * net.kernels.size
        cdef Progress progress
        cdef Ending ending = COMPLETED
        cdef double *measured
        cdef int64_t epoch
        cdef bint stops
        progress.best, progress.best_epoch, progress.without_progress = INFINITY, 0, 0
        shared.params = self.params.data + i * self.params.strides[0]
        memset(own.slots, 0, 2 * n_bytes)
        shared.first_state, shared.second_state = own.slots, own.slots + n_bytes
        shared.t = recipe.step
        self.read_recipe(shared, recipe)
        if self.watches:
            self.number_rows(
                self.watched_rows, recipe.first_watched, NULL, recipe.n_watched, own.watched
            )
        for epoch in range(1, self.n_epochs + 1):
            measured = &self.measured[i, epoch - 1, 0]
            draw_order(
                self.generator_of(i), self.shuffling, epoch == 1, recipe.n_rows, own.order,
                own.spare,
            )
            self.number_rows(self.rows, recipe.first_row, own.order, recipe.n_rows, own.rows)
            if not self.train_rows(own, recipe, member, measured):
                ending = INTERRUPTED
                break
            if recipe.n_watched and not self.watch(own, recipe, measured):
                break
            self.ended[i, 0] = epoch
            if not isfinite(measured[LOSS]):
                ending = DIVERGED
                break
            if self.stopping.metric == N_METRICS:
                continue
            stops = asks_to_stop(
                &self.stopping, &progress, measured[self.stopping.metric], epoch
            )
            if self.stopping.restores_best and progress.best_epoch == epoch:
                memcpy(own.best, shared.params, n_bytes)
            if stops:
                if epoch < self.n_epochs:
                    ending = STOPPED
                break
        if self.stopping.restores_best and progress.best_epoch > 0:
            memcpy(shared.params, own.best, n_bytes)
        if self.keeps_slots:
            memcpy(self.slots.data + i * self.slots.strides[0], own.slots, 2 * n_bytes)
        self.ended[i, 1] = ending

    cdef const bit_generator *generator_of(self, Py_ssize_t i) noexcept nogil:
        if self.shuffling == IN_TURN:
            return NULL
        return <const bit_generator *>self.generators.memory.data + i

    cdef void read_recipe(self, Shared *shared, const Recipe *recipe) noexcept nogil:
        cdef Options *options = &shared.options
        options.mean = recipe.mean != 0
        options.l1, options.l2 = recipe.l1, recipe.l2
        options.max_norm, options.clip_norm = recipe.max_norm, recipe.clip_norm
        options.dropout_seed = recipe.dropout_seed
        options.dropout = NULL
        if recipe.drops >= 0:
            options.dropout = &self.dropout[recipe.drops, 0]
            options.thresholds = &self.thresholds[recipe.drops, 0]

    cdef void number_rows(
        self, const int64_t[::1] rows, int64_t first, const int64_t *order, Py_ssize_t n_rows,
        int64_t *out,
    ) noexcept nogil:
        """Write the rows of the table that a model's rows are, in an order if there is one."""
        cdef Py_ssize_t i
        for i in range(n_rows):
            out[i] = first + (i if order == NULL else order[i])
        if rows.shape[0]:
            for i in range(n_rows):
                out[i] = rows[out[i]]

    cdef bint train_rows(
        self, OwnFit *own, const Recipe *recipe, int member, double *measured
    ) noexcept nogil:
        """Do an epoch, in the calls of `train_epoch` that a fit would make; return whether it came
        to its end.
        """
        cdef Shared *shared = &own.shared
        cdef Py_ssize_t first = 0, n_rows
        cdef double weight = 0.0, loss = 0.0, right = 0.0, penalty = 0.0, loss_of_call
        while first < recipe.n_rows:
            n_rows = min(recipe.rows_per_call, recipe.n_rows - first)
            if not self.call(own, recipe, own.rows + first, n_rows, member):
                return False
            first += n_rows
            if shared.weight == 0:
                continue
            loss_of_call = shared.loss / shared.weight * self.loss_factor + recipe.offset
            if self.adds_penalty:
                loss_of_call += shared.penalty / shared.weight
            if n_rows == recipe.n_rows:  # a mean of one needs no rounding
                measured[LOSS] = loss_of_call
                measured[ACCURACY] = shared.right / shared.weight
                measured[PENALTY] = shared.penalty / shared.weight
                return True
            loss += loss_of_call * shared.weight
            right += shared.right / shared.weight * shared.weight
            penalty += shared.penalty / shared.weight * shared.weight
            weight += shared.weight
        measured[LOSS] = loss / weight if weight else NAN
        measured[ACCURACY] = right / weight if weight else NAN
        measured[PENALTY] = penalty / weight if weight else NAN
        return True

    cdef bint call(
        self, OwnFit *own, const Recipe *recipe, const int64_t *order, Py_ssize_t n_order,
        int member,
    ) noexcept nogil:
        """Do what `train_epoch` does with these rows; return whether nothing came between."""
        cdef Shared *shared = &own.shared
        cdef const Network *net = shared.net
        cdef Space space
        cdef step step
        cdef double density, count
        cdef int64_t n_done = 0
        cdef Py_ssize_t begin = 0, n_rows
        cdef Form form = form_of(
            net.kernels, &self.x, order, n_order, net.layers[0].n_out, &density
        )
        shared.options.batch_size = min(<Py_ssize_t>recipe.batch_size, n_order)
        allow(own.space, own.n_bytes)  # another layout has left red zones
        space.base, space.used = own.space, 0
        lay_out(shared, form, self.n_non_zeros, 1, recipe.clip_norm != 0, &space)
        if shared.gradient != NULL:
            memset(shared.gradient, 0, net.n_slots * net.kernels.size)
        shared.order, shared.n_order = order, n_order
        shared.sample_weight = NULL
        if self.sample_weight.shape[0]:
            shared.sample_weight = &self.sample_weight[0]
        shared.weight = shared.loss = shared.right = shared.penalty = 0.0
        step.rule = <rule>recipe.rule
        step.first_decay, step.second_decay = recipe.first_decay, recipe.second_decay
        step.epsilon = recipe.epsilon
        while begin < n_order:
            n_rows = min(shared.options.batch_size, n_order - begin)
            if self.divides_l2:
                shared.options.l2 = recipe.l2 / n_rows
            prepare_step(
                &step, recipe.weight_decay, self.rate_of(recipe, shared.t + n_done),
                shared.t + n_done + 1,
            )
            fetch_rows(shared, begin, n_rows, 0, 1)
            if read_shared(&shared.n_unsound):
                write_shared(&self.n_unsound, 1)
                write_shared(&self.stops, 1)
            if member == 0:
                self.work_since_look += net.n_slots * n_rows
                if self.work_since_look > WORK_BETWEEN_SIGNALS:
                    self.look_up()
            if read_shared(&self.stops):
                break
            count = train_batch(shared, begin, n_rows, &step, n_done, 0, 1)
            add_up(shared, n_rows, count)
            n_done += 1
            begin += n_rows
        shared.t += n_done
        return begin >= n_order

    cdef double rate_of(self, const Recipe *recipe, int64_t t) noexcept nogil:
        if recipe.n_rates == 1:
            return self.rates[recipe.first_rate]
        return self.rates[recipe.first_rate + t - recipe.step]

    cdef bint watch(self, OwnFit *own, const Recipe *recipe, double *measured) noexcept nogil:
        """Measure the model on the rows that it is watched on; return whether they were valid."""
        cdef Measured found
        allow(own.measuring_space, own.measuring_bytes)
        found = measure(
            &own.measuring, own.shared.params, &self.watched_x, &self.watched_y, own.watched,
            recipe.n_watched, own.measuring_space, self.watched_non_zeros,
        )
        measured[VAL_LOSS], measured[VAL_ACCURACY] = found.loss, found.accuracy
        if not found.is_sound:
            write_shared(&self.n_unsound, 1)
            write_shared(&self.stops, 1)
        return found.is_sound


def train_models(
    Program program not None,
    params,
    slots,
    const int64_t[::1] models not None,
    const Recipe[::1] recipes not None,
    tuple data not None,
    tuple watched,
    tuple tables not None,
    tuple drawn not None,
    tuple stopping,
    tuple recorded not None,
    double[:, :, ::1] measured not None,
    int64_t[:, ::1] ended not None,
    progress,
):
    """Do the whole fits of models; see `fastnn.backends.models.Fits`.

    Parameters
    ----------
    program : Program
    params : ndarray of shape (n_models, n_slots)
        Changed in place.
    slots : ndarray of shape (n_models, 2 * n_slots), or None
        Receives the optimizers' vectors.
    models : ndarray of int64
        Which models, in the order in which they are begun.
    recipes : ndarray of shape (n_models,)
        What the fit of each is told.
    data : tuple
        ``(x, y, sample_weight, rows)``: the table; weights (n_rows,), or none; and the rows of the
        models one after the other, or none where each has rows that are neighbours.
    watched : tuple or None
        ``(x, y, rows)`` for validation.
    tables : tuple
        ``(rates, dropout, thresholds)``: what recipes point into.
    drawn : tuple
        ``(generators, shuffling)``: the generators, or None, and a `Shuffling`.
    stopping : tuple or None
        The fields of a `Stopping`.
    recorded : tuple
        ``(loss_factor, divides_l2, adds_penalty)``.
    measured : ndarray of shape (n_models, n_epochs, N_METRICS)
    ended : ndarray of shape (n_models, 2)
        Receives how many epochs were done, and an `Ending`.
    progress : callable or None
        Called with the number of models done.
    """
    cdef Fits fits = Fits()
    cdef Network *net = &program.net
    cdef list held = []
    cdef Py_ssize_t n_models = recipes.shape[0], i
    cdef const Recipe *recipe
    cdef double work = 0.0
    cdef int n_threads
    x, y, fits.sample_weight, fits.rows = data
    fits.rates, fits.dropout, fits.thresholds = tables
    generators, fits.shuffling = drawn
    fits.loss_factor, fits.divides_l2, fits.adds_penalty = recorded
    fits.program, fits.models, fits.recipes = program, models, recipes
    fits.measured, fits.ended, fits.progress = measured, ended, progress
    fits.n_epochs = measured.shape[1]
    needs(measured.shape[0] == n_models and ended.shape[0] == n_models, "measured", "of all models")
    needs(measured.shape[2] == N_METRICS and ended.shape[1] == 2, "measured", "of all metrics")
    held.append(hold("params", params, True, &fits.params))
    needs(
        fits.params.shape[0] == n_models
        and fits.params.shape[1] == net.n_slots
        and fits.params.kind == letter_of_size(net.kernels.size)
        and fits.params.strides[1] == <Py_ssize_t>net.kernels.size
        and fits.params.strides[0] >= <Py_ssize_t>(net.n_slots * net.kernels.size)
        and <uintptr_t>fits.params.data % net.kernels.size == 0
        and fits.params.strides[0] % net.kernels.size == 0,
        "params", "{} rows of {} numbers of the networks' dtype", n_models, net.n_slots,
    )
    fits.keeps_slots = slots is not None
    if fits.keeps_slots:
        held.append(hold("slots", slots, True, &fits.slots))
        needs(
            fits.slots.shape[0] == n_models
            and fits.slots.shape[1] == 2 * net.n_slots
            and fits.slots.kind == letter_of_size(net.kernels.size)
            and fits.slots.strides[1] == <Py_ssize_t>net.kernels.size
            and fits.slots.strides[0] >= <Py_ssize_t>(2 * net.n_slots * net.kernels.size)
            and not lies_in(&fits.params, fits.slots.data, extent(&fits.slots)),
            "slots", "{} rows of {} numbers of the networks' dtype, apart from the parameters",
            n_models, 2 * net.n_slots,
        )
    fits.x = read_input(x, held)
    needs(fits.x.n_in == net.layers[0].n_in, "x", "{} columns wide", net.layers[0].n_in)
    held.append(hold("y", y, False, &fits.y))
    program.check_targets(&fits.x, &fits.y)
    check_table(net, &fits.x, &fits.y, fits.rows)
    needs(
        fits.sample_weight.shape[0] in (0, fits.x.n_rows), "sample_weight",
        "{} numbers, one for each row of x", fits.x.n_rows,
    )
    fits.watches = watched is not None
    if fits.watches:
        watched_x, watched_y, fits.watched_rows = watched
        fits.watched_x = read_input(watched_x, held)
        needs(fits.watched_x.n_in == net.layers[0].n_in, "x", "{} columns wide", fits.x.n_in)
        held.append(hold("y", watched_y, False, &fits.watched_y))
        program.check_targets(&fits.watched_x, &fits.watched_y)
        check_table(net, &fits.watched_x, &fits.watched_y, fits.watched_rows)
    needs(
        is_apart_from(&fits.params, &fits.x, &fits.y, fits.rows)
        and (
            not fits.watches
            or is_apart_from(&fits.params, &fits.watched_x, &fits.watched_y, fits.watched_rows)
        )
        and (
            not fits.keeps_slots or is_apart_from(&fits.slots, &fits.x, &fits.y, fits.rows)
        ),
        "params and slots", "apart from what is read",
    )
    fits.stopping.metric = N_METRICS
    if stopping is not None:
        (fits.stopping.metric, fits.stopping.sign, fits.stopping.least_gain,
         fits.stopping.patience, fits.stopping.restores_best, fits.stopping.by_tolerance) = stopping
    needs(0 <= fits.stopping.metric <= N_METRICS, "stopping", "by one of the metrics")
    if fits.shuffling != IN_TURN:
        fits.generators = Generators(generators)
        needs(
            fits.generators.memory.n_bytes == n_models * sizeof(bit_generator), "generators",
            "{}, one for each model", n_models,
        )
    for i in range(models.shape[0]):
        needs(0 <= models[i] < n_models, "models", "numbers below {}", n_models)
        recipe = &recipes[models[i]]
        check_recipe(fits, recipe)
        work += recipe.n_rows * (3 * work_of_a_row(net, 1.0) + STEP_WORK / recipe.batch_size)
    fits.n_non_zeros = most_entries(&fits.x) * fits.widest.batch_size
    if fits.watches:
        fits.watched_non_zeros = most_entries(&fits.watched_x) * PREDICTED_TOGETHER
    n_threads = program.threads_for(work * fits.n_epochs, work_to_wake_for)
    if models.shape[0] and fits.n_epochs:
        fits.train(min(n_threads, <int>min(models.shape[0], <Py_ssize_t>1024)))


cdef int check_table(
    const Network *net, const Input *x, const Array *y, const int64_t[::1] rows
) except -1:
    """Refuse row numbers, labels and CSR entries that are out of bounds."""
    cdef Py_ssize_t i, n_classes = net.layers[net.n_layers - 1].n_out
    cdef bint is_sound = True, are_classes = True
    cdef int64_t label
    with nogil:
        for i in range(rows.shape[0]):
            is_sound &= 0 <= rows[i] < x.n_rows
        if net.loss == CROSS_ENTROPY:
            for i in range(x.n_rows):
                label = (<const int64_t *>(y.data + i * y.strides[1]))[0]
                are_classes &= 0 <= label < n_classes
    needs(is_sound, "rows", "row numbers below {}", x.n_rows)
    needs(are_classes, "y", "classes in [0, {})", n_classes)
    return check_entries(x, NULL, x.n_rows)


cdef int check_recipe(Fits fits, const Recipe *recipe) except -1:
    """Refuse what would be read out of bounds, and find what needs most space."""
    cdef const Network *net = &fits.program.net
    cdef Py_ssize_t n_rows = fits.rows.shape[0] or fits.x.n_rows, n_watched = 0
    cdef Options *widest = &fits.widest
    needs(
        recipe.n_rows >= 1 and 0 <= recipe.first_row <= n_rows - recipe.n_rows, "rows of a model",
        "among {}", n_rows,
    )
    needs(recipe.batch_size >= 1 and recipe.rows_per_call >= 1, "batch_size", "at least 1")
    if fits.watches:
        n_watched = fits.watched_rows.shape[0] or fits.watched_x.n_rows
    needs(
        recipe.n_watched >= 0 and 0 <= recipe.first_watched <= n_watched - recipe.n_watched,
        "watched rows of a model", "among {}", n_watched,
    )
    code_in(RULES, "rule", recipe.rule)
    needs(
        0 <= recipe.first_rate <= fits.rates.shape[0] - recipe.n_rates
        and (recipe.n_rates == 1 or recipe.n_rates >= steps_of(recipe) * fits.n_epochs),
        "rates", "one for each step",
    )
    needs(recipe.drops < fits.dropout.shape[0], "dropout", "rates of all models")
    if recipe.drops >= 0:
        fits.program.check_dropout(fits.dropout[recipe.drops], fits.thresholds[recipe.drops])
        widest.dropout, widest.thresholds = &fits.dropout[0, 0], &fits.thresholds[0, 0]
    fits.most_rows = max(fits.most_rows, <Py_ssize_t>recipe.n_rows)
    fits.most_watched = max(fits.most_watched, <Py_ssize_t>recipe.n_watched)
    widest.batch_size = max(widest.batch_size, <Py_ssize_t>min(recipe.batch_size, recipe.n_rows))
    return 0


cdef int64_t steps_of(const Recipe *recipe) noexcept nogil:
    """Return how many updates an epoch has."""
    cdef int64_t rest = recipe.n_rows % recipe.rows_per_call
    return (
        recipe.n_rows // recipe.rows_per_call * minibatches(recipe, recipe.rows_per_call)
        + minibatches(recipe, rest)
    )


cdef inline int64_t minibatches(const Recipe *recipe, int64_t n_rows) noexcept nogil:
    return (n_rows + recipe.batch_size - 1) // recipe.batch_size


cdef Py_ssize_t most_entries(const Input *x) noexcept nogil:
    """Return how many entries the fullest CSR row has."""
    return most_non_zeros(x, NULL, x.n_rows, 1)


cdef bint is_apart_from(
    const Array *written, const Input *x, const Array *y, const int64_t[::1] rows
) noexcept nogil:
    cdef Py_ssize_t n_bytes = extent(written)
    return not (
        reads(x, written.data, n_bytes)
        or lies_in(y, written.data, n_bytes)
        or (
            rows.shape[0]
            and share_memory(
                written.data, n_bytes, <const char *>&rows[0], rows.shape[0] * sizeof(int64_t)
            )
        )
    )
