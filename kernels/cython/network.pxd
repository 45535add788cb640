"""The layers of a network in compiled code.

    z_l = h_{l-1} @ W_l + b_l,   h_l = activation_l(z_l)
"""

from kernels.cython.arrays cimport Input, Space, padded, reserve
from kernels.cython.batch cimport Batch, forward, rows_after
from kernels.cython.parts cimport Part
from kernels.cython.table cimport IDENTITY, SOFTMAX, activation, epilogue, kernels, loss, upcoming


cdef struct Layer:
    Py_ssize_t n_in, n_out, stride
    Py_ssize_t weight, bias  # offsets in the parameters, in numbers; bias -1 for none
    activation activation
    bint keeps_z  # whether its derivative is taken from the pre-activation


cdef struct Activations:
    char *h  # output of the layer, (n_rows, n_out)
    char *z  # pre-activation; h, if it is not kept apart
    char *dropped  # output after dropout; h, if there is none
    char *delta  # derivative of the loss by z; training only
    Py_ssize_t row


cdef struct Workspace:
    Batch batch
    Activations *activations  # by layer


cdef struct Network:
    # The compiled form of an architecture: everything but the parameters.
    const kernels *kernels
    const Layer *layers
    int n_layers
    loss loss
    activation loss_activation  # what is applied to z before the loss
    const char *loss_constants  # (n_out), padded
    Py_ssize_t n_slots, n_weight_slots  # lengths of the parameters and of the weights among them
    Py_ssize_t widest  # outputs of a layer
    double label_smoothing, input_scale


cdef inline double work_of_a_row(const Network *net, double density) noexcept nogil:
    """Return the multiply-adds of the forward pass per row."""
    cdef double work = 0.0
    cdef int i
    for i in range(net.n_layers):
        work += (density if i == 0 else 1.0) * net.layers[i].n_in * net.layers[i].n_out
    return work


cdef inline Py_ssize_t most_terms(const Network *net, const Input *x) noexcept nogil:
    """Return the length of the longest sum in a dense product with weights."""
    return net.widest if x.is_sparse else max(net.widest, x.n_in)


cdef inline void lay_out_activations(
    const Network *net, Workspace *w, Py_ssize_t n_rows, Space *space
) noexcept nogil:
    """Reserve space for the outputs of each layer for n_rows rows."""
    cdef Activations *a
    cdef Activations counted_only
    cdef int i
    w.activations = <Activations *>reserve(space, net.n_layers * sizeof(Activations))
    for i in range(net.n_layers):
        a = &counted_only if space.base == NULL else &w.activations[i]
        a.row = padded(net.layers[i].n_out, net.kernels.size)
        a.h = reserve(space, n_rows * a.row * net.kernels.size)
        a.z = a.dropped = a.h


cdef inline void forward_layer(
    const Network *net,
    Py_ssize_t i,
    const char *params,
    Workspace *w,
    const Part *part,
    bint activates,
    const upcoming *next,
    char *panel,
) noexcept nogil:
    """Compute a part of layer i's pre-activations and outputs, except softmax, which needs whole
    rows. `next` are the rows that the first layer will need next.
    """
    cdef const kernels *k = net.kernels
    cdef const Layer *layer = &net.layers[i]
    cdef const Activations *a = &w.activations[i]
    cdef const Activations *below
    cdef const char *weight = params + (layer.weight + part.column) * k.size
    cdef Py_ssize_t offset = (part.row * a.row + part.column) * k.size
    cdef epilogue finishing
    cdef Batch rows
    if part.n_rows == 0 or part.n_columns == 0:
        return
    finishing.bias = NULL
    if layer.bias >= 0:
        finishing.bias = params + (layer.bias + part.column) * k.size
    finishing.activation, finishing.h = IDENTITY, a.z + offset
    if activates and layer.activation != SOFTMAX:
        finishing.activation, finishing.h = layer.activation, a.h + offset
    if i == 0:
        rows = rows_after(&w.batch, part.row)
        forward(
            &rows, part.n_rows, part.n_columns, weight, layer.stride, &finishing, next, panel,
            a.z + offset, a.row,
        )
    else:
        below = &w.activations[i - 1]
        k.forward(
            part.n_rows, layer.n_in, part.n_columns,
            below.dropped + part.row * below.row * k.size, below.row, weight, layer.stride,
            &finishing, NULL, panel, a.z + offset, a.row,
        )
