"""Groups of parameters, each with a learning rate of its own: the weights and the biases of each
layer, and last the scales of the input features.

A step's constants are an array: one for all parameters or, with factors, one for each group.
"""

from libc.stdint cimport int64_t

from kernels.cython.shared cimport Options, Shared, n_steps
from kernels.cython.table cimport prepare_rate, prepare_update, step


cdef inline const step *of_weights(
    const Shared *shared, const step *constants, Py_ssize_t i
) noexcept nogil:
    return constants if shared.options.factors == NULL else constants + 2 * i


cdef inline const step *of_biases(
    const Shared *shared, const step *constants, Py_ssize_t i
) noexcept nogil:
    return constants if shared.options.factors == NULL else constants + 2 * i + 1


cdef inline const step *of_scales(const Shared *shared, const step *constants) noexcept nogil:
    return constants + 2 * shared.net.n_layers


cdef inline void prepare_groups(
    const Shared *shared, step *constants, double weight_decay, double rate, int64_t t
) noexcept nogil:
    """Prepare update t of all groups at a learning rate; the first one's rule is that of all."""
    cdef const double *factors = shared.options.factors
    cdef Py_ssize_t i
    prepare_update(constants, t)
    if factors == NULL:
        prepare_rate(constants, weight_decay, rate)
        return
    for i in range(n_steps(shared)):
        constants[i] = constants[0]
        prepare_rate(&constants[i], weight_decay * factors[2 * i + 1], rate * factors[2 * i])
