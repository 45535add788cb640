"""The loss and accuracy of a model on rows that it does not learn from.

They are added up as `fastnn.model.evaluation.evaluate` does it, so that the sums have its bits.
"""

from libc.stdint cimport int64_t

from kernels.cython.arrays cimport Array, Input, Space, padded, panel_bytes, reserve
from kernels.cython.batch cimport Form, fetch, form_of, lay_out_batch, rows_to_come
from kernels.cython.network cimport (
    Activations,
    Network,
    Workspace,
    forward_layer,
    lay_out_activations,
    most_terms,
)
from kernels.cython.parts cimport Part
from kernels.cython.prediction cimport PREDICTED_TOGETHER
from kernels.cython.table cimport (
    CROSS_ENTROPY,
    dense_input,
    input_type,
    input_type_of,
    kernels,
    upcoming,
)

cdef enum:
    MEASURED_ROWS = 8192  # whose losses are added up apart, as ROWS_AT_A_TIME there


cdef struct Measuring:
    const Network *net
    Workspace w
    char *panel
    char *delta
    char *targets
    Py_ssize_t target_row
    int64_t *labels
    double *row_loss
    double *row_right


cdef struct Measured:
    double loss, accuracy
    bint is_sound  # whether the rows were valid


cdef inline void lay_out_measuring(
    Measuring *m,
    const Network *net,
    const Input *x,
    Form form,
    Py_ssize_t n_non_zeros,
    Space *space,
) noexcept nogil:
    """Lay out the space for a block of rows; without memory, only compute its size."""
    cdef const kernels *k = net.kernels
    cdef Py_ssize_t n_rows = PREDICTED_TOGETHER
    m.net = net
    lay_out_batch(&m.w.batch, k, x, net.input_scale, form, n_rows, n_non_zeros, space)
    lay_out_activations(net, &m.w, n_rows, space)
    m.target_row = padded(net.layers[net.n_layers - 1].n_out, k.size)
    m.panel = reserve(space, panel_bytes(most_terms(net, x), 0, k.size))
    m.delta = reserve(space, n_rows * m.target_row * k.size)
    m.targets = reserve(space, n_rows * m.target_row * k.size)
    m.labels = <int64_t *>reserve(space, n_rows * sizeof(int64_t))
    m.row_loss = <double *>reserve(space, n_rows * sizeof(double))
    m.row_right = <double *>reserve(space, n_rows * sizeof(double))


cdef inline Measured measure(
    Measuring *m,
    const char *params,
    const Input *x,
    const Array *y,
    const int64_t *rows,
    Py_ssize_t n_rows,
    char *base,
    Py_ssize_t n_non_zeros,
) noexcept nogil:
    """Return the mean loss and the accuracy of the rows, in space from `base` on."""
    cdef const Network *net = m.net
    cdef Measured out
    cdef Space space
    cdef Form form
    cdef Py_ssize_t first = 0, end, n, i
    cdef double loss = 0.0, right = 0.0, loss_of_block, density
    out.is_sound = True
    while first < n_rows:
        end = min(n_rows, first + MEASURED_ROWS)
        form = form_of(net.kernels, x, rows + first, end - first, net.layers[0].n_out, &density)
        space.base, space.used = base, 0
        lay_out_measuring(m, net, x, form, n_non_zeros, &space)
        loss_of_block = 0.0
        while first < end:
            n = min(<Py_ssize_t>PREDICTED_TOGETHER, end - first)
            out.is_sound &= judge_block(m, params, x, y, rows + first, n)
            for i in range(n):
                loss_of_block += m.row_loss[i]
                right += m.row_right[i]
            first += n
        loss += loss_of_block
    out.loss, out.accuracy = loss / n_rows, right / n_rows
    return out


cdef inline bint judge_block(
    Measuring *m,
    const char *params,
    const Input *x,
    const Array *y,
    const int64_t *rows,
    Py_ssize_t n_rows,
) noexcept nogil:
    """Compute the loss of each row, and whether it is right; return whether the rows are valid."""
    cdef const Network *net = m.net
    cdef const kernels *k = net.kernels
    cdef Py_ssize_t n_out = net.layers[net.n_layers - 1].n_out, i
    cdef const Activations *a = &m.w.activations[net.n_layers - 1]
    cdef upcoming next = rows_to_come(x, NULL, 0)
    cdef Part part
    cdef dense_input targets
    cdef bint is_sound = fetch(&m.w.batch, x, rows, n_rows)
    part.row, part.column, part.n_rows = 0, 0, n_rows
    if net.loss == CROSS_ENTROPY:
        for i in range(n_rows):
            m.labels[i] = (<const int64_t *>(y.data + rows[i] * y.strides[1]))[0]
            is_sound &= 0 <= m.labels[i] < n_out
    if not is_sound:
        for i in range(n_rows):
            m.row_loss[i] = m.row_right[i] = 0.0
        return False
    for i in range(net.n_layers):
        part.n_columns = net.layers[i].n_out
        forward_layer(net, i, params, &m.w, &part, i < net.n_layers - 1, &next, m.panel)
    if net.loss == CROSS_ENTROPY:
        k.softmax_cross_entropy(
            n_rows, n_out, a.z, a.row, m.labels, NULL, 1.0, net.label_smoothing, m.delta,
            m.target_row, m.row_loss, m.row_right,
        )
    else:
        targets.data, targets.type = y.data, <input_type>input_type_of(y.kind)
        targets.row_stride, targets.column_stride = y.strides[0], y.strides[1]
        k.gather(&targets, rows, n_rows, n_out, 1.0, m.targets, m.target_row)
        k.elementwise_loss(
            net.loss, net.loss_activation, n_rows, n_out, a.z, a.row, m.targets, m.target_row,
            NULL, 1.0, net.loss_constants, m.delta, m.target_row, m.row_loss, m.row_right,
        )
    return True
