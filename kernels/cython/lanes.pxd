"""Many small networks, one model in each lane of the vectors: when, and how they lie in memory.

A layer of a few units fills a vector only in part, and its step is mostly overhead. Here all
vectors are full: ``params[slot][lane]``, the models of one architecture side by side. Each has its
own parameters, rows and constants, and gets the bits that `train_batch` gives it alone: every sum
is taken in the same order (see `simd/lane_products.h`).
"""

from kernels.cython.arrays cimport Input, Space, reserve
from kernels.cython.network cimport Layer, Network
from kernels.cython.shared cimport Options, has_penalty
from kernels.cython.table cimport (
    CROSS_ENTROPY,
    LANE_OUTPUTS,
    PENALTY_SUMS,
    SGD,
    kernels,
    rule,
    vectors_of_rule,
)

cdef enum:
    MOST_LANES = 16
    # Of the models in all lanes, with states and gradient, and of their minibatches: what fits L2.
    # The time of `train_batch` divided by that of a lane (AVX2, float32, Adam; `bench/lanes.py`) is
    # 2.5 to 6 up to 128 KB, 1.2 to 2 up to 512 KB, and below 1 from 700 KB on.
    MOST_BYTES = 1 << 19


cdef struct LaneLayer:
    Py_ssize_t weight, bias  # offsets in the parameters of a lane, in numbers; bias -1 for none
    char *h
    char *z
    char *delta


cdef struct Lanes:
    const Network *net
    Py_ssize_t n_params, n_weights  # of a model, without padding
    char *params
    char *first_state
    char *second_state
    char *gradient
    LaneLayer *layers
    char *rows
    char *labels
    char *targets
    double *row_weight
    char *row_loss
    char *row_right
    double *weighted
    double *weight_sums
    # Sums so far, by lane.
    double weight[MOST_LANES]
    double loss[MOST_LANES]
    double right[MOST_LANES]
    double penalty[MOST_LANES]


cdef inline bint lanes_take(
    const Network *net, const Input *x, const Options *options, rule its_rule
) noexcept nogil:
    """Return whether lanes train a model, and faster than `train_batch`. Its rows must have the
    form DENSE too, whose sums the kernels follow.
    """
    cdef Lanes lanes
    cdef Space space
    if (
        net.kernels.lanes == 1
        or x.is_sparse
        or options.dropout != NULL
        or options.max_norm != 0
        or options.clip_norm != 0
        or (net.loss == CROSS_ENTROPY and net.layers[net.n_layers - 1].n_out > LANE_OUTPUTS)
        # A longer sum is cut where it is added to the parameters directly.
        or (
            options.batch_size > net.kernels.slice_terms
            and its_rule == SGD
            and not has_penalty(options)
        )
    ):
        return False
    space.base, space.used = NULL, 0
    lay_out_lanes(&lanes, net, its_rule, options.batch_size, &space)
    return space.used <= MOST_BYTES


cdef inline void lay_out_lanes(
    Lanes *lanes, const Network *net, rule its_rule, Py_ssize_t n_rows, Space *space
) noexcept nogil:
    """Lay out memory for minibatches of n_rows rows; without memory, only compute its size."""
    cdef Py_ssize_t vector = net.kernels.lanes * net.kernels.size, n_out
    cdef Py_ssize_t doubles = net.kernels.lanes * sizeof(double)
    cdef int n_vectors = vectors_of_rule(its_rule)
    cdef LaneLayer *layer
    cdef LaneLayer counted_only
    cdef int i
    lanes.net = net
    lanes.layers = <LaneLayer *>reserve(space, net.n_layers * sizeof(LaneLayer))
    lanes.n_params = 0
    for i in range(net.n_layers):
        layer = &counted_only if space.base == NULL else &lanes.layers[i]
        layer.weight = lanes.n_params
        lanes.n_params += net.layers[i].n_in * net.layers[i].n_out
        layer.h = reserve(space, n_rows * net.layers[i].n_out * vector)
        layer.z = layer.h
        if net.layers[i].keeps_z:
            layer.z = reserve(space, n_rows * net.layers[i].n_out * vector)
        layer.delta = reserve(space, n_rows * net.layers[i].n_out * vector)
    lanes.n_weights = lanes.n_params
    for i in range(net.n_layers):
        layer = &counted_only if space.base == NULL else &lanes.layers[i]
        layer.bias = -1
        if net.layers[i].bias >= 0:
            layer.bias = lanes.n_params
            lanes.n_params += net.layers[i].n_out
    n_out = net.layers[net.n_layers - 1].n_out
    lanes.params = reserve(space, lanes.n_params * vector)
    lanes.gradient = reserve(space, lanes.n_params * vector)
    lanes.first_state = lanes.second_state = NULL
    if n_vectors > 0:
        lanes.first_state = reserve(space, lanes.n_params * vector)
    if n_vectors > 1:
        lanes.second_state = reserve(space, lanes.n_params * vector)
    lanes.rows = reserve(space, n_rows * net.layers[0].n_in * vector)
    lanes.labels = reserve(space, n_rows * vector)
    lanes.targets = reserve(space, n_rows * n_out * vector)
    lanes.row_weight = <double *>reserve(space, n_rows * doubles)
    lanes.row_loss = reserve(space, n_rows * vector)
    lanes.row_right = reserve(space, n_rows * vector)
    lanes.weighted = <double *>reserve(space, n_rows * doubles)
    lanes.weight_sums = <double *>reserve(space, 2 * PENALTY_SUMS * doubles)


cdef inline void load_model(
    Lanes *lanes, int lane, const char *params, const char *first_state, const char *second_state
) noexcept nogil:
    """Take a model into a lane, with the vectors that its rule remembers, and begin its sums."""
    load_vector(lanes, lane, params, lanes.params)
    if lanes.first_state != NULL:
        load_vector(lanes, lane, first_state, lanes.first_state)
    if lanes.second_state != NULL:
        load_vector(lanes, lane, second_state, lanes.second_state)
    clear_sums(lanes, lane)


cdef inline void store_model(
    const Lanes *lanes, int lane, char *params, char *first_state, char *second_state
) noexcept nogil:
    """Write a lane's model back; the padding between its rows is left alone."""
    store_vector(lanes, lane, lanes.params, params)
    if lanes.first_state != NULL:
        store_vector(lanes, lane, lanes.first_state, first_state)
    if lanes.second_state != NULL:
        store_vector(lanes, lane, lanes.second_state, second_state)


cdef inline void clear_sums(Lanes *lanes, int lane) noexcept nogil:
    lanes.weight[lane] = lanes.loss[lane] = lanes.right[lane] = lanes.penalty[lane] = 0.0


cdef inline void load_vector(
    const Lanes *lanes, int lane, const char *vector, char *to
) noexcept nogil:
    cdef const kernels *k = lanes.net.kernels
    cdef const Layer *layer
    cdef Py_ssize_t row
    cdef int i
    to += lane * k.size
    for i in range(lanes.net.n_layers):
        layer = &lanes.net.layers[i]
        for row in range(layer.n_in):
            k.enter_lane(
                layer.n_out, vector + (layer.weight + row * layer.stride) * k.size,
                to + (lanes.layers[i].weight + row * layer.n_out) * k.lanes * k.size,
            )
        if layer.bias >= 0:
            k.enter_lane(
                layer.n_out, vector + layer.bias * k.size,
                to + lanes.layers[i].bias * k.lanes * k.size,
            )


cdef inline void store_vector(
    const Lanes *lanes, int lane, const char *vector, char *to
) noexcept nogil:
    cdef const kernels *k = lanes.net.kernels
    cdef const Layer *layer
    cdef Py_ssize_t row
    cdef int i
    vector += lane * k.size
    for i in range(lanes.net.n_layers):
        layer = &lanes.net.layers[i]
        for row in range(layer.n_in):
            k.leave_lane(
                layer.n_out,
                vector + (lanes.layers[i].weight + row * layer.n_out) * k.lanes * k.size,
                to + (layer.weight + row * layer.stride) * k.size,
            )
        if layer.bias >= 0:
            k.leave_lane(
                layer.n_out, vector + lanes.layers[i].bias * k.lanes * k.size,
                to + layer.bias * k.size,
            )
