"""The cache of compiled code: found again, never mixed up, and never in the way."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from fastnn.kernels.numba import compiling

DISABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") != "0"
pytestmark = pytest.mark.skipif(DISABLED, reason="nothing is compiled")

# A small program, compiled in a process of its own: says its results, and how many were found.
PROGRAM = textwrap.dedent("""
    import sys
    import numpy as np
    from fastnn.kernels.numba.compiling import program
    from fastnn.kernels.numba.exponential import exp_in_place
    exp = program(exp_in_place.py_func)
    for dtype in sys.argv[1:]:
        z = np.zeros(3, dtype)
        exp(z)
        print(z.dtype, z.sum(), sum(exp.stats.cache_hits.values()))
""")


def start(folder, *dtypes):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *dtypes],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def test_what_processes_compile_at_once_the_next_one_finds(tmp_path):
    """Numba's own index would let one signature be loaded as another."""
    dtypes = ["float32", "float64", "float32"]
    for process, dtype in [(start(tmp_path, dtype), dtype) for dtype in dtypes]:
        assert said(process)[:2] == [dtype, "3.0"]
    assert said(start(tmp_path, *dtypes[:2])) == ["float32", "3.0", "1", "float64", "3.0", "2"]


# Forks while another thread compiles, or seems to; the child then compiles something itself.
FORK = textwrap.dedent("""
    import os, signal, threading, time
    import numpy as np
    from fastnn.kernels.numba.exponential import exp_in_place
    from numba.core.compiler_lock import global_compiler_lock

    def compile():
        with global_compiler_lock:
            compiling.set()
            time.sleep(0.5)

    compiling = threading.Event()
    threading.Thread(target=compile).start()
    compiling.wait()
    child = os.fork()
    signal.alarm(120)  # a child that waits forever is ended
    exp_in_place(np.zeros(3))
    if child == 0:
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_forked_while_another_thread_compiles_can_compile(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout == "0\n", done.stderr


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


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/none"])
def test_a_folder_that_cannot_be_is_no_error(monkeypatch, tmp_path, folder):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / folder))
    # and nowhere else: neither beside the source nor in the user's cache
    implementation = compiling.FunctionCache._impl_class
    monkeypatch.setattr(implementation, "_locator_classes", implementation._locator_classes[:1])
    program = compiling.program(double)
    assert not isinstance(program._cache, compiling._FolderCache)
    assert doubles(program)


def test_a_folder_that_is_full_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    program = compiling.program(double)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert doubles(program)
    assert not list(tmp_path.glob("**/*.nbc"))


@pytest.mark.parametrize("where", ["code", "end", "nothing left"])
def test_a_damaged_file_is_compiled_again(monkeypatch, tmp_path, where):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert doubles(compiling.program(double))
    (file,) = tmp_path.glob("**/*.nbc")
    content = bytearray(file.read_bytes())
    if where == "code":
        content[len(content) // 2] ^= 1  # one bit of a program that would be run
    else:
        del content[0 if where == "nothing left" else -100 :]
    file.write_bytes(content)
    program = compiling.program(double)
    assert doubles(program)
    assert not program.stats.cache_hits
    assert doubles(again := compiling.program(double))
    assert again.stats.cache_hits


def test_files_of_an_older_version_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "_source_stamp", lambda: "0123456789abcdef")
    assert doubles(compiling.program(double))
    (old,) = tmp_path.glob("**/*.nbc")
    python = old.name.split(".")[-4]
    elsewhere = old.with_name(f"test_numba_cache.double-1.{python}.0123456789abcdef.00.nbc")
    others = [  # another function, and another Python
        old.with_name(f"test_numba_cache.doubles-1.{python}.0123456789abcdef.00.nbc"),
        old.with_name("test_numba_cache.double-1.py20.0123456789abcdef.00.nbc"),
    ]
    for file in (elsewhere, *others):  # the function began on another line
        file.write_bytes(b"")
    monkeypatch.setattr(compiling, "_source_stamp", lambda: "fedcba9876543210")
    program = compiling.program(double)
    assert doubles(program)
    assert not program.stats.cache_hits
    left = set(tmp_path.glob("**/*.nbc")) - set(others)
    assert ["fedcba9876543210" in file.name for file in left] == [True]
    assert all(file.exists() for file in others)


def test_a_changed_source_file_is_another_version(monkeypatch, tmp_path):
    """Any of the folder's: a kernel takes in what stands in other files."""
    for path in Path(compiling.__file__).parent.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = compiling._source_stamp()
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "compiling.py"))
    assert compiling._source_stamp() == before
    changed = tmp_path / "products.py"
    changed.write_text(changed.read_text().replace("+", "-", 1))
    assert compiling._source_stamp() != before
