"""Many threads at once, each with a network of its own or all with one: the answers of one thread.

With the GIL this is a stress test; on a build of Python without it (``.ci/freethreaded``) the
threads run side by side in Python's code too. ``.ci/tsan`` runs it with every access of the
compiled kernels watched. ``FASTNN_TEST_THREADED_FITS`` says how many fits each test makes.
"""

import os
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest
from support.backends import under_test
from support.examples import same_bits

import fastnn
from fastnn.optimizers import SGD, Adam, AdamW, RMSprop

N_THREADS = 6
N_FITS = int(os.environ.get("FASTNN_TEST_THREADED_FITS") or 60)
OPTIMIZERS = (SGD(0.05), SGD(0.05, momentum=0.9), RMSprop(0.01), Adam(0.01), AdamW(0.01))
OPTIONS = (
    {}, {"dropout": 0.3}, {"l1": 1e-3, "l2": 1e-3}, {"clip_norm": 0.5}, {"max_norm": 1.0},
    {"clip_norm": 0.5, "l2": 1e-3, "dropout": 0.2, "max_norm": 1.0},
)  # fmt: skip


def together(n_threads, work):
    """Have so many threads begin work(number) at once; raise the first error of theirs."""
    gate, errors = threading.Barrier(n_threads), []

    def run(number):
        try:
            gate.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.fixture
def shared_work(backend):
    """However small the work is, teams of Cython's share it."""
    if backend.name != "cython":
        yield
        return
    from fastnn.kernels.cython import _kernels

    before = _kernels.set_work_for_threads(1e-9, 1e-9)
    yield
    _kernels.set_work_for_threads(*before)


def data(seed, n_rows=90, n_in=12):
    """Rows of one of four kinds, and three classes."""
    rng = np.random.default_rng(seed)
    x = rng.random((n_rows, n_in))
    x[rng.random(x.shape) < (0.8 if seed % 2 else 0.1)] = 0
    y = rng.integers(0, 3, n_rows)
    match seed % 4:
        case 0:
            return x.astype(np.float32), y
        case 1:
            return np.round(255 * x).astype(np.uint8), y
        case 2:
            return x, y
    sparse = pytest.importorskip("scipy.sparse")
    return sparse.csr_array(x.astype(np.float32)), y


def fitted(seed, backend, x, y):
    """A network trained for two epochs; every seed has an optimizer and options of its own."""
    net = fastnn.Network((12, (33, 9, 64)[seed % 3], 3), backend=backend, seed=seed)
    net.fit(
        x, y, epochs=2, batch_size=(16, 30, 90)[seed % 3], progress=False,
        optimizer=OPTIMIZERS[seed % len(OPTIMIZERS)], **OPTIONS[seed % len(OPTIONS)],
    )  # fmt: skip
    return net


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(3600)
def test_fits_of_many_networks_at_once_have_the_bits_of_fits_alone(backend, shared_work):
    rows = [data(i) for i in range(4)]
    rounds = -(-N_FITS // N_THREADS)
    found = {}

    def work(number):
        for i in range(rounds):
            seed = number + i * N_THREADS
            found[seed] = fitted(seed, backend.name, *rows[seed % 4]).parameters

    together(N_THREADS, work)
    assert len(found) == rounds * N_THREADS
    for seed, parameters in found.items():
        alone = fitted(seed, backend.name, *rows[seed % 4]).parameters
        assert same_bits(parameters, alone), f"seed {seed}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", range(4))
def test_many_threads_predict_with_one_network_and_one_predictor(backend, shared_work, kind):
    x, y = data(kind, n_rows=300)
    net = fastnn.Network((12, 33, 3), backend=backend.name, seed=0)
    fast = net.predictor()
    expected, measured = fast(x), net.evaluate(x, y, progress=False)

    def work(number):
        out = np.empty_like(expected)
        for _ in range(N_FITS // 2):
            assert same_bits(fast(x), expected)
            fast(x, out)
            assert same_bits(out, expected)
            assert same_bits(net.predict_proba(x, progress=False), expected)
        assert net.evaluate(x, y, progress=False) == measured
        assert same_bits(net.predictor()(x), expected)

    together(N_THREADS, work)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(3600)
def test_some_threads_train_while_others_predict_and_numbers_of_threads_change(
    backend, shared_work
):
    x, y = data(0, n_rows=200)
    net = fastnn.Network((12, 33, 3), backend=backend.name, seed=0)
    expected = net.predict_proba(x, progress=False)
    alone = {seed: fitted(seed, backend.name, x, y).parameters for seed in range(6)}

    def work(number):
        for i in range(max(1, N_FITS // 6)):
            match number % 3:
                case 0:
                    seed = (number + i) % 6
                    assert same_bits(fitted(seed, backend.name, x, y).parameters, alone[seed])
                case 1:
                    with fastnn.use_backend(backend.name):
                        got = fastnn.get_backend().name
                    assert got == backend.name
                    assert same_bits(net.predict_proba(x, progress=False), expected)
                case 2:
                    fastnn.set_num_threads(1 + i % 3)
                    assert same_bits(net.predictor()(x), expected)

    try:
        together(N_THREADS, work)
    finally:
        fastnn.set_num_threads(None)


@pytest.mark.timeout(3600)
def test_networks_of_more_architectures_than_are_remembered(backend):
    """What is compiled for an architecture is kept for the last few of them."""
    x = np.random.default_rng(0).random((5, 7), np.float32)

    def net(i):
        return fastnn.Network((7, 1 + i, 2), backend=backend.name, seed=i)

    expected = [net(i).predict_proba(x, progress=False) for i in range(100)]

    def work(number):
        for i in np.random.default_rng(number).permutation(100):
            assert same_bits(net(int(i)).predict_proba(x, progress=False), expected[i])

    together(N_THREADS, work)


FIRST_USE = """
import sys, threading
import numpy as np
import fastnn
gate, found = threading.Barrier(8), []
def work(number):
    gate.wait()
    net = fastnn.Network((4, 5, 3), seed=0, backend=sys.argv[1])
    found.append(net.predict_proba(np.eye(4, dtype=np.float32)).tobytes())
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(found), len(set(found)), getattr(sys, "_is_gil_enabled", lambda: True)())
"""


def first_use(backend, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", FIRST_USE, backend],
        capture_output=True, text=True, env=os.environ | environment,
    )  # fmt: skip


def test_many_threads_may_be_the_first_to_use_a_backend(backend):
    done = first_use(backend.name)
    assert done.stdout.split()[:2] == ["8", "1"], done.stderr


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a build of Python without GIL"
)
@pytest.mark.parametrize("name", ["numpy", "cython"])
def test_the_package_leaves_the_gil_off(name):
    under_test(name)
    done = first_use(name)  # Python warns where a module turns it on
    assert done.stdout.split() == ["8", "1", "False"], done.stderr
