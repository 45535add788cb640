"""Dropout of units of a hidden layer in one step."""

from libc.stdint cimport int64_t, uint64_t

from kernels.cython.network cimport Activations
from kernels.cython.parts cimport Part
from kernels.cython.shared cimport Options, Shared


cdef inline uint64_t mix64(uint64_t z) noexcept nogil:
    """SplitMix64, as in fastnn.backends.dropout."""
    z += <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline void drop(
    Shared *shared, Py_ssize_t i, int64_t n_done, const Part *part, bint backward
) noexcept nogil:
    """Drop units of hidden layer i, in its outputs or in their delta."""
    cdef const Activations *a = &shared.w.activations[i]
    cdef const Options *options = &shared.options
    cdef Py_ssize_t width = shared.net.layers[i].n_out
    cdef Py_ssize_t offset = (part.row * a.row + part.column) * shared.net.kernels.size
    cdef uint64_t key
    if options.dropout == NULL or part.n_rows == 0 or part.n_columns == 0:
        return
    key = mix64(mix64(options.dropout_seed) ^ <uint64_t>(shared.t + n_done))
    shared.net.kernels.drop(
        mix64(key ^ <uint64_t>i), options.thresholds[i], options.dropout[i],
        part.row * width + part.column, width, part.n_rows, part.n_columns,
        (a.delta if backward else a.h) + offset, a.row,
        (a.delta if backward else a.dropped) + offset, a.row,
    )
