"""Which backend a call gets: the strongest word wins, and threads and tasks keep to themselves."""

import asyncio
import sys
import threading
from contextlib import nullcontext
from contextvars import copy_context
from types import SimpleNamespace

import pytest

from fastnn import backends
from fastnn.backends import (
    BackendUnavailableError,
    available_backends,
    get_backend,
    set_backend,
    use_backend,
)
from fastnn.backends.base import Backend
from fastnn.backends.reference import Reference


class Cython(Reference):
    name = "cython"


class Numba(Reference):
    name = "numba"


@pytest.fixture(autouse=True)
def fresh_switch(monkeypatch):
    """Three backends that always load, no choice made, and nothing left behind."""
    monkeypatch.delenv("FASTNN_BACKEND", raising=False)
    stand_ins = SimpleNamespace(Cython=Cython, Numba=Numba)
    monkeypatch.setitem(sys.modules, "stand_ins", stand_ins)
    monkeypatch.setitem(backends._ADAPTERS, "cython", ("stand_ins", "Cython"))
    monkeypatch.setitem(backends._ADAPTERS, "numba", ("stand_ins", "Numba"))
    backends._load.cache_clear()
    tokens = [(choice, choice.set(None)) for choice in (backends._used, backends._default)]
    yield
    for choice, token in tokens:
        choice.reset(token)
    backends._load.cache_clear()


@pytest.fixture
def without(monkeypatch):
    """Make a backend's kernels impossible to import."""

    def remove(name):
        monkeypatch.setitem(sys.modules, f"without_{name}", None)  # import raises ImportError
        monkeypatch.setitem(backends._ADAPTERS, name, (f"without_{name}", "Backend"))
        backends._load.cache_clear()

    return remove


# -- precedence -----------------------------------------------------------------------------------


def test_auto_is_cython_then_numba_then_numpy(without):
    assert get_backend().name == "cython"
    without("cython")
    assert get_backend().name == "numba"
    without("numba")
    assert get_backend().name == "numpy"


def test_the_environment_beats_auto(monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    assert get_backend().name == "numpy"


def test_an_empty_environment_variable_chooses_nothing(monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "")
    assert get_backend().name == "cython"


def test_set_backend_beats_the_environment(monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    set_backend("numba")
    assert get_backend().name == "numba"


def test_use_backend_beats_set_backend():
    set_backend("numba")
    with use_backend("numpy"):
        assert get_backend().name == "numpy"
    assert get_backend().name == "numba"


def test_the_argument_beats_use_backend():
    with use_backend("numpy"):
        assert get_backend("numba").name == "numba"


def test_the_argument_auto_asks_the_switch(monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    assert get_backend("auto").name == "numpy"
    with use_backend("numba"):
        assert get_backend("auto").name == "numba"


def test_auto_in_set_backend_overrules_the_environment(monkeypatch):
    monkeypatch.setenv("FASTNN_BACKEND", "numpy")
    set_backend("auto")
    assert get_backend().name == "cython"


def test_auto_in_use_backend_overrules_set_backend():
    set_backend("numpy")
    with use_backend("auto"):
        assert get_backend().name == "cython"


def test_use_backend_nests_and_is_left_on_an_error():
    with use_backend("numba"):
        with pytest.raises(KeyError), use_backend("numpy"):
            raise KeyError(get_backend().name)
        assert get_backend().name == "numba"
    assert get_backend().name == "cython"


def test_a_backend_is_made_once():
    assert get_backend("numba") is get_backend("numba")
    assert isinstance(get_backend("numba"), Backend)


# -- missing and unknown backends -----------------------------------------------------------------


def test_a_missing_backend_given_by_argument_is_an_error_saying_why(without):
    without("numba")
    with pytest.raises(BackendUnavailableError, match=r"'numba'.*backend=.*without_numba"):
        get_backend("numba")


def test_a_missing_backend_given_to_set_backend_changes_nothing(without):
    without("numba")
    set_backend("numpy")
    with pytest.raises(BackendUnavailableError, match="without_numba"):
        set_backend("numba")
    assert get_backend().name == "numpy"


def test_a_missing_backend_given_to_use_backend_is_an_error_at_the_door(without):
    without("numba")
    with pytest.raises(BackendUnavailableError, match="without_numba"), use_backend("numba"):
        pytest.fail("the block was entered")


def test_a_missing_backend_named_by_the_environment_is_an_error(without, monkeypatch):
    without("numba")
    monkeypatch.setenv("FASTNN_BACKEND", "numba")
    with pytest.raises(BackendUnavailableError, match=r"FASTNN_BACKEND.*without_numba"):
        get_backend()


def test_available_backends_gives_the_reasons(without):
    without("cython")
    available = available_backends()
    assert list(available) == ["cython", "numba", "numpy"]
    assert available["numba"] is None
    assert available["numpy"] is None
    assert "without_cython" in available["cython"]


def test_unknown_names_are_errors_that_list_the_known_ones(monkeypatch):
    for ask in (get_backend, set_backend, lambda name: use_backend(name).__enter__()):
        with pytest.raises(ValueError, match=r"'cython', 'numba', 'numpy', 'auto'.*'cuda'"):
            ask("cuda")
    monkeypatch.setenv("FASTNN_BACKEND", "cuda")
    with pytest.raises(ValueError, match="FASTNN_BACKEND"):
        get_backend()


def test_a_name_that_is_not_a_string_is_a_type_error():
    with pytest.raises(TypeError, match="3"):
        get_backend(3)


# -- threads and tasks ----------------------------------------------------------------------------


@pytest.mark.parametrize("setter", ["use_backend", "set_backend"])
def test_threads_do_not_see_each_others_choice(setter):
    seen, barrier = {}, threading.Barrier(2, timeout=60)

    def choose(name):
        with use_backend(name) if setter == "use_backend" else nullcontext():
            if setter == "set_backend":
                set_backend(name)
            barrier.wait()  # both have chosen
            seen[name] = get_backend().name
            barrier.wait()  # both have looked

    threads = [threading.Thread(target=choose, args=(name,)) for name in ("numpy", "numba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == {"numpy": "numpy", "numba": "numba"}
    assert get_backend().name == "cython"


def test_asyncio_tasks_do_not_see_each_others_choice():
    async def choose(name):
        with use_backend(name):
            await asyncio.sleep(0)
            first = get_backend().name
        set_backend(name)
        await asyncio.sleep(0)
        return first, get_backend().name

    async def main():
        return await asyncio.gather(choose("numpy"), choose("numba"))

    assert asyncio.run(main()) == [("numpy", "numpy"), ("numba", "numba")]
    assert get_backend().name == "cython"


def test_a_task_starts_with_the_choice_of_the_one_that_started_it():
    async def ask():
        return get_backend().name

    async def main():
        with use_backend("numpy"):
            task = asyncio.create_task(ask())
        return await task

    assert asyncio.run(main()) == "numpy"


def test_a_copied_context_keeps_its_choice_to_itself():
    copy_context().run(set_backend, "numpy")
    assert get_backend().name == "cython"
