"""The instruction sets of the Cython backend: the one that was asked for serves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.backends import forced

kernels = pytest.importorskip("fastnn.kernels.cython._kernels")

SETS = kernels.instruction_sets()
CPUINFO = Path("/proc/cpuinfo")


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


@pytest.mark.skipif(not CPUINFO.exists(), reason="needs /proc/cpuinfo")
def test_the_instruction_sets_are_those_of_the_processor_as_the_system_sees_it():
    (flags, *_) = re.findall(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.M) or pytest.skip(
        "not x86"
    )
    flags = set(flags.split())
    avx2 = {"avx2", "fma", "bmi1", "bmi2"}
    needs = {"avx512": avx2 | {"avx512f", "avx512dq", "avx512bw", "avx512vl"}, "avx2": avx2}
    assert [name for name in needs if needs[name] <= flags] + ["baseline"] == SETS


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
@pytest.mark.parametrize("density", [0.0, 0.05, 0.15, 0.5, 1.0])
@pytest.mark.parametrize("n_out", [1, 17, 112, 130])
def test_zero_bytes_are_skipped_without_a_change_of_bits(isa, density, n_out):
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


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_in", [1, 63, 64, 65, 150])  # a word of a mask has 64 columns
def test_zero_numbers_are_skipped_and_no_others(isa, dtype, n_in):
    generator = np.random.default_rng(6)
    x = np.where(generator.random((70, n_in)) < 0.1, generator.normal(size=(70, n_in)), 0.0)
    x[3, 0], x[5, n_in - 1], x[7, n_in // 2] = np.nan, np.inf, 1e-30
    x[generator.random(x.shape) < 0.1] *= -0.0
    x = x.astype(dtype)
    weight = generator.normal(size=(n_in, 17)).astype(dtype)
    table = kernels.Kernels(isa, dtype == "float64")
    outs = []
    for rows in (x, np.vstack([x, np.full((4000, n_in), 7, dtype)])):  # the second counts as dense
        out = np.empty((len(rows), 17), dtype)
        table.dense_forward(rows, weight, None, 0, out, None)
        outs.append(out[:70])
    np.testing.assert_array_equal(*outs)


def test_an_unknown_instruction_set_is_refused(cython):
    with pytest.raises(ValueError, match="baseline"):
        forced(cython, "mmx")
