"""What all tests share: the backends under test, and how hard hypothesis looks.

Every backend must be there and pass: one that cannot run here fails its tests, it does not skip
them. Left out are only Numba where the package is not installed, and what is not in
``FASTNN_TEST_BACKENDS`` where that is set: ``FASTNN_TEST_BACKENDS=numpy,numba`` is for an install
without a compiler.

Of each property hypothesis draws 30 examples, the same ones each time: shapes, layouts, values and
options of a call, or a whole training. ``FASTNN_TEST_PROFILE=thorough`` draws 400, others each
time, and ``short`` the first 8 of the 30, for builds that run many times slower.
"""

import gc
import importlib
import os
import signal
import sys
from pathlib import Path

# Workers of xdist share the processors: threads of BLAS would wait for each other, at full speed.
# Before NumPy is imported, which reads it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest
from support.backends import OTHER_SETS, under_test, with_instruction_set
from support.benchmarks import BENCH
from support.clusters import dask_client, shared_cluster  # noqa: F401

SHARED = (
    *("backend_calls", "bounds", "c_programs", "parity", "programs", "strategies"),
    "trainer_calls",
)
pytest.register_assert_rewrite(*(f"support.{name}" for name in SHARED))

# Where the suite was started in the background SIGINT is ignored, here and in every child process:
# with a handler it interrupts again, here and there.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, max_examples=30
)
hypothesis.settings.register_profile(
    "short", hypothesis.settings.get_profile("default"), max_examples=8
)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=400, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("FASTNN_TEST_PROFILE", "default"))


def pytest_collection_finish(session):
    """Leave what was imported and collected, a million objects, out of garbage collections."""
    gc.collect()
    gc.freeze()


# Of a module, not the session: pytest would run all tests of one backend before those of the next,
# and what a module's tests share would be made again for each.
@pytest.fixture(scope="module", params=["numpy", "numba", "cython"])
def backend(request):
    """Each backend."""
    return under_test(request.param)


@pytest.fixture(scope="module", params=["numba", "cython"])
def compiled(request):
    """Each compiled backend."""
    return under_test(request.param)


@pytest.fixture(scope="module", params=["numba", "cython", *(f"cython {s}" for s in OTHER_SETS)])
def each_set(request):
    """Each compiled backend, Cython's with each instruction set that this processor runs."""
    name, _, instruction_set = request.param.partition(" ")
    backend = under_test(name)
    return with_instruction_set(backend, instruction_set) if instruction_set else backend


@pytest.fixture(scope="session")
def cython():
    """The Cython backend."""
    return under_test("cython")


@pytest.fixture
def bench(monkeypatch):
    """Imports modules of bench/ by their plain names, as scripts there do."""
    folder = str(BENCH)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(folder):
            del sys.modules[name]


@pytest.fixture(scope="session")
def mnist_folder():
    """The folder of MNIST's four files, which FASTNN_MNIST_DIR names."""
    named = os.environ.get("FASTNN_MNIST_DIR")
    if not named:
        pytest.skip("MNIST is not here: set FASTNN_MNIST_DIR to a folder with its four files")
    return Path(named).expanduser()
