"""Prediction: the forward pass, one block of rows at a time.

Each thread processes its own rows.
"""

from libc.stdint cimport uint64_t

from kernels.cython.arrays cimport Array, Input, Space, panel_bytes, reserve, rows_from
from kernels.cython.batch cimport Form, borrow_rows, fetch, lay_out_batch, lies_ready, rows_to_come
from kernels.cython.network cimport (
    Activations,
    Layer,
    Network,
    Workspace,
    forward_layer,
    lay_out_activations,
    most_terms,
)
from kernels.cython.parts cimport Part
from kernels.cython.table cimport SOFTMAX, flush_subnormals, restore_float_mode, upcoming

cdef enum:
    PREDICTED_TOGETHER = 126  # rows: 9 tiles of 14; activations stay in L2 beside the weights
    FORESEEN_BYTES = 512  # longer rows are prefetched: 7 % less time for 10,000 images


cdef inline void lay_out_prediction(
    const Network *net,
    Workspace *w,
    const Input *x,
    Form form,
    Py_ssize_t block,
    Py_ssize_t n_non_zeros,
    char **panel,
    Space *space,
) noexcept nogil:
    """Lay out the space for a block of rows; without memory, only compute its size."""
    lay_out_batch(&w.batch, net.kernels, x, net.input_scale, form, block, n_non_zeros, space)
    lay_out_activations(net, w, block, space)
    panel[0] = reserve(space, panel_bytes(most_terms(net, x), 0, net.kernels.size))


cdef inline bint predict_rows(
    const Network *net,
    const char *params,
    const Input *x,
    const Array *out,
    Py_ssize_t first,
    Py_ssize_t end,
    Py_ssize_t block,
    Workspace *w,
    char *panel,
) noexcept nogil:
    """Predict rows [first, end), a block at a time; subnormal numbers are zero. Return whether the
    rows were valid.
    """
    cdef uint64_t float_mode = flush_subnormals()
    cdef const Layer *last = &net.layers[net.n_layers - 1]
    cdef const Activations *a
    cdef bint in_place = lies_ready(&w.batch, x), is_sound = True
    # The hardware prefetcher handles short consecutive rows.
    cdef bint asks_ahead = x.dense.row_stride >= FORESEEN_BYTES
    cdef Input rest, later
    cdef upcoming next
    cdef Part part
    cdef Py_ssize_t i
    part.row = part.column = 0
    while first < end:
        part.n_rows = min(block, end - first)
        rest = rows_from(x, first)
        later = rows_from(x, first + part.n_rows)
        next = rows_to_come(
            &later, NULL, min(block, end - first - part.n_rows) if asks_ahead else 0
        )
        if in_place:
            borrow_rows(&w.batch, &rest)
        else:
            is_sound &= fetch(&w.batch, &rest, NULL, part.n_rows)
        for i in range(net.n_layers):
            part.n_columns = net.layers[i].n_out
            forward_layer(net, i, params, w, &part, True, &next, panel)
        a = &w.activations[net.n_layers - 1]
        if last.activation == SOFTMAX:
            net.kernels.softmax(part.n_rows, last.n_out, a.z, a.row, a.h, a.row)
        net.kernels.write_rows(
            part.n_rows, last.n_out, a.h, a.row, out.data + first * out.strides[0],
            out.strides[0], out.strides[1],
        )
        first += part.n_rows
    restore_float_mode(float_mode)
    return is_sound
