"""A step of training of the models in all lanes: one minibatch of each.

    z_l = h_{l-1} @ W_l + b_l;   δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1};   ∂W_l = h_{l-1}ᵀ @ δ_l

It does what `train_batch` does, for the whole network at once: all of it fits the cache.
"""

from libc.stdint cimport int64_t
from libc.string cimport memset

from kernels.cython.arrays cimport Array, Input
from kernels.cython.lanes cimport MOST_LANES, LaneLayer, Lanes
from kernels.cython.network cimport Layer, Network
from kernels.cython.shared cimport PIECE
from kernels.cython.table cimport (
    CROSS_ENTROPY,
    IDENTITY,
    PENALTY_SUMS,
    dense_input,
    epilogue,
    input_type,
    input_type_of,
    kernels,
    lane_verdict,
    prepare_rate,
    prepare_update,
    step,
)


cdef struct LaneConstants:
    # What may differ from model to model; unused lanes hold what another lane does.
    const int64_t *orders[MOST_LANES]  # row numbers of the minibatch
    step steps[MOST_LANES]  # of one rule
    double weight_decays[MOST_LANES]
    double l1[MOST_LANES]
    double l2[MOST_LANES]


cdef inline void prepare_lanes(
    LaneConstants *c, const double *rates, const int64_t *t, int n_lanes
) noexcept nogil:
    """Prepare update t of each lane at its learning rate, as `prepare_step` does; neighbours that
    agree share the powers, which cost up to a tenth of a step.
    """
    cdef step *own
    cdef step *other
    cdef int lane
    for lane in range(n_lanes):
        own = &c.steps[lane]
        other = &c.steps[max(lane - 1, 0)]
        if (
            lane > 0
            and t[lane] == t[lane - 1]
            and own.first_decay == other.first_decay
            and own.second_decay == other.second_decay
        ):
            own.first_bias, own.correction = other.first_bias, other.correction
        else:
            prepare_update(own, t[lane])
        prepare_rate(own, c.weight_decays[lane], rates[lane])


cdef inline bint train_lanes(
    Lanes *lanes,
    const Input *x,
    const Array *y,
    const double *sample_weight,
    bint mean,
    const LaneConstants *c,
    Py_ssize_t n_rows,
) noexcept nogil:
    """Do one update of every lane's model from its rows, and add to its sums. Without an update,
    return False if a label is no longer a class.
    """
    cdef const Network *net = lanes.net
    cdef double penalty[MOST_LANES]
    cdef double count[MOST_LANES]
    cdef bint penalized = False
    cdef int lane, n_lanes = <int>net.kernels.lanes
    if not fetch_targets(lanes, y, c.orders, n_rows):
        return False
    net.kernels.gather_lanes(
        &x.dense, c.orders, n_rows, x.n_in, net.input_scale, lanes.rows
    )
    forward_through_lanes(lanes, n_rows)
    for lane in range(n_lanes):
        penalized |= c.l1[lane] != 0 or c.l2[lane] != 0
    judge_lanes(lanes, sample_weight, mean, c, n_rows, count)
    if penalized:
        penalties_of_lanes(lanes, c, penalty)
    backward_through_lanes(lanes, n_rows)
    if penalized:
        net.kernels.add_penalty_lanes(
            lanes.n_weights, c.l1, c.l2, lanes.params, lanes.gradient
        )
    net.kernels.update_lanes(
        c.steps, lanes.n_params, lanes.params, lanes.gradient, lanes.first_state,
        lanes.second_state,
    )
    for lane in range(n_lanes):
        if c.l1[lane] != 0 or c.l2[lane] != 0:
            lanes.penalty[lane] += penalty[lane] * count[lane]
        lanes.weight[lane] += count[lane]
    return True


cdef inline bint fetch_targets(
    Lanes *lanes, const Array *y, const int64_t *const *orders, Py_ssize_t n_rows
) noexcept nogil:
    """Fetch what the rows should give; return whether labels are still valid classes."""
    cdef const kernels *k = lanes.net.kernels
    cdef Py_ssize_t n_out = lanes.net.layers[lanes.net.n_layers - 1].n_out
    cdef dense_input targets
    if lanes.net.loss == CROSS_ENTROPY:
        return k.gather_labels_lanes(
            y.data, y.strides[1], orders, n_rows, n_out, lanes.labels
        )
    targets.data = y.data
    targets.type = <input_type>input_type_of(y.kind)
    targets.row_stride, targets.column_stride = y.strides[0], y.strides[1]
    k.gather_lanes(&targets, orders, n_rows, n_out, 1.0, lanes.targets)
    return True


cdef inline void forward_through_lanes(Lanes *lanes, Py_ssize_t n_rows) noexcept nogil:
    """Take the rows through all layers, to the last one's z."""
    cdef const kernels *k = lanes.net.kernels
    cdef const Layer *layer
    cdef const LaneLayer *own
    cdef const char *below = lanes.rows
    cdef Py_ssize_t vector = k.lanes * k.size
    cdef epilogue finishing
    cdef int i
    for i in range(lanes.net.n_layers):
        layer, own = &lanes.net.layers[i], &lanes.layers[i]
        finishing.bias = NULL if own.bias < 0 else lanes.params + own.bias * vector
        finishing.activation, finishing.h = IDENTITY, own.z
        if i < lanes.net.n_layers - 1:
            finishing.activation, finishing.h = layer.activation, own.h
        k.forward_lanes(
            n_rows, layer.n_in, layer.n_out, below, lanes.params + own.weight * vector, &finishing,
            own.z,
        )
        below = own.h


cdef inline void judge_lanes(
    Lanes *lanes,
    const double *sample_weight,
    bint mean,
    const LaneConstants *c,
    Py_ssize_t n_rows,
    double *count,
) noexcept nogil:
    """Compute the last layer's delta, and add to the sums of the loss and the rows that are right;
    `count` receives the sums of the minibatch's weights.
    """
    cdef const Network *net = lanes.net
    cdef const kernels *k = net.kernels
    cdef const LaneLayer *last = &lanes.layers[net.n_layers - 1]
    cdef Py_ssize_t n_out = net.layers[net.n_layers - 1].n_out, row
    cdef int lane, n_lanes = <int>k.lanes
    cdef double factor[MOST_LANES]
    cdef double loss[MOST_LANES]
    cdef double right[MOST_LANES]
    cdef lane_verdict verdict
    for lane in range(n_lanes):
        count[lane] = n_rows
        if sample_weight != NULL:
            count[lane] = 0.0
            for row in range(n_rows):
                lanes.row_weight[row * n_lanes + lane] = sample_weight[c.orders[lane][row]]
                count[lane] += lanes.row_weight[row * n_lanes + lane]
        factor[lane] = 1.0
        if mean:
            factor[lane] = 1.0 / count[lane] if count[lane] != 0 else 0.0
    verdict.row_weight = NULL if sample_weight == NULL else lanes.row_weight
    verdict.factor = factor
    verdict.row_loss, verdict.row_right = lanes.row_loss, lanes.row_right
    verdict.weighted = lanes.weighted
    verdict.loss, verdict.right = loss, right
    if net.loss == CROSS_ENTROPY:
        k.cross_entropy_lanes(
            n_rows, n_out, last.z, lanes.labels, net.label_smoothing, &verdict, last.delta
        )
    else:
        k.elementwise_loss_lanes(
            net.loss, net.loss_activation, n_rows, n_out, last.z, lanes.targets,
            net.loss_constants, &verdict, last.delta,
        )
    for lane in range(n_lanes):
        if count[lane] != 0:  # otherwise even infinite losses do not count
            lanes.loss[lane] += loss[lane]
            lanes.right[lane] += right[lane]


cdef inline void penalties_of_lanes(
    Lanes *lanes, const LaneConstants *c, double *penalty
) noexcept nogil:
    cdef const kernels *k = lanes.net.kernels
    cdef const Layer *layer
    cdef Py_ssize_t piece
    cdef int i, lane
    for lane in range(<int>k.lanes):
        penalty[lane] = 0.0
    for piece in range((lanes.net.n_weight_slots + PIECE - 1) // PIECE):
        memset(lanes.weight_sums, 0, 2 * PENALTY_SUMS * k.lanes * sizeof(double))
        for i in range(lanes.net.n_layers):
            layer = &lanes.net.layers[i]
            k.sum_weights_lanes(
                layer.n_in, layer.n_out, layer.weight - piece * PIECE, layer.stride, PIECE,
                lanes.params + lanes.layers[i].weight * k.lanes * k.size, lanes.weight_sums,
            )
        k.add_penalties_lanes(lanes.weight_sums, c.l1, c.l2, penalty)


cdef inline void backward_through_lanes(Lanes *lanes, Py_ssize_t n_rows) noexcept nogil:
    """Take the last layer's delta back through all layers, and compute the gradient."""
    cdef const kernels *k = lanes.net.kernels
    cdef const Layer *layer
    cdef const LaneLayer *own
    cdef const LaneLayer *below
    cdef const char *h
    cdef Py_ssize_t vector = k.lanes * k.size
    cdef int i
    for i in range(lanes.net.n_layers - 1, -1, -1):
        layer, own = &lanes.net.layers[i], &lanes.layers[i]
        h = lanes.rows
        if i > 0:
            below = &lanes.layers[i - 1]
            h = below.h
            k.backward_lanes(
                n_rows, layer.n_in, layer.n_out, own.delta, lanes.params + own.weight * vector,
                lanes.net.layers[i - 1].activation, below.z, below.delta,
            )
        k.outer_lanes(
            n_rows, layer.n_in, layer.n_out, h, own.delta, lanes.gradient + own.weight * vector
        )
        if own.bias >= 0:
            k.column_sums_lanes(
                n_rows, layer.n_out, own.delta, lanes.gradient + own.bias * vector
            )
