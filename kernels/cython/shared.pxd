"""Data shared by the threads of a training pass, and its layout.

Every thread owns a part of each weight matrix, usually a block of columns, with the optimizer
state: only this thread computes the outputs of these units and updates them. Gradients
are not summed across threads; threads exchange only activations and deltas.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from kernels.cython.arrays cimport Array, Input, Space, padded, panel_bytes, reserve
from kernels.cython.batch cimport MASKED, Form, lay_out_batch
from kernels.cython.gate cimport Gate, shared_number
from kernels.cython.network cimport (
    Activations,
    Layer,
    Network,
    Workspace,
    lay_out_activations,
    most_terms,
)
from kernels.cython.parts cimport Part, part_of, rows_of
from kernels.cython.table cimport kernels, step, upcoming

cdef enum:
    GRADIENT_BYTES = 1 << 15  # of a gradient that is applied while it is in the cache
    GRADIENT_ROWS = 42  # at least: whole tiles, and B's panel is copied for each block
    PIECE = 4096  # parameters summed at a time


cdef struct Options:
    Py_ssize_t batch_size
    bint mean
    double l1, l2, max_norm, clip_norm
    uint64_t dropout_seed
    const double *dropout  # by hidden layer, or NULL
    const uint32_t *thresholds
    const double *factors  # of each group's rate and weight decay, or NULL
    bint scales_features


cdef struct OwnSpace:
    # A thread's scratch.
    char *panel
    char *gradient
    double *norms
    step *steps  # the constants of a step, for each group
    upcoming next  # its share of the next minibatch


cdef struct Shared:
    # All data shared by the threads of a pass.
    const Network *net
    Gate *gate
    char *params
    char *first_state
    char *second_state
    char *raw  # W, where the first layer's weights are V = diag(s) W: see `scaling.pxd`
    char *scales  # s, and its state
    Input x
    Array y  # data NULL where nobody says what the rows should give
    const int64_t *order
    Py_ssize_t n_order
    const double *sample_weight
    const double *rates
    Options options
    int64_t t  # updates done before this epoch

    Workspace w
    char *gradient  # of all parameters, if it is wanted before they are updated
    char *first_gradient  # of the first layer's weights, if they are of scaled features
    bint adds_gradient  # to what is there, from minibatches before
    double count_of_all  # weights that the gradient is the mean over; 0: the minibatch's own
    bint keeps_logits  # apart from the outputs
    char *input_gradient  # the derivative by the rows, (n_rows, n_in), if it is wanted
    Py_ssize_t input_gradient_row
    int64_t *labels
    char *targets
    Py_ssize_t target_row
    double *row_weight
    double *row_loss
    double *row_right
    double *penalties  # of each PIECE weights
    double *squares  # of each PIECE parameters
    OwnSpace *own  # by thread
    shared_number n_unsound  # how often a member found data changed by another thread

    double weight, loss, right, penalty  # sums so far


cdef inline bint has_penalty(const Options *options) noexcept nogil:
    return options.l1 != 0 or options.l2 != 0


cdef inline Py_ssize_t n_steps(const Shared *shared) noexcept nogil:
    """Return the number of groups of parameters with constants of their own, or 1."""
    return 1 if shared.options.factors == NULL else 2 * shared.net.n_layers + 1


cdef inline char *scaled_gradient(Shared *shared) noexcept nogil:
    """Return where the gradient of scaled weights is written, at their place in the parameters."""
    return shared.first_gradient if shared.gradient == NULL else shared.gradient


cdef inline size_t first_bytes(const Shared *shared) noexcept nogil:
    """Return the size of the parameters up to the end of the first layer's weights."""
    cdef const Layer *layer = &shared.net.layers[0]
    return (layer.weight + layer.n_in * layer.stride) * shared.net.kernels.size


cdef inline void clear_gradient(Shared *shared) noexcept nogil:
    """Zero the gradients that are written down: their padding is never written."""
    if shared.gradient != NULL:
        memset(shared.gradient, 0, shared.net.n_slots * shared.net.kernels.size)
    if shared.first_gradient != NULL:
        memset(shared.first_gradient, 0, first_bytes(shared))


cdef inline Py_ssize_t gradient_rows(Shared *shared, const Layer *layer) noexcept nogil:
    """Return the number of rows of a gradient that are computed and applied at a time."""
    cdef Py_ssize_t fitting = GRADIENT_BYTES // <Py_ssize_t>(layer.n_out * shared.net.kernels.size)
    if shared.x.is_sparse and layer == shared.net.layers:
        return layer.n_in  # its rows come in any order: all at once
    return min(layer.n_in, max(<Py_ssize_t>GRADIENT_ROWS, fitting))


cdef inline void lay_out(
    Shared *shared,
    Form form,
    Py_ssize_t n_non_zeros,
    int n_threads,
    bint with_gradient,
    Space *space,
) noexcept nogil:
    """Lay out the space of a pass; without memory, only compute its size."""
    cdef const kernels *k = shared.net.kernels
    cdef Py_ssize_t n_rows = shared.options.batch_size, n_bytes = 0, n_pieces
    cdef const Layer *layer
    cdef Activations *a
    cdef Activations counted_only
    cdef OwnSpace *own
    cdef OwnSpace counted_too
    cdef int i
    lay_out_batch(
        &shared.w.batch, k, &shared.x, shared.net.input_scale, form, n_rows, n_non_zeros, space
    )
    lay_out_activations(shared.net, &shared.w, n_rows, space)
    for i in range(shared.net.n_layers):
        layer = &shared.net.layers[i]
        a = &counted_only if space.base == NULL else &shared.w.activations[i]
        a.row = padded(layer.n_out, k.size)
        a.delta = reserve(space, n_rows * a.row * k.size)
        if layer.keeps_z or (shared.keeps_logits and i == shared.net.n_layers - 1):
            a.z = reserve(space, n_rows * a.row * k.size)
        if i < shared.net.n_layers - 1 and shared.options.dropout != NULL:
            a.dropped = reserve(space, n_rows * a.row * k.size)
        n_bytes = max(n_bytes, gradient_rows(shared, layer) * a.row * k.size)
    shared.gradient = NULL
    if with_gradient:
        shared.gradient = reserve(space, shared.net.n_slots * k.size)
    shared.first_gradient = NULL
    if shared.options.scales_features:
        shared.first_gradient = reserve(space, first_bytes(shared))
    shared.labels = <int64_t *>reserve(space, n_rows * sizeof(int64_t))
    shared.target_row = padded(shared.net.layers[shared.net.n_layers - 1].n_out, k.size)
    shared.targets = reserve(space, n_rows * shared.target_row * k.size)
    shared.row_weight = <double *>reserve(space, n_rows * sizeof(double))
    shared.row_loss = <double *>reserve(space, n_rows * sizeof(double))
    shared.row_right = <double *>reserve(space, n_rows * sizeof(double))
    n_pieces = (shared.net.n_slots + PIECE - 1) // PIECE
    shared.penalties = <double *>reserve(space, n_pieces * sizeof(double))
    shared.squares = <double *>reserve(space, n_pieces * sizeof(double))
    shared.own = <OwnSpace *>reserve(space, n_threads * sizeof(OwnSpace))
    for i in range(n_threads):
        own = &counted_too if space.base == NULL else &shared.own[i]
        own.panel = reserve(space, panel_bytes(most_terms(shared.net, &shared.x), n_rows, k.size))
        own.gradient = reserve(space, n_bytes)
        own.norms = <double *>reserve(space, shared.net.widest * sizeof(double))
        own.steps = <step *>reserve(space, n_steps(shared) * sizeof(step))


cdef inline Part part_of_layer(
    Shared *shared, Py_ssize_t i, Py_ssize_t n_rows, int member, int n_members
) noexcept nogil:
    """Return a member's part of layer i's outputs, or of its weights: columns that are the same in
    both. Where zeros are skipped it takes rows, since finding non-zeros costs as much for few
    columns as for many: with MNIST and 784-100 two threads are 1.45 times as fast as one by rows,
    1.2 times by columns.
    """
    cdef Py_ssize_t n_out = shared.net.layers[i].n_out
    if i == 0 and shared.w.batch.form == MASKED:
        return rows_of(n_rows, n_out, member, n_members)
    return part_of(n_rows, n_out, shared.net.kernels.size, member, n_members)
