"""`train_models` as called from Python: arguments are checked, held and unpacked."""

cdef enum:
    STEP_WORK = 20000  # multiply-adds that take as long as all else in a minibatch


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
    """Do the whole fits of models; see `fastnn.backends.fits.Fits`.

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
        ``(rates, dropout, thresholds, factors)``: what recipes point into.
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
    fits.rates, fits.dropout, fits.thresholds, fits.factors = tables
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
        and max(fits.params.strides[0], -fits.params.strides[0])
        >= <Py_ssize_t>(net.n_slots * net.kernels.size)
        and <uintptr_t>fits.params.data % net.kernels.size == 0
        and fits.params.strides[0] % net.kernels.size == 0,
        "params", "{} rows of {} numbers of the networks' dtype", n_models, net.n_slots,
    )
    fits.n_vectors = 2
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
    n_threads = program.threads_for(1e18, work_to_wake_for)
    fits.n_lanes = choose_lanes(fits, n_threads)
    fits.fullest = most_entries(&fits.x)
    for i in range(models.shape[0]):
        needs(0 <= models[i] < n_models, "models", "numbers below {}", n_models)
        recipe = &recipes[models[i]]
        check_recipe(fits, recipe)
        work += recipe.n_rows * (3 * work_of_a_row(net, 1.0) + STEP_WORK / recipe.batch_size)
    fits.n_non_zeros = fits.most_in_batch
    if fits.watches:
        fits.watched_non_zeros = most_entries(&fits.watched_x) * PREDICTED_TOGETHER
    n_threads = program.threads_for(work * fits.n_epochs, work_to_wake_for)
    if fits.n_epochs == 0:
        for i in range(models.shape[0]):
            ended[models[i], 1] = COMPLETED
    elif models.shape[0]:
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
    cdef Lanes lanes
    cdef Space space
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
    if fits.x.is_sparse:
        fits.most_in_batch = max(
            fits.most_in_batch, most_in_batch(&fits.x, fits.rows, recipe, fits.fullest)
        )
    needs(recipe.drops < fits.dropout.shape[0], "dropout", "rates of all models")
    if recipe.drops >= 0:
        fits.program.check_dropout(fits.dropout[recipe.drops], fits.thresholds[recipe.drops])
        widest.dropout, widest.thresholds = &fits.dropout[0, 0], &fits.thresholds[0, 0]
    needs(recipe.groups < fits.factors.shape[0], "factors", "those of all models")
    needs(recipe.groups >= 0 or not recipe.scales_features, "factors", "those of scaled features")
    if recipe.groups >= 0:
        fits.program.check_factors(fits.factors[recipe.groups])
        widest.factors = &fits.factors[0, 0, 0]
    if recipe.scales_features:
        widest.scales_features, fits.n_vectors = True, 4
    fits.most_rows = max(fits.most_rows, <Py_ssize_t>recipe.n_rows)
    fits.most_watched = max(fits.most_watched, <Py_ssize_t>recipe.n_watched)
    if fits.n_lanes > 1 and may_take_lane(fits, recipe):
        fits.most_rows_in_lanes = max(fits.most_rows_in_lanes, <Py_ssize_t>recipe.n_rows)
        space.base, space.used = NULL, 0
        lay_out_lanes(
            &lanes, net, <rule>recipe.rule, min(recipe.batch_size, recipe.n_rows), &space
        )
        fits.lane_bytes = max(fits.lane_bytes, space.used)
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


cdef Py_ssize_t most_in_batch(
    const Input *x, const int64_t[::1] rows, const Recipe *recipe, Py_ssize_t fullest
) noexcept nogil:
    """Return how many entries a minibatch of a model's rows has at most."""
    cdef Py_ssize_t i, row, n = 0
    for i in range(recipe.first_row, recipe.first_row + recipe.n_rows):
        row = rows[i] if rows.shape[0] else i
        n += row_start(&x.csr, row + 1) - row_start(&x.csr, row)
    return min(n, fullest * <Py_ssize_t>min(recipe.batch_size, recipe.n_rows))


cdef Py_ssize_t most_entries(const Input *x) noexcept nogil:
    """Return how many entries the fullest CSR row has."""
    return most_non_zeros(x, NULL, x.n_rows, 1)


cdef bint is_apart_from(
    const Array *written, const Input *x, const Array *y, const int64_t[::1] rows
) noexcept nogil:
    cdef Py_ssize_t between = (written.shape[0] - 1) * written.strides[0]  # models, maybe backwards
    cdef const char *first = written.data + min(between, <Py_ssize_t>0)
    cdef Py_ssize_t n_bytes = max(between, -between) + written.shape[1] * written.itemsize
    return not (
        reads(x, first, n_bytes)
        or lies_in(y, first, n_bytes)
        or (
            rows.shape[0]
            and share_memory(
                first, n_bytes, <const char *>&rows[0], rows.shape[0] * sizeof(int64_t)
            )
        )
    )
