"""The FMA peak of this machine: what no dense kernel can pass.

A loop of ``acc ← acc · a + b`` on 12 independent vector accumulators; 12 chains cover the latency
of 4 cycles on both FMA ports (8 in flight) and fit the 16 registers of AVX2. The loop is LLVM code
compiled on the spot by llvmlite, which Numba brings; without it, a large BLAS product stands in and
the peak is called by that name.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

CHAINS = 12
BURST = 2e-3  # seconds: one sample; short beside the candidates it is interleaved with
SGEMM_SIZE = 1024
VECTOR_BITS = {"avx512f": 512, "avx2": 256, "asimd": 128}
"""Vector width that a CPU flag stands for, widest first."""


@dataclass(frozen=True)
class Peak:
    """A burst of multiply-adds: `run` does `flops` floating-point operations on all threads."""

    source: str
    run: Callable[[], object]
    flops: float


def fma_peak(threads: int, vector_bits: int) -> Peak:
    """Return a burst of about 2 ms that keeps the FMA units of `threads` cores busy."""
    try:
        burst = _compile(vector_bits // 32)
    except (ImportError, RuntimeError, OSError) as error:
        return _sgemm(f"BLAS sgemm {SGEMM_SIZE}³ (no llvmlite: {error})")
    n = 100_000
    for _ in range(3):  # the first calls also bring the core to its frequency
        start = perf_counter()
        burst(n, 0.999, 0.001)
        n = max(1000, int(n * BURST / (perf_counter() - start)))
    flops = 2.0 * (vector_bits // 32) * CHAINS * n * threads
    source = f"LLVM loop, {CHAINS} chains of {vector_bits}-bit FMA"
    if threads == 1:
        return Peak(source, lambda: burst(n, 0.999, 0.001), flops)
    pool = ThreadPoolExecutor(threads)  # ctypes releases the GIL

    def run() -> None:
        for future in [pool.submit(burst, n, 0.999, 0.001) for _ in range(threads)]:
            future.result()

    return Peak(source, run, flops)


def _sgemm(source: str) -> Peak:
    a = np.ones((SGEMM_SIZE, SGEMM_SIZE), np.float32)
    out = np.empty_like(a)
    return Peak(source, lambda: np.matmul(a, a, out=out), 2.0 * SGEMM_SIZE**3)


def _compile(lanes: int) -> Callable[..., Any]:
    """Compile ``float burst(int64 n, float a, float b)`` with `lanes` floats in a vector."""
    import llvmlite.binding as llvm

    with suppress(RuntimeError):  # newer versions initialise themselves, and say so with an error
        llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_loop(lanes)), target)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_float, ctypes.c_float)
    burst = prototype(engine.get_function_address("burst"))
    burst.engine = engine  # type: ignore[attr-defined]  # owns the machine code
    return burst


def _loop(lanes: int) -> str:
    vector = f"<{lanes} x float>"
    chains = range(CHAINS)

    def splat(name: str) -> str:
        return (
            f"%{name}0 = insertelement {vector} undef, float %{name}, i32 0\n"
            f"%{name}v = shufflevector {vector} %{name}0, {vector} undef, "
            f"<{lanes} x i32> zeroinitializer"
        )

    phis = [f"%x{i} = phi {vector} [%av, %entry], [%y{i}, %loop]" for i in chains]
    fmas = [
        f"%y{i} = call {vector} @llvm.fma.v{lanes}f32({vector} %x{i}, {vector} %av, {vector} %bv)"
        for i in chains
    ]
    sums = [f"%s{i} = fadd {vector} {f'%s{i - 1}' if i else '%av'}, %y{i}" for i in chains]
    lines = [
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
        "define float @burst(i64 %n, float %a, float %b) #0 {",
        "entry:", splat("a"), splat("b"), "br label %loop",
        "loop:", "%i = phi i64 [0, %entry], [%next, %loop]", *phis, *fmas,
        "%next = add i64 %i, 1", "%more = icmp slt i64 %next, %n",
        "br i1 %more, label %loop, label %done",
        "done:", *sums,
        f"%r = extractelement {vector} %s{CHAINS - 1}, i32 0", "ret float %r", "}",
        # else LLVM halves 512-bit vectors on processors where it prefers 256
        'attributes #0 = { "min-legal-vector-width"="512" "prefer-vector-width"="512" }',
    ]  # fmt: skip
    return "\n".join(lines)
