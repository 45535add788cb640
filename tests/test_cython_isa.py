"""The instruction sets of the Cython backend: which one serves, and how exact its numbers are."""

import os
import subprocess
import sys

import numpy as np
import pytest

kernels = pytest.importorskip("fastnn.kernels.cython._kernels")

SETS = kernels.instruction_sets()
CODES = {"sigmoid": 1, "tanh": 2, "exp": 9}

# In units in the last place: what simd/exponential.h promises for float32.
BOUNDS = {"exp": 2, "sigmoid": 4, "tanh": 4}


def asked_for(isa):
    """Ask for the backend in a new process, with FASTNN_ISA set; return what it printed."""
    program = "from fastnn.backends import get_backend; print(get_backend('cython').isa)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"FASTNN_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.stderr


def activation(isa, name, z):
    """Return activation(z) as the kernels of `isa` work it out; z of one dimension."""
    out = np.empty((1, z.size), z.dtype)
    one = np.ones((1, 1), z.dtype)
    table = kernels.Kernels(isa, z.dtype == np.float64)
    table.dense_forward(one, z[None], None, CODES[name], out, None)
    return out[0]


def exact(name, z):
    """The same in the next wider type."""
    z = z.astype(np.longdouble if z.dtype == np.float64 else np.float64)
    e = np.exp(-np.abs(z))
    match name:
        case "exp":
            return np.exp(z)
        case "tanh":
            return np.tanh(z)
        case _:
            return np.where(z >= 0, 1, e) / (1 + e)


def largest_error(got, expected):
    """Return the largest distance in units in the last place of the exact values."""
    tiny = np.finfo(got.dtype).tiny
    ulp = np.spacing(np.maximum(np.abs(expected), tiny).astype(got.dtype)).astype(expected.dtype)
    return float(np.max(np.abs(got.astype(expected.dtype) - expected) / ulp))


def sample(dtype, low, high):
    """Numbers between low and high, densely around zero and densely in all."""
    near = np.logspace(-30, 0, 40_001)
    return np.concatenate([np.linspace(low, high, 400_001), near, -near]).astype(dtype)


@pytest.mark.parametrize("isa", SETS)
def test_forced_instruction_set_is_the_one_that_serves(isa):
    said, errors = asked_for(isa)
    assert said == isa, errors


@pytest.mark.parametrize("isa", ["sse9", "neon" if "avx2" in SETS else "avx512"])
def test_instruction_set_that_cannot_serve_is_an_error_that_lists_those_that_can(isa):
    if isa in SETS:
        pytest.skip(f"{isa} runs here")
    said, errors = asked_for(isa)
    assert said == ""
    assert f"FASTNN_ISA: {isa!r}" in errors
    assert ", ".join(SETS) in errors


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("name", CODES)
def test_float32_exponentials_are_within_their_bound(isa, name):
    low, high = (-87.0, 88.7) if name == "exp" else (-87.0, 87.0)
    z = sample(np.float32, low, high)
    assert largest_error(activation(isa, name, z), exact(name, z)) <= BOUNDS[name]


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("name", CODES)
def test_float64_exponentials_are_within_four_ulp(isa, name):
    z = sample(np.float64, -700.0, 700.0)
    wider = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
    bound = 4 if wider else 6  # where long double is double, the exact values err by 2 themselves
    assert largest_error(activation(isa, name, z), exact(name, z)) <= bound


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exponentials_at_the_ends(isa, dtype):
    z = np.array([np.nan, np.inf, -np.inf, 1e4, -1e4, 0.0, -0.0], dtype)
    inf, nan = np.inf, np.nan
    np.testing.assert_array_equal(activation(isa, "exp", z), [nan, inf, 0, inf, 0, 1, 1])
    np.testing.assert_array_equal(activation(isa, "sigmoid", z), [nan, 1, 0, 1, 0, 0.5, 0.5])
    np.testing.assert_array_equal(activation(isa, "tanh", z), [nan, 1, -1, 1, -1, 0, 0])


@pytest.mark.parametrize("isa", SETS)
def test_exp_goes_down_to_the_smallest_subnormal(isa):
    z = np.linspace(-104.5, -87.0, 10_001, dtype=np.float32)
    # Rounded twice below the normal numbers: one unit, which is the smallest number.
    assert np.max(np.abs(activation(isa, "exp", z) - np.exp(z.astype(np.float64)))) <= 2.0**-149


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("density", [0.0, 0.05, 0.39, 0.41, 1.0])
@pytest.mark.parametrize("n_out", [1, 17, 112, 130])
def test_zeros_are_skipped_without_a_change_of_bits(isa, density, n_out):
    # One chain of multiply-adds an output, in the order of the columns: with zeros or without.
    generator = np.random.default_rng(5)
    kept = generator.random((70, 150)) < density
    x = (generator.integers(1, 256, kept.shape) * kept).astype("u1")
    weight = generator.normal(size=(150, n_out)).astype("float32")
    table = kernels.Kernels(isa, False)
    outs = []
    for rows in (x, np.vstack([x, np.full((4000, 150), 7, "u1")])):  # the second counts as dense
        out = np.empty((len(rows), n_out), "float32")
        table.dense_forward(rows, weight, None, 0, out, None)
        outs.append(out[:70])
    np.testing.assert_array_equal(*outs)
