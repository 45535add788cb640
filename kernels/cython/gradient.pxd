"""The backward pass, combined with the gradient and the update of each layer.

    δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1};   ∂W_l = h_{l-1}ᵀ @ δ_l

Once the delta of the previous layer is computed, the weights of a layer are no longer needed. Plain
SGD without a penalty adds ``-rate · h_{l-1}ᵀ δ_l`` directly to them; otherwise the gradient is
computed for a block of rows at a time, and is still in the cache when the rule is applied. Only
clipping the norm of the gradient needs all of it first (see `limits.pxd`), and scaled features that
of the first layer (see `scaling.pxd`).
"""

from libc.stdint cimport int64_t

from kernels.cython.arrays cimport padded
from kernels.cython.batch cimport outer
from kernels.cython.dropout cimport drop
from kernels.cython.groups cimport of_biases, of_weights
from kernels.cython.network cimport Activations, Layer
from kernels.cython.parts cimport Part, part_of, rows_of
from kernels.cython.shared cimport (
    OwnSpace,
    Shared,
    gradient_rows,
    has_penalty,
    part_of_layer,
    scaled_gradient,
)
from kernels.cython.table cimport SGD, kernels, step


cdef inline void backward(
    Shared *shared,
    Py_ssize_t i,
    int64_t n_done,
    Py_ssize_t n_rows,
    OwnSpace *own,
    int member,
    int n_members,
) noexcept nogil:
    """Propagate a part of layer i's delta to the previous layer."""
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[i]
    cdef const Activations *a = &shared.w.activations[i]
    cdef const Activations *below = &shared.w.activations[i - 1]
    cdef Part part = part_of(n_rows, layer.n_in, k.size, member, n_members)
    cdef Py_ssize_t offset = (part.row * below.row + part.column) * k.size
    if part.n_rows == 0 or part.n_columns == 0:
        return
    k.backward(
        part.n_rows, part.n_columns, layer.n_out, a.delta + part.row * a.row * k.size, a.row,
        shared.params + (layer.weight + part.column * layer.stride) * k.size, layer.stride,
        own.panel, below.delta + offset, below.row,
    )
    k.derive(
        shared.net.layers[i - 1].activation, part.n_rows, part.n_columns, below.z + offset,
        below.row, below.delta + offset, below.row,
    )
    drop(shared, i - 1, n_done, &part, True)


cdef inline void backward_to_input(
    Shared *shared, Py_ssize_t n_rows, OwnSpace *own, int member, int n_members
) noexcept nogil:
    """Take a member's rows of the first layer's delta to the rows that came in."""
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[0]
    cdef const Activations *a = &shared.w.activations[0]
    cdef Part part = rows_of(n_rows, layer.n_in, member, n_members)
    if part.n_rows > 0:
        k.backward(
            part.n_rows, layer.n_in, layer.n_out, a.delta + part.row * a.row * k.size, a.row,
            shared.params + layer.weight * k.size, layer.stride, own.panel,
            shared.input_gradient + part.row * shared.input_gradient_row * k.size,
            shared.input_gradient_row,
        )


cdef inline void learn(
    Shared *shared,
    Py_ssize_t i,
    const step *constants,
    int64_t n_done,
    Py_ssize_t n_rows,
    OwnSpace *own,
    int member,
    int n_members,
) noexcept nogil:
    """Compute the gradient of a member's part of layer i and update that part."""
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[i]
    cdef Part part = part_of_layer(shared, i, layer.n_in, member, n_members)
    cdef Part block = part
    cdef Py_ssize_t end = part.row + part.n_rows, height, row, n, n_blocks
    cdef Py_ssize_t offset = (layer.weight + part.row * layer.stride + part.column) * k.size
    cdef bint direct = constants.rule == SGD and not has_penalty(&shared.options)
    cdef char *written = shared.gradient
    cdef const step *own_constants = of_weights(shared, constants, i)
    if part.n_rows == 0 or part.n_columns == 0:
        return
    if i == 0 and shared.options.scales_features:
        written = scaled_gradient(shared)
    if written != NULL:
        add_gradient(
            shared, i, &part, n_rows, 1.0, shared.adds_gradient, own.panel, written + offset,
            layer.stride,
        )
        if has_penalty(&shared.options) and not shared.adds_gradient:
            k.add_penalty(
                part.n_rows, part.n_columns, shared.params + offset, layer.stride,
                shared.options.l1, shared.options.l2, written + offset, layer.stride,
            )
    elif direct:
        add_gradient(
            shared, i, &part, n_rows, -own_constants.learning_rate, True, own.panel,
            shared.params + offset, layer.stride,
        )
    else:
        row = padded(part.n_columns, k.size)
        height = gradient_rows(shared, layer)
        n_blocks = (part.n_rows + height - 1) // height
        # Every other step in reverse order, to start with the state that is still in the cache.
        for n in range(n_blocks):
            block.row = part.row + height * (n_blocks - 1 - n if n_done % 2 else n)
            block.n_rows = min(height, end - block.row)
            offset = (layer.weight + block.row * layer.stride + part.column) * k.size
            add_gradient(shared, i, &block, n_rows, 1.0, False, own.panel, own.gradient, row)
            if has_penalty(&shared.options):
                k.add_penalty(
                    block.n_rows, block.n_columns, shared.params + offset, layer.stride,
                    shared.options.l1, shared.options.l2, own.gradient, row,
                )
            update_part(shared, own_constants, &block, offset, layer.stride, own.gradient, row)
    if layer.bias >= 0 and part.row == 0:
        learn_bias(
            shared, layer, &shared.w.activations[i], &part, of_biases(shared, constants, i), n_rows,
            own, direct,
        )


cdef inline void add_gradient(
    Shared *shared,
    Py_ssize_t i,
    const Part *part,
    Py_ssize_t n_rows,
    double scale,
    bint add,
    char *panel,
    char *out,
    Py_ssize_t out_row,
) noexcept nogil:
    """``out += scale · gradient`` for a part of layer i's weights, or ``out = gradient``."""
    cdef const kernels *k = shared.net.kernels
    cdef const Activations *a = &shared.w.activations[i]
    cdef const Activations *below
    cdef const char *delta = a.delta + part.column * k.size
    if i == 0:
        outer(
            &shared.w.batch, n_rows, part.row, part.row + part.n_rows, part.n_columns, delta,
            a.row, scale, add, panel, out, out_row,
        )
    else:
        below = &shared.w.activations[i - 1]
        k.outer(
            n_rows, part.n_rows, part.n_columns, below.dropped + part.row * k.size, below.row,
            delta, a.row, scale, add, panel, out, out_row,
        )


cdef inline void learn_bias(
    Shared *shared,
    const Layer *layer,
    const Activations *a,
    const Part *part,
    const step *constants,
    Py_ssize_t n_rows,
    OwnSpace *own,
    bint direct,
) noexcept nogil:
    """The same for the biases of the part's columns; there is no penalty on them."""
    cdef const kernels *k = shared.net.kernels
    cdef const char *delta = a.delta + part.column * k.size
    cdef Py_ssize_t offset = (layer.bias + part.column) * k.size
    cdef Part one_row = part[0]
    one_row.n_rows = 1
    if shared.gradient != NULL:
        k.column_sums(
            n_rows, part.n_columns, delta, a.row, 1.0, shared.adds_gradient,
            shared.gradient + offset,
        )
    elif direct:
        k.column_sums(
            n_rows, part.n_columns, delta, a.row, -constants.learning_rate, True,
            shared.params + offset,
        )
    else:
        k.column_sums(n_rows, part.n_columns, delta, a.row, 1.0, False, own.gradient)
        update_part(shared, constants, &one_row, offset, 0, own.gradient, 0)


cdef inline void update_part(
    Shared *shared,
    const step *constants,
    const Part *part,
    Py_ssize_t offset,
    Py_ssize_t stride,
    const char *gradient,
    Py_ssize_t gradient_row,
) noexcept nogil:
    """Apply the rule to a part of the parameters, offset bytes from the first."""
    shared.net.kernels.update(
        constants, part.n_rows, part.n_columns, shared.params + offset, stride, gradient,
        gradient_row, NULL if shared.first_state == NULL else shared.first_state + offset,
        NULL if shared.second_state == NULL else shared.second_state + offset,
    )
