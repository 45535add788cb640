"""A minibatch: rows of an input in the kernels' number type, and its two products."""

from libc.stdint cimport int64_t, uint64_t, uintptr_t

from kernels.cython.arrays cimport Input, Space, padded, reserve, row_start
from kernels.cython.parts cimport share
from kernels.cython.table cimport (
    INPUT_BYTE,
    INPUT_DOUBLE,
    INPUT_FLOAT,
    csr_input,
    epilogue,
    flush_subnormals,
    kernels,
    masked,
    restore_float_mode,
    sparse,
    upcoming,
)

cdef enum Form:
    DENSE  # rows of numbers
    MASKED  # rows of numbers, most of them zeros, with bit masks of the others
    CSR  # non-zeros only

cdef enum:
    SAMPLED_ROWS = 32  # rows sampled to choose a form


cdef struct Batch:
    const kernels *kernels
    Py_ssize_t n_in
    double scale  # of bytes
    Form form
    char *rows  # DENSE: (n_rows, n_in), stride numbers apart
    Py_ssize_t stride
    masked masked
    sparse non_zeros


cdef inline Form form_of(
    const kernels *table,
    const Input *x,
    const int64_t *order,
    Py_ssize_t n_rows,
    Py_ssize_t n_out,
    double *density,
) noexcept nogil:
    """Choose how an input's minibatches are kept, from its kind, a sample of its rows and the width
    of the layer it enters. The fraction of the sample that is not zero goes to `density`.

    Skipping zeros costs a fixed amount for each non-zero beside its V vectors of multiply-adds, so
    it pays below a density of 0.6 V / (V + 2). Measured with 100 rows of 784 random bytes (gather,
    forward and outer against the dense ones): break-even at densities of 0.19, 0.35, 0.46, 0.55 and
    0.5 for 10, 32, 64, 100 and 512 outputs with AVX-512; 0.27, 0.47, 0.57, 0.6 and 0.55 with AVX2.
    The choice depends on the data and the order only, so a run can be repeated to the bit:
    subnormal numbers are zeros whatever the mode of the caller's thread.
    """
    cdef uint64_t float_mode
    cdef double width = (n_out + table.lanes - 1) // table.lanes
    cdef Py_ssize_t i, row, n_sampled = min(n_rows, <Py_ssize_t>SAMPLED_ROWS), n_non_zeros = 0
    if x.is_sparse:
        density[0] = <double>entries_between(&x.csr, 0, x.n_rows) / (<double>x.n_rows * x.n_in)
        return CSR
    float_mode = flush_subnormals()
    for i in range(n_sampled):
        row = i * n_rows // n_sampled
        n_non_zeros += table.count_non_zeros(
            &x.dense, x.n_in, order[row] if order != NULL else row
        )
    restore_float_mode(float_mode)
    density[0] = <double>n_non_zeros / (<double>n_sampled * x.n_in)
    return MASKED if density[0] < 0.6 * width / (width + 2) else DENSE


cdef inline Py_ssize_t most_non_zeros(
    const Input *x, const int64_t *order, Py_ssize_t n_rows, Py_ssize_t batch_size
) noexcept nogil:
    """Return how many non-zeros of a CSR input the fullest minibatch holds; without an order, the
    fullest of all batch_size rows that are neighbours.
    """
    cdef Py_ssize_t i, n = 0, most = 0
    if not x.is_sparse:
        return 0
    for i in range(n_rows):
        if order == NULL:
            n = entries_between(&x.csr, i, min(i + batch_size, n_rows))
        else:
            if i % batch_size == 0:
                n = 0
            n += entries_between(&x.csr, order[i], order[i] + 1)
        most = max(most, n)
    return most


cdef inline Py_ssize_t entries_between(
    const csr_input *x, Py_ssize_t first, Py_ssize_t end
) noexcept nogil:
    """Return the number of non-zeros in CSR rows [first, end), never more than there are."""
    cdef Py_ssize_t begin = row_start(x, first), stop = row_start(x, end)
    if begin < 0 or stop < begin or stop > x.n_entries:  # another thread has written there
        return 0
    return stop - begin


cdef inline void lay_out_batch(
    Batch *batch,
    const kernels *table,
    const Input *x,
    double scale,
    Form form,
    Py_ssize_t n_rows,
    Py_ssize_t n_non_zeros,
    Space *space,
) noexcept nogil:
    """Lay out the memory of a minibatch of at most n_rows rows."""
    cdef Py_ssize_t row_words
    cdef uint64_t float_mode
    batch.kernels = table
    batch.n_in = x.n_in
    batch.scale = scale
    batch.form = form
    if form == CSR:
        batch.non_zeros.start = <Py_ssize_t *>reserve(space, (n_rows + 1) * sizeof(Py_ssize_t))
        batch.non_zeros.column = <Py_ssize_t *>reserve(space, n_non_zeros * sizeof(Py_ssize_t))
        batch.non_zeros.value = reserve(space, n_non_zeros * table.size)
        batch.non_zeros.room = n_non_zeros
        return
    if form == MASKED:
        row_words = (x.n_in + 63) // 64
        batch.masked.row_mask = <uint64_t *>reserve(space, n_rows * row_words * 8)
        batch.masked.column_mask = <uint64_t *>reserve(
            space, row_words * 64 * ((n_rows + 63) // 64) * 8
        )
        batch.masked.bytes = NULL
        if x.dense.type == INPUT_BYTE:
            batch.masked.bytes_row = padded(row_words * 64, 1)
            batch.masked.bytes = <unsigned char *>reserve(space, n_rows * batch.masked.bytes_row)
            batch.masked.table = reserve(space, 256 * table.size)
            if space.base != NULL:  # here, once, and not by every thread that fetches rows
                float_mode = flush_subnormals()
                table.scale_bytes(scale, batch.masked.table)
                restore_float_mode(float_mode)
            return
    batch.stride = padded(x.n_in, table.size)
    batch.rows = reserve(space, n_rows * batch.stride * table.size)
    batch.masked.numbers, batch.masked.numbers_row = batch.rows, batch.stride


cdef inline bint lies_ready(const Batch *batch, const Input *x) noexcept nogil:
    """Return whether the rows of a dense input can be read without a copy."""
    cdef Py_ssize_t size = batch.kernels.size
    return (
        batch.form == DENSE
        and x.dense.type == (INPUT_FLOAT if size == 4 else INPUT_DOUBLE)
        and x.dense.column_stride == size
        and x.dense.row_stride % size == 0
        and <uintptr_t>x.dense.data % size == 0
    )


cdef inline void borrow_rows(Batch *batch, const Input *x) noexcept nogil:
    """Use the first rows of an input without a copy."""
    batch.rows, batch.stride = <char *>x.dense.data, x.dense.row_stride // batch.kernels.size


cdef inline upcoming rows_to_come(
    const Input *x, const int64_t *order, Py_ssize_t n_rows
) noexcept nogil:
    """Describe the rows to prefetch next; none for a CSR input."""
    cdef upcoming next
    next.input, next.order = x.dense, order
    next.n_rows = 0 if x.is_sparse else max(n_rows, 0)
    return next


cdef inline Batch rows_after(const Batch *batch, Py_ssize_t first) noexcept nogil:
    """Return the minibatch without its first rows, for forward."""
    cdef Batch rest = batch[0]
    if first == 0:
        return rest
    if batch.form == CSR:
        rest.non_zeros.start += first
        return rest
    if batch.form == MASKED:
        rest.masked.row_mask += first * ((batch.n_in + 63) // 64)
        if batch.masked.bytes != NULL:
            rest.masked.bytes += first * batch.masked.bytes_row
            return rest
    rest.rows += first * batch.stride * batch.kernels.size
    rest.masked.numbers = rest.rows
    return rest


cdef inline bint fetch(
    const Batch *batch,
    const Input *x,
    const int64_t *order,
    Py_ssize_t n_rows,
) noexcept nogil:
    """Fetch rows `order` of the input, or its first ones; return whether they are valid."""
    if n_rows == 0:
        return True
    if batch.form == CSR:
        return batch.kernels.gather_sparse(&x.csr, order, n_rows, batch.scale, &batch.non_zeros)
    if batch.form == MASKED:
        batch.kernels.gather_masked(
            &x.dense, order, n_rows, x.n_in, batch.scale, &batch.masked
        )
    else:
        batch.kernels.gather(
            &x.dense, order, n_rows, x.n_in, batch.scale, batch.rows, batch.stride
        )
    return True


cdef inline void index_columns(
    const Batch *batch, Py_ssize_t n_rows, Py_ssize_t member, Py_ssize_t n_members
) noexcept nogil:
    """Do a member's part of the preparation for `outer` that `fetch` does not do."""
    cdef Py_ssize_t words = (batch.n_in + 63) // 64
    if batch.form == MASKED:
        batch.kernels.transpose_masks(
            &batch.masked, n_rows, batch.n_in, share(words, 1, member, n_members),
            share(words, 1, member + 1, n_members),
        )


cdef inline void forward(
    const Batch *batch,
    Py_ssize_t n_rows,
    Py_ssize_t n_out,
    const char *weight,
    Py_ssize_t weight_row,
    const epilogue *finishing,
    const upcoming *next,
    char *panel,
    char *out,
    Py_ssize_t out_row,
) noexcept nogil:
    """``out = x @ weight + bias, h = activation(out)``."""
    if batch.form == CSR:
        batch.kernels.forward_sparse(
            n_rows, n_out, &batch.non_zeros, weight, weight_row, finishing, out, out_row
        )
    elif batch.form == MASKED:
        batch.kernels.forward_masked(
            n_rows, batch.n_in, n_out, &batch.masked, weight, weight_row, finishing, next, out,
            out_row,
        )
    else:
        batch.kernels.forward(
            n_rows, batch.n_in, n_out, batch.rows, batch.stride, weight, weight_row, finishing,
            next, panel, out, out_row,
        )


cdef inline void outer(
    const Batch *batch,
    Py_ssize_t n_rows,
    Py_ssize_t begin,
    Py_ssize_t end,
    Py_ssize_t n_out,
    const char *delta,
    Py_ssize_t delta_row,
    double scale,
    bint add,
    char *panel,
    char *out,
    Py_ssize_t out_row,
) noexcept nogil:
    """``out += scale · x[:, begin:end]ᵀ @ delta``, or without `add` ``out = …`` unscaled, after
    `index_columns`.
    """
    if batch.form == CSR:
        batch.kernels.outer_sparse(
            n_rows, begin, end, n_out, &batch.non_zeros, delta, delta_row, scale, add, out,
            out_row,
        )
    elif batch.form == MASKED:
        batch.kernels.outer_masked(
            n_rows, begin, end, n_out, &batch.masked, delta, delta_row, scale, add, out, out_row
        )
    else:
        batch.kernels.outer(
            n_rows, end - begin, n_out, batch.rows + begin * batch.kernels.size, batch.stride,
            delta, delta_row, scale, add, panel, out, out_row,
        )
