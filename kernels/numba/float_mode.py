"""The thread's mode of floating-point arithmetic: whether subnormal numbers count as zero.

Each of them costs a microcode assist of a hundred cycles or more. The mode is in a control register
of the thread's own: MXCSR on x86-64, FPCR on AArch64. Elsewhere, and without the compiler, there is
none to set: `FLUSHING` is 0.
"""

import platform
from typing import Any

import numba
from numba.core import types
from numba.core.cgutils import alloca_once, ir  # type: ignore[attr-defined]
from numba.extending import intrinsic

from .compiling import program

_MACHINE = platform.machine().lower()
_X86 = _MACHINE in ("x86_64", "amd64")
_ARM = _MACHINE in ("aarch64", "arm64")

FLUSHING = 0
"""The bits of the mode that are set where subnormal numbers are zero, as operands and results."""

config: Any = numba.config  # unknown to type checkers
if not config.DISABLE_JIT:
    FLUSHING = 0x8040 if _X86 else 1 << 24 if _ARM else 0


@intrinsic
def _read_register(typing_context):
    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        if _ARM:
            kind = ir.FunctionType(word, [])
            return builder.asm(kind, "mrs $0, fpcr", "=r", [], side_effect=True)
        place = _call_x86(builder, "llvm.x86.sse.stmxcsr", None)
        return builder.zext(builder.load(place), word)

    return types.int64(), generate


@intrinsic
def _write_register(typing_context, mode):
    def generate(context, builder, signature, arguments):
        if _ARM:
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
            builder.asm(kind, "msr fpcr, $0", "r", arguments, side_effect=True)
        else:
            word = builder.trunc(arguments[0], ir.IntType(32))
            _call_x86(builder, "llvm.x86.sse.ldmxcsr", word)
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _call_x86(builder, name, word):
    """Call an instruction on the register by way of memory that holds `word`; return its place."""
    place = alloca_once(builder, ir.IntType(32))
    if word is not None:
        builder.store(word, place)
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    builder.call(function, [builder.bitcast(place, byte)])
    return place


_read: Any = _read_register  # their signatures are those of their callers
_write: Any = _write_register


@program
def _read_mode():
    return _read()


@program
def _write_mode(mode):
    _write(mode)


def _no_mode():
    return 0


def _leave_mode(mode):
    pass


# Compiled code itself, with no Python around it: a signal's exception comes after it, not instead.
float_mode: Any = _read_mode if FLUSHING else _no_mode
"""Return the calling thread's mode; 0 where there is none to set."""

set_float_mode: Any = _write_mode if FLUSHING else _leave_mode
"""Set the calling thread's mode, as `float_mode` has returned it or with `FLUSHING`."""
