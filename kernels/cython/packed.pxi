"""Parameters whose large matrices lie without padding, for predictions of few rows.

Such a prediction takes the time to read the weights once. With AVX-512 rows of 100 numbers are
padded to 112; read without padding, 784-100-10 takes 3.4 µs instead of 3.7 (Zen 4).
"""

cdef enum:
    L1_BYTES = 1 << 15  # in L1 padding costs nothing, and aligned rows are faster
    LEAST_SAVED = 20  # at least this part of a row must be padding


cdef bint lies_better_packed(const Layer *layer, size_t size) noexcept nogil:
    """Return whether rows of weights without padding are read sooner."""
    return (
        layer.n_in * layer.stride * <Py_ssize_t>size > L1_BYTES
        and (layer.stride - layer.n_out) * LEAST_SAVED >= layer.stride
    )


@final
cdef class Packed:
    """A network's parameters in this layout, or without memory where no layer gains by it."""

    cdef Memory layers, memory
    cdef Network net

    def __cinit__(self, Program program not None):
        self.net = program.net

    cdef int take(self, const char *params) except -1:
        """Copy the parameters of a network."""
        cdef const Layer *source = self.net.layers
        cdef size_t size = self.net.kernels.size
        cdef bint pays = False
        cdef int i
        cdef Space space
        for i in range(self.net.n_layers):
            pays |= lies_better_packed(&source[i], size)
        if not pays:
            return 0
        self.layers = Memory(self.net.n_layers * sizeof(Layer))
        space.base, space.used = NULL, 0
        self.lay_out(source, params, &space)
        self.memory = Memory(space.used)
        space.base, space.used = self.memory.data, 0
        self.lay_out(source, params, &space)
        self.net.layers = <const Layer *>self.layers.data
        return 0

    cdef void lay_out(self, const Layer *source, const char *params, Space *space) noexcept:
        """Copy layer by layer; without memory, only compute its size."""
        cdef Py_ssize_t size = self.net.kernels.size, row, width, n_biases
        cdef const Layer *given
        cdef Layer *placed
        cdef char *weight
        cdef char *bias
        cdef int i
        for i in range(self.net.n_layers):
            given, placed = &source[i], <Layer *>self.layers.data + i
            placed[0] = given[0]
            if lies_better_packed(given, size):
                placed.stride = given.n_out
            width = placed.stride * size
            n_biases = padded(given.n_out, size)
            weight = reserve(space, given.n_in * width + ALIGNMENT)
            bias = reserve(space, n_biases * size)
            if space.base == NULL:
                continue
            placed.weight = (weight - space.base) // size
            for row in range(given.n_in):
                memcpy(
                    weight + row * width, params + (given.weight + row * given.stride) * size, width
                )
            if given.bias >= 0:
                placed.bias = (bias - space.base) // size
                memcpy(bias, params + given.bias * size, given.n_out * size)
