"""A step of training: one minibatch, from its rows to the updated parameters."""

from libc.stdint cimport int64_t

from kernels.cython.batch cimport Batch, fetch, index_columns, rows_after, rows_to_come
from kernels.cython.dropout cimport drop
from kernels.cython.gate cimport add_one, wait
from kernels.cython.gradient cimport backward, backward_to_input, learn
from kernels.cython.limits cimport apply_limited, gradient_norm, limit_norms
from kernels.cython.loss cimport judge
from kernels.cython.network cimport Activations, forward_layer
from kernels.cython.parts cimport Part, rows_of
from kernels.cython.scaling cimport apply_scaled
from kernels.cython.shared cimport OwnSpace, Shared, part_of_layer
from kernels.cython.table cimport CROSS_ENTROPY, SOFTMAX, kernels, step


cdef inline void fetch_rows(
    Shared *shared, Py_ssize_t begin, Py_ssize_t n_rows, int member, int n_members
) noexcept nogil:
    """Fetch a member's share of the minibatch; CSR rows are fetched by the first member."""
    cdef Part part = rows_of(n_rows, 1, member, n_members)
    cdef Py_ssize_t end = begin + n_rows
    cdef Part later = rows_of(
        min(shared.options.batch_size, shared.n_order - end), 1, member, n_members
    )
    cdef Batch rows
    cdef bint is_sound = True
    shared.own[member].next = rows_to_come(&shared.x, shared.order + end + later.row, later.n_rows)
    if shared.x.is_sparse:
        if member == 0:
            is_sound = fetch(&shared.w.batch, &shared.x, shared.order + begin, n_rows)
    else:
        rows = rows_after(&shared.w.batch, part.row)
        is_sound = fetch(&rows, &shared.x, shared.order + begin + part.row, part.n_rows)
    if shared.net.loss == CROSS_ENTROPY and shared.y.data != NULL:
        is_sound &= fetch_labels(shared, shared.order + begin, part.row, part.n_rows)
    if not is_sound:
        add_one(&shared.n_unsound)


cdef inline bint fetch_labels(
    Shared *shared, const int64_t *order, Py_ssize_t first, Py_ssize_t n_rows
) noexcept nogil:
    """Fetch the labels of some rows of the minibatch; return whether they are still valid
    classes.
    """
    cdef Py_ssize_t n_classes = shared.net.layers[shared.net.n_layers - 1].n_out, i
    cdef const char *label
    cdef bint is_sound = True
    for i in range(first, first + n_rows):
        label = shared.y.data + order[i] * shared.y.strides[1]
        shared.labels[i] = (<const int64_t *>label)[0]
        is_sound &= 0 <= shared.labels[i] < n_classes
    return is_sound


cdef inline double train_batch(
    Shared *shared,
    Py_ssize_t begin,
    Py_ssize_t n_rows,
    const step *constants,
    int64_t n_done,
    int member,
    int n_members,
) noexcept nogil:
    """Do one update from the fetched minibatch, after n_done others in this epoch. Return the
    sum of its weights.
    """
    cdef double count
    forward_batch(shared, n_rows, n_done, False, member, n_members)
    count = judge(shared, begin, n_rows, member, n_members)
    wait(shared.gate, member, n_members)
    backward_batch(shared, n_rows, constants, n_done, member, n_members)
    update_limited(shared, constants, member, n_members)
    return count


cdef inline void forward_batch(
    Shared *shared, Py_ssize_t n_rows, int64_t n_done, bint to_outputs, int member, int n_members
) noexcept nogil:
    """Take the minibatch that was fetched through all layers: to the last one's z, and on request
    to its outputs, all but softmax's.
    """
    cdef OwnSpace *own = &shared.own[member]
    cdef Part part
    cdef int last = shared.net.n_layers - 1
    cdef int i
    index_columns(&shared.w.batch, n_rows, member, n_members)
    for i in range(last):
        part = part_of_layer(shared, i, n_rows, member, n_members)
        forward_layer(shared.net, i, shared.params, &shared.w, &part, True, &own.next, own.panel)
        drop(shared, i, n_done, &part, False)
        wait(shared.gate, member, n_members)
    part = part_of_layer(shared, last, n_rows, member, n_members)
    forward_layer(
        shared.net, last, shared.params, &shared.w, &part, to_outputs, &own.next, own.panel
    )
    if part.n_columns < shared.net.layers[last].n_out:
        wait(shared.gate, member, n_members)


cdef inline void normalize(
    Shared *shared, Py_ssize_t n_rows, int member, int n_members
) noexcept nogil:
    """Work out the outputs that take whole rows: softmax's."""
    cdef const kernels *k = shared.net.kernels
    cdef int last = shared.net.n_layers - 1
    cdef const Activations *a = &shared.w.activations[last]
    cdef Part part = rows_of(n_rows, 1, member, n_members)
    cdef Py_ssize_t offset = part.row * a.row * k.size
    if shared.net.layers[last].activation == SOFTMAX:
        k.softmax(
            part.n_rows, shared.net.layers[last].n_out, a.z + offset, a.row, a.h + offset, a.row
        )


cdef inline void backward_batch(
    Shared *shared,
    Py_ssize_t n_rows,
    const step *constants,
    int64_t n_done,
    int member,
    int n_members,
) noexcept nogil:
    """Take the last layer's delta back through all layers, each of which learns from its own: it is
    updated, or its gradient written down where all of it is wanted.
    """
    cdef OwnSpace *own = &shared.own[member]
    cdef int i
    for i in range(shared.net.n_layers - 1, -1, -1):
        if i > 0:
            backward(shared, i, n_done, n_rows, own, member, n_members)
            wait(shared.gate, member, n_members)
        elif shared.input_gradient != NULL:
            backward_to_input(shared, n_rows, own, member, n_members)
            wait(shared.gate, member, n_members)
        learn(shared, i, constants, n_done, n_rows, own, member, n_members)


cdef inline void update_limited(
    Shared *shared, const step *constants, int member, int n_members
) noexcept nogil:
    """Update from a gradient that was written down, and restore what limits there are."""
    cdef double norm = 0.0
    cdef int i
    if shared.gradient != NULL or shared.options.scales_features:
        wait(shared.gate, member, n_members)
    if shared.gradient != NULL:
        if shared.options.clip_norm != 0:
            norm = gradient_norm(shared, member, n_members)
        for i in range(shared.net.n_layers):
            apply_limited(shared, i, constants, norm, member, n_members)
    if shared.options.scales_features:
        apply_scaled(shared, constants, norm, member, n_members)
    if shared.options.max_norm != 0:
        wait(shared.gate, member, n_members)
        for i in range(shared.net.n_layers):
            limit_norms(shared, i, &shared.own[member], member, n_members)
