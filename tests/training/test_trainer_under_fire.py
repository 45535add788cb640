"""Trainers among interrupts, threads and forks, and over files that are cut short."""

import copy
import os
import signal
import threading
import time

import numpy as np
import pytest
from support.backends import under_test
from support.examples import same_bits
from support.trainer_calls import DELTA, UPDATES, X, Y, apply, call, checked, halves, network, value

import fastnn

N_INTERRUPTS = {"thorough": 3000, "short": 20}.get(os.environ.get("FASTNN_TEST_PROFILE"), 150)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
@pytest.mark.parametrize("update", UPDATES)
def test_interrupts_at_random_moments_leave_whole_updates(backend, update):
    """Each an update that was done or not; the next call finds no fit that never ended."""
    net, act = network(backend.name), UPDATES[update]
    trainer = net.trainer(optimizer=fastnn.Adam(0.01))
    call(trainer)
    twin, rng = copy.deepcopy(net).trainer(optimizer=fastnn.Adam(0.01)), np.random.default_rng(3)
    for _ in range(3):  # the last one tells how long it takes
        start = time.perf_counter()
        act(twin)
        act(trainer)
    seconds = max(time.perf_counter() - start, 2e-5)
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    n_interrupted = 0
    try:
        for _ in range(N_INTERRUPTS):
            n_done = net.optimizer_state.step
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 1.5 * seconds))
                try:
                    for _ in range(4):
                        act(trainer)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                n_interrupted += 1
            assert "_current_fit" not in net.__dict__
            for _ in range(net.optimizer_state.step - n_done):
                act(twin)
            assert net.optimizer_state.step == twin.network.optimizer_state.step
            assert same_bits(net.parameters, twin.network.parameters)
            assert same_bits(net.optimizer_state.slots, twin.network.optimizer_state.slots)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert n_interrupted > 2


def test_an_interrupt_in_the_middle_of_an_update_waits_for_its_end(monkeypatch):
    """Between two of the arrays that NumPy updates one after the other."""
    from fastnn.backends.reference import Reference

    net = network("numpy")
    trainer, whole = net.trainer(optimizer=fastnn.Adam(0.01)), Reference.update
    halves(trainer)
    twin = copy.deepcopy(trainer)

    def update(*arguments):
        signal.raise_signal(signal.SIGINT)
        whole(*arguments)

    for act in (halves, apply, call):
        with monkeypatch.context() as patched:
            patched.setattr(Reference, "update", update)
            with pytest.raises(KeyboardInterrupt):
                act(trainer)
        act(twin)
        assert same_bits(net.parameters, twin.network.parameters)
        assert net.optimizer_state.step == twin.network.optimizer_state.step
        assert same_bits(trainer.gradient(), twin.gradient())
        with pytest.raises(RuntimeError, match="forward"):
            trainer.backward(DELTA)


def test_threads_do_whole_steps_or_are_told_that_they_cannot(backend):
    """The same trainer, another of the same network, `fit` and `partial_fit`, all at once."""
    net = network(backend.name)
    trainers = [net.trainer(optimizer=fastnn.SGD(0.01)) for _ in range(2)]
    call(trainers[0])
    n_done, errors = [], []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(40):
            trainer = trainers[rng.integers(2)]
            act = rng.choice([call, checked, apply, value, "halves", "partial_fit", "gradient"])
            try:
                if act == "halves":
                    trainer.forward(X)
                    trainer.backward(DELTA)
                elif act == "partial_fit":
                    net.partial_fit(X, Y, batch_size=64, optimizer=fastnn.SGD(0.01))
                elif act == "gradient":
                    trainer.gradient()
                else:
                    act(trainer)
                if act not in (value, "gradient"):
                    n_done.append(1)
            except RuntimeError:
                pass
            except BaseException as error:
                errors.append(error)
                raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert net.optimizer_state.step == 1 + len(n_done)
    assert np.isfinite(net.parameters).all()
    assert "_current_fit" not in net.__dict__


def test_threads_train_one_after_the_other_or_are_refused():
    """Every call that returns has done its step, whole."""
    net = fastnn.Network((64, 512, 10), seed=1, backend="cython")
    x, y = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32), np.arange(64) % 10
    trainers, done = [net.trainer(), net.trainer()], []
    trainers[0](x, y)

    def train(trainer):
        for _ in range(100):
            try:
                trainer(x, y)
                done.append(1)
            except RuntimeError:
                pass

    threads = [threading.Thread(target=train, args=(t,)) for t in (*trainers, trainers[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert net.optimizer_state.step == 1 + len(done)
    assert np.isfinite(net.parameters).all()


def test_trainers_of_several_networks_share_the_threads():
    """Teams of threads too, which serve one call at a time: the same bits as alone."""
    under_test("cython")
    from fastnn.kernels.cython import _kernels

    def train(net):
        trainer = net.trainer(optimizer=fastnn.Adam(0.01), dropout=0.2, l2=0.01)
        for _ in range(30):
            call(trainer)
            halves(trainer)
            value(trainer)
        return net.parameters.copy()

    expected = train(network("cython"))
    before = _kernels.set_work_for_threads(1e-9, 1e-9)
    try:
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(train(network("cython"))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        _kernels.set_work_for_threads(*before)
    assert len(found) == 4
    for parameters in found:
        assert same_bits(parameters, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_between_calls_trains_alone(backend):
    """Also while another thread trains; then the child may train a copy."""
    if backend.name == "numba":
        pytest.skip("what Numba compiled is tested in a child of its own")
    net, other = network(backend.name), network(backend.name)
    trainer, busy = net.trainer(), other.trainer()
    call(trainer)
    call(busy)
    trainer.forward(X)
    stop = threading.Event()

    def train():
        while not stop.is_set():
            call(busy)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for _ in range(10):
            time.sleep(0.002)
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    trainer.backward(DELTA)
                    call(trainer)
                    try:
                        call(busy)
                    except RuntimeError:  # the thread that was training is not there
                        call(copy.deepcopy(busy))
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
    trainer.backward(DELTA)
    assert net.optimizer_state.step == 2


@pytest.mark.skipif(os.name != "posix", reason="a mapped file cannot be cut short elsewhere")
@pytest.mark.parametrize("which", ["x", "y", "sample_weight"])
def test_a_mapped_file_that_was_cut_short_is_an_error(backend, tmp_path, which):
    """Also through a plain view of the map, and not the end of the process."""
    net = fastnn.Network((6, 3), output="identity", dtype="float64", seed=1, backend=backend.name)
    rng = np.random.default_rng(0)
    rows = {"x": (2000, 6), "y": (2000, 3), "sample_weight": (2000,)}
    arrays = {name: rng.random(shape) for name, shape in rows.items()}
    path = tmp_path / "rows.npy"
    np.save(path, arrays[which])
    arrays[which] = np.asarray(np.load(path, mmap_mode="r"))
    trainer = net.trainer(max_rows=2000)
    trainer(**arrays)
    os.truncate(path, 2000)
    before = net.parameters.copy()
    for act in (trainer, trainer.value_and_gradient):
        with pytest.raises(OSError, match="truncated"):
            act(**arrays)
    assert same_bits(net.parameters, before)
