"""A vector type of several numbers, for the performance-critical loops.

A *line* is 64 bytes, sixteen float32 or eight float64; rows of a network's matrices are whole
lines. A vector is a few lines. The compiler distributes it over as many registers as
necessary, so that one kernel serves SSE, AVX, AVX-512 and NEON, and keeps it there across
iterations of a loop, unlike sums in an array.

    total = zeros(b, 2)                                      two lines of zeros, of b's type
    total = multiply_add(x, load(total, b, at), total)       total + x · (two lines of b, from at)
    store(total, out, to)

The vector passed to `load` determines how many lines it reads. Bounds are not checked, see
`elements`. Under NUMBA_DISABLE_JIT=1 a vector is a NumPy array.
"""

from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.core.cgutils import ir  # type: ignore[attr-defined]
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model

from .elements import alignment, config, place

LINE = 64  # bytes

HAS_WIDE_REGISTERS = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
"""Whether there are 32 registers of a whole line each; otherwise usually 16 of half a line."""


class Vector(types.Type):
    """The type of a vector of so many lines of one real type."""

    def __init__(self, real, lines):
        self.real = real
        self.lines = lines
        self.per_line = LINE * 8 // real.bitwidth
        super().__init__(name=f"Vector({real}, {lines})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    # Separate lines, not one long LLVM vector, which is split efficiently only at powers of two.
    def __init__(self, manager, kind):
        line = ir.VectorType(manager.lookup(kind.real).get_value_type(), kind.per_line)
        super().__init__(manager, kind, ir.ArrayType(line, kind.lines))


@intrinsic(prefer_literal=True)
def _zeros(typing_context, like, lines):
    kind = Vector(like.dtype, lines.literal_value)

    def generate(context, builder, signature, arguments):
        return ir.Constant(context.get_value_type(kind), None)

    return kind(like, lines), generate


@intrinsic
def _load(typing_context, like, array, at):
    def generate(context, builder, signature, arguments):
        vector = ir.Constant(arguments[0].type, ir.Undefined)
        for i, at in enumerate(_lines(context, builder, like, array, *arguments[1:])):
            line = builder.load(at, align=alignment(array))
            vector = builder.insert_value(vector, line, i)
        return vector

    return like(like, array, at), generate


@intrinsic
def _store(typing_context, vector, array, at):
    def generate(context, builder, signature, arguments):
        value = arguments[0]
        for i, at in enumerate(_lines(context, builder, vector, array, *arguments[1:])):
            builder.store(builder.extract_value(value, i), at, align=alignment(array))
        return context.get_dummy_value()

    return types.void(vector, array, at), generate


@intrinsic
def _multiply_add(typing_context, x, vector, total):
    def generate(context, builder, signature, arguments):
        x, factors, result = arguments
        line = factors.type.element
        first = builder.insert_element(ir.Constant(line, ir.Undefined), x, _int32(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), line.count), None)
        spread = builder.shuffle_vector(first, first, everywhere)
        # one instruction on processors that have it, otherwise two
        name = f"llvm.fmuladd.v{line.count}f{total.real.bitwidth}"
        kind = ir.FunctionType(line, [line, line, line])
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        for i in range(total.lines):
            terms = [spread, builder.extract_value(factors, i), builder.extract_value(result, i)]
            result = builder.insert_value(result, builder.call(function, terms), i)
        return result

    return total(total.real, vector, total), generate


def _lines(context, builder, vector, array, value, at):
    """Return pointers to the lines of a vector that begins at element `at` of `array`."""
    first = place(context, builder, array, value, at, vector.lines * vector.per_line)
    line = context.get_value_type(vector).element
    pointer = builder.bitcast(first, line.as_pointer())
    return [builder.gep(pointer, [_int32(i)]) for i in range(vector.lines)]


def _int32(n):
    return ir.Constant(ir.IntType(32), n)


def _numpy_zeros(like, lines):
    return np.zeros(lines * LINE // like.itemsize, like.dtype)


def _numpy_load(like, array, at):
    vector = array[at : at + len(like)].copy()
    if len(vector) < len(like):
        raise IndexError(f"{len(like)} elements of an array, and not all of them within it")
    return vector


def _numpy_store(vector, array, at):
    array[at : at + len(vector)] = vector


def _numpy_multiply_add(x, vector, total):
    return x * vector + total


zeros: Any
load: Any
store: Any
multiply_add: Any
if config.DISABLE_JIT:
    zeros, load, store, multiply_add = _numpy_zeros, _numpy_load, _numpy_store, _numpy_multiply_add
else:
    zeros, load, store, multiply_add = _zeros, _load, _store, _multiply_add
