"""Trainers among threads, forks, interrupts, and changes of their networks between calls."""

import copy
import os
import pickle
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.backends import under_test
from support.examples import same_bits

import fastnn

BACKENDS = ["numpy", "numba", "cython"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 64)
DELTA = RNG.normal(size=(64, 3)) * 0.01
N_INTERRUPTS = {"thorough": 3000, "short": 20}.get(os.environ.get("FASTNN_TEST_PROFILE"), 150)


def network(backend, sizes=(6, 32, 3)):
    return fastnn.Network(sizes, seed=1, backend=backend)


def call(trainer):
    trainer(X, Y)


def checked(trainer):
    trainer(X.tolist(), Y.tolist())


def halves(trainer):
    trainer.forward(X)
    trainer.backward(DELTA)


def apply(trainer):
    trainer.apply(np.full(trainer.network.parameters.shape, 1e-3))


def value(trainer):
    trainer.value_and_gradient(X, Y)


UPDATES = {"call": call, "checked": checked, "halves": halves, "apply": apply}


# -- interrupts -----------------------------------------------------------------------------------


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


# -- threads and forks ----------------------------------------------------------------------------


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


# -- files ----------------------------------------------------------------------------------------


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


# -- between calls --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_leaves_behind_what_forward_kept(backend, how):
    trainer = network(backend.name).trainer(optimizer=fastnn.SGD(0.1), dropout=0.5)
    trainer.forward(X)
    twin = how(trainer)
    with pytest.raises(RuntimeError, match="forward"):
        twin.backward(DELTA)
    trainer.backward(DELTA)
    assert trainer.network.optimizer_state.step == 1


@pytest.mark.parametrize("between", ["partial_fit", "trainer", "apply", "fit"])
@pytest.mark.parametrize("shares", [False, True], ids=["another optimizer", "the same"])
def test_backward_refuses_a_network_that_has_learned_since_forward(backend, between, shares):
    net, sgd = network(backend.name), fastnn.SGD(0.1)
    trainer = net.trainer(optimizer=sgd)
    call(trainer)
    trainer.forward(X)
    told = {"optimizer": sgd if shares else fastnn.SGD(0.2)}
    if between == "partial_fit":
        net.partial_fit(X, Y, batch_size=64, **told)
    elif between == "fit":
        net.fit(X, Y, epochs=1, **told)
    else:
        (call if between == "trainer" else apply)(net.trainer(**told))
    before = net.parameters.copy()
    with pytest.raises(RuntimeError, match="forward"):
        trainer.backward(DELTA)
    assert same_bits(net.parameters, before)


@pytest.mark.parametrize("step", [-1, -(2**62), 2**63 - 1, 2**63, 2**70, 1.5, "1", None])
@pytest.mark.parametrize("update", UPDATES)
def test_a_number_of_steps_that_is_none_is_refused(backend, update, step):
    net = network(backend.name)
    trainer = net.trainer()
    call(trainer)
    trainer.forward(X)
    net.optimizer_state.step = step
    before = net.parameters.copy(), net.rng.bit_generator.state
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        UPDATES[update](trainer)
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        trainer.backward(DELTA)
    assert same_bits(net.parameters, before[0])
    assert net.rng.bit_generator.state == before[1]
    net.optimizer_state.step = 1
    UPDATES[update](trainer)
    assert net.optimizer_state.step == 2


def with_slots(net, slots):
    net.optimizer_state.slots = slots


def saved(net, tmp):
    np.save(tmp / "slots.npy", net.optimizer_state.slots)
    with_slots(net, np.load(tmp / "slots.npy", mmap_mode="r"))


CHANGES = {
    "parameters": lambda net, tmp: setattr(net, "parameters", net.parameters * 0.5),
    "a weight": lambda net, tmp: net.weights[0].__setitem__((0, 0), 1.0),
    "own array": lambda net, tmp: setattr(net, "_parameters", net.parameters.copy()),
    "scale": lambda net, tmp: setattr(
        net, "architecture", replace(net.architecture, input_scale=0.5)
    ),
    "activation": lambda net, tmp: setattr(
        net,
        "architecture",
        replace(net.architecture, activations=("tanh",)),
    ),
    "wider": lambda net, tmp: setattr(
        net,
        "architecture",
        replace(net.architecture, sizes=(6, 64, 3)),
    ),
    "labels": lambda net, tmp: setattr(net, "class_labels", (0, 1, 2)),
    "forgets rows": lambda net, tmp: setattr(net, "trained_on", None),
    "slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots * 2),
    "saved slots": saved,
    "short slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots[:, :-1]),
    "fewer slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots[:1]),
    "other slots": lambda net, tmp: with_slots(net, net.optimizer_state.slots.astype("f8")),
    "no slots": lambda net, tmp: with_slots(net, None),
    "slots over parameters": lambda net, tmp: with_slots(
        net, np.broadcast_to(net.parameters, net.optimizer_state.slots.shape)
    ),
    "values of slots": lambda net, tmp: net.optimizer_state.slots.__setitem__(..., 0.25),
    "step": lambda net, tmp: setattr(net.optimizer_state, "step", 7),
    "seed of dropout": lambda net, tmp: setattr(net.optimizer_state, "dropout_seed", 7),
    "wrong seed": lambda net, tmp: setattr(net.optimizer_state, "dropout_seed", -7),
    "fit": lambda net, tmp: net.fit(X, Y, epochs=1, optimizer=fastnn.Adam(0.3)),
    "fit of another kind": lambda net, tmp: net.fit(X, Y, epochs=1, optimizer=fastnn.SGD(0.3)),
    "partial_fit": lambda net, tmp: net.partial_fit(X, Y, optimizer=fastnn.Adam(0.3)),
    "generator": lambda net, tmp: setattr(net, "rng", np.random.default_rng(9)),
}


@pytest.mark.filterwarnings("ignore")  # of updates with odd state
@pytest.mark.parametrize("backend", BACKENDS)
@given(changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3), data=st.data())
def test_what_is_replaced_between_calls_counts(backend, changes, data, tmp_path_factory):
    """As it counts for `partial_fit`: the same bits, or the same error and no change."""
    tmp = tmp_path_factory.mktemp("slots")
    optimizer, told = fastnn.Adam(0.01), {"dropout": 0.25}
    one, other = network(backend), network(backend)
    trainer = one.trainer(optimizer=optimizer, **told)
    trainer(X, Y)
    other.partial_fit(X, Y, batch_size=64, shuffle=False, optimizer=optimizer, **told)
    if data.draw(st.booleans()):
        trainer.forward(X)
    for change in changes:
        for net in (one, other):
            with suppress(AttributeError, TypeError, ValueError):  # fit, of a net that is broken
                CHANGES[change](net, tmp)
        other._held = None
        errors = []
        before = one.parameters.copy()
        for act in (
            lambda: trainer(X, Y),
            lambda: other.partial_fit(
                X, Y, batch_size=64, shuffle=False, optimizer=optimizer, **told
            ),
        ):
            try:
                act()
                errors.append(None)
            except (TypeError, ValueError) as error:
                errors.append(type(error))
        assert errors[0] == errors[1], change
        if errors[0]:
            assert same_bits(one.parameters, before)
        assert same_bits(one.parameters, other.parameters), change
        assert one.rng.bit_generator.state == other.rng.bit_generator.state


@pytest.mark.parametrize(
    "change",
    [
        lambda slots: setattr(slots, "shape", (1, slots.size)),
        lambda slots: setattr(slots, "shape", (slots.shape[1], 2)),
        lambda slots: setattr(slots.flags, "writeable", False),
    ],
    ids=["shape", "transposed shape", "read-only"],
)
@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_slots_that_were_changed_in_place_are_refused_or_used_as_they_lie(backend, change):
    net = network(backend.name)
    trainer = net.trainer()
    call(trainer)
    trainer.forward(X)
    change(net.optimizer_state.slots)
    before = net.parameters.copy()
    for act in UPDATES.values():
        try:
            act(trainer)
        except (RuntimeError, ValueError):
            assert same_bits(net.parameters, before)
        before = net.parameters.copy()
    assert np.isfinite(net.parameters).all()


def test_slots_that_lie_in_the_parameters_are_refused(backend):
    net = network(backend.name)
    trainer = net.trainer(optimizer=fastnn.SGD(0.1, momentum=0.9))
    call(trainer)
    with_slots(net, net.parameters[None])
    before = net.parameters.copy()
    for act in UPDATES.values():
        with pytest.raises(ValueError, match="share memory"):
            act(trainer)
    assert same_bits(net.parameters, before)


@pytest.mark.parametrize("call", ["train", "forward", "apply", "gradient", "value_and_gradient"])
def test_a_refused_call_leaves_the_optimizer_used_last(backend, call):
    net = network(backend.name)
    net.partial_fit(X, Y, optimizer=fastnn.SGD(0.1))
    trainer = net.trainer(optimizer=fastnn.SGD(0.7))
    wrong = X[:, :4]
    acts = {
        "train": lambda: trainer(wrong, Y), "forward": lambda: trainer.forward(wrong),
        "apply": lambda: trainer.apply(np.full(net.parameters.shape, np.nan)),
        "gradient": trainer.gradient,
        "value_and_gradient": lambda: trainer.value_and_gradient(wrong, Y),
    }  # fmt: skip
    with pytest.raises((RuntimeError, ValueError)):
        acts[call]()
    assert net._running.optimizer == fastnn.SGD(0.1)
    trainer(X, Y)
    assert net._running.optimizer == fastnn.SGD(0.7)


def test_any_number_of_rows_may_be_the_most(backend):
    trainer = network(backend.name).trainer(max_rows=2**80)
    call(trainer)
    halves(trainer)
