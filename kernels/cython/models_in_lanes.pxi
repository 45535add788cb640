"""Whole fits of models side by side, one in each lane: see `lanes.pxd`.

A lane that is done takes the next model, if that has as many rows and the like.
"""

cdef enum:
    MOST_ROWS_IN_LANES = 1 << 16  # of a model, since each lane keeps an order of its own


cdef int choose_lanes(Fits fits, int n_threads) noexcept nogil:
    """Return how many lanes a thread uses; 1 where models are trained one after the other.

    All lanes take less than half the time of as many models one after the other, so half of them
    must be in use. Lanes read rows that are mostly zeros like others, and rows in other forms not.
    """
    cdef const Network *net = &fits.program.net
    cdef Py_ssize_t n_models = (fits.models.shape[0] + n_threads - 1) // n_threads
    cdef Py_ssize_t n_lanes = min(n_models, <Py_ssize_t>net.kernels.lanes)
    cdef double density
    if fits.x.is_sparse or 2 * n_lanes < net.kernels.lanes or net.kernels.lanes > MOST_LANES:
        return 1
    if form_of(net.kernels, &fits.x, NULL, fits.x.n_rows, net.layers[0].n_out, &density) != DENSE:
        return 1
    return <int>n_lanes


cdef bint takes_lanes(Fits fits, Py_ssize_t i) noexcept nogil:
    """Return whether model i is trained in a lane: if enough models follow for the others."""
    cdef Py_ssize_t n_left = fits.models.shape[0] - read_shared(&fits.begun) + 1
    return (
        fits.n_lanes > 1
        and 2 * n_left >= fits.program.net.kernels.lanes
        and may_take_lane(fits, &fits.recipes[i])
    )


cdef bint may_take_lane(Fits fits, const Recipe *recipe) noexcept nogil:
    """Return whether lanes can do what the fit of a model is told."""
    cdef Options options = fits.widest
    options.batch_size = min(recipe.batch_size, recipe.n_rows)
    options.l1, options.l2 = recipe.l1, recipe.l2
    options.max_norm, options.clip_norm = recipe.max_norm, recipe.clip_norm
    options.dropout = NULL
    return (
        recipe.drops < 0
        and recipe.groups < 0
        and recipe.n_rows <= MOST_ROWS_IN_LANES
        and lanes_take(&fits.program.net, &fits.x, &options, <rule>recipe.rule)
    )


cdef bint are_alike(const Recipe *one, const Recipe *other) noexcept nogil:
    """Return whether two models can be trained side by side."""
    return (
        one.n_rows == other.n_rows
        and one.batch_size == other.batch_size
        and one.rows_per_call == other.rows_per_call
        and one.rule == other.rule
        and one.mean == other.mean
    )


cdef Py_ssize_t fit_in_lanes(
    Fits fits, OwnFits *own, Py_ssize_t first, int member
) noexcept nogil:
    """Do the fits of models alike, from the first on; return the next one, which is not, or -1."""
    cdef const Recipe *kind = &fits.recipes[first]
    cdef LaneConstants constants
    cdef bint busy[MOST_LANES]
    cdef bint dense[MOST_LANES]  # in this epoch
    cdef Course *course
    cdef Py_ssize_t next = first
    cdef int lane, n_busy = 0
    cdef bint goes_on = True
    lay_out_own_lanes(fits, own, kind)
    for lane in range(MOST_LANES):
        busy[lane] = False
    while True:
        for lane in range(fits.n_lanes):
            if busy[lane] or next < 0 or not is_next(fits, next, kind):
                continue
            fits.begin(&own.courses[lane], next)
            enter(fits, own, lane, &constants)
            busy[lane] = True
            n_busy += 1
            next = fits.next_model()
        if n_busy == 0:
            return next
        for lane in range(fits.n_lanes):
            dense[lane] = busy[lane]
            if busy[lane]:
                fits.draw(own, &own.courses[lane])
                if not is_dense(fits, &own.courses[lane]):
                    dense[lane] = False
                    goes_on = goes_on and epoch_out_of_lane(fits, own, lane, member)
        goes_on = goes_on and epoch_in_lanes(fits, own, &constants, dense, member)
        for lane in range(fits.n_lanes):
            if not busy[lane]:
                continue
            course = &own.courses[lane]
            if dense[lane] and fits.keeps_slots:
                leave(own, lane)
            elif dense[lane]:
                store_vector(&own.lanes, lane, own.lanes.params, course.params)
            else:
                enter(fits, own, lane, &constants)
            if not goes_on:
                fits.end(course, INTERRUPTED)
            elif not fits.ends_after_epoch(own, course, member):
                continue
            busy[lane] = False
            n_busy -= 1
        if not goes_on:
            return -1


cdef bint is_dense(Fits fits, const Course *course) noexcept nogil:
    """Return whether the kernels read the rows of each call as lanes do."""
    cdef const Network *net = &fits.program.net
    cdef Py_ssize_t first = 0, n_rows
    cdef double density
    while first < course.recipe.n_rows:
        n_rows = min(course.recipe.rows_per_call, course.recipe.n_rows - first)
        if form_of(
            net.kernels, &fits.x, course.rows + first, n_rows, net.layers[0].n_out, &density
        ) != DENSE:
            return False
        first += n_rows
    return True


cdef bint epoch_out_of_lane(Fits fits, OwnFits *own, int lane, int member) noexcept nogil:
    """Do an epoch of a lane's model by itself, before the lanes', in which its own only runs along;
    return whether it came to its end.
    """
    leave(own, lane)
    return fits.train_rows(own, &own.courses[lane], member)


cdef bint is_next(Fits fits, Py_ssize_t i, const Recipe *kind) noexcept nogil:
    return are_alike(&fits.recipes[i], kind) and may_take_lane(fits, &fits.recipes[i])


cdef void lay_out_own_lanes(Fits fits, OwnFits *own, const Recipe *kind) noexcept nogil:
    cdef Space space
    allow(own.lane_space, own.lane_bytes)
    space.base, space.used = own.lane_space, 0
    lay_out_lanes(
        &own.lanes, &fits.program.net, <rule>kind.rule, min(kind.batch_size, kind.n_rows), &space
    )


cdef void enter(Fits fits, OwnFits *own, int lane, LaneConstants *constants) noexcept nogil:
    """Take the model of a lane's course into the lane."""
    cdef const Course *course = &own.courses[lane]
    cdef const Recipe *recipe = course.recipe
    cdef step *step = &constants.steps[lane]
    load_model(
        &own.lanes, lane, course.params, course.slots,
        course.slots + fits.program.net.n_slots * fits.program.net.kernels.size,
    )
    step.rule = <rule>recipe.rule
    step.first_decay, step.second_decay = recipe.first_decay, recipe.second_decay
    step.epsilon = recipe.epsilon
    constants.weight_decays[lane] = recipe.weight_decay
    constants.l1[lane], constants.l2[lane] = recipe.l1, recipe.l2


cdef void leave(OwnFits *own, int lane) noexcept nogil:
    """Write the model in a lane, with its optimizer's vectors, to where its course has them."""
    cdef const Network *net = own.lanes.net
    cdef const Course *course = &own.courses[lane]
    store_model(
        &own.lanes, lane, course.params, course.slots,
        course.slots + net.n_slots * net.kernels.size,
    )


cdef bint epoch_in_lanes(
    Fits fits, OwnFits *own, LaneConstants *constants, const bint *busy, int member
) noexcept nogil:
    """Do an epoch of every busy lane; return whether it came to its end."""
    cdef const Recipe *kind
    cdef Py_ssize_t first = 0, n_rows
    cdef int lane, some = 0
    while not busy[some]:
        some += 1
        if some == fits.n_lanes:
            return True
    kind = own.courses[some].recipe
    while first < kind.n_rows:
        n_rows = min(kind.rows_per_call, kind.n_rows - first)
        if not call_in_lanes(fits, own, constants, busy, some, first, n_rows, member):
            return False
        for lane in range(fits.n_lanes):
            if busy[lane]:
                fits.add_call(
                    &own.courses[lane], n_rows, own.lanes.weight[lane], own.lanes.loss[lane],
                    own.lanes.right[lane], own.lanes.penalty[lane],
                )
        first += n_rows
    return True


cdef bint call_in_lanes(
    Fits fits,
    OwnFits *own,
    LaneConstants *constants,
    const bint *busy,
    int some,
    Py_ssize_t first,
    Py_ssize_t n_rows,
    int member,
) noexcept nogil:
    """Do a call of `train_epoch` for every busy lane; lanes that are not do what lane `some` does,
    and nobody looks.
    """
    cdef const Recipe *kind = own.courses[some].recipe
    cdef const double *weights = NULL
    cdef double rates[MOST_LANES]
    cdef int64_t t[MOST_LANES]
    cdef Py_ssize_t done = 0, n
    cdef int lane, source, n_lanes = <int>fits.program.net.kernels.lanes
    cdef int64_t work = n_lanes * fits.program.net.n_slots
    if fits.sample_weight.shape[0]:
        weights = &fits.sample_weight[0]
    for lane in range(n_lanes):
        clear_sums(&own.lanes, lane)
        if not (lane < fits.n_lanes and busy[lane]):
            copy_constants(constants, some, lane)
    while done < n_rows:
        n = min(<Py_ssize_t>min(kind.batch_size, n_rows), n_rows - done)
        if not fits.goes_on(member, work * n):
            return False
        for lane in range(n_lanes):
            source = lane if lane < fits.n_lanes and busy[lane] else some
            constants.orders[lane] = own.courses[source].rows + first + done
            rates[lane] = fits.rate_of(own.courses[source].recipe, own.courses[source].t)
            if fits.divides_l2:
                constants.l2[lane] = own.courses[source].recipe.l2 / n
            t[lane] = own.courses[source].t + 1
        prepare_lanes(constants, rates, t, n_lanes)
        if not train_lanes(
            &own.lanes, &fits.x, &fits.y, weights, kind.mean != 0, constants, n
        ):
            write_shared(&fits.n_unsound, 1)
            write_shared(&fits.stops, 1)
            return False
        for lane in range(fits.n_lanes):
            own.courses[lane].t += busy[lane]
        done += n
    return True


cdef void copy_constants(LaneConstants *constants, int source, int lane) noexcept nogil:
    constants.steps[lane] = constants.steps[source]
    constants.weight_decays[lane] = constants.weight_decays[source]
    constants.l1[lane], constants.l2[lane] = constants.l1[source], constants.l2[source]
