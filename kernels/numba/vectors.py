"""A word to the compiler about the width of vectors.

LLVM keeps to half of an AVX-512 register unless told otherwise, because the first processors that
had them (Skylake, 2017) slowed down when they were used; later ones do not. The products gain by
the whole width, a tenth where they compute and a fifth where they wait for weights (measured on
Sapphire Rapids); loops of a few operations a number gain nothing.
"""

from numba.core import types
from numba.extending import intrinsic, overload


def use_wide_vectors():
    """Let the function that calls this be compiled to vectors of 512 bits where there are any."""


@overload(use_wide_vectors, inline="always")
def _use_wide_vectors():
    return lambda: _set_vector_width()  # type: ignore[call-arg]


@intrinsic
def _set_vector_width(typing_context):
    def generate(context, builder, signature, arguments):
        # llvmlite knows no attributes of LLVM that have a value, but writes out what the set holds.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate
