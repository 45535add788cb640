"""A network frozen for serving, with its own parameters, called with rows.

A call checks only the shapes and number types of its arguments; memory comes
from the program's spare workspace.
"""


cdef str kind_of(object array):
    """Describe an argument for errors."""
    if hasattr(array, "dtype") and hasattr(array, "shape"):
        return f"{array.dtype} of shape {array.shape}"
    return type(array).__name__


cdef class Predictor:
    """Predicts like `Network.predict_proba`, with fewer checks.

    Later changes of the network do not affect it. It may be called from several threads at once.
    Subnormal numbers are zero: parameters, inputs and outputs below 2⁻¹²⁶ in float32, 2⁻¹⁰²² in
    float64. The thread's own floating-point mode is the same before and after a call, and does not
    change the results.

    Parameters
    ----------
    program : Program
    params : ndarray of shape (n_slots,)
        Private: no other code changes them.
    make : tuple
        ``(empty, dtype)``: ``empty(shape, dtype)`` creates the array that is returned.
    read_csr : callable
        Returns a checked private CSR matrix; raises an error for anything else.
    recipe : tuple
        The result of ``__reduce__``.
    reader : RowReader or None
        Converts rows of other types, and checks floats.
    """

    cdef Program program
    cdef Packed packed  # for few rows
    cdef object params, array, empty, dtype, read_csr, recipe, reader
    cdef bint looks_at_floats
    cdef Buffer held  # the parameters
    cdef const char *data
    cdef Py_ssize_t n_in, n_out
    cdef char kind

    # Not __init__, which may be called again, by another thread during a call.
    def __cinit__(
        self, Program program not None, params, tuple make, read_csr, tuple recipe, reader
    ):
        cdef Array seen
        self.held = hold("params", params, False, &seen)
        needs(
            is_flat(&seen)
            and seen.shape[1] == program.net.n_slots
            and seen.kind == letter_of_size(program.net.kernels.size),
            "params", "{} contiguous numbers of the network's dtype", program.net.n_slots,
        )
        self.program = program
        self.params, self.data, self.kind = params, seen.data, seen.kind
        self.array = type(params)  # which most rows are of
        self.empty, self.dtype = make
        self.read_csr, self.recipe, self.reader = read_csr, recipe, reader
        self.looks_at_floats = reader is not None and reader.looks_at_floats
        self.n_in = program.net.layers[0].n_in
        self.n_out = program.net.layers[program.net.n_layers - 1].n_out
        self.packed = Packed(program)
        self.packed.take(self.data)

    def __reduce__(self):
        return self.recipe

    cdef tuple shape(self, int n_dims, Py_ssize_t n_rows):
        """Return the shape of what is predicted."""
        if n_dims == 1:
            return (self.n_out,)
        return (n_rows, self.n_out)

    def __call__(self, x, out=None):
        """Return the outputs of the network: probabilities, or numbers.

        Parameters
        ----------
        x : array of shape (n_in,) or (n_rows, n_in), or CSR matrix
            float32, float64 or uint8; not checked for NaN and infinity.
        out : ndarray of shape (n_out,) or (n_rows, n_out), optional
            Output array in the network's dtype, C-contiguous. By default a new array.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        TypeError, ValueError
            If x or out has the wrong shape or dtype.
        """
        cdef Py_buffer input
        cdef Input rows
        cdef Array seen
        cdef list held
        cdef int n_dims = 2
        if type(x) is not self.array and hasattr(x, "indptr"):  # to ask takes longer
            held = []
            x = self.read_csr(x)
            if self.looks_at_floats:
                self.reader.check_floats(x)
            rows = read_input(x, held)
            check_entries(&rows, NULL, rows.n_rows)
            return self.write(x, n_dims, &rows, out)
        memset(&rows, 0, sizeof(rows))
        try:
            PyObject_GetBuffer(x, &input, flags_of(False))
        except (BufferError, TypeError, ValueError):
            if self.reader is not None:
                return self(self.reader(x), out)
            raise TypeError(
                f"x must be a float32, float64 or uint8 array or a CSR matrix, got {kind_of(x)}"
            ) from None
        try:  # the buffer is held until the end, so that nobody frees or resizes it
            n_dims = describe(&input, &seen)
            if n_dims < 1 or n_dims > 2:
                raise ValueError(
                    f"x must have shape ({self.n_in},) or (n_rows, {self.n_in}), got {n_dims} "
                    "dimensions"
                )
            if input_type_of(seen.kind) < 0:
                if self.reader is not None:
                    return self(self.reader(x), out)
                raise TypeError(f"x must be float32, float64 or uint8, got {kind_of(x)}")
            if self.looks_at_floats and seen.kind != b"B":
                self.reader.check_floats(x)
            rows.dense.data = seen.data
            rows.dense.type = type_of(&seen)
            rows.dense.row_stride, rows.dense.column_stride = seen.strides[0], seen.strides[1]
            rows.n_rows, rows.n_in = seen.shape[0], seen.shape[1]
            return self.write(x, n_dims, &rows, out)
        finally:
            PyBuffer_Release(&input)

    @final
    cdef object write(self, object x, int n_dims, const Input *rows, object out):
        """Predict rows that are held, into `out` or a new array."""
        cdef Py_buffer output
        cdef Array seen
        cdef bint is_new = out is None
        if rows.n_in != self.n_in:
            raise ValueError(
                f"x must have shape ({self.n_in},) or (n_rows, {self.n_in}), got {kind_of(x)}"
            )
        if is_new:
            out = self.empty(self.shape(n_dims, rows.n_rows), self.dtype)
        try:  # a new array has the dtype it was made with; its format takes time to be written
            PyObject_GetBuffer(
                out, &output, PyBUF_STRIDES | PyBUF_WRITABLE if is_new else flags_of(True)
            )
        except (BufferError, TypeError, ValueError):
            raise self.refused(out, n_dims, rows.n_rows) from None
        try:
            if (
                describe(&output, &seen) != n_dims
                or seen.shape[0] != rows.n_rows
                or seen.shape[1] != self.n_out
                or (seen.kind != self.kind and not is_new)
                or seen.strides[1] != seen.itemsize
                or (seen.shape[0] > 1 and seen.strides[0] != seen.shape[1] * seen.itemsize)
            ):
                raise self.refused(out, n_dims, rows.n_rows)
            if not is_new and reads(rows, seen.data, output.len):  # rows it has yet to read
                self.write_apart(x, n_dims, rows, &seen, output.len)
            else:
                self.run(rows, &seen)
        finally:
            PyBuffer_Release(&output)
        return out

    @final
    cdef int run(self, const Input *rows, const Array *out) except -1:
        """Predict rows that are held, from the parameters that are read soonest."""
        if rows.n_rows <= FEW_ROWS and self.packed.memory is not None:
            return self.program.run(&self.packed.net, self.packed.memory.data, rows, out)
        return self.program.run(&self.program.net, self.data, rows, out)

    cdef int write_apart(
        self, object x, int n_dims, const Input *rows, const Array *out, Py_ssize_t n_bytes
    ) except -1:
        """Predict into an array of its own, then copy: `out` lies where rows are still read."""
        cdef Array seen
        apart = self.empty(self.shape(n_dims, rows.n_rows), self.dtype)
        held = hold("out", apart, True, &seen)
        self.run(rows, &seen)
        memcpy(out.data, seen.data, n_bytes)
        return 0

    cdef object refused(self, object out, int n_dims, Py_ssize_t n_rows):
        """Return the error of an `out` that cannot be written to."""
        return ValueError(
            f"out must be writable, C-contiguous {self.dtype} of shape "
            f"{self.shape(n_dims, n_rows)}, got {kind_of(out)}"
        )
