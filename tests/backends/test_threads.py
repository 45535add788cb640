"""How many threads fastnn may use: who is asked, in which order, and for how long it binds."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backends import under_test
from support.examples import blobs, small_network

import fastnn
from fastnn.backends import threads

VARIABLES = ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS")
QUOTA = threads._control_group_quota


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    QUOTA.cache_clear()
    fastnn.set_num_threads(None)
    yield
    fastnn.set_num_threads(None)
    QUOTA.cache_clear()


# -- precedence -----------------------------------------------------------------------------------


def test_without_a_word_it_is_the_processors_allowed(monkeypatch):
    monkeypatch.setattr(threads, "available_processors", lambda: 7)
    assert fastnn.get_num_threads() == 7


def test_openmps_variable_beats_the_processors(monkeypatch):
    monkeypatch.setattr(threads, "available_processors", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert fastnn.get_num_threads() == 3


def test_fastnns_variable_beats_openmps(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("FASTNN_NUM_THREADS", "5")
    assert fastnn.get_num_threads() == 5


def test_set_num_threads_beats_all_until_it_is_taken_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("FASTNN_NUM_THREADS", "5")
    fastnn.set_num_threads(4)
    assert fastnn.get_num_threads() == 4
    fastnn.set_num_threads(None)
    assert fastnn.get_num_threads() == 5


@pytest.mark.parametrize(("text", "n"), [("4,2", 4), (" 6 ", 6), ("", 7), ("0", 7), ("x", 7)])
def test_openmps_variable_is_read_as_openmp_reads_it(monkeypatch, text, n):
    monkeypatch.setattr(threads, "available_processors", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert fastnn.get_num_threads() == n


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", " "])
def test_a_wrong_variable_of_fastnns_own_is_an_error(monkeypatch, text):
    monkeypatch.setenv("FASTNN_NUM_THREADS", text)
    with pytest.raises(ValueError, match=r"FASTNN_NUM_THREADS must be a whole .* at least 1"):
        fastnn.get_num_threads()


def test_an_empty_variable_says_nothing(monkeypatch):
    monkeypatch.setattr(threads, "available_processors", lambda: 7)
    monkeypatch.setenv("FASTNN_NUM_THREADS", "")
    assert fastnn.get_num_threads() == 7


@pytest.mark.parametrize(
    ("n", "error", "words"),
    [
        (0, ValueError, "n_threads must be at least 1, got 0"),
        (1.0, TypeError, "n_threads must be an integer, got 1.0"),
        (True, TypeError, "n_threads must be an integer, got True"),
        ("2", TypeError, "n_threads must be an integer, got '2'"),
    ],
)
def test_a_wrong_number_is_an_error_and_changes_nothing(n, error, words):
    fastnn.set_num_threads(3)
    with pytest.raises(error, match=words):
        fastnn.set_num_threads(n)
    assert fastnn.get_num_threads() == 3


def test_more_threads_than_processors_compute_the_same(backend):
    x, y = blobs()
    nets = [small_network(backend=backend.name) for _ in range(2)]
    for net, n in zip(nets, (1, 10**9), strict=True):
        fastnn.set_num_threads(n)
        net.fit(x, y, epochs=1)
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=0, atol=1e-12)


# -- the processors allowed -----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity masks")
def test_affinity_bounds_the_processors():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import fastnn; print(fastnn.get_num_threads())"
    )
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "1\n"


V2 = "/sys/fs/cgroup/cpu.max"
V1 = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
PERIOD = "/sys/fs/cgroup/cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "n"),
    [
        ({}, 16),
        ({V2: "max 100000\n"}, 16),
        ({V2: "200000 100000\n"}, 2),
        ({V2: "250000 100000\n"}, 3),
        ({V2: "5000 100000\n"}, 1),
        ({V2: "9900000 100000\n"}, 16),
        ({V1: "-1\n", PERIOD: "100000\n"}, 16),
        ({V1: "300000\n", PERIOD: "100000\n"}, 3),
        ({V2: "", V1: "300000\n", PERIOD: "100000\n"}, 3),
        ({V1: "300000\n"}, 16),
    ],
    ids=["none", "max", "two", "two and a half", "a twentieth", "more than there are",
         "v1 unlimited", "v1 three", "v2 empty, v1 three", "v1 without a period"],
)  # fmt: skip
def test_a_control_groups_quota_bounds_the_processors(monkeypatch, files, n):
    def read_text(path):
        try:
            return files[str(path)]
        except KeyError:
            raise FileNotFoundError(path) from None

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert threads.available_processors() == n


def test_without_affinity_it_is_the_machines_processors(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads, "_control_group_quota", lambda: 1 << 30)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert threads.available_processors() == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads.available_processors() == 1


# -- NumPy's BLAS ---------------------------------------------------------------------------------


@pytest.fixture
def blas_threads():
    """A function: how many threads NumPy's BLAS uses now, which is not 1 to begin with."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
    if not controller.lib_controllers:
        pytest.skip("no BLAS that threadpoolctl knows")
    threads._blas_beside.cache_clear()  # another library may have been loaded meanwhile
    with controller.limit(limits=2):
        yield lambda: max(library["num_threads"] for library in controller.info())


def seen_while_computing(blas_threads, monkeypatch):
    """The threads of BLAS while a network trains, predicts and evaluates."""
    from fastnn.backends.reference import Reference

    seen = []

    class Watched(Reference):
        def dense_forward(self, *arguments):
            seen.append(blas_threads())
            super().dense_forward(*arguments)

    monkeypatch.setattr("fastnn.network.get_backend", lambda name: Watched())
    net, (x, y) = small_network(), blobs()
    for compute in (
        lambda: net.fit(x, y, epochs=1),
        lambda: net.partial_fit(x, y),
        lambda: net.predict(x),
        lambda: net.predict_proba(x),
        lambda: net.evaluate(x, y),
    ):
        before = len(seen)
        compute()
        assert len(seen) > before
    return set(seen)


@pytest.fixture
def large_products(monkeypatch):
    """All products count as large enough for several threads."""
    monkeypatch.setattr(threads, "BLAS_SHARES_FROM", 0.0)


def test_blas_is_limited_while_fastnn_computes_and_only_then(
    blas_threads, monkeypatch, large_products
):
    fastnn.set_num_threads(1)
    assert seen_while_computing(blas_threads, monkeypatch) == {1}
    assert blas_threads() == 2


def test_the_limit_ends_with_an_error_too(blas_threads):
    fastnn.set_num_threads(1)

    def fail(*_):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        small_network().fit(*blobs(), callbacks=fail)
    assert blas_threads() == 2


def test_large_products_are_left_alone_if_no_number_was_asked_for(
    blas_threads, monkeypatch, large_products
):
    assert seen_while_computing(blas_threads, monkeypatch) == {2}


@pytest.mark.parametrize("asked", [None, 1, 2])
def test_small_products_are_not_shared(blas_threads, monkeypatch, asked):
    fastnn.set_num_threads(asked)
    assert seen_while_computing(blas_threads, monkeypatch) == {1}
    assert blas_threads() == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it is brought back
@given(st.permutations([0, 1, 2, 0, 1, 2]))
def test_blocks_that_overlap_bring_back_the_number_before(blas_threads, order):
    blocks = [threads.blas_limited(True, 1.0) for _ in range(3)]
    began = set()
    for i in order:  # each begins at its first turn and ends at its second, in any order
        if i in began:
            began.remove(i)
            blocks[i].__exit__(None, None, None)
        else:
            began.add(i)
            blocks[i].__enter__()
        assert blas_threads() == (1 if began else 2)


LATER = """
import sys
from threadpoolctl import threadpool_info
from fastnn.backends import threads

def numbers():
    return {i["filepath"]: i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}

alone = numbers()
early = threads.blas_limited(True, 1.0)
early.__enter__()
assert "scipy.linalg.cython_blas" not in sys.modules
import scipy.linalg.cython_blas
before = {**numbers(), **alone}
late = threads.blas_limited(True, 1.0)
late.__enter__()
assert set(numbers().values()) == {1}, numbers()
for block in FIRST_TO_END:
    assert set(numbers().values()) == {1}, numbers()
    block.__exit__(None, None, None)
assert numbers() == before, (numbers(), before)
"""


@pytest.mark.parametrize("order", ["early, late", "late, early"])
def test_a_blas_that_is_loaded_later_is_limited_too(order):
    pytest.importorskip("threadpoolctl")
    pytest.importorskip("scipy")
    code = LATER.replace("FIRST_TO_END", f"({order})")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_without_threadpoolctl_all_works_with_a_word(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    threads._blas_beside.cache_clear()
    try:
        fastnn.set_num_threads(1)
        with pytest.warns(RuntimeWarning, match="install threadpoolctl"):
            assert small_network().fit(*blobs(), epochs=1).n_epochs == 1
    finally:
        threads._blas_beside.cache_clear()


# -- threadpoolctl --------------------------------------------------------------------------------


def test_threadpoolctl_sees_and_limits_the_compiled_threads():
    under_test("cython")
    threadpoolctl = pytest.importorskip("threadpoolctl")
    fastnn.set_num_threads(3)
    (ours,) = (i for i in threadpoolctl.threadpool_info() if i["user_api"] == "fastnn")
    assert (ours["num_threads"], ours["version"]) == (3, fastnn.__version__)
    with threadpoolctl.threadpool_limits(1):
        assert fastnn.get_num_threads() == 1
    assert fastnn.get_num_threads() == 3
