"""How exact exp, sigmoid and tanh of the Cython backend are, over every float32 there is.

An error is counted in units in the last place of the exact value y,

    |got − y| / ulp(y),      ulp(y) = 2^(e − 23) for 2^e <= |y| < 2^(e+1),

and no less than the smallest subnormal. Subnormal numbers are zero to the kernels: where z or y is
one, y is zero too. Infinity counts as the power of two that comes after the
largest number, so that an overflow one number early or late is an error of one unit. A NaN for a
number, or a number for a NaN, is an infinite error. The exact value is NumPy's in float64, whose
own error is some 10⁻⁸ of a float32's unit.

    python bench/ulp.py                    each function on each instruction set of this machine
    python bench/ulp.py exp --isa avx2
    python bench/ulp.py --every 997        one bit pattern in 997: a second

The exit code is 1 if an error exceeds its bound.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from fastnn.backends.cython import CythonBackend, _kernels

BOUNDS = {"exp": 2.0, "sigmoid": 4.0, "tanh": 4.0}
"""The largest error allowed, in units in the last place."""

N_PATTERNS = 2**32
CHUNK = 2**14  # a chunk's temporaries in float64 stay in L2


class Worst(NamedTuple):
    """The largest error of some results: at which z, what came out and what is exact."""

    error: float
    z: float
    got: float
    exact: float


def instruction_sets() -> list[str]:
    """Return the instruction sets that run here, the widest first."""
    return list(_kernels.instruction_sets())


def backend(isa: str) -> CythonBackend:
    """Return the Cython backend as a process with this FASTNN_ISA has it."""
    before = os.environ.get("FASTNN_ISA")
    os.environ["FASTNN_ISA"] = isa
    try:
        return CythonBackend()
    finally:
        del os.environ["FASTNN_ISA"]
        if before is not None:
            os.environ["FASTNN_ISA"] = before


def activation(kernels: CythonBackend, name: str, z: np.ndarray) -> np.ndarray:
    """Return name(z) for a vector z, as a layer of one input, 1, whose weights are z."""
    out = np.empty((1, z.size), z.dtype)
    kernels.dense_forward(np.ones((1, 1), z.dtype), z[None], None, name, out)
    return out[0]


def exact(name: str, z: np.ndarray) -> np.ndarray:
    """Return name(z) as NumPy has it in the next wider type, subnormal numbers as zero."""
    smallest = np.finfo(z.dtype).smallest_normal
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # signaling NaNs, too
        wide = z.astype(np.float64 if z.dtype == np.float32 else np.longdouble)
        wide[np.abs(wide) < smallest] = 0
        y = _exact(name, wide)
    y[np.abs(y) < smallest] = 0
    return y


def _exact(name: str, wide: np.ndarray) -> np.ndarray:
    if name == "exp":
        return np.exp(wide)
    if name == "tanh":
        return np.tanh(wide)
    e = np.exp(-np.abs(wide))  # 1 / (1 + e^-z) would lose what is small below zero
    return np.where(wide < 0, e, 1) / (1 + e)


def errors(got: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance of each result from the exact y, in units in the last place of y."""
    number = np.finfo(got.dtype)
    overflow = np.ldexp(y.dtype.type(1), number.maxexp)
    got_wide, y = (np.clip(v, -overflow, overflow) for v in (got.astype(y.dtype), y))
    exponent = np.where(y == 0, number.minexp, np.frexp(y)[1] - 1)  # |y| = m · 2^e, 1 <= m < 2
    exponent = np.clip(exponent, number.minexp, number.maxexp - 1) - number.nmant
    distance = np.abs(got_wide - y) / np.ldexp(y.dtype.type(1), exponent)
    distance[np.isnan(got_wide) & np.isnan(y)] = 0
    return np.nan_to_num(distance, copy=False, nan=np.inf)


def worst(kernels: CythonBackend, name: str, z: np.ndarray) -> Worst:
    """Return where name(z) errs most."""
    got, y = activation(kernels, name, z), exact(name, z)
    distance = errors(got, y)
    i = int(np.argmax(distance))
    return Worst(float(distance[i]), float(z[i]), float(got[i]), float(y[i]))


def every_float32(every: int = 1, first: int = 0, last: int = N_PATTERNS) -> Iterator[np.ndarray]:
    """Yield the numbers whose bit patterns are first, first + every, … in chunks."""
    for begin in range(first, last, every * CHUNK):
        end = min(last, begin + every * CHUNK)
        yield np.arange(begin, end, every, dtype=np.uint64).astype(np.uint32).view(np.float32)


def worst_of_all(kernels: CythonBackend, name: str, every: int, n_threads: int) -> Worst:
    """Return where a function errs most over all float32, or a sample of them."""
    part = every * CHUNK * 64

    def worst_of_part(first: int) -> Worst:
        numbers = every_float32(every, first, min(N_PATTERNS, first + part))
        return max(worst(kernels, name, z) for z in numbers)

    with ThreadPoolExecutor(n_threads) as pool:  # NumPy and the kernels release the GIL
        return max(pool.map(worst_of_part, range(0, N_PATTERNS, part)))


def main(arguments: list[str] | None = None) -> int:
    """Print the largest error of each function on each instruction set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Any = parser.add_argument
    add("functions", nargs="*", metavar="function", help=f"of {', '.join(BOUNDS)}; default: all")
    add("--isa", nargs="+", choices=instruction_sets(), default=instruction_sets())
    add("--every", type=int, default=1, help="look at one bit pattern in so many (default: all)")
    add("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    names = options.functions or list(BOUNDS)
    if unknown := set(names) - set(BOUNDS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(BOUNDS)}")
    right = True
    n = -(-N_PATTERNS // options.every)
    for isa in options.isa:
        kernels = backend(isa)
        for name in names:
            start = perf_counter()
            found = worst_of_all(kernels, name, options.every, options.threads)
            right &= found.error <= BOUNDS[name]
            print(
                f"{isa:8} {name:7} {n:,} numbers: at most {found.error:.4f} ULP (bound "
                f"{BOUNDS[name]:g}) at {found.z:.9g} = {found.z.hex()}: {found.got:.9g}, exactly "
                f"{found.exact:.12g} [{perf_counter() - start:.0f} s]",
                flush=True,
            )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
