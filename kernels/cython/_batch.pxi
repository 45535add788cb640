"""A minibatch: rows of an input in the kernels' number type, and the two products it enters."""


cdef struct Batch:
    const kernels *kernels
    Py_ssize_t n_in
    double scale  # of bytes
    bint is_sparse
    char *rows  # dense (n_rows, n_in), stride numbers apart
    Py_ssize_t stride
    sparse non_zeros


cdef Py_ssize_t most_non_zeros(
    const Input *x, const int64_t *order, Py_ssize_t n_rows, Py_ssize_t batch_size
) noexcept nogil:
    """Return how many non-zeros of a CSR input the fullest minibatch holds."""
    cdef Py_ssize_t i, row, n = 0, most = 0
    if not x.is_sparse:
        return 0
    for i in range(n_rows):
        if i % batch_size == 0:
            n = 0
        row = order[i] if order != NULL else i
        n += row_start(&x.csr, row + 1) - row_start(&x.csr, row)
        most = max(most, n)
    return most


cdef void lay_out_batch(
    Batch *batch,
    const kernels *kernels,
    const Input *x,
    double scale,
    Py_ssize_t n_rows,
    Py_ssize_t n_non_zeros,
    Space *space,
) noexcept nogil:
    """Give a minibatch of at most n_rows rows its memory."""
    batch.kernels = kernels
    batch.n_in = x.n_in
    batch.scale = scale
    batch.is_sparse = x.is_sparse
    if x.is_sparse:
        batch.non_zeros.start = <Py_ssize_t *>reserve(space, (n_rows + 1) * sizeof(Py_ssize_t))
        batch.non_zeros.column = <Py_ssize_t *>reserve(space, n_non_zeros * sizeof(Py_ssize_t))
        batch.non_zeros.value = reserve(space, n_non_zeros * kernels.size)
    else:
        batch.stride = padded(x.n_in, kernels.size)
        batch.rows = reserve(space, n_rows * batch.stride * kernels.size)


cdef void fetch(
    Batch *batch, const Input *x, const int64_t *order, Py_ssize_t n_rows
) noexcept nogil:
    """Take rows `order` of the input, or its first ones."""
    if batch.is_sparse:
        batch.kernels.gather_sparse(&x.csr, order, n_rows, batch.scale, &batch.non_zeros)
    else:
        batch.kernels.gather(
            &x.dense, order, n_rows, x.n_in, batch.scale, batch.rows, batch.stride
        )


cdef void forward(
    const Batch *batch,
    Py_ssize_t n_rows,
    Py_ssize_t n_out,
    const char *weight,
    Py_ssize_t weight_row,
    const char *bias,
    char *out,
    Py_ssize_t out_row,
) noexcept nogil:
    """``out = x @ weight + bias``."""
    if batch.is_sparse:
        batch.kernels.forward_sparse(
            n_rows, n_out, &batch.non_zeros, weight, weight_row, bias, out, out_row
        )
    else:
        batch.kernels.forward(
            n_rows, batch.n_in, n_out, batch.rows, batch.stride, weight, weight_row, bias, out,
            out_row,
        )


cdef void outer(
    const Batch *batch,
    Py_ssize_t n_rows,
    Py_ssize_t n_out,
    const char *delta,
    Py_ssize_t delta_row,
    double scale,
    char *out,
    Py_ssize_t out_row,
) noexcept nogil:
    """``out += scale · xᵀ @ delta``."""
    if batch.is_sparse:
        batch.kernels.outer_sparse(
            n_rows, n_out, &batch.non_zeros, delta, delta_row, scale, out, out_row
        )
    else:
        batch.kernels.outer(
            n_rows, batch.n_in, n_out, batch.rows, batch.stride, delta, delta_row, scale, out,
            out_row,
        )
