"""The words of `simd/vocabulary.h` for Python: a word's place in its list is its code."""


cdef tuple words(const char *const *name):
    """Return a list of names that NULL ends."""
    cdef list found = []
    while name[0] != NULL:
        found.append(name[0].decode())
        name += 1
    return tuple(found)


ACTIVATIONS = words(ACTIVATION_NAMES)
LOSSES = words(LOSS_NAMES)
LOSS_ACTIVATIONS = words(LOSS_ACTIVATION_NAMES)
RULES = words(RULE_NAMES)
INPUT_TYPES = words(INPUT_TYPE_NAMES)
RULE_VECTORS = tuple([vectors_of_rule(code) for code in range(len(RULES))])
LEAKY_SLOPE = LEAKY_RELU_SLOPE
SELU_ALPHA, SELU_SCALE = SELU_ALPHA_VALUE, SELU_SCALE_VALUE


cdef int code_in(tuple names, str what, int code) except -1:
    """Return a code that is one of the list's, and raise an error for another."""
    if not 0 <= code < len(names):
        raise ValueError(f"{what} must have a code in [0, {len(names)}), got {code}")
    return code


cdef int loss_activation_in(int code) except -1:
    """Return the code of an activation that a loss may be of, and raise an error for another."""
    if ACTIVATIONS[code_in(ACTIVATIONS, "activation", code)] not in LOSS_ACTIVATIONS:
        raise ValueError(
            f"activation before a loss must be one of {', '.join(LOSS_ACTIVATIONS)}, "
            f"got {ACTIVATIONS[code]}"
        )
    return code


def instruction_sets():
    """Return the names of the instruction sets that run here, the widest first."""
    cdef const char *name = runnable_instruction_set(0)
    found = []
    while name != NULL:
        found.append(name.decode())
        name = runnable_instruction_set(len(found))
    return found


def compiler_without_vectors():
    """Return the compiler that built this module if it has no vector types, else None."""
    cdef const char *name = scalar_compiler()
    return None if name == NULL else name.decode()
