"""The cache of compiled code: found again, never mixed up, and never in the way."""

import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("numba")

from fastnn.kernels.numba import compiling

DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
pytestmark = pytest.mark.skipif(DISABLED, reason="nothing is compiled")

# A small program, compiled in a process of its own: says its result, and if it was in the cache.
PROGRAM = textwrap.dedent("""
    import sys
    import numpy as np
    from fastnn.kernels.numba.compiling import program
    from fastnn.kernels.numba.exponential import exp_in_place
    exp = program(exp_in_place.py_func)
    z = np.zeros(3, sys.argv[1])
    exp(z)
    print(z.dtype, z.sum(), sum(exp.stats.cache_hits.values()))
""")


def start(dtype, folder):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, dtype],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def test_what_one_process_compiles_the_next_one_finds(tmp_path):
    assert said(start("float32", tmp_path)) == ["float32", "3.0", "0"]
    assert said(start("float32", tmp_path)) == ["float32", "3.0", "1"]


def test_processes_that_compile_at_once_do_not_spoil_it(tmp_path):
    """Numba's own index would let one signature be loaded as another."""
    dtypes = ["float32", "float64"] * 2
    for process, dtype in [(start(dtype, tmp_path), dtype) for dtype in dtypes]:
        assert said(process)[:2] == [dtype, "3.0"]
    for dtype in dtypes[:2]:
        assert said(start(dtype, tmp_path)) == [dtype, "3.0", "1"]


def double(x):
    for i in range(len(x)):
        x[i] *= 2


def doubles(program):
    x = np.ones(2)
    program(x)
    return x.tolist() == [2.0, 2.0]


def test_a_kernel_that_python_calls_is_a_program(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert doubles(compiling.kernel(double))
    assert list(tmp_path.glob("**/*.nbc"))


def test_no_folder_to_write_to_is_no_error(monkeypatch):
    def no_locator(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiling, "_FolderCache", no_locator)
    assert doubles(compiling.program(double))


def test_a_folder_that_is_full_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    program = compiling.program(double)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert doubles(program)
    assert not list(tmp_path.glob("**/*.nbc"))


def test_a_damaged_file_is_compiled_again(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert doubles(compiling.program(double))
    (file,) = tmp_path.glob("**/*.nbc")
    file.write_bytes(file.read_bytes()[:100])
    assert doubles(compiling.program(double))
    assert pickle.loads(file.read_bytes())


def test_files_of_an_older_version_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "_source_stamp", lambda: "0123456789abcdef")
    assert doubles(compiling.program(double))
    monkeypatch.setattr(compiling, "_source_stamp", lambda: "fedcba9876543210")
    assert doubles(compiling.program(double))
    (file,) = tmp_path.glob("**/*.nbc")
    assert "fedcba9876543210" in file.name
