"""Subnormal numbers are zero in predictions, on every backend, whatever the mode of the thread."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from support import bounds
from support import strategies as draw
from support.float_mode import float_mode, subnormals_as_zero
from support.problems import X_DTYPES, networks
from support.programs import MOVED, Jittered, assert_near, parameters, targets, tolerance

import fastnn
from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.reference import Reference
from fastnn.backends.subnormals import flush, flushed
from fastnn.optimizers import SGD, OptimizerState
from fastnn.validation.sparse import is_csr

reference = Reference()
MODES = (False, True)
LAYOUTS = ("C", "Fortran", "every other column", "CSR int32", "CSR int64")
SHARES = st.sampled_from([0.0, 0.3, 0.9, 1.0])


def with_subnormals(rng, x, share):
    """A copy of floats x of which a share is subnormal, of either sign, or just normal."""
    number = np.finfo(x.dtype)
    below = rng.uniform(-1, 1, x.shape) * float(number.tiny) * rng.choice([1e-3, 1, 2], x.shape)
    below = np.where(rng.random(x.shape) < 0.1, float(number.smallest_subnormal), below)
    return np.where(rng.random(x.shape) < share, below, x).astype(x.dtype)


def as_zeros(x):
    """A copy of x, an array or a CSR matrix, with zeros of the same sign for subnormal numbers."""
    if is_csr(x):
        return type(x)((as_zeros(x.data), x.indices, x.indptr), shape=x.shape)
    if x.dtype == np.uint8:
        return x.copy()
    below = np.abs(x) < np.finfo(x.dtype).tiny
    return np.where(below, np.copysign(x.dtype.type(0), x), x)


def has_subnormals(x):
    return bool(((x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)).any())


class Case:
    """A network with parameters, and rows for it, of which a share is subnormal."""

    def __init__(self, seed, architecture, n, x_dtype, layout, share, density=1.0):
        self.rng = rng = np.random.default_rng(seed)
        self.architecture = architecture
        self.params = parameters(rng, architecture)
        for view in architecture.views(self.params):
            for part in view[1:]:
                if part is not None:
                    part[...] = with_subnormals(rng, part, share)
        x = draw.values(rng, (n, architecture.n_in), x_dtype, density)
        if x_dtype != "uint8":
            x = with_subnormals(rng, x, share)
        self.x = draw.lay_out(rng, x, layout)
        self.y = targets(rng, architecture, n)
        if architecture.output == "identity":
            self.y = with_subnormals(rng, np.array(self.y), share)
        if self.y.ndim == 2:
            self.y = self.y[:, : architecture.n_targets]

    def outputs(self, backend, params=None, x=None):
        params, x = self.params if params is None else params, self.x if x is None else x
        out = np.empty((x.shape[0], self.architecture.n_out), self.architecture.dtype)
        backend.predict(self.architecture, params, x, out)
        return out

    def of(self, kind, *arguments, backend):
        a = self.architecture
        learner = kind(
            a.sizes, *arguments, activation=a.activations, output=a.output, loss=a.loss,
            huber_delta=a.huber_delta, quantiles=a.quantiles or None, dtype=a.dtype,
            label_smoothing=a.label_smoothing, bias=a.bias, input_scale=a.input_scale,
            backend=backend.name, seed=0,
        )  # fmt: skip
        learner.parameters[...] = self.params
        return learner


cases = st.builds(
    Case,
    seed=draw.seeds,
    architecture=networks(width=draw.small_widths),
    n=st.sampled_from([1, 3, 40, 300]),
    x_dtype=st.sampled_from(X_DTYPES),
    layout=st.sampled_from(LAYOUTS),
    share=SHARES,
    density=draw.densities,
)


def unchanged_mode(call, *arguments):
    """What a call returns, which leaves the thread's mode as it was."""
    before = float_mode()
    found = call(*arguments)
    assert float_mode() == before
    return found


@contextmanager
def threads_at_once(number):
    """Let Cython's predictions have so many threads, however little there is to do."""
    from fastnn.kernels.cython import _kernels

    before, had = _kernels.set_work_for_threads(1e-9, 1e-9), fastnn.get_num_threads()
    fastnn.set_num_threads(number)
    try:
        yield
    finally:
        _kernels.set_work_for_threads(*before)
        fastnn.set_num_threads(had)


# -- what they mean -------------------------------------------------------------------------------


@given(case=cases)
def test_predictions_are_those_with_zeros_in_their_place(backend, case):
    """To the bit, and none of them is subnormal itself."""
    with np.errstate(all="ignore"):
        got = unchanged_mode(case.outputs, backend)
        expected = case.outputs(backend, as_zeros(case.params), as_zeros(case.x))
    assert got.tobytes() == expected.tobytes()
    assert not has_subnormals(got)


@given(case=cases)
def test_predictions_are_those_of_the_reference(compiled, case):
    with np.errstate(all="ignore"):
        expected = case.outputs(reference)
        others = [case.outputs(Jittered(seed)) for seed in range(3)]
        got = case.outputs(compiled)
    limit = tolerance(expected, others)
    assume(limit <= MOVED[case.architecture.dtype] * max(1.0, np.abs(expected).max(initial=0)))
    smallest = sum(case.architecture.sizes) * bounds.tiny(case.architecture.dtype)
    assert_near(got, expected, limit + smallest, "predict")


@pytest.mark.parametrize("x_dtype", X_DTYPES)
def test_a_subnormal_scale_of_bytes_is_zero(backend, x_dtype):
    architecture = Architecture((70, 5, 3), ("tanh",), "identity", input_scale=1e-40)
    case = Case(0, architecture, 9, x_dtype, "C", 0.0)
    at_zero = case.outputs(backend, x=np.zeros((9, 70), np.float32))
    for density in (1.0, 0.1):  # kept as numbers, or as bits and bytes
        case.x = draw.values(np.random.default_rng(1), (9, 70), x_dtype, density)
        assert (case.outputs(backend) == at_zero).all() == (x_dtype == "uint8")


@given(seed=draw.seeds, share=SHARES, size=st.sampled_from([1, 7, 3000]),
       dtype=draw.dtypes, every=st.sampled_from([1, 3, -1]))  # fmt: skip
def test_numbers_are_replaced_in_numpy(seed, share, size, dtype, every):
    rng = np.random.default_rng(seed)
    x = with_subnormals(rng, rng.normal(size=size).astype(dtype), share)
    x[rng.random(size) < 0.2] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0])
    x = x[::every]
    expected, own = as_zeros(x), x.copy()
    for is_set in MODES:
        with subnormals_as_zero(is_set):
            assert flushed(x).tobytes() == expected.tobytes()
            in_place = own.copy()
            flush(in_place)
            assert in_place.tobytes() == expected.tobytes()
    assert x.tobytes() == own.tobytes()


# -- the same bits --------------------------------------------------------------------------------


@given(case=cases, n_models=st.sampled_from([1, 3]))
def test_the_threads_mode_changes_nothing(backend, case, n_models):
    """No bit of any prediction or measure; and no call changes the mode."""
    network, ensemble = case.of(fastnn.Network, backend=backend), case.of(
        fastnn.Ensemble, n_models, backend=backend
    )  # fmt: skip
    frozen, frozen_ensemble = network.predictor(), ensemble.predictor()
    found = []
    with np.errstate(all="ignore"):
        for is_set in MODES:
            with subnormals_as_zero(is_set):
                results = [
                    unchanged_mode(frozen, case.x),
                    unchanged_mode(frozen_ensemble, case.x),
                    unchanged_mode(network._outputs, case.x, False),
                    unchanged_mode(ensemble.predict, case.x),
                    unchanged_mode(network.predictor(), case.x),
                    *unchanged_mode(network.evaluate, case.x, case.y).values(),
                ]
                if isinstance(case.x, np.ndarray):
                    results += [unchanged_mode(frozen, row) for row in case.x[:3]]
                found.append([np.asarray(result).tobytes() for result in results])
    assert found[0] == found[1]


@given(case=cases)
def test_any_number_of_threads_and_rows_alone(cython, case):
    """The helpers' threads have a mode of their own, that of the caller's thread or not."""
    network, found = case.of(fastnn.Network, backend=cython), []
    frozen = network.predictor()
    with np.errstate(all="ignore"):
        for is_set in MODES:
            for n_threads in (1, 2, 3):
                with subnormals_as_zero(is_set), threads_at_once(n_threads):
                    out = unchanged_mode(frozen, case.x)
                    some = np.unique([0, len(out) // 2, len(out) - 1])
                    alone = [unchanged_mode(frozen, case.x[i : i + 1]) for i in some]
                    measured = unchanged_mode(network.evaluate, case.x, case.y)
                assert np.concatenate(alone).tobytes() == out[some].tobytes()
                found.append((out.tobytes(), np.array(list(measured.values())).tobytes()))
    assert len(set(found)) == 1


@given(case=cases, seed=draw.seeds)
def test_steps_of_training_are_the_same_in_any_mode(compiled, case, seed):
    """Also the outputs of a trainer, its gradient, and a pass."""
    a = case.architecture
    y = np.broadcast_to(case.y, (len(case.y), a.n_out)) if case.y.ndim == 2 else case.y
    order = np.random.default_rng(seed).permutation(case.x.shape[0])
    found = []
    with np.errstate(all="ignore"):
        for is_set in MODES:
            with subnormals_as_zero(is_set):
                trainer = case.of(fastnn.Network, backend=compiled).trainer(optimizer=SGD(0.1))
                outputs = unchanged_mode(trainer.forward, case.x)
                try:
                    by_x = unchanged_mode(trainer.backward, np.full_like(outputs, 1e-30))
                except ValueError:
                    by_x = None  # of parameters that overflow
                gradient = unchanged_mode(trainer.gradient) if by_x is not None else None
                params, state = case.params.copy(), OptimizerState(
                    np.empty((0, a.n_slots), a.dtype)
                )  # fmt: skip
                result = unchanged_mode(
                    compiled.train_epoch, a, params, state, case.x, y, order,
                    TrainingOptions(SGD(0.01), 16),
                )  # fmt: skip
                found.append(
                    (outputs.tobytes(), str(gradient), params.tobytes(), np.array(result).tobytes())
                )
    assert found[0] == found[1]


# -- the mode afterwards --------------------------------------------------------------------------


@pytest.mark.parametrize("part", [-1, 0x8000, 0x0040], ids=["both", "results", "operands"])
def test_the_users_own_mode_stays(backend, part):
    """Also if it is half of the one that is used inside."""
    case = Case(0, Architecture((20, 9, 4), ("tanh",)), 50, "float32", "C", 0.5)
    expected = case.outputs(backend)
    with subnormals_as_zero(part=part):
        assert unchanged_mode(case.outputs, backend).tobytes() == expected.tobytes()


def test_the_mode_is_put_back_after_an_exception(backend):
    case = Case(0, Architecture((20, 9, 4), ("tanh",)), 50, "float32", "C", 0.5)
    frozen, before = case.of(fastnn.Network, backend=backend).predictor(), float_mode()
    out_of_range = sparse.csr_array((50, 20), dtype=np.float32)
    out_of_range.indices = np.array([99], np.int32)
    out_of_range.data = np.ones(1, np.float32)
    out_of_range.indptr = np.repeat(np.array([0, 1], np.int32), [50, 1])
    for x in (case.x[:, 1:], "rows", out_of_range, case.x[None]):
        with pytest.raises((TypeError, ValueError)):
            frozen(x)
        with pytest.raises((TypeError, ValueError)):
            case.outputs(backend, x=x if hasattr(x, "shape") else case.x.astype(object))
        assert float_mode() == before


def test_the_mode_is_put_back_if_compiled_code_is_not_even_reached(cython):
    """The number of threads is asked for by Python code, inside a prediction."""

    def interrupted():
        raise KeyboardInterrupt

    backend = type(cython._inside)(interrupted)
    case, before = Case(0, Architecture((20, 9, 4), ("tanh",)), 50, "float32", "C", 0.5), None
    before = float_mode()
    with threads_at_once(2), pytest.raises(KeyboardInterrupt):
        case.outputs(backend)
    assert float_mode() == before


def test_numba_puts_the_mode_back_after_an_interrupt(monkeypatch):
    pytest.importorskip("numba")
    from fastnn.backends.numba import NumbaBackend, programs

    def interrupted(*_):
        raise KeyboardInterrupt

    case = Case(0, Architecture((20, 9, 4), ("tanh",)), 50, "float32", "C", 0.5)
    monkeypatch.setattr(programs, "predict", interrupted)
    before = float_mode()
    with pytest.raises(KeyboardInterrupt):
        case.outputs(NumbaBackend())
    assert float_mode() == before


def test_other_threads_keep_their_mode(compiled):
    """One that predicts among helpers, and one that only looks."""
    case = Case(0, Architecture((20, 9, 4), ("tanh",)), 700, "float32", "C", 0.5)
    done, seen = threading.Event(), []

    def look():
        while not done.is_set():
            seen.append((float_mode(), float(np.float32(1e-40) * np.float32(0.5)) > 0))

    watcher = threading.Thread(target=look)
    watcher.start()
    with subnormals_as_zero(), threads_at_once(3):
        for _ in range(50):
            unchanged_mode(case.outputs, compiled)
    done.set()
    watcher.join()
    assert len(set(seen)) == 1
    assert seen[0][1]
