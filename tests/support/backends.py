"""The backends under test."""

import os
import platform
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import fastnn
from fastnn.backends import NAMES, BackendUnavailableError, get_backend
from fastnn.system.locks import only_writer

X86 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SETS = ("baseline", "avx2", "avx512") if X86 else ("baseline", "neon")
# Beside the widest one, which is chosen unless FASTNN_ISA names the only one to test.
OTHER_SETS = () if os.environ.get("FASTNN_ISA") else INSTRUCTION_SETS


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
        backend = get_backend(name)
    except BackendUnavailableError as error:
        pytest.fail(str(error))
    if name == "numba" and "PYTEST_XDIST_TESTRUNUID" in os.environ:
        _compile_in_turn(os.environ["PYTEST_XDIST_TESTRUNUID"], os.environ["PYTEST_XDIST_WORKER"])
    return backend


@cache
def _compile_in_turn(run, worker):
    """Have workers compile for different dtypes, and find what the others have compiled.

    The first to use Numba would else compile the same programs at the same time.
    """
    dtypes = ("float32", "float64")
    for dtype in dtypes[:: 1 if worker[-1] in "02468" else -1]:
        with _alone(Path(tempfile.gettempdir(), f"fastnn-{run}-{dtype}")):
            fastnn.warmup("numba", dtype)


@contextmanager
def _alone(path):
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(only_writer(path, "the code for"))
            except BlockingIOError:
                time.sleep(0.1)
            else:
                break
        yield


def forced(cython, instruction_set):
    """The Cython backend as an environment with FASTNN_ISA has it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FASTNN_ISA", instruction_set)
        return type(cython._inside)()


def with_instruction_set(cython, instruction_set):
    """The Cython backend with an instruction set that is not the one chosen here."""
    if instruction_set == cython.isa:
        pytest.skip("tested already, as the one that is chosen")
    try:
        backend = forced(cython, instruction_set)
    except ValueError as error:
        if instruction_set == "baseline":
            raise
        pytest.skip(str(error))
    assert backend.isa == instruction_set
    return backend
