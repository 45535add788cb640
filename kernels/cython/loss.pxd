"""The loss of a minibatch, and the delta of the last layer."""

from libc.stdint cimport int64_t

from kernels.cython.network cimport Activations
from kernels.cython.parts cimport Part, rows_of, share
from kernels.cython.shared cimport PIECE, Shared, has_penalty
from kernels.cython.table cimport CROSS_ENTROPY, dense_input, input_type, input_type_of, kernels


cdef inline double judge(
    Shared *shared, Py_ssize_t begin, Py_ssize_t n_rows, int member, int n_members
) noexcept nogil:
    """Compute the last layer's delta for a member's rows, and the terms to be summed later;
    return the sum of the minibatch's weights.
    """
    cdef const kernels *k = shared.net.kernels
    cdef const int64_t *order = shared.order + begin
    cdef Part part = rows_of(n_rows, 1, member, n_members)
    cdef double count = n_rows, factor = 1.0
    cdef Py_ssize_t i, piece, n_pieces
    if shared.sample_weight != NULL:
        count = 0.0
        for i in range(n_rows):
            count += shared.sample_weight[order[i]]
        for i in range(part.row, part.row + part.n_rows):
            shared.row_weight[i] = shared.sample_weight[order[i]]
    if shared.options.mean:
        factor = shared.count_of_all if shared.count_of_all != 0 else count
        factor = 1.0 / factor if factor != 0 else 0.0
    if part.n_rows > 0:
        judge_rows(shared, order, part.row, part.n_rows, factor)
    if has_penalty(&shared.options):
        n_pieces = (shared.net.n_weight_slots + PIECE - 1) // PIECE
        for piece in range(
            share(n_pieces, 1, member, n_members), share(n_pieces, 1, member + 1, n_members)
        ):
            shared.penalties[piece] = k.penalty(
                min(<Py_ssize_t>PIECE, shared.net.n_weight_slots - piece * PIECE),
                shared.params + piece * PIECE * k.size, shared.options.l1, shared.options.l2,
            )
    return count


cdef inline void judge_rows(
    Shared *shared, const int64_t *order, Py_ssize_t first, Py_ssize_t n_rows, double factor
) noexcept nogil:
    """Compute the last layer's delta for some rows, and their weighted losses."""
    cdef const kernels *k = shared.net.kernels
    cdef Py_ssize_t n_out = shared.net.layers[shared.net.n_layers - 1].n_out
    cdef const Activations *a = &shared.w.activations[shared.net.n_layers - 1]
    cdef char *z = a.z + first * a.row * k.size
    cdef char *delta = a.delta + first * a.row * k.size
    cdef char *target
    cdef const double *row_weight = NULL
    cdef dense_input targets
    if shared.sample_weight != NULL:
        row_weight = shared.row_weight + first
    if shared.net.loss == CROSS_ENTROPY:
        k.softmax_cross_entropy(
            n_rows, n_out, z, a.row, shared.labels + first, row_weight, factor,
            shared.net.label_smoothing, delta, a.row, shared.row_loss + first,
            shared.row_right + first,
        )
    else:
        targets.data = shared.y.data
        targets.type = <input_type>input_type_of(shared.y.kind)
        targets.row_stride, targets.column_stride = shared.y.strides[0], shared.y.strides[1]
        target = shared.targets + first * shared.target_row * k.size
        k.gather(&targets, order + first, n_rows, n_out, 1.0, target, shared.target_row)
        k.elementwise_loss(
            shared.net.loss, shared.net.loss_activation, n_rows, n_out, z, a.row, target,
            shared.target_row, row_weight, factor, shared.net.loss_constants, delta, a.row,
            shared.row_loss + first, shared.row_right + first,
        )


cdef inline void add_up(Shared *shared, Py_ssize_t n_rows, double count) noexcept nogil:
    """Add the minibatch to the sums, always in the same order."""
    cdef Py_ssize_t i
    cdef double loss = 0.0, right = 0.0, penalty = 0.0
    if count != 0:  # otherwise even infinite losses do not count
        for i in range(n_rows):
            loss += shared.row_loss[i]
            right += shared.row_right[i]
    shared.loss += loss
    shared.right += right
    if has_penalty(&shared.options):
        for i in range((shared.net.n_weight_slots + PIECE - 1) // PIECE):
            penalty += shared.penalties[i]
    shared.penalty += penalty * count
    shared.weight += count
