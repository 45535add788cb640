"""What all tests share: the backends under test, and how hard hypothesis looks.

Every backend must be there and pass: one that cannot run here fails its tests, it does not skip
them. Left out are only Numba where the package is not installed, and what is not in
``FASTNN_TEST_BACKENDS`` where that is set: ``FASTNN_TEST_BACKENDS=numpy,numba`` is for an install
without a compiler.

``FASTNN_TEST_PROFILE=thorough`` draws many more examples, at random; the default draws the same
ones each time, and ``short`` the first few of them, for builds that run many times slower.
"""

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

from fastnn.backends import NAMES, BackendUnavailableError, get_backend

sys.path.insert(0, str(Path(__file__).parent))  # tests import strategies, bounds and parity by name
pytest.register_assert_rewrite("bounds", "c_programs", "parity", "strategies")

# Where the suite was started in the background SIGINT is ignored, here and in every child process:
# with a handler it interrupts again, here and there.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, max_examples=60
)
hypothesis.settings.register_profile("short", hypothesis.settings.get_profile("ci"), max_examples=8)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=400, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("FASTNN_TEST_PROFILE", "ci"))


def backends_under_test():
    """The names of the backends that must pass here."""
    named = os.environ.get("FASTNN_TEST_BACKENDS")
    if named:
        names = [name.strip() for name in named.split(",")]
        if unknown := set(names) - set(NAMES):
            raise pytest.UsageError(f"FASTNN_TEST_BACKENDS names {unknown}, not in {NAMES}")
        return names
    return [name for name in NAMES if name != "numba" or find_spec("numba")]


def under_test(name):
    """The backend `name`; skips a test if it is not under test, and fails it if it is missing."""
    if name not in backends_under_test():
        pytest.skip(f"{name} is not under test here (see tests/conftest.py)")
    try:
        return get_backend(name)
    except BackendUnavailableError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session", params=["numpy", "numba", "cython"])
def backend(request):
    """Each backend."""
    return under_test(request.param)


@pytest.fixture(scope="session", params=["numba", "cython"])
def compiled(request):
    """Each compiled backend."""
    return under_test(request.param)


@pytest.fixture(scope="session")
def cython():
    """The Cython backend."""
    return under_test("cython")


@pytest.fixture
def bench(monkeypatch):
    """Imports modules of bench/ by their plain names, as scripts there do."""
    folder = str(Path(__file__).parents[1] / "bench")
    monkeypatch.syspath_prepend(folder)
    yield __import__
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
