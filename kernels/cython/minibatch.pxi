"""A minibatch for a step: rows, labels or targets, and weights, looked at before they are used.

A minibatch is used as it is where compiled code can tell that it may be: arrays of few dtypes, of
the right shapes, with values in range. Otherwise the methods say so, and Python converts and checks
the arrays, or raises an error.
"""

cdef enum Floats:
    REFUSED, FINITE, FLAGS  # what rows of floats must be to be used as they are

cdef enum:
    MEASURED_TOGETHER = 256  # rows: their activations stay in L2


# What weights add up to: as in `fastnn.validation.weights`.
cdef double LIGHTEST = 1e-280, HEAVIEST = 1e280


cdef class Minibatch(Team):
    """Arrays of one call, held until its end."""

    cdef Shared shared
    cdef object array  # the type of arrays

    # what minibatches may be
    cdef Py_ssize_t max_rows, n_in, n_out
    cdef Floats floats
    cdef bint takes_bytes, takes_y
    cdef double low, high, largest

    # what is passed, and may yet be refused
    cdef Py_buffer buffers[4]
    cdef int n_buffers
    cdef list held_csr
    cdef Input next_x
    cdef int next_dims
    cdef double lone_target

    cdef Memory row_numbers, labels, drawn
    cdef shared_number busy

    cdef int enter(self) except -1:
        if not take(&self.busy):
            raise RuntimeError(
                "a call of this trainer has not ended yet, in another thread: it does one thing at "
                "a time; train a copy.deepcopy of the network"
            )
        return 0

    cdef void leave(self) noexcept:
        while self.n_buffers > 0:
            self.n_buffers -= 1
            PyBuffer_Release(&self.buffers[self.n_buffers])
        self.held_csr = None
        write_shared(&self.busy, 0)

    cdef int look_at(self, object array, Array *out) except -1:
        """Describe an array, and hold it until the end of the call; return its dimensions, 0 if its
        numbers are none that C knows.
        """
        memset(out, 0, sizeof(Array))
        try:
            PyObject_GetBuffer(array, &self.buffers[self.n_buffers], flags_of(False))
        except (BufferError, ValueError):  # of dates
            return 0
        self.n_buffers += 1
        return describe(&self.buffers[self.n_buffers - 1], out)

    cdef bint is_own(self, object array) except -1:
        """Say whether memory is NumPy's own, and not that of a file which may have been cut short.
        """
        while type(array) is self.array:
            array = array.base
        return array is None

    cdef bint take_x(self, object x, bint is_checked, Py_ssize_t most) except -1:
        """Take rows, or one, of x; say whether they could be."""
        cdef Array seen
        cdef Input *rows = &self.next_x
        cdef const kernels *k = self.shared.net.kernels
        if is_checked and hasattr(x, "indptr"):
            self.held_csr, self.next_dims = [], 2
            rows[0] = read_input(x, self.held_csr)
            needs(rows.n_in == self.n_in, "x", "{} columns wide", self.n_in)
            check_entries(rows, NULL, rows.n_rows)
        elif type(x) is not self.array or not (is_checked or self.is_own(x)):
            return False
        else:
            self.next_dims = self.look_at(x, &seen)
            if not 1 <= self.next_dims <= 2 or seen.shape[1] != self.n_in:
                return False
            if input_type_of(seen.kind) < 0:
                return False
            rows.is_sparse = False
            rows.dense.data = seen.data
            rows.dense.type = <input_type>input_type_of(seen.kind)
            rows.dense.row_stride, rows.dense.column_stride = seen.strides[0], seen.strides[1]
            rows.n_rows, rows.n_in = seen.shape[0], seen.shape[1]
            if not is_checked:
                if rows.dense.type == INPUT_BYTE:
                    if not self.takes_bytes:
                        return False
                elif self.floats == REFUSED or not k.lies_within(
                    &rows.dense, rows.n_rows, self.n_in, -self.largest, self.largest
                ):
                    return False
                elif self.floats == FLAGS and not k.holds_flags(
                    &rows.dense, rows.n_rows, self.n_in
                ):
                    return False
        return 1 <= rows.n_rows <= most

    cdef bint take_y(self, object y, bint is_checked) except -1:
        """Take the labels or targets of the rows; say whether they could be."""
        cdef Shared *shared = &self.shared
        cdef Array *wanted = &shared.y
        cdef dense_input numbers
        if not (is_checked or self.takes_y):
            return False
        if shared.net.loss == CROSS_ENTROPY:
            return self.take_labels(y)
        if type(y) is self.array:
            if self.look_at(y, wanted) not in (1, 2) or wanted.kind not in (b"f", b"d"):
                return False
            if (
                self.buffers[self.n_buffers - 1].ndim == 1
                and self.n_out == 1
                and wanted.shape[1] == self.next_x.n_rows
            ):
                wanted.shape[0], wanted.strides[0] = wanted.shape[1], wanted.strides[1]
                wanted.shape[1] = 1
            elif not is_checked and self.buffers[self.n_buffers - 1].ndim != self.next_dims:
                return False
        elif self.next_dims == 1 and self.n_out == 1 and isinstance(y, (float, int)):
            try:
                self.lone_target = y
            except OverflowError:
                return False
            wanted.data, wanted.kind, wanted.itemsize = <char *>&self.lone_target, b"d", 8
            wanted.shape[0] = wanted.shape[1] = 1
            wanted.strides[0] = wanted.strides[1] = 8
        else:
            return False
        if wanted.shape[0] != self.next_x.n_rows or wanted.shape[1] != self.n_out:
            return False
        numbers.data, numbers.type = wanted.data, <input_type>input_type_of(wanted.kind)
        numbers.row_stride, numbers.column_stride = wanted.strides[0], wanted.strides[1]
        return is_checked or shared.net.kernels.lies_within(
            &numbers, self.next_x.n_rows, self.n_out, self.low, self.high
        )

    cdef bint take_labels(self, object y) except -1:
        """Take labels as int64 of its own; say whether they could be."""
        cdef Array seen
        cdef int64_t *labels = <int64_t *>self.labels.data
        cdef Array *wanted = &self.shared.y
        cdef Py_ssize_t i
        if type(y) is self.array:
            if self.look_at(y, &seen) != 1 or seen.shape[1] != self.next_x.n_rows:
                return False
            if not copy_integers(&seen, labels):
                return False
        elif self.next_dims == 1 and (isinstance(y, int) or is_number_of_numpy(y)):
            try:
                labels[0] = y.__index__()
            except OverflowError:
                return False
        else:
            return False
        for i in range(self.next_x.n_rows):
            if labels[i] < 0 or labels[i] >= self.n_out:
                return False
        wanted.data, wanted.kind, wanted.itemsize = <char *>labels, b"q", 8
        wanted.shape[0], wanted.shape[1] = 1, self.next_x.n_rows
        wanted.strides[0], wanted.strides[1] = 0, 8
        return True

    cdef bint take_weight(self, object sample_weight, bint is_checked) except -1:
        """Take the rows' weights; say whether they could be."""
        cdef Array seen
        cdef const double *weights
        cdef double total = 0.0
        cdef Py_ssize_t i
        self.shared.sample_weight = NULL
        if sample_weight is None:
            return True
        if type(sample_weight) is not self.array or self.look_at(sample_weight, &seen) != 1:
            return False
        if seen.kind != b"d" or not is_flat(&seen) or seen.shape[1] != self.next_x.n_rows:
            return False
        weights = <const double *>seen.data
        for i in range(self.next_x.n_rows):
            if not (weights[i] >= DBL_MIN or weights[i] == 0):  # Python makes smaller ones 0
                return False
            total += weights[i]
        self.shared.sample_weight = weights
        return is_checked or LIGHTEST <= total <= HEAVIEST

    cdef int number_rows(self) except -1:
        """Have room for the numbers and labels of so many rows."""
        cdef Py_ssize_t room, i, n_rows = self.next_x.n_rows
        if self.row_numbers is None or self.row_numbers.n_bytes < <size_t>n_rows * 8:
            room = max(n_rows, min(self.max_rows, <Py_ssize_t>MEASURED_TOGETHER))
            self.labels, self.drawn = Memory(room * 8), Memory(room * 8)
            self.row_numbers = Memory(room * 8)  # last: its size stands for all three
            for i in range(room):
                (<int64_t *>self.row_numbers.data)[i] = i
        return 0

    cdef int take_order(self, object draw) except -1:
        """Have an order drawn for the rows, or take them in turn."""
        cdef Array seen
        cdef int64_t *order = <int64_t *>self.drawn.data
        cdef Py_ssize_t i, n_rows = self.next_x.n_rows
        self.shared.order = <const int64_t *>self.row_numbers.data
        if draw is None:
            return 0
        needs(
            self.look_at(draw(n_rows), &seen) == 1
            and seen.shape[1] == n_rows
            and copy_integers(&seen, order),
            "order", "{} integers", n_rows,
        )
        for i in range(n_rows):
            needs(0 <= order[i] < n_rows, "order", "row numbers below {}", n_rows)
        self.shared.order = order
        return 0


cdef bint is_number_of_numpy(object y) except -1:
    return PyIndex_Check(y) and hasattr(y, "dtype")


cdef bint copy_integers(const Array *array, int64_t *out) noexcept nogil:
    """Copy a row of integers; return whether they are integers. A uint64 past int64 gets negative.
    """
    cdef Py_ssize_t i
    cdef bint is_signed = array.kind in (b"b", b"h", b"i", b"l", b"q")
    if not is_signed and array.kind not in (b"?", b"B", b"H", b"I", b"L", b"Q"):
        return False
    for i in range(array.shape[1]):
        out[i] = integer_at(array.data + i * array.strides[1], array.itemsize, is_signed)
    return True


cdef int64_t integer_at(const char *address, Py_ssize_t size, bint is_signed) noexcept nogil:
    """Return the integer there, wherever it lies."""
    cdef uint8_t one
    cdef uint16_t two
    cdef uint32_t four
    cdef int64_t eight
    if size == 1:
        memcpy(&one, address, 1)
        return <int8_t>one if is_signed else one
    if size == 2:
        memcpy(&two, address, 2)
        return <int16_t>two if is_signed else two
    if size == 4:
        memcpy(&four, address, 4)
        return <int32_t>four if is_signed else four
    memcpy(&eight, address, 8)
    return eight
