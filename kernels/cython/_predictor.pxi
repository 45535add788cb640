"""A network frozen for serving: parameters of its own, called with rows.

What a call has to find out is kept to the shapes and number types of what it is given; memory comes
from the program's spare workspace.
"""


cdef int describe(object array, bint writable, Array *out) except -1:
    """Describe an array of at most two dimensions; return how many it has. One is one row."""
    cdef Py_buffer buffer
    cdef int i, n_dims
    PyObject_GetBuffer(array, &buffer, PyBUF_FORMAT | PyBUF_STRIDES | (PyBUF_WRITABLE * writable))
    n_dims = buffer.ndim
    if 1 <= n_dims <= 2:
        out.data = <char *>buffer.buf
        out.itemsize = buffer.itemsize
        out.kind = buffer.format[0] if buffer.format[1] == 0 else b"?"
        out.shape[0] = 1
        out.strides[0] = 0
        for i in range(n_dims):
            out.shape[i + 2 - n_dims] = buffer.shape[i]
            out.strides[i + 2 - n_dims] = buffer.strides[i]
    PyBuffer_Release(&buffer)
    return n_dims


cdef int describe_out(object array, Array *out) except -1:
    """The same for what is written to; 0 for what is no array or must not be written."""
    try:
        return describe(array, True, out)
    except (BufferError, TypeError, ValueError):
        return 0


cdef str kind_of(object array):
    """Say what somebody handed in."""
    if hasattr(array, "dtype") and hasattr(array, "shape"):
        return f"{array.dtype} of shape {array.shape}"
    return type(array).__name__


cdef class Predictor:
    """What a network predicts, without the checks of `Network.predict_proba`.

    Later changes of the network do not reach it. It may be called from several threads at once.

    Parameters
    ----------
    program : Program
    params : ndarray of shape (n_slots,)
        Its own: nobody else changes them.
    make : tuple
        ``(empty, dtype)``: ``empty(shape, dtype)`` makes the array that is returned.
    read_csr : callable
        Returns a CSR matrix as `read_input` takes it; raises an error for what is not one.
    recipe : tuple
        What ``__reduce__`` returns.
    """

    cdef Program program
    cdef object params, empty, dtype, read_csr, recipe
    cdef const char *data
    cdef Py_ssize_t n_in, n_out
    cdef char kind

    def __init__(self, Program program, params, tuple make, read_csr, tuple recipe):
        cdef Array seen
        view(params, False, &seen)
        self.program = program
        self.params, self.data, self.kind = params, seen.data, seen.kind
        self.empty, self.dtype = make
        self.read_csr, self.recipe = read_csr, recipe
        self.n_in = program.layers[0].n_in
        self.n_out = program.layers[program.n_layers - 1].n_out

    def __reduce__(self):
        return self.recipe

    cdef tuple shape(self, int n_dims, Py_ssize_t n_rows):
        """Return the shape of what is predicted."""
        if n_dims == 1:
            return (self.n_out,)
        return (n_rows, self.n_out)

    def __call__(self, x, out=None):
        """Return the network's outputs: probabilities, or numbers.

        Parameters
        ----------
        x : array of shape (n_in,) or (n_rows, n_in), or CSR matrix
            float32, float64 or uint8; whether they are finite is not looked at here.
        out : ndarray of shape (n_out,) or (n_rows, n_out), optional
            Of the network's dtype and C-contiguous: where to write. By default a new array.

        Returns
        -------
        ndarray
            `out`.

        Raises
        ------
        TypeError, ValueError
            If x or out has the wrong shape or dtype.
        """
        cdef Input rows
        cdef Array seen
        cdef int n_dims = 2
        if hasattr(x, "indptr"):
            x = self.read_csr(x)  # x is what keeps the memory alive
            rows = read_input(x)
        else:
            memset(&rows, 0, sizeof(rows))
            try:
                n_dims = describe(x, False, &seen)
            except (BufferError, TypeError, ValueError):
                raise TypeError(
                    f"x must be a float32, float64 or uint8 array or a CSR matrix, got {kind_of(x)}"
                ) from None
            if n_dims < 1 or n_dims > 2:
                raise ValueError(
                    f"x must have shape ({self.n_in},) or (n_rows, {self.n_in}), got {x.shape}"
                )
            if seen.kind != b"f" and seen.kind != b"d" and seen.kind != b"B":
                raise TypeError(f"x must be float32, float64 or uint8, got {x.dtype}")
            rows.dense.data = seen.data
            rows.dense.type = type_of(&seen)
            rows.dense.row_stride, rows.dense.column_stride = seen.strides[0], seen.strides[1]
            rows.n_rows, rows.n_in = seen.shape[0], seen.shape[1]
        if rows.n_in != self.n_in:
            raise ValueError(
                f"x must have shape ({self.n_in},) or (n_rows, {self.n_in}), got {x.shape}"
            )
        if out is None:
            out = self.empty(self.shape(n_dims, rows.n_rows), self.dtype)
            describe(out, True, &seen)
        elif (
            describe_out(out, &seen) != n_dims
            or seen.shape[0] != rows.n_rows
            or seen.shape[1] != self.n_out
            or seen.kind != self.kind
            or seen.strides[1] != seen.itemsize
            or (seen.shape[0] > 1 and seen.strides[0] != seen.shape[1] * seen.itemsize)
        ):
            raise ValueError(
                f"out must be writable, C-contiguous {self.dtype} of shape "
                f"{self.shape(n_dims, rows.n_rows)}, got {kind_of(out)}"
            )
        self.program.run(self.data, &rows, &seen)
        return out
