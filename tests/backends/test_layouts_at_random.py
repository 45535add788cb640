"""Arrays of any kind and layout, thousands of them: the right answer, or an error in words.

``FASTNN_TEST_LAYOUTS=10000`` says how many for each backend. ``.ci/sanitize --long`` draws as many
under AddressSanitizer, where a read or a write outside of an array ends the test.
"""

import os
import sys
import threading
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import sparse
from support.backend_calls import METHODS, is_written, results, right_call
from support.random_layouts import inputs, laid_out, outputs

import fastnn
from fastnn.backends import get_backend
from fastnn.optimizers import SGD, Adam, OptimizerState, RMSprop

PROFILE = os.environ.get("FASTNN_TEST_PROFILE", "default")
N_LAYOUTS = int(
    os.environ.get("FASTNN_TEST_LAYOUTS") or {"short": 60, "thorough": 10_000}.get(PROFILE, 250)
)
# Of a large epsilon: a small one magnifies the rounding of a gradient that should be zero.
OPTIMIZERS = (SGD(0.1), SGD(0.1, momentum=0.9), RMSprop(0.01, epsilon=0.01), Adam(epsilon=0.01))


def outcome(call):
    """What a call returns, or the error in words that it raises."""
    try:
        return call(), None
    except (TypeError, ValueError) as error:
        return None, str(error) or pytest.fail("an error without a word")


def say(capsys, counts):
    """Print what was drawn where somebody asked for so many."""
    if N_LAYOUTS >= 1000:
        with capsys.disabled():
            print(f"\n{sum(counts.values())} layouts:", *(f"{n} {c}" for c, n in counts.items()))


# -- networks -------------------------------------------------------------------------------------


def twins(rng, name):
    """A network on a backend, and the same on the reference."""
    sizes = [int(n) for n in rng.integers(1, 20, int(rng.integers(2, 5)))]
    options = {
        "activation": str(rng.choice(["relu", "tanh", "gelu"])),
        "output": str(rng.choice(["softmax", "sigmoid", "identity"])),
        "dtype": str(rng.choice(["float64", "float64", "float32"])),
        "seed": int(rng.integers(1 << 30)),
        "input_scale": 1 / 255,
    }
    return [fastnn.Network(sizes, backend=each, **options) for each in (name, "numpy")]


def targets(rng, network, n_rows):
    """Labels or targets of the network's rows, and the same in another layout."""
    n_out = network.architecture.n_out
    if network.architecture.output == "softmax":
        y = rng.integers(0, n_out, n_rows)
        if rng.random() < 0.1 and n_rows:
            y[rng.integers(n_rows)] = rng.choice([-1, n_out, 2**40, -(2**63)])
    else:
        y = rng.random((n_rows, n_out))
        if network.architecture.output == "sigmoid":
            y = np.round(y)
    return y, laid_out(rng, y)


def uses(rng, network, reference, n_rows):
    """A call of the network on rows, and the same of the reference, which goes through its rows."""
    y, odd_y = targets(rng, network, n_rows)
    w = rng.random(n_rows) if rng.random() < 0.5 else None
    odd_w = None if w is None else laid_out(rng, w)
    how = {"optimizer": OPTIMIZERS[rng.integers(4)], "batch_size": int(rng.integers(1, 30))}
    epochs = {"epochs": 2, "progress": False, "shuffle": bool(rng.random() < 0.5)}

    def learned(net, learn):
        learn()
        return net.parameters.copy()

    def pair(call):
        return lambda x: call(network, x, odd_y, odd_w), lambda x: call(reference, x, y, w)

    calls = {
        "predictor": pair(lambda net, x, y, w: net.predictor()(x)),
        "predict_proba": pair(lambda net, x, y, w: net.predict_proba(x, progress=False)),
        "evaluate": pair(
            # Not the accuracy: of two classes that are nearly one, either may win.
            lambda net, x, y, w: net.evaluate(x, y, sample_weight=w, progress=False)["loss"]
        ),
        "partial_fit": pair(
            lambda net, x, y, w: learned(net, lambda: net.partial_fit(x, y, sample_weight=w, **how))
        ),
        "fit": pair(
            lambda net, x, y, w: learned(
                net, lambda: net.fit(x, y, sample_weight=w, **how, **epochs)
            )
        ),
    }
    name = str(rng.choice(sorted(calls)))
    return name, *calls[name]


@pytest.mark.filterwarnings("ignore")  # of fits that diverge, and losses that are none
@pytest.mark.timeout(7200)
def test_rows_of_any_layout_give_the_references_answer_or_an_error_in_words(backend, capsys):
    counts = Counter()
    for seed in range(N_LAYOUTS):
        rng = np.random.default_rng([seed, 7])
        network, reference = twins(rng, backend.name)
        n_rows = int(rng.choice([0, 1, 2, 5, 40, 200], p=[0.05, 0.2, 0.15, 0.3, 0.2, 0.1]))
        x = inputs(rng, (n_rows, network.architecture.n_in))
        name, call, expected_of = uses(rng, network, reference, n_rows)
        got, refused = outcome(lambda call=call, x=x: call(x.handed))
        what = f"seed {seed}: {name} of {x.kind}: {refused}"
        counts[check_answer(what, got, refused, expected_of, x, network)] += 1
    say(capsys, counts)
    assert counts["right"] > 0.5 * N_LAYOUTS
    assert counts["refused"] > 0.1 * N_LAYOUTS


def check_answer(what, got, refused, expected_of, x, network):
    """Compare with what the reference makes of the same numbers side by side."""
    if x.stands_for is None:
        assert refused, what
        return "refused"
    expected, wrong = outcome(lambda: expected_of(np.array(x.stands_for, order="C")))
    if refused:
        assert wrong or not x.is_taken, what
        return "refused"
    assert not wrong, f"{what}: the reference says {wrong}"
    single = network.architecture.dtype == "float32"
    bound = {"rtol": 2e-3, "atol": 2e-3} if single else {"rtol": 1e-6, "atol": 1e-7}
    if np.isfinite(expected).all():  # else the fit diverged
        np.testing.assert_allclose(got, expected, **bound, err_msg=what)
    return "right"


@pytest.mark.filterwarnings("ignore")  # SciPy's, of formats that suit a matrix badly
@pytest.mark.timeout(7200)
def test_an_output_of_any_layout_is_written_right_or_refused(backend, capsys):
    counts = Counter()
    for seed in range(N_LAYOUTS // 4):
        rng = np.random.default_rng([seed, 8])
        network, _ = twins(rng, backend.name)
        a, n_rows = network.architecture, int(rng.choice([1, 2, 30, 300]))
        x = inputs(rng, (n_rows, a.n_in))
        fast = network.predictor()
        expected, wrong = outcome(lambda fast=fast, x=x: np.array(fast(x.handed)))
        out, is_right = outputs(rng, (n_rows, a.n_out), a.dtype, x.handed)
        got, refused = outcome(lambda fast=fast, x=x, out=out: fast(x.handed, out))
        what = f"seed {seed}: {x.kind}: {refused}"
        if refused:
            assert wrong or not is_right, what
        else:
            assert not wrong, what
            assert got is out, what
            np.testing.assert_array_equal(np.asarray(out), expected, err_msg=what)
        counts["refused" if refused else "right"] += 1
    say(capsys, counts)
    assert min(counts["right"], counts["refused"]) > 0.1 * (N_LAYOUTS // 4)


# -- kernels and programs -------------------------------------------------------------------------


def laid_out_call(rng, call):
    """Bring the arguments of a right call to other layouts."""
    for name, value in call.arguments.items():
        if isinstance(value, OptimizerState):
            call.arguments[name] = OptimizerState(value.slots.copy(), value.step)
        elif sparse.issparse(value):
            own = value.copy()
            for part in ("data", "indices", "indptr"):
                setattr(own, part, laid_out(rng, getattr(own, part)))
            call.arguments[name] = own
        elif isinstance(value, np.ndarray):
            odd = laid_out(rng, value)
            if is_written(call.method, name) and rng.random() < 0.9:
                odd = np.array(odd, value.dtype, order=str(rng.choice(["C", "F"])))
            call.arguments[name] = odd


@pytest.mark.timeout(7200)
def test_arguments_of_any_layout_give_the_references_answer_or_an_error_in_words(backend, capsys):
    counts, reference = Counter(), get_backend("numpy")
    for seed in range(N_LAYOUTS // 2):
        rng = np.random.default_rng([seed, 9])
        what = (
            METHODS[seed % len(METHODS)], "float64", bool(rng.random() < 0.4),
            str(rng.choice(["softmax", "sigmoid", "identity"])),
        )  # fmt: skip
        call, plain = (right_call(np.random.default_rng(seed), *what) for _ in range(2))
        laid_out_call(rng, call)
        returned, refused = outcome(lambda call=call: call.of(backend))
        counts["refused" if refused else "right"] += 1
        if refused:
            assert "must" in refused, f"seed {seed}: {what}: {refused}"
            continue
        expected = results(plain, plain.of(reference))
        for mine, theirs in zip(results(call, returned), expected, strict=True):
            np.testing.assert_allclose(
                mine, theirs, rtol=1e-6, atol=1e-7, err_msg=f"seed {seed}: {what}"
            )
    say(capsys, counts)
    assert min(counts["right"], counts["refused"]) > 0.1 * (N_LAYOUTS // 2)


# -- what another thread does meanwhile -----------------------------------------------------------

N_ROWS, N_IN, N_CLASSES = 300, 40, 5


@contextmanager
def another_thread(meddle):
    """Have another thread do something over and over, as often as it gets a turn."""
    done = threading.Event()

    def work():
        while not done.is_set():
            meddle()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)


def writes(rng, values, wrong):
    """Return a function that makes some numbers wrong, and then right again."""
    right = values.copy()

    def meddle():
        values[rng.integers(len(values), size=3)] = rng.choice(wrong)
        values[...] = right

    return meddle


def meddling(rng, x, labels):
    """What a thread does to rows or labels: a name, the function, and what brings all back."""
    kinds = ["labels", "numbers", "shape"]
    if sparse.issparse(x):
        kinds = ["labels", "numbers", "indices", "indptr", "indices", "indptr", "arrays"]
    kind = str(rng.choice(kinds))
    big = [-1, -(2**31), 2**31 - 1]
    match kind:
        case "labels":
            return kind, writes(rng, labels, [-1, N_CLASSES, 2**62, -(2**62)])
        case "numbers":
            return kind, writes(rng, x.data if sparse.issparse(x) else x, [0, 1, 3])
        case "indices":
            return kind, writes(rng, x.indices, [N_IN, *big])
        case "indptr":
            return kind, writes(rng, x.indptr, [0, x.nnz, x.nnz + 1, *big])
        case "arrays":

            def replace():
                for name in ("indices", "data", "indptr"):
                    setattr(x, name, getattr(x, name).copy())

            return kind, replace
    shapes = [(N_IN, N_ROWS), (N_ROWS // 2, 2 * N_IN), (N_ROWS * N_IN,), (N_ROWS, N_IN)]

    def reshape():
        for shape in shapes:
            x.shape = shape

    return kind, reshape


def passes(rng, network, x, labels):
    """A pass over rows by name, and the pass."""
    backend, a = get_backend(network.backend), network.architecture
    fast = network.predictor()
    order, w = rng.permutation(N_ROWS), np.ones(N_ROWS)
    z, delta = np.ones((2, N_ROWS, N_CLASSES), a.dtype)
    grads = [np.empty(s, a.dtype) for s in ((N_IN, N_CLASSES), N_CLASSES)]
    options = fastnn.backends.base.TrainingOptions(Adam(0.01), int(rng.integers(5, 100)))

    def train():
        state = OptimizerState(np.zeros((2, a.n_slots), a.dtype))
        backend.train_epoch(a, network.parameters, state, x, labels, order, options, w)

    calls = {
        "predictor": lambda: fast(x),
        "predict_proba": lambda: network.predict_proba(x, progress=False),
        "evaluate": lambda: network.evaluate(x, labels, progress=False),
        "partial_fit": lambda: network.partial_fit(x, labels, batch_size=64),
        "train_epoch": train,
        "cross-entropy": lambda: backend.softmax_cross_entropy(z, labels, None, 0.1, delta),
        "gradient": lambda: backend.weight_gradient(x, z, *grads),
    }
    name = str(rng.choice(sorted(calls)))
    return name, calls[name]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(7200)
def test_what_another_thread_writes_during_a_pass_leads_nowhere_outside(backend, capsys):
    counts = Counter()
    for seed in range(N_LAYOUTS // 10):
        rng = np.random.default_rng([seed, 10])
        network = fastnn.Network(
            (N_IN, 16, N_CLASSES), backend=backend.name, seed=0, dtype="float64"
        )
        density = rng.choice([0.2, 1.0])
        x = rng.normal(size=(N_ROWS, N_IN)) * (rng.random((N_ROWS, N_IN)) < density)
        if rng.random() < 0.7:
            x = sparse.csr_array(x)
        labels = rng.integers(0, N_CLASSES, N_ROWS)
        right = x.copy()
        name, run = passes(rng, network, x, labels)
        kind, meddle = meddling(rng, x, labels)
        with another_thread(meddle):
            for _ in range(5):
                refused = outcome(run)[1]
                counts["refused" if refused else "done"] += 1
        if kind == "shape":
            x.shape = (N_ROWS, N_IN)
        again = network.predict_proba(right, progress=False)
        rested = fastnn.Network((N_IN, 16, N_CLASSES), backend="numpy", seed=0, dtype="float64")
        rested.parameters[...] = network.parameters
        np.testing.assert_allclose(
            again, rested.predict_proba(right, progress=False), rtol=1e-6, atol=1e-9,
            err_msg=f"seed {seed}: {name} while {kind} change",
        )  # fmt: skip
        run()  # what was brought back is taken again
    say(capsys, counts)
