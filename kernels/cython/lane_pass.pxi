"""A pass of several models at once, one in each lane: `train_epoch` of each, with the same bits."""


def train_epoch_in_lanes(
    Program program,
    list models,
    x,
    y,
    const int64_t[:, ::1] orders,
    const double[::1] sample_weight,
    int rule_code,
    Py_ssize_t batch_size,
    bint mean,
):
    """Train models of one architecture, at most as many as there are lanes, each on its own order.

    Parameters
    ----------
    program : Program
        Of their architecture.
    models : list of tuple
        ``(params, slots, step, rates, coefficients, l1, l2)`` of each, as `Program.train_epoch`
        takes them; step is an int.
    x, y, sample_weight, rule_code, batch_size, mean
        As in `Program.train_epoch`.
    orders : ndarray of shape (n_models, n_rows)
        Rows of x and y for each model.

    Returns
    -------
    list of tuple or None
        Of each model, the sums of weight, loss, right rows and penalty; None if lanes cannot train
        such models.
    """
    cdef Py_ssize_t n_models = len(models), begin = 0, n_rows
    cdef Py_ssize_t n_order = orders.shape[1]
    cdef LaneConstants constants
    cdef Lanes lanes
    cdef Space space
    cdef Memory memory
    cdef Epoch epoch
    cdef list epochs = [], held = []
    cdef double now[MOST_LANES]
    cdef const double *rates[MOST_LANES]
    cdef const double *weights = NULL if sample_weight is None else &sample_weight[0]
    cdef const double[::1] its_rates
    cdef int64_t[MOST_LANES] t
    cdef int64_t n_done = 0
    cdef int lane, own, n_lanes = <int>program.net.kernels.lanes
    cdef Shared *shared
    cdef Shared *first
    cdef uint64_t float_mode
    cdef bint is_sound = True
    needs(1 <= n_models <= n_lanes, "models", "1 to {} models", n_lanes)
    needs(orders.shape[0] == n_models, "orders", "of {} rows, one for each model", n_models)
    needs(batch_size >= 1 and n_order >= 1, "orders and batch_size", "at least 1")
    for lane, model in enumerate(models):
        epoch = Epoch(program)
        shared = &epoch.shared
        epochs.append(epoch)
        its_rates = hold_lane(program, epoch, model, x, y, rule_code, held)
        needs(
            its_rates.shape[0] >= (n_order - 1) // batch_size + 1,
            "learning_rates", "one for each minibatch",
        )
        rates[lane], t[lane] = &its_rates[0], shared.t
        needs(
            sample_weight is None or sample_weight.shape[0] == shared.x.n_rows,
            "sample_weight", "{} numbers, one for each row of x", shared.x.n_rows,
        )
        shared.order, shared.n_order = &orders[lane, 0], n_order
        shared.options.batch_size = batch_size = min(batch_size, n_order)
        epoch.check_rows()
        if not lanes_take(&program.net, &shared.x, &shared.options, epoch.step.rule):
            return None
    first = &(<Epoch>epochs[0]).shared
    space.base, space.used = NULL, 0
    lay_out_lanes(&lanes, &program.net, (<Epoch>epochs[0]).step.rule, batch_size, &space)
    memory = program.take_memory(space.used)
    space.base, space.used = memory.data, 0
    lay_out_lanes(&lanes, &program.net, (<Epoch>epochs[0]).step.rule, batch_size, &space)
    for lane in range(n_lanes):
        own = lane if lane < n_models else 0
        epoch = epochs[own]
        shared = &epoch.shared
        load_model(&lanes, lane, shared.params, shared.first_state, shared.second_state)
        constants.steps[lane] = epoch.step
        constants.l1[lane], constants.l2[lane] = shared.options.l1, shared.options.l2
        constants.weight_decays[lane] = epoch.weight_decay
        rates[lane], t[lane] = rates[own], t[own]
    with nogil:
        float_mode = flush_subnormals()
        while begin < n_order and is_sound:
            n_rows = min(batch_size, n_order - begin)
            for lane in range(n_lanes):
                own = lane if lane < n_models else 0
                constants.orders[lane] = &orders[own, begin]
                now[lane] = rates[lane][n_done]
                t[lane] += 1
            prepare_lanes(&constants, now, t, n_lanes)
            is_sound = train_lanes(&lanes, &first.x, &first.y, weights, mean, &constants, n_rows)
            n_done += 1
            begin += n_rows
        restore_float_mode(float_mode)
    for lane in range(n_models):
        shared = &(<Epoch>epochs[lane]).shared
        store_model(&lanes, lane, shared.params, shared.first_state, shared.second_state)
    program.give_back(memory)
    refuse_changed(is_sound, "x and y")
    return [
        (lanes.weight[lane], lanes.loss[lane], lanes.right[lane], lanes.penalty[lane])
        for lane in range(n_models)
    ]


cdef const double[::1] hold_lane(
    Program program, Epoch epoch, tuple model, x, y, int rule_code, list held
) except *:
    """Hold what one model is trained with, and describe it; return its learning rates."""
    cdef Shared *shared = &epoch.shared
    cdef Array written[MOST_WRITTEN]
    cdef const double[::1] rates
    params, slots, shared.t, rates, coefficients, shared.options.l1, shared.options.l2 = model
    program.read_groups(&shared.options, None, False)
    program.hold_model(shared, params, slots, rule_code, held, written)
    shared.x = read_input(x, held)
    needs(shared.x.n_in == program.net.layers[0].n_in, "x", "as wide as the network's inputs")
    held.append(hold("y", y, False, &shared.y))
    program.check_targets(&shared.x, &shared.y)
    program.read_rule(&epoch.step, &epoch.weight_decay, rule_code, coefficients)
    return rates
