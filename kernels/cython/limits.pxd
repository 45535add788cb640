"""Limits: on the norm of the whole gradient, and of the weights into each unit."""

from libc.math cimport sqrt

from kernels.cython.gate cimport wait
from kernels.cython.gradient cimport update_part
from kernels.cython.groups cimport of_biases, of_weights
from kernels.cython.network cimport Layer
from kernels.cython.parts cimport Part, share
from kernels.cython.scaling cimport limit_raw
from kernels.cython.shared cimport PIECE, OwnSpace, Shared, part_of_layer
from kernels.cython.table cimport kernels, step


cdef inline double gradient_norm(Shared *shared, int member, int n_members) noexcept nogil:
    """Return the norm of the whole gradient, summed in the same order by all members."""
    cdef Py_ssize_t n_slots = shared.net.n_slots, n_pieces, piece
    cdef double sum_of_squares = 0.0
    n_pieces = (n_slots + PIECE - 1) // PIECE
    for piece in range(
        share(n_pieces, 1, member, n_members), share(n_pieces, 1, member + 1, n_members)
    ):
        shared.squares[piece] = shared.net.kernels.sum_of_squares(
            min(<Py_ssize_t>PIECE, n_slots - piece * PIECE),
            shared.gradient + piece * PIECE * shared.net.kernels.size,
        )
    wait(shared.gate, member, n_members)
    for piece in range(n_pieces):
        sum_of_squares += shared.squares[piece]
    return sqrt(sum_of_squares)


cdef inline void apply_limited(
    Shared *shared, Py_ssize_t i, const step *constants, double norm, int member, int n_members
) noexcept nogil:
    """Update a member's part of layer i from the gradient, scaled down to the limit if its norm
    is above one; without the weights of scaled features, which `apply_scaled` updates.
    """
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[i]
    cdef Part part = part_of_layer(shared, i, layer.n_in, member, n_members)
    cdef const step *own = of_weights(shared, constants, i)
    cdef Py_ssize_t row
    if part.n_rows == 0 or part.n_columns == 0:
        return
    if i > 0 or not shared.options.scales_features:
        for row in range(part.row, part.row + part.n_rows):
            apply_row(
                shared, own, &part, (layer.weight + row * layer.stride + part.column) * k.size, norm
            )
    if layer.bias >= 0 and part.row == 0:
        own = of_biases(shared, constants, i)
        apply_row(shared, own, &part, (layer.bias + part.column) * k.size, norm)


cdef inline void apply_row(
    Shared *shared, const step *constants, const Part *part, Py_ssize_t offset, double norm
) noexcept nogil:
    """The same for one row, offset bytes from the first parameter."""
    cdef Part one_row = part[0]
    one_row.n_rows = 1
    if shared.options.clip_norm != 0 and norm > shared.options.clip_norm:
        shared.net.kernels.scale(
            part.n_columns, shared.options.clip_norm / norm, shared.gradient + offset
        )
    update_part(shared, constants, &one_row, offset, 0, shared.gradient + offset, 0)


cdef inline void limit_norms(
    Shared *shared, Py_ssize_t i, OwnSpace *own, int member, int n_members
) noexcept nogil:
    """Scale columns of layer i's weights down to the limit: those of the member or, if members own
    rows, all columns by the first member.
    """
    cdef const kernels *k = shared.net.kernels
    cdef const Layer *layer = &shared.net.layers[i]
    cdef Part part = part_of_layer(shared, i, layer.n_in, member, n_members)
    if part.n_columns < layer.n_out or member == 0:
        k.limit_column_norms(
            layer.n_in, part.n_columns, shared.options.max_norm, own.norms,
            shared.params + (layer.weight + part.column) * k.size, layer.stride,
        )
        if i == 0 and shared.options.scales_features:
            limit_raw(shared, &part, own)
