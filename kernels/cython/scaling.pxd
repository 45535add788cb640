"""Learned scales of the input features: the first layer's weights V = diag(s) W are those of the
network, and the optimizer remembers W (n_in, n_1) and s (n_in,).

    ∂W_ij = s_i ∂V_ij;   ∂s_i = Σ_j W_ij ∂V_ij

The gradient by V must be written down first. Members then own rows, so that a row's sum is taken by
one of them, in one order.
"""

from libc.stdint cimport uint64_t

from kernels.cython.groups cimport of_scales, of_weights
from kernels.cython.network cimport Layer
from kernels.cython.parts cimport Part, share
from kernels.cython.shared cimport OwnSpace, Shared, scaled_gradient
from kernels.cython.table cimport flush_subnormals, kernels, restore_float_mode, step


cdef inline void begin_scaling(Shared *shared) noexcept nogil:
    """Before a pass, let rows whose weights are not the scaled ones start again, with a scale of 1.
    """
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[0]
    cdef uint64_t float_mode
    if shared.options.scales_features:
        float_mode = flush_subnormals()
        k.begin_scaled(
            layer.n_in, layer.n_out, shared.params + layer.weight * k.size, layer.stride,
            shared.raw + layer.weight * k.size, shared.scales,
        )
        restore_float_mode(float_mode)


cdef inline void apply_scaled(
    Shared *shared, const step *constants, double norm, int member, int n_members
) noexcept nogil:
    """Update a member's rows of W and s, and write those of V; the gradient is scaled down to the
    limit if its norm is above one.
    """
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[0]
    cdef char *gradient = scaled_gradient(shared)
    cdef Py_ssize_t first = share(layer.n_in, 1, member, n_members), row, offset
    cdef Py_ssize_t n_rows = share(layer.n_in, 1, member + 1, n_members) - first
    if n_rows == 0:
        return
    if shared.options.clip_norm != 0 and norm > shared.options.clip_norm:
        for row in range(first, first + n_rows):
            k.scale(
                layer.n_out, shared.options.clip_norm / norm,
                gradient + (layer.weight + row * layer.stride) * k.size,
            )
    offset = (layer.weight + first * layer.stride) * k.size
    k.update_scaled(
        of_weights(shared, constants, 0), of_scales(shared, constants), n_rows, layer.n_out,
        gradient + offset, layer.stride, shared.raw + offset,
        NULL if shared.first_state == NULL else shared.first_state + offset,
        NULL if shared.second_state == NULL else shared.second_state + offset,
        shared.scales + first * k.size, layer.n_in, shared.params + offset,
    )


cdef inline void limit_raw(
    Shared *shared, const Part *part, const OwnSpace *own
) noexcept nogil:
    """Scale columns of W by the factors that `limit_column_norms` has left, and write those of V.
    """
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[0]
    cdef Py_ssize_t offset = (layer.weight + part.column) * k.size
    k.scale_columns(
        layer.n_in, part.n_columns, own.norms, shared.raw + offset, layer.stride, shared.scales,
        shared.params + offset,
    )
