"""How exact the exponentials of the Cython backend are, on each instruction set that runs here.

The bounds are those that simd/exponential.h promises and `bench/ulp.py` shows over all float32;
that module also says how an error is counted.
"""

import numpy as np
import pytest

pytest.importorskip("fastnn.kernels.cython._kernels")

from fastnn.bench import ulp

# Where the functions change their ways: overflow, the smallest normal and the smallest number of
# exp; the same of sigmoid; where tanh and sigmoid become 1.
EDGES = {
    "exp": {"float32": (88.72284, -87.33655, -103.97208), "float64": (709.78271, -708.39642)},
    "sigmoid": {"float32": (88.72284, -87.33655, 16.63553), "float64": (709.78271, -708.39642)},
    "tanh": {"float32": (9.01091, 43.66827), "float64": (19.06155, 354.19821)},
}

# float64 is compared with long double: 64 bits on x86, 113 on some machines. Where it is no wider
# than double, the exact values err by 2 themselves.
FLOAT64_BOUND = 4 if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else 6


@pytest.fixture(scope="module", params=ulp.instruction_sets())
def kernels(request):
    backend = ulp.backend(request.param)
    assert backend.isa == request.param
    return backend


def neighbours(z, n=2000):
    """The n floats below and the n above each number of z, and their negatives."""
    pattern = np.abs(z).view(f"i{z.itemsize}")[:, None] + np.arange(-n, n + 1)
    near = np.maximum(pattern, 0).astype(f"i{z.itemsize}").view(z.dtype).ravel()
    return np.concatenate([near, -near])


def specials(name, dtype):
    """Around the edges, zero and the smallest normal number; the largest, infinities and NaN."""
    number = np.finfo(dtype)
    near = np.array([*EDGES[name][dtype], 0, number.tiny, 1, number.max], dtype)
    with np.errstate(over="ignore"):
        return np.concatenate([neighbours(near), np.array([np.inf, -np.inf, np.nan], dtype)])


def reals(n=400_001):
    """float64 where something happens: evenly and by magnitude, of both signs."""
    small = np.logspace(-320, 0, n)
    return np.concatenate([np.linspace(-760, 760, n), small, -small, np.logspace(0, 308, 10_001)])


@pytest.mark.parametrize("name", ulp.BOUNDS)
def test_float32_is_within_the_bound_on_one_bit_pattern_in_997(kernels, name):
    assert ulp.worst_of_all(kernels, name, every=997, n_threads=1).error <= ulp.BOUNDS[name]


@pytest.mark.parametrize("name", ulp.BOUNDS)
def test_float32_is_within_the_bound_at_the_edges(kernels, name):
    assert ulp.worst(kernels, name, specials(name, "float32")).error <= ulp.BOUNDS[name]


@pytest.mark.parametrize("name", ulp.BOUNDS)
def test_float64_is_within_four_ulp(kernels, name):
    assert ulp.worst(kernels, name, reals()).error <= FLOAT64_BOUND


@pytest.mark.parametrize("name", ulp.BOUNDS)
def test_float64_is_within_four_ulp_at_the_edges(kernels, name):
    assert ulp.worst(kernels, name, specials(name, "float64")).error <= FLOAT64_BOUND


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends_are_exact(kernels, dtype):
    z = np.array([np.nan, np.inf, -np.inf, 1e4, -1e4, 0.0, -0.0], dtype)
    inf, nan = np.inf, np.nan
    for name, y in {
        "exp": [nan, inf, 0, inf, 0, 1, 1],
        "sigmoid": [nan, 1, 0, 1, 0, 0.5, 0.5],
        "tanh": [nan, 1, -1, 1, -1, 0, 0],
    }.items():
        np.testing.assert_array_equal(ulp.activation(kernels, name, z), y, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_are_counted_in_units_of_the_exact_value(dtype):
    number = np.finfo(dtype)
    wide = np.float64 if dtype == "float32" else np.longdouble
    y = np.array([1, 1, 1.5, 1, number.tiny, 0, number.max, np.inf, np.nan, 1, np.nan], wide)
    got = y.astype(dtype)
    got[1] = 1 - number.epsneg  # half a unit of 1
    got[2] = 1.5 + 3 * number.eps
    got[4:6] = number.tiny - number.smallest_subnormal, number.smallest_subnormal
    got[6:8] = np.inf, number.max
    got[9:] = np.nan, 1
    expected = [0, 0.5, 3, 0, 1, 1, 1, 1, 0, np.inf, np.inf]
    np.testing.assert_array_equal(ulp.errors(got, y), expected)
