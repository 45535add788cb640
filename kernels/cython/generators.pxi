"""Bit generators of models: their states in an array, or NumPy's own objects."""


cdef class Generators:
    """The bit generators of models.

    Parameters
    ----------
    states : ndarray of shape (n_models, 6) uint64, or list of BitGenerator
        The states of PCG64s, which are advanced in place; or NumPy's own generators.
    """

    cdef Memory memory
    cdef object held
    cdef uint64_t[:, :] states

    def __cinit__(self, states):
        cdef bit_generator *each
        cdef Py_ssize_t i, n = len(states)
        self.memory = Memory(n * sizeof(bit_generator))
        self.held = tuple(states) if isinstance(states, list) else states
        each = <bit_generator *>self.memory.data
        if isinstance(states, list):
            for i in range(n):
                capsule = states[i].capsule  # which keeps nothing alive
                each[i] = (<bit_generator *>PyCapsule_GetPointer(capsule, "BitGenerator"))[0]
            return
        self.states = states
        needs(
            self.states.shape[1] == 6 and self.states.strides[1] == sizeof(uint64_t), "states",
            "6 contiguous numbers for each model",
        )
        for i in range(n):
            each[i].state = &self.states[i, 0]
            each[i].next_uint64, each[i].next_uint32 = pcg64_next, pcg64_next_half

    def shuffle(self, Py_ssize_t i, Py_ssize_t n):
        """Return the numbers below n in an order that generator i draws: for tests of the draws."""
        needs(0 <= i < <Py_ssize_t>(self.memory.n_bytes // sizeof(bit_generator)), "i", "a model")
        cdef Memory numbers = Memory(n * sizeof(int64_t))
        cdef Py_ssize_t j
        for j in range(n):
            (<int64_t *>numbers.data)[j] = j
        shuffle(<const bit_generator *>self.memory.data + i, <int64_t *>numbers.data, n)
        return [(<int64_t *>numbers.data)[j] for j in range(n)]
