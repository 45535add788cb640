"""Memory of a workspace."""


cdef class Memory:
    """Aligned memory that lives as long as this object; zeros at first."""

    cdef void *raw
    cdef char *data
    cdef size_t n_bytes

    def __cinit__(self, size_t n_bytes):
        self.raw = calloc(n_bytes + 2 * ALIGNMENT, 1)
        if self.raw == NULL:
            raise MemoryError(f"no memory for a workspace of {n_bytes} bytes")
        self.data = <char *>((<uintptr_t>self.raw + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT)
        self.n_bytes = n_bytes
        forbid(self.data + n_bytes, <char *>self.raw + 2 * ALIGNMENT - self.data)

    def __dealloc__(self):
        free(self.raw)
