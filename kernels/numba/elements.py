"""Access to single elements of an array without checks.

Negative indices count from the end of an array, which compiled code has to check at each access.
These functions do not; nor do they check bounds, except under NUMBA_BOUNDSCHECK=1.
"""

from typing import Any

import numba
from numba.core import cgutils, types
from numba.core.cgutils import ir  # type: ignore[attr-defined]
from numba.core.errors import TypingError
from numba.extending import intrinsic

config: Any = numba.config  # unknown to type checkers


def place(context, builder, array, value, at, n):
    """Return a pointer to element `at` of `array`, the first of n that are read or written.

    For code generation in intrinsics: `array` is the type, `value` and `at` are LLVM values.
    """
    if array.layout != "C":
        raise TypingError(f"elements of row-major arrays only, not of {array}")
    memory = context.make_array(array)(context, builder, value)
    if config.BOUNDSCHECK:
        first, end = at, builder.add(at, ir.Constant(at.type, n))
        is_within = builder.and_(
            builder.icmp_signed(">=", first, ir.Constant(at.type, 0)),
            builder.icmp_signed("<=", end, memory.nitems),
        )
        with cgutils.if_unlikely(builder, builder.not_(is_within)):
            text = f"{n} elements of an array, and not all of them within it"
            context.call_conv.return_user_exc(builder, IndexError, (text,))
    return builder.gep(memory.data, [at])


def alignment(array):
    """Return how many bytes an element of `array` is aligned to."""
    return array.dtype.bitwidth // 8


@intrinsic
def _number(typing_context, array, at):
    def generate(context, builder, signature, arguments):
        at = place(context, builder, array, arguments[0], arguments[1], 1)
        return builder.load(at, align=alignment(array))

    return array.dtype(array, at), generate


@intrinsic
def _put(typing_context, x, array, at):
    def generate(context, builder, signature, arguments):
        value, array_value, at_value = arguments
        to = place(context, builder, array, array_value, at_value, 1)
        builder.store(value, to, align=alignment(array))
        return context.get_dummy_value()

    return types.void(array.dtype, array, at), generate


@intrinsic
def _prefetch(typing_context, array, at):
    def generate(context, builder, signature, arguments):
        memory = context.make_array(array)(context, builder, arguments[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        at = builder.bitcast(builder.gep(memory.data, [arguments[1]]), byte)
        # for reading, into the L2 rather than the L1 cache; data
        builder.call(function, [at, *(ir.Constant(number, n) for n in (0, 2, 1))])
        return context.get_dummy_value()

    return types.void(array, at), generate


def _python_number(array, at):
    return array[at]


def _python_put(x, array, at):
    array[at] = x


def _python_prefetch(array, at):
    pass


number: Any
put: Any
prefetch: Any
if config.DISABLE_JIT:
    number, put, prefetch = _python_number, _python_put, _python_prefetch
else:
    number, put, prefetch = _number, _put, _prefetch
