"""Programs of the Cython backend by several threads: the same bits, whoever computes them."""

import os
import signal
import sys
import threading
import time
from contextvars import copy_context

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies as draw
from support.backends import under_test
from support.problems import X_DTYPES, inputs, networks, problems
from support.processes import run_python
from support.programs import parameters
from support.team_work import Work

import fastnn
from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.steps import Taken
from fastnn.optimizers import Adam, OptimizerState

TEAMS = (2, 3, 7)
N_INTERRUPTS = 300 if os.environ.get("FASTNN_TEST_PROFILE") == "thorough" else 20


@pytest.fixture(scope="module")
def teams():
    """Backends by the number of threads that share each program, however small it is."""
    under_test("cython")
    from fastnn.kernels.cython import _kernels

    from fastnn.backends.cython import CythonBackend

    before = _kernels.set_work_for_threads(1e-9, 1e-9)
    yield {n: CythonBackend(lambda n=n: n) for n in (1, *TEAMS)}
    _kernels.set_work_for_threads(*before)


# -- bits -----------------------------------------------------------------------------------------


def assert_same_bits(got, expected, what):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.tobytes() == expected.tobytes(), f"{what}: {got} is not {expected} to the bit"


@given(problem=st.one_of(problems("float32"), problems("float64")))
def test_training_has_the_same_bits_for_a_team_of_any_size(teams, problem):
    alone = problem.train(teams[1])
    for n in TEAMS:
        for got, expected, what in zip(
            problem.train(teams[n]), alone, ("parameters", "state", "results"), strict=True
        ):
            assert_same_bits(got, expected, f"{what} by {n} threads")


@given(problem=problems("float32"))
def test_a_team_that_is_dismissed_leaves_the_same_bits(teams, problem):
    from fastnn.kernels.cython import _kernels

    before = _kernels.set_patience(-1.0, 0.0)
    try:
        for got, expected in zip(problem.train(teams[3]), problem.train(teams[1]), strict=True):
            assert_same_bits(got, expected, "after the first step alone")
    finally:
        _kernels.set_patience(*before)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_members_of_unequal_speed_train_to_the_same_bits(teams, n_threads):
    # Gradients of many blocks, and a first member with fewer columns than the last: it is done with
    # a step while others are in the middle of theirs.
    from fastnn.kernels.cython import _kernels

    rng = np.random.default_rng(3)
    architecture = Architecture((784, 528, 10), ("relu",))
    x = rng.normal(size=(200, 784)).astype("float32")
    y, order = rng.integers(0, 10, 200), rng.permutation(200)
    start = parameters(rng, architecture)
    options = TrainingOptions(Adam(0.01), batch_size=20)

    def train(backend):
        params, state = start.copy(), OptimizerState(np.zeros((2, len(start)), "float32"))
        for _ in range(3):
            backend.train_epoch(architecture, params, state, x, y, order, options)
        return params

    alone = train(teams[1])
    before = _kernels.set_patience(1e9, 1e9)  # nobody is dismissed
    try:
        for _ in range(5):
            assert_same_bits(train(teams[n_threads]), alone, f"by {n_threads} threads")
    finally:
        _kernels.set_patience(*before)


@given(
    draw.seeds, networks(), st.sampled_from([1, 2, 40, 300]), st.sampled_from(X_DTYPES),
    draw.layouts, draw.densities,
)  # fmt: skip
def test_prediction_has_the_same_bits_for_a_team_of_any_size(
    teams, seed, architecture, n_rows, x_dtype, layout, density
):
    rng = np.random.default_rng(seed)
    x = inputs(rng, n_rows, architecture.n_in, x_dtype, layout, density)
    params = parameters(rng, architecture)
    out = {n: np.full((n_rows, architecture.n_out), -1.0, architecture.dtype) for n in teams}
    for n, backend in teams.items():
        backend.predict(architecture, params, x, out[n])
        assert_same_bits(out[n], out[1], f"predict by {n} threads")
        assert_same_bits(
            backend.predictor(architecture, params)(x), out[1], f"predictor by {n} threads"
        )


# -- company --------------------------------------------------------------------------------------


def test_several_callers_at_once_disturb_nobody(teams):
    work, results = Work(), {}

    def train(caller):
        results[caller] = work.train(teams[2], epochs=3)

    callers = [threading.Thread(target=train, args=(i,)) for i in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    expected = work.train(teams[1], epochs=3)
    assert sorted(results) == [0, 1, 2, 3]
    for params in results.values():
        assert_same_bits(params, expected, "one of four trainings at once")


def test_the_threads_are_kept_and_sleep_between_calls(teams):
    from fastnn.kernels.cython import _kernels

    work = Work()
    work.train(teams[3])
    n_helpers, taken = _kernels.pool_state()
    work.train(teams[3])
    assert _kernels.pool_state() == (n_helpers, taken)
    assert n_helpers >= 2
    assert not taken
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.15


def test_where_no_thread_can_be_started_one_does_the_work():
    under_test("cython")
    done = run_program("""
def refuse(*_):
    raise RuntimeError("can't start new thread")
start, _kernels.start_new_thread = _kernels.start_new_thread, refuse
expected = work.train(CythonBackend(lambda: 1)).tobytes()
assert work.train(backend).tobytes() == expected
assert _kernels.pool_state() == (0, False)
_kernels.start_new_thread = start
assert work.train(backend).tobytes() == expected
assert _kernels.pool_state() == (1, False)
print("done")
""")
    assert done.stdout == "done\n", done.stderr


def test_an_exception_at_any_line_of_python_leaves_the_pool_whole(teams):
    """As a signal's handler may raise one, in any line of fastnn's that runs in a fit."""
    from fastnn.kernels.cython import _kernels

    rng = np.random.default_rng(0)
    x, y = rng.random((60, 20), np.float32), rng.integers(0, 3, 60)
    folder = os.path.dirname(fastnn.__file__)

    def fit():
        net = fastnn.Network((20, 16, 3), backend="cython", seed=0)
        net.fit(x, y, epochs=1, progress=False)
        return net.predict_proba(x, progress=False)

    with fastnn.backends.threads.threads_limited(2):
        expected = fit()
        n_helpers = _kernels.pool_state()[0]
        for line in range(0, 10_000, 7):
            left, raised = line, False

            def trace(frame, event, argument):
                nonlocal left, raised
                if not frame.f_code.co_filename.startswith(folder):
                    return None
                if event == "line" and not raised:
                    left -= 1
                    if left < 0:
                        raised = True
                        raise ZeroDivisionError
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                copy_context().run(fit)  # whose variables are not put back at every line
            except ZeroDivisionError:
                pass
            finally:
                sys.settrace(before)
            assert _kernels.pool_state() == (n_helpers, False), f"at line {line}"
            if not raised:
                break
        assert line > 100
        assert_same_bits(fit(), expected, "after many exceptions")


# -- processes ------------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
from fastnn.kernels.cython import _kernels
from fastnn.backends.cython import CythonBackend
from support.team_work import Work
_kernels.set_work_for_threads(1e-9, 1e-9)
backend, work = CythonBackend(lambda: 2), Work()
"""


def run_program(code, **options):
    return run_python(PROGRAM + code, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_threads_of_its_own():
    under_test("cython")
    done = run_program("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process with threads
before = work.train(backend)
child = os.fork()
if child == 0:
    same = work.train(backend).tobytes() == before.tobytes()
    os._exit(0 if same and _kernels.pool_state() == (1, False) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert work.train(backend).tobytes() == before.tobytes()
print("done")
""")
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_an_interrupt_ends_a_shared_pass_between_two_steps():
    under_test("cython")
    done = run_program("""
from fastnn.optimizers import SGD, Adam, OptimizerState
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.steps import Taken
signal.signal(signal.SIGALRM, signal.default_int_handler)
seconds, n_passes = 0.1, 300
for attempt in range(12):  # until it comes in the middle, whatever else the machine does
    params = work.start.copy()
    state = OptimizerState(np.empty((0, len(params)), params.dtype))
    order = np.tile(work.order, n_passes)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        backend.train_epoch(work.architecture, params, state, work.x, work.y, order,
                            TrainingOptions(SGD(0.01), 50))
        time.sleep(10 * seconds)
    except KeyboardInterrupt:
        pass
    n = state.step
    if 0 < n < len(order) // 50:
        break
    seconds, n_passes = (2 * seconds, n_passes) if n == 0 else (seconds, 2 * n_passes)
again = work.start.copy()
fresh = OptimizerState(np.empty((0, len(params)), params.dtype))
CythonBackend(lambda: 1).train_epoch(work.architecture, again, fresh, work.x, work.y,
                                     order[: n * 50], TrainingOptions(SGD(0.01), 50))
assert 0 < n < len(order) // 50 and fresh.step == n
assert again.tobytes() == params.tobytes()
work.train(backend)  # and the threads are still of use
print("done")
""")
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
@pytest.mark.parametrize("task", ["train", "predict"])
def test_interrupts_at_random_moments_leave_the_pool_whole(task):
    """In passes of some microseconds, each in a process with a pool that it has just begun."""
    under_test("cython")
    done = run_program(f"""
import random, warnings
from fastnn.architecture import Architecture
warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process with threads
signal.signal(signal.SIGALRM, signal.default_int_handler)
architecture = Architecture((200, 128, 10), ("tanh",))
out = np.empty((2000, 10), np.float32)
work.order = work.order[:100]
def run():
    if {task!r} == "train":
        return work.train(backend).tobytes()
    backend.predict(architecture, work.start, work.x, out)
    return out.tobytes()
expected = run()
for seed in range({N_INTERRUPTS}):
    child = os.fork()
    if child == 0:
        signal.alarm(0)
        seconds = random.Random(seed).uniform(1e-5, 1e-2)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            while True:
                run()
        except KeyboardInterrupt:
            pass
        whole = _kernels.pool_state()[1] is False and run() == expected
        whole = whole and _kernels.pool_state() == (1, False)
        sys.stdout.flush()
        sys.exit(0 if whole else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seed
print("done")
""")
    assert done.stdout == "done\n", done.stderr


def test_python_exits_while_threads_wait():
    under_test("cython")
    done = run_program("work.train(backend); print('done')")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


# -- whether a team pays --------------------------------------------------------------------------


@pytest.fixture
def handicapped():
    """All threads but the first lose 4 ms at each barrier: no team can pay."""
    from fastnn.kernels.cython import _kernels

    before, work = _kernels.set_handicap(0.004), _kernels.set_work_for_threads(1e-9, 1e-9, True)
    yield
    _kernels.set_handicap(before)
    _kernels.set_work_for_threads(*work)


def pace_of(kind, program):
    """Return what was found of the one kind of work that was done."""
    (found,) = [pace for pace in program.paces() if pace[0] == kind]
    return found


@pytest.mark.parametrize("n_threads", [2, 3])
def test_a_slow_team_is_sent_home_and_the_bits_are_the_same(teams, handicapped, n_threads):
    rng = np.random.default_rng(n_threads)
    architecture = Architecture((30, 40 + n_threads, 5), ("relu",))  # a program of its own
    x = rng.normal(size=(2000, 30)).astype("float32")
    y, order = rng.integers(0, 5, 2000), rng.permutation(2000)
    start = parameters(rng, architecture)
    options = TrainingOptions(Adam(0.01), batch_size=20)
    results = {}
    for n in (1, n_threads):
        params, state = start.copy(), OptimizerState(np.zeros((2, len(start)), "float32"))
        for _ in range(20):  # trials take milliseconds
            teams[n].train_epoch(architecture, params, state, x, y, order, options)
        out = np.empty((2000, 5), "float32")
        for _ in range(200):
            teams[n].predict(architecture, params, x, out)
        results[n] = params.tobytes(), out.tobytes(), state.slots.tobytes()
    assert results[n_threads] == results[1]
    program = teams[n_threads]._program(architecture)
    for kind in ("training", "prediction"):
        _, team, _, is_team, alone, together = pace_of(kind, program)
        assert team == n_threads
        assert 0 < alone < together, f"{kind}: {alone} s alone, {together} s by the team"
        assert not is_team


def test_steps_are_taken_alone_where_a_team_is_slow(teams, handicapped):
    rng = np.random.default_rng(0)
    architecture = Architecture((30, 47, 5), ("relu",))
    x, y = rng.normal(size=(64, 30)).astype("float32"), rng.integers(0, 5, 64)
    start = parameters(rng, architecture)
    options = TrainingOptions(Adam(0.01), batch_size=64)
    after = {}
    for n in (1, 2):
        params, state = start.copy(), OptimizerState(np.zeros((2, len(start)), "float32"))
        step = teams[n].steps(
            architecture, params, state, options, Taken(0, False, False, 0.0, 0.0)
        )
        for _ in range(300):
            step.train(x, y, None, True)
        after[n] = params.tobytes()
    assert after[1] == after[2]
    _, _, _, is_team, alone, together = pace_of("step", teams[2]._program(architecture))
    assert 0 < alone < together
    assert not is_team
