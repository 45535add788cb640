"""Workers agree, before the first task, on one way to compute."""

import logging

import pytest

from fastnn.backends import (
    _load,
    available_backends,
    get_backend,
    instruction_sets,
    use_instruction_set,
)
from fastnn.cluster.workers import Abilities, Computing, abilities, agreed
from fastnn.system.version import __version__

ALL = dict.fromkeys(("cython", "numba", "numpy"))
WIDE = ("x86_64/avx512", "x86_64/avx2", "x86_64/baseline")


def worker(sets=WIDE, *, missing=None, version=__version__, processor="x86_64 AVX512_ICL"):
    return Abilities(version, ALL | (missing or {}), tuple(sets), processor)


def test_equal_workers_use_the_widest_set(caplog):
    found = agreed({"a": worker(), "b": worker()}, "cython")
    assert found == Computing(__version__, "cython", "x86_64/avx512")
    assert not caplog.records


def test_workers_that_differ_use_the_common_set_and_say_so(caplog):
    with caplog.at_level(logging.WARNING, "fastnn.cluster"):
        found = agreed({"a": worker(), "b": worker(WIDE[1:]), "c": worker()}, "cython")
    assert found.isa == "x86_64/avx2"
    assert "2 with x86_64/avx512, 1 with x86_64/avx2" in caplog.text


def test_machines_of_different_kinds_have_no_common_set():
    arm = worker(("aarch64/neon", "aarch64/baseline"))
    with pytest.raises(RuntimeError, match="no instruction set in common"):
        agreed({"a": worker(), "b": arm}, "cython")


def test_other_backends_warn_of_different_processors(caplog):
    with caplog.at_level(logging.WARNING, "fastnn.cluster"):
        found = agreed({"a": worker(), "b": worker(processor="x86_64 AVX2")}, "numpy")
    assert found == Computing(__version__, "numpy", None)
    assert "different processors" in caplog.text


def test_auto_is_the_fastest_backend_that_all_have():
    lacking = worker(missing={"cython": "no compiler"})
    assert agreed({"a": worker(), "b": lacking}, "auto").backend == "numba"


def test_a_missing_backend_and_another_version_are_errors():
    with pytest.raises(RuntimeError, match="worker b: no compiler"):
        agreed({"a": worker(), "b": worker(missing={"cython": "no compiler"})}, "cython")
    with pytest.raises(RuntimeError, match=r"worker b has fastnn 0\.0\.1"):
        agreed({"a": worker(), "b": worker(version="0.0.1")}, "cython")


def test_computing_is_of_the_agreed_set():
    if not instruction_sets():
        pytest.skip("the cython backend is not here")
    for name in abilities().instruction_sets:
        with Computing(__version__, "cython", name).here():
            assert f"{name}".endswith(f"/{get_backend('cython').isa}")


def test_a_worker_that_joins_later_must_have_the_set():
    later = Computing(__version__, "cython", "x86_64/avx1024")
    with pytest.raises(RuntimeError, match="joined later"), later.here():
        pass
    with pytest.raises(RuntimeError, match="the client 9"), Computing("9", "numpy", None).here():
        pass


def test_instruction_sets_are_those_of_this_thread():
    sets = instruction_sets()
    if not sets:
        pytest.skip(str(available_backends()["cython"]))
    with use_instruction_set(sets[-1]):
        assert get_backend("cython").isa == sets[-1]
        with use_instruction_set(None):
            assert get_backend("cython").isa == sets[0]
    assert get_backend("cython").isa == sets[0]
    with pytest.raises(ValueError, match="instruction set"), use_instruction_set("mmx"):
        pass


def test_a_backend_is_made_once_however_it_is_asked_for():
    for name, reason in available_backends().items():
        if reason is None:
            assert get_backend(name) is _load(name, None)
    assert get_backend() is get_backend(get_backend().name)
