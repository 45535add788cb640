"""`train_models`: whole fits of many models of one architecture, each by one thread.

A thread takes the next model when it has finished one: parameters and the optimizer's vectors stay
in its cache for the whole fit. Networks that are too narrow to fill vectors are trained side by
side, one in each lane (`models_in_lanes.pxi`). What is computed depends on the model alone, so the
bits are those of `train_epoch` on the same rows, by any number of threads.
"""

cdef enum:
    CACHE_LINE = 64

cdef double seconds_between_looks = 0.1


cdef struct Course:
    # The fit of one model under way.
    Py_ssize_t model
    const Recipe *recipe
    char *params
    char *slots  # the optimizer's vectors: two of its rule, two of scaled features
    char *best
    int64_t t  # updates done
    int64_t *order  # of the model's rows
    int64_t *rows  # the same, as rows of x
    int64_t *watched
    int64_t n_epochs  # done
    Progress progress
    double weight, loss, right, penalty  # sums over the calls of an epoch


cdef struct OwnFits:
    # What one thread needs.
    Shared shared
    Gate gate
    Lanes lanes
    Measuring measuring
    Course *courses  # one for each lane
    char *space  # of steps
    char *lane_space
    char *measuring_space
    size_t n_bytes, lane_bytes, measuring_bytes  # of these
    int64_t *spare
    char apart[CACHE_LINE]


cdef class Fits(Team):
    """One call of `train_models`."""

    cdef Program program
    cdef const int64_t[::1] models, rows, watched_rows
    cdef const Recipe[::1] recipes
    cdef const double[::1] rates, sample_weight
    cdef const double[:, ::1] dropout
    cdef const uint32_t[:, ::1] thresholds
    cdef const double[:, :, ::1] factors
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
    cdef size_t n_vectors  # of the optimizer, for each model: 2, or 4 if one scales features
    cdef Py_ssize_t n_non_zeros, watched_non_zeros  # at most in a minibatch
    cdef Py_ssize_t fullest, most_in_batch  # entries of a row, and of a minibatch
    cdef Py_ssize_t most_rows, most_rows_in_lanes, most_watched
    cdef Options widest  # the options that need most space
    cdef int n_lanes  # that are used; 1: none
    cdef size_t lane_bytes
    cdef OwnFits *own
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
        cdef Memory threads = Memory(n_threads * sizeof(OwnFits))
        cdef Py_ssize_t n_bytes
        cdef int i
        self.own = <OwnFits *>threads.data
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

    cdef void lay_out_thread(self, OwnFits *own, Space *space) noexcept nogil:
        cdef Shared *shared = &own.shared
        cdef const Network *net = &self.program.net
        cdef size_t n_bytes = net.n_slots * net.kernels.size
        cdef Course *course
        cdef Course counted_only
        cdef Py_ssize_t n_rows
        cdef int i
        shared.net, shared.gate = net, &own.gate
        shared.x, shared.y = self.x, self.y
        shared.options = self.widest
        own.n_bytes = self.space_of(shared)
        own.space = reserve(space, own.n_bytes)
        if self.watches:
            own.measuring_bytes = self.space_of_measuring(&own.measuring)
            own.measuring_space = reserve(space, own.measuring_bytes)
        own.lane_bytes = self.lane_bytes
        own.lane_space = reserve(space, own.lane_bytes)
        own.spare = <int64_t *>reserve(space, 2 * self.most_rows * sizeof(int64_t))
        own.courses = <Course *>reserve(space, self.n_lanes * sizeof(Course))
        for i in range(self.n_lanes):
            course = &counted_only if space.base == NULL else &own.courses[i]
            course.best = reserve(space, n_bytes)
            course.slots = reserve(space, self.n_vectors * n_bytes)
            n_rows = self.most_rows if i == 0 else self.most_rows_in_lanes
            course.order = <int64_t *>reserve(space, n_rows * sizeof(int64_t))
            course.rows = <int64_t *>reserve(space, n_rows * sizeof(int64_t))
            course.watched = <int64_t *>reserve(space, self.most_watched * sizeof(int64_t))

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
        cdef Py_ssize_t i = self.next_model()
        cdef OwnFits *own = &self.own[member]
        cdef long n_looks = 0
        if member == 0:
            self.float_mode = float_mode
        while i >= 0:
            if takes_lanes(self, i):
                i = fit_in_lanes(self, own, i, member)
            else:
                self.fit(own, i, member)
                i = self.next_model()
        if member > 0:
            add_one(&self.n_left)
        while member == 0 and read_shared(&self.n_left) < n_members - 1:
            give_way(n_looks)
            n_looks += 1
            if seconds_now() - self.last_look > seconds_between_looks:
                self.look_up()
        restore_float_mode(float_mode)

    cdef Py_ssize_t next_model(self) noexcept nogil:
        """Take the next model; -1 if there is none, or the work is to stop."""
        cdef Py_ssize_t place
        if read_shared(&self.stops):
            return -1
        place = add_one(&self.begun) - 1
        return self.models[place] if place < self.models.shape[0] else -1

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

    cdef void fit(self, OwnFits *own, Py_ssize_t i, int member) noexcept nogil:
        """Do the whole fit of model i."""
        cdef Course *course = &own.courses[0]
        self.begin(course, i)
        while True:
            self.draw(own, course)
            if not self.train_rows(own, course, member):
                self.end(course, INTERRUPTED)
                return
            if self.ends_after_epoch(own, course, member):
                return

    cdef void begin(self, Course *course, Py_ssize_t i) noexcept nogil:
        """Begin the fit of model i."""
        cdef const Recipe *recipe = &self.recipes[i]
        course.model, course.recipe, course.n_epochs = i, recipe, 0
        course.params = self.params.data + i * self.params.strides[0]
        course.t = recipe.step
        memset(
            course.slots, 0,
            self.n_vectors * self.program.net.n_slots * self.program.net.kernels.size,
        )
        course.progress.best = INFINITY
        course.progress.best_epoch = course.progress.without_progress = 0
        if recipe.n_watched:
            self.number_rows(
                self.watched_rows, recipe.first_watched, NULL, recipe.n_watched, course.watched
            )

    cdef void draw(self, OwnFits *own, Course *course) noexcept nogil:
        """Draw the order of the next epoch's rows, and begin its sums."""
        cdef const Recipe *recipe = course.recipe
        draw_order(
            self.generator_of(course.model), self.shuffling, course.n_epochs == 0, recipe.n_rows,
            course.order, own.spare,
        )
        self.number_rows(self.rows, recipe.first_row, course.order, recipe.n_rows, course.rows)
        course.weight = course.loss = course.right = course.penalty = 0.0

    cdef void add_call(
        self, Course *course, Py_ssize_t n_rows, double weight, double loss, double right,
        double penalty,
    ) noexcept nogil:
        """Add the sums of a call of n_rows rows to those of the epoch."""
        if weight == 0:
            return
        loss = loss / weight * self.loss_factor + course.recipe.offset
        if self.adds_penalty:
            loss += penalty / weight
        if n_rows == course.recipe.n_rows:  # a mean of one needs no rounding
            course.loss, course.right, course.penalty = loss, right / weight, penalty / weight
            course.weight = 1.0
            return
        course.loss += loss * weight
        course.right += right / weight * weight
        course.penalty += penalty / weight * weight
        course.weight += weight

    cdef bint ends_after_epoch(self, OwnFits *own, Course *course, int member) noexcept nogil:
        """Record an epoch that is done; return whether it was the last one."""
        cdef double *measured = &self.measured[course.model, course.n_epochs, 0]
        cdef double weight = course.weight if course.weight else NAN
        cdef bint stops, is_judged
        measured[LOSS], measured[ACCURACY] = course.loss / weight, course.right / weight
        measured[PENALTY] = course.penalty / weight
        if course.recipe.n_watched and not self.watch(own, course, measured):
            self.end(course, INTERRUPTED)
            return True
        course.n_epochs += 1
        if not isfinite(measured[LOSS]):
            self.end(course, DIVERGED)
            return True
        is_judged = self.stopping.metric != N_METRICS and (
            course.recipe.n_watched or self.stopping.metric < VAL_LOSS
        )
        stops = is_judged and asks_to_stop(
            &self.stopping, &course.progress, measured[self.stopping.metric], course.n_epochs
        )
        if self.stopping.restores_best and course.progress.best_epoch == course.n_epochs:
            memcpy(
                course.best, course.params,
                self.program.net.n_slots * self.program.net.kernels.size,
            )
        if not stops and course.n_epochs < self.n_epochs:
            return False
        self.end(course, COMPLETED if course.n_epochs == self.n_epochs else STOPPED)
        if member == 0 and seconds_now() - self.last_look > seconds_between_looks:
            self.look_up()
        return True

    cdef void end(self, Course *course, Ending ending) noexcept nogil:
        """Note how a fit ended, and restore the best parameters, if they are wanted."""
        cdef size_t n_bytes = self.program.net.n_slots * self.program.net.kernels.size
        if self.stopping.restores_best and course.progress.best_epoch > 0:
            memcpy(course.params, course.best, n_bytes)
        if self.keeps_slots:
            memcpy(
                self.slots.data + course.model * self.slots.strides[0], course.slots, 2 * n_bytes
            )
        self.ended[course.model, 0], self.ended[course.model, 1] = course.n_epochs, ending
        add_one(&self.done)

    cdef const bit_generator *generator_of(self, Py_ssize_t i) noexcept nogil:
        if self.shuffling == IN_TURN:
            return NULL
        return <const bit_generator *>self.generators.memory.data + i

    cdef void share(self, OwnFits *own, const Course *course) noexcept nogil:
        """Let steps go on with a model."""
        cdef Shared *shared = &own.shared
        cdef const Recipe *recipe = course.recipe
        cdef Options *options = &shared.options
        shared.params, shared.t = course.params, course.t
        shared.first_state = course.slots
        shared.second_state = course.slots + shared.net.n_slots * shared.net.kernels.size
        options.mean = recipe.mean != 0
        options.l1, options.l2 = recipe.l1, recipe.l2
        options.max_norm, options.clip_norm = recipe.max_norm, recipe.clip_norm
        options.factors = NULL if recipe.groups < 0 else &self.factors[recipe.groups, 0, 0]
        options.scales_features = recipe.scales_features != 0
        if options.scales_features:
            shared.raw = shared.second_state + shared.net.n_slots * shared.net.kernels.size
            shared.scales = shared.raw + shared.net.n_slots * shared.net.kernels.size
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

    cdef bint train_rows(self, OwnFits *own, Course *course, int member) noexcept nogil:
        """Do an epoch, in the calls of `train_epoch` that a fit would make; return whether it came
        to its end.
        """
        cdef Shared *shared = &own.shared
        cdef const Recipe *recipe = course.recipe
        cdef Py_ssize_t first = 0, n_rows
        self.share(own, course)
        while first < recipe.n_rows:
            n_rows = min(recipe.rows_per_call, recipe.n_rows - first)
            if not self.call(own, recipe, course.rows + first, n_rows, member):
                return False
            self.add_call(
                course, n_rows, shared.weight, shared.loss, shared.right, shared.penalty
            )
            first += n_rows
        course.t = shared.t
        return True

    cdef bint call(
        self, OwnFits *own, const Recipe *recipe, const int64_t *order, Py_ssize_t n_order,
        int member,
    ) noexcept nogil:
        """Do what `train_epoch` does with these rows; return whether nothing came between."""
        cdef Shared *shared = &own.shared
        cdef const Network *net = shared.net
        cdef Space space
        cdef step *steps
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
        clear_gradient(shared)
        begin_scaling(shared)
        steps = shared.own[0].steps
        shared.order, shared.n_order = order, n_order
        shared.sample_weight = NULL
        if self.sample_weight.shape[0]:
            shared.sample_weight = &self.sample_weight[0]
        shared.weight = shared.loss = shared.right = shared.penalty = 0.0
        steps.rule = <rule>recipe.rule
        steps.first_decay, steps.second_decay = recipe.first_decay, recipe.second_decay
        steps.epsilon = recipe.epsilon
        while begin < n_order:
            n_rows = min(shared.options.batch_size, n_order - begin)
            if self.divides_l2:
                shared.options.l2 = recipe.l2 / n_rows
            prepare_groups(
                shared, steps, recipe.weight_decay, self.rate_of(recipe, shared.t + n_done),
                shared.t + n_done + 1,
            )
            fetch_rows(shared, begin, n_rows, 0, 1)
            if read_shared(&shared.n_unsound):
                write_shared(&self.n_unsound, 1)
                write_shared(&self.stops, 1)
            if not self.goes_on(member, net.n_slots * n_rows):
                break
            count = train_batch(shared, begin, n_rows, steps, n_done, 0, 1)
            add_up(shared, n_rows, count)
            n_done += 1
            begin += n_rows
        shared.t += n_done
        return begin >= n_order

    cdef bint goes_on(self, int member, int64_t work) noexcept nogil:
        """Return whether the work goes on; the first thread looks at signals now and then."""
        if member == 0:
            self.work_since_look += work
            if self.work_since_look > WORK_BETWEEN_SIGNALS:
                self.look_up()
        return not read_shared(&self.stops)

    cdef double rate_of(self, const Recipe *recipe, int64_t t) noexcept nogil:
        if recipe.n_rates == 1:
            return self.rates[recipe.first_rate]
        return self.rates[recipe.first_rate + t - recipe.step]

    cdef bint watch(self, OwnFits *own, Course *course, double *measured) noexcept nogil:
        """Measure the model on the rows that it is watched on; return whether they were valid."""
        cdef Measured found
        allow(own.measuring_space, own.measuring_bytes)
        found = measure(
            &own.measuring, course.params, &self.watched_x, &self.watched_y, course.watched,
            course.recipe.n_watched, own.measuring_space, self.watched_non_zeros,
        )
        measured[VAL_LOSS], measured[VAL_ACCURACY] = found.loss, found.accuracy
        if not found.is_sound:
            write_shared(&self.n_unsound, 1)
            write_shared(&self.stops, 1)
        return found.is_sound
