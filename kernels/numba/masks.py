"""Bit masks of non-zeros, one bit for each of 64 numbers.

The bits are computed without branches, many at a time; a loop over the set bits then visits only
the non-zeros.
"""

from typing import Any

import numpy as np
from numba.core import types
from numba.core.cgutils import ir  # type: ignore[attr-defined]
from numba.extending import intrinsic

from .elements import alignment, config, place

BITS = 64  # of a mask


@intrinsic
def _nonzero_mask(typing_context, array, at):
    def generate(context, builder, signature, arguments):
        first = place(context, builder, array, arguments[0], arguments[1], BITS)
        kind = ir.VectorType(first.type.pointee, BITS)
        numbers = builder.load(builder.bitcast(first, kind.as_pointer()), align=alignment(array))
        zeros = ir.Constant(kind, None)
        if isinstance(kind.element, ir.IntType):
            found = builder.icmp_unsigned("!=", numbers, zeros)
        else:  # NaN counts as non-zero
            found = builder.fcmp_unordered("!=", numbers, zeros)
        return builder.bitcast(found, ir.IntType(BITS))

    return types.int64(array, at), generate


@intrinsic
def _lowest_bit(typing_context, mask):
    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))  # never called with zero

    return types.int64(mask), generate


def _python_nonzero_mask(array, at):
    return sum(1 << int(i) for i in np.flatnonzero(array[at : at + BITS]))


def _python_lowest_bit(mask):
    return (mask & -mask).bit_length() - 1


nonzero_mask: Any
lowest_bit: Any
if config.DISABLE_JIT:
    nonzero_mask, lowest_bit = _python_nonzero_mask, _python_lowest_bit
else:
    nonzero_mask, lowest_bit = _nonzero_mask, _lowest_bit
