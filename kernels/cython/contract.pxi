"""The kernels of the contract: each copies its arguments to padded rows and back.

The programs keep their arrays padded and call the same C kernels without copies; these wrappers
are for code assembled in Python, and for tests. Long inputs are processed block by block. As in the
programs, subnormal numbers are zero.
"""

cdef enum:
    BLOCK_ROWS = 512  # rows of x processed at a time


cdef class Padded:
    """A copy of a matrix (or one row) with rows padded with zeros to whole vectors."""

    cdef Memory memory
    cdef Buffer held
    cdef const kernels *kernels
    cdef char *data
    cdef Py_ssize_t n_rows, n_columns, row
    cdef Array origin

    cdef int write_back(self) except -1:
        with nogil:
            self.kernels.write_rows(
                self.n_rows, self.n_columns, self.data, self.row,
                self.origin.data, self.origin.strides[0], self.origin.strides[1],
            )
        return 0


cdef Padded pad(
    str name, const kernels *kernels, object array, bint writable=False, bint optional=False
):
    """Copy an array of the table's dtype; None becomes a NULL pointer, if it is optional."""
    cdef Padded out = Padded.__new__(Padded)
    cdef dense_input rows
    if array is None and optional:
        return out
    out.held = hold(name, array, writable, &out.origin)
    needs(out.origin.kind == letter_of_size(kernels.size), name, "of the kernels' dtype")
    out.kernels = kernels
    out.n_rows, out.n_columns = out.origin.shape[0], out.origin.shape[1]
    out.row = padded(out.n_columns, kernels.size)
    out.memory = Memory(out.n_rows * out.row * kernels.size)
    out.data = out.memory.data
    rows.data = out.origin.data
    rows.type = type_of(&out.origin)
    rows.row_stride, rows.column_stride = out.origin.strides[0], out.origin.strides[1]
    with nogil:
        kernels.gather(&rows, NULL, out.n_rows, out.n_columns, 1.0, out.data, out.row)
    return out


cdef int has_shape(str name, Padded array, Py_ssize_t n_rows, Py_ssize_t n_columns) except -1:
    """Refuse a matrix whose size does not match the others; None is accepted."""
    return needs(
        array.data == NULL or (array.n_rows == n_rows and array.n_columns == n_columns),
        name, "of shape ({}, {})", n_rows, n_columns,
    )


cdef Buffer hold_column(str name, object array, Py_ssize_t n, bint integers, Array *out):
    """Hold a contiguous array of one int64 or float64 per row; None is NULL."""
    cdef Buffer held
    out.data = NULL
    if array is None:
        return None
    held = hold(name, array, False, out)
    needs(
        is_flat(out)
        and out.shape[1] == n
        and (is_integer(out, 8) if integers else out.kind == b"d"),
        name, "{} contiguous numbers, int64 of labels and float64 of weights", n,
    )
    return held


cdef class InputBlocks:
    """An input of one kernel, fetched in blocks of rows."""

    cdef Memory memory
    cdef list held
    cdef Input x
    cdef Batch batch
    cdef bint is_sound

    def __cinit__(self, Kernels kernels, x, Py_ssize_t n_out):
        cdef Space space
        cdef Py_ssize_t n_non_zeros
        cdef double density
        cdef Form form
        self.held = []
        self.is_sound = True
        self.x = read_input(x, self.held)
        needs(self.x.n_in >= 1 and n_out >= 1, "x and out", "at least one column wide")
        check_entries(&self.x, NULL, self.x.n_rows)
        form = form_of(kernels.table, &self.x, NULL, self.x.n_rows, n_out, &density)
        n_non_zeros = most_non_zeros(&self.x, NULL, self.x.n_rows, BLOCK_ROWS)
        space.base, space.used = NULL, 0
        lay_out_batch(
            &self.batch, kernels.table, &self.x, 1.0, form, BLOCK_ROWS, n_non_zeros, &space
        )
        self.memory = Memory(space.used)
        space.base, space.used = self.memory.data, 0
        lay_out_batch(
            &self.batch, kernels.table, &self.x, 1.0, form, BLOCK_ROWS, n_non_zeros, &space
        )

    cdef Py_ssize_t fetch(self, Py_ssize_t first) noexcept nogil:
        """Fetch the block that begins with the row `first`; return how many rows it has."""
        cdef Py_ssize_t n_rows = min(<Py_ssize_t>BLOCK_ROWS, self.x.n_rows - first)
        cdef Input rest = rows_from(&self.x, first)
        self.is_sound &= fetch(&self.batch, &rest, NULL, n_rows)
        return n_rows


cdef class Verdicts:
    """The results of a loss for each row."""

    cdef Memory memory
    cdef Py_ssize_t n_rows
    cdef double *loss
    cdef double *right

    def __cinit__(self, Py_ssize_t n_rows):
        self.memory = Memory(2 * n_rows * sizeof(double))
        self.n_rows = n_rows
        self.loss = <double *>self.memory.data
        self.right = self.loss + n_rows

    cdef double total_loss(self) noexcept:
        cdef Py_ssize_t i
        cdef double total = 0.0
        for i in range(self.n_rows):
            total += self.loss[i]
        return total


cdef class Kernels:
    """The kernels of one dtype for one instruction set; `isa` None is the widest supported."""

    cdef const kernels *table
    cdef readonly str isa
    cdef readonly Py_ssize_t lanes  # numbers in a vector

    def __cinit__(self, isa, bint double_precision):
        cdef int known
        cdef bytes name = b"" if isa is None else isa.encode()
        cdef const char *wanted = NULL if isa is None else <const char *>name
        cdef const instruction_set *chosen = choose_instruction_set(wanted, &known)
        if chosen == NULL:
            runnable = ", ".join(instruction_sets())
            what = "does not run on this machine" if known else "is not an instruction set"
            raise ValueError(f"FASTNN_ISA: {isa!r} {what}; choose one of {runnable}")
        self.isa = chosen.name.decode()
        self.table = chosen.real_double if double_precision else chosen.single
        self.lanes = self.table.lanes

    def dense_forward(self, x, weight, bias, int code, out, preactivation):
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded w = pad("weight", k, weight), b = pad("bias", k, bias, False, True)
        cdef Padded y = pad("out", k, out, True), z = y
        cdef InputBlocks blocks = InputBlocks(self, x, w.n_columns)
        cdef Memory panel = Memory(panel_bytes(w.n_rows, 0, k.size))
        cdef Py_ssize_t first = 0, n_rows
        cdef epilogue epilogue
        if preactivation is not None:
            z = pad("preactivation", k, preactivation, True)
        needs(
            code_in(ACTIVATIONS, "activation", code) != SOFTMAX, "activation",
            "one that is worked out element by element",
        )
        has_shape("weight", w, blocks.x.n_in, w.n_columns)
        has_shape("bias", b, 1, w.n_columns)
        has_shape("out", y, blocks.x.n_rows, w.n_columns)
        has_shape("preactivation", z, blocks.x.n_rows, w.n_columns)
        epilogue.bias, epilogue.activation = b.data, <activation>code
        with nogil:
            float_mode = flush_subnormals()
            while first < y.n_rows:
                n_rows = blocks.fetch(first)
                epilogue.h = y.data + first * y.row * k.size
                forward(
                    &blocks.batch, n_rows, y.n_columns, w.data, w.row, &epilogue, NULL, panel.data,
                    z.data + first * y.row * k.size, y.row,
                )
                first += n_rows
            restore_float_mode(float_mode)
        refuse_changed(blocks.is_sound, "x")
        if preactivation is not None:
            z.write_back()
        y.write_back()

    def softmax(self, z, out):
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded logits = pad("z", k, z), p = pad("out", k, out, True)
        has_shape("out", p, logits.n_rows, logits.n_columns)
        needs(p.n_columns >= 1, "z", "at least one column wide")
        with nogil:
            float_mode = flush_subnormals()
            k.softmax(p.n_rows, p.n_columns, logits.data, logits.row, p.data, p.row)
            restore_float_mode(float_mode)
        p.write_back()

    def softmax_cross_entropy(self, z, labels, row_weight, double label_smoothing, delta):
        """Labels int64 and row_weight float64, both contiguous."""
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded logits = pad("z", k, z), d = pad("delta", k, delta, True)
        cdef Array label, weight
        cdef Buffer held = hold_column("labels", labels, d.n_rows, True, &label)
        cdef Buffer held_too = hold_column("sample_weight", row_weight, d.n_rows, False, &weight)
        cdef Verdicts verdicts = Verdicts(d.n_rows)
        cdef Py_ssize_t i
        cdef bint is_outside = False
        has_shape("delta", d, logits.n_rows, logits.n_columns)
        needs(held is not None and d.n_columns >= 1, "labels", "given, and z a column wide")
        for i in range(d.n_rows):
            is_outside |= not 0 <= (<const int64_t *>label.data)[i] < d.n_columns
        needs(not is_outside, "labels", "classes 0 to {}", d.n_columns - 1)
        with nogil:
            float_mode = flush_subnormals()
            k.softmax_cross_entropy(
                d.n_rows, d.n_columns, logits.data, logits.row, <const int64_t *>label.data,
                <const double *>weight.data, 1.0, label_smoothing, d.data, d.row, verdicts.loss,
                verdicts.right,
            )
            restore_float_mode(float_mode)
        d.write_back()
        return verdicts.total_loss()

    def elementwise_loss(
        self, int code, int activation_code, z, target, row_weight, constants, delta
    ):
        """As above; row_weight float64, contiguous; constants one for each column."""
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded last = pad("z", k, z), t = pad("target", k, target)
        cdef Padded c = pad("constants", k, constants)
        cdef Padded d = pad("delta", k, delta, True)
        cdef Array weight
        cdef Buffer held = hold_column("sample_weight", row_weight, d.n_rows, False, &weight)
        cdef Verdicts verdicts = Verdicts(d.n_rows)
        needs(code_in(LOSSES, "loss", code) != CROSS_ENTROPY, "loss", "one without softmax")
        loss_activation_in(activation_code)
        has_shape("target", t, last.n_rows, last.n_columns)
        has_shape("constants", c, 1, last.n_columns)
        has_shape("delta", d, last.n_rows, last.n_columns)
        with nogil:
            float_mode = flush_subnormals()
            k.elementwise_loss(
                <loss>code, <activation>activation_code, d.n_rows, d.n_columns, last.data,
                last.row, t.data, t.row, <const double *>weight.data, 1.0, c.data, d.data, d.row,
                verdicts.loss, verdicts.right,
            )
            restore_float_mode(float_mode)
        d.write_back()
        return verdicts.total_loss()

    def weight_gradient(self, x, delta, weight_grad, bias_grad):
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded d = pad("delta", k, delta), g = pad("weight_grad", k, weight_grad, True)
        cdef Padded b = pad("bias_grad", k, bias_grad, True, True)
        cdef InputBlocks blocks = InputBlocks(self, x, d.n_columns)
        cdef Memory panel = Memory(panel_bytes(0, BLOCK_ROWS, k.size))
        cdef Py_ssize_t first = 0, n_rows
        has_shape("delta", d, blocks.x.n_rows, d.n_columns)
        has_shape("weight_grad", g, blocks.x.n_in, d.n_columns)
        has_shape("bias_grad", b, 1, d.n_columns)
        with nogil:
            float_mode = flush_subnormals()
            if d.n_rows == 0:
                memset(g.data, 0, g.n_rows * g.row * k.size)
            while first < d.n_rows:
                n_rows = blocks.fetch(first)
                index_columns(&blocks.batch, n_rows, 0, 1)
                outer(
                    &blocks.batch, n_rows, 0, g.n_rows, d.n_columns,
                    d.data + first * d.row * k.size, d.row, 1.0, first > 0, panel.data, g.data,
                    g.row,
                )
                first += n_rows
            if b.data != NULL:
                k.column_sums(d.n_rows, d.n_columns, d.data, d.row, 1.0, False, b.data)
            restore_float_mode(float_mode)
        refuse_changed(blocks.is_sound, "x")
        g.write_back()
        if b.data != NULL:
            b.write_back()

    def input_gradient(self, delta, weight, int code, y, out):
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded d = pad("delta", k, delta), w = pad("weight", k, weight), h = pad("y", k, y)
        cdef Padded below = pad("out", k, out, True)
        cdef Memory panel = Memory(panel_bytes(d.n_columns, 0, k.size))
        needs(
            code_in(ACTIVATIONS, "activation", code) not in (EXP, SOFTMAX), "activation",
            "one of a hidden layer",
        )
        needs(d.n_columns >= 1 and w.n_rows >= 1, "weight", "at least one row and column wide")
        has_shape("weight", w, w.n_rows, d.n_columns)
        has_shape("y", h, d.n_rows, w.n_rows)
        has_shape("out", below, d.n_rows, w.n_rows)
        with nogil:
            float_mode = flush_subnormals()
            k.backward(
                d.n_rows, below.n_columns, d.n_columns, d.data, d.row, w.data, w.row, panel.data,
                below.data, below.row,
            )
            k.derive(
                <activation>code, d.n_rows, below.n_columns, h.data, h.row, below.data, below.row
            )
            restore_float_mode(float_mode)
        below.write_back()

    def update(self, int code, tuple coefficients, double rate, int64_t t, params, grads, state):
        cdef const kernels *k = self.table
        cdef uint64_t float_mode
        cdef Padded p = pad("params", k, params, True), g = pad("grads", k, grads)
        cdef Padded s = pad("state", k, state, True)
        cdef step step
        cdef double weight_decay
        has_shape("params", p, 1, p.n_columns)
        has_shape("grads", g, 1, p.n_columns)
        has_shape("state", s, vectors_of_rule(code_in(RULES, "rule", code)), p.n_columns)
        step.rule = <rule>code
        step.first_decay, step.second_decay, step.epsilon, weight_decay = coefficients
        prepare_step(&step, weight_decay, rate, t)
        with nogil:
            float_mode = flush_subnormals()
            k.update(
                &step, p.n_rows, p.n_columns, p.data, p.row, g.data, g.row, s.data,
                s.data + s.row * k.size,
            )
            restore_float_mode(float_mode)
        p.write_back()
        if s.n_rows:
            s.write_back()
