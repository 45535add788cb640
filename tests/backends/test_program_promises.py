"""What the programs promise beside right numbers, on every backend.

The same call gives the same bits, alone or beside other threads, in one piece or in two; rows
without weight, no rows, ties and NaN have a meaning; an interrupt loses nothing.
"""

import _thread
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse
from support.programs import Problem, parameters, targets
from support.strategies import values

from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, Adam, OptimizerState


def problem(seed=0, x_dtype="float64", csr=False, n=70, dtype="float64", **options):
    """A network with dropout and Adam, and uneven batches of rows a third of which are zero."""
    rng = np.random.default_rng(seed)
    architecture = Architecture((37, 19, 11, 5), ("relu", "silu"), dtype=dtype)
    x = values(rng, (n, 37), x_dtype, density=0.3 if csr else 0.7)
    settings = {"optimizer": Adam(0.01), "batch_size": 16, "dropout": (0.3, 0.2), "l2": 1e-3}
    return Problem(
        architecture, parameters(rng, architecture), sparse.csr_array(x) if csr else x,
        targets(rng, architecture, n), [rng.permutation(n), rng.permutation(n)],
        TrainingOptions(**(settings | options)), rng.random(n),
    )  # fmt: skip


def assert_same_bits(got, expected):
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.tobytes() == theirs.tobytes()


KINDS = [("float64", False), ("float32", False), ("uint8", False), ("float64", True)]


@pytest.mark.parametrize(("x_dtype", "csr"), KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_call_gives_the_same_bits(backend, x_dtype, csr, dtype):
    first = problem(0, x_dtype, csr, dtype=dtype).train(backend)
    assert_same_bits(problem(0, x_dtype, csr, dtype=dtype).train(backend), first)


@pytest.mark.parametrize(("x_dtype", "csr"), KINDS)
def test_a_pass_in_two_calls_gives_the_bits_of_one(backend, x_dtype, csr):
    whole = problem(0, x_dtype, csr)
    parts = problem(0, x_dtype, csr)
    at = 2 * whole.options.batch_size
    parts.orders = [part for order in parts.orders for part in (order[:at], order[at:])]
    assert_same_bits(parts.train(backend)[:2], whole.train(backend)[:2])


def test_x_as_bytes_is_the_scaled_floats(backend):
    in_bytes, in_floats = problem(x_dtype="uint8"), problem(x_dtype="uint8")
    in_floats.x = in_floats.x * (1 / 255)
    for mine, theirs in zip(in_bytes.train(backend), in_floats.train(backend), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


def test_x_that_is_not_aligned_is_read(backend):
    """As views of packed records and of files may be: not at multiples of the element's size."""
    aligned, unaligned = problem(), problem()
    raw = np.zeros(unaligned.x.nbytes + 1, np.uint8)
    unaligned.x = np.ndarray(aligned.x.shape, "float64", raw.data, offset=1)
    unaligned.x[...] = aligned.x
    assert not unaligned.x.flags.aligned
    for mine, theirs in zip(unaligned.train(backend), aligned.train(backend), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


def test_training_beside_other_threads_gives_the_same_bits(backend):
    alone = [problem(seed, n=400).train(backend) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda seed: problem(seed, n=400).train(backend), range(6)))
    for mine, theirs in zip(together, alone, strict=True):
        assert_same_bits(mine, theirs)


def test_predicting_beside_other_threads_gives_the_same_bits(backend):
    case = problem(n=600)

    def predict(_):
        out = np.empty((600, 5))
        backend.predict(case.architecture, case.start, case.x, out)
        return out

    alone = predict(0)
    with ThreadPoolExecutor(3) as pool:
        assert all((out == alone).all() for out in pool.map(predict, range(20)))


def test_no_rows_train_nothing(backend):
    case = problem()
    case.orders = [np.empty(0, np.int64)]
    params, slots, results = case.train(backend)
    assert_same_bits([params], [case.start])
    assert not slots.any()
    assert np.isnan(results).all()


def test_rows_without_weight_teach_nothing_and_measure_nothing(backend):
    for reduction in ("mean", "sum"):
        case = problem(optimizer=SGD(0.1), reduction=reduction, l2=0.0)
        case.sample_weight = np.zeros(70)
        params, _, results = case.train(backend)
        assert_same_bits([params], [case.start])
        assert np.isnan(results).all()


def test_weights_that_are_whole_numbers_count_rows(backend):
    """A row of weight 2 is two rows: same batch, same gradient."""
    weighted, repeated = problem(dropout=(), batch_size=200), problem(dropout=(), batch_size=200)
    times = np.random.default_rng(1).integers(0, 3, 70)
    weighted.orders, weighted.sample_weight = [np.arange(70)], times.astype(float)
    repeated.orders, repeated.sample_weight = [np.repeat(np.arange(70), times)], None
    for mine, theirs in zip(weighted.train(backend), repeated.train(backend), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


def test_a_tie_goes_to_the_first_class(backend):
    case = problem(batch_size=70)
    case.start[...] = 0
    case.orders, case.sample_weight = [np.arange(70)], None
    (result,) = case.train(backend)[2]
    assert result[1] == pytest.approx((case.y == 0).mean())
    assert result[0] == pytest.approx(np.log(5))


def test_zero_is_no_yes_for_a_sigmoid(backend):
    """All outputs of a row must be right, and z = 0 says no."""
    architecture = Architecture((3, 2), (), "sigmoid", "binary_cross_entropy", dtype="float64")
    y = np.array([[0.0, 0], [1, 0], [0, 0], [1, 1]])
    case = Problem(
        architecture, architecture.allocate(), np.ones((4, 3)), y, [np.arange(4)],
        TrainingOptions(SGD(0.1), batch_size=4),
    )  # fmt: skip
    assert case.train(backend)[2][0, 1] == 0.5


def test_a_nan_in_x_shows_in_the_loss(backend):
    case = problem(l2=0.0)
    case.x[11, 3] = np.nan
    assert np.isnan(case.train(backend)[2][0, 0])


def test_the_first_loss_is_that_of_the_start(backend):
    """One batch, measured before its update: the cross-entropy of what predict says."""
    case = problem(dropout=(), batch_size=70)
    case.orders = [np.arange(70)]
    p = np.empty((70, 5))
    backend.predict(case.architecture, case.start, case.x, p)
    (result,) = case.train(backend)[2]
    losses = -np.log(p[np.arange(70), case.y])
    assert result[0] == pytest.approx(np.average(losses, weights=case.sample_weight))
    right = p.argmax(axis=1) == case.y
    assert result[1] == pytest.approx(np.average(right, weights=case.sample_weight))


def test_dropout_is_off_in_predict_and_keeps_the_mean_in_training(backend):
    """With identity activations the mean output over many masks is the output without dropout."""
    rng = np.random.default_rng(0)
    architecture = Architecture(
        (5, 50, 1), ("identity",), "identity", "absolute_error", False, "float64"
    )
    start, n = parameters(rng, architecture), 20_000
    x = np.repeat(rng.normal(size=(1, 5)), n, axis=0)
    out = np.empty((n, 1))
    backend.predict(architecture, start, x, out)
    assert np.ptp(out) < 1e-12
    case = Problem(
        architecture, start, x, np.full((n, 1), -1e3), [np.arange(n)],
        TrainingOptions(SGD(1e-9), n, dropout=(0.25,)),
    )  # fmt: skip
    (result,) = case.train(backend)[2]
    hidden = x[0] @ architecture.weights(start)[0] * architecture.weights(start)[1][:, 0]
    deviation = np.sqrt((hidden**2).sum() * 0.25 / 0.75 / n)  # of the mean of n masks
    assert result[0] - 1e3 == pytest.approx(out[0, 0], abs=5 * deviation)
    assert abs(result[0] - 1e3 - out[0, 0]) > 1e-9  # and there was dropout


def test_an_interrupt_leaves_a_whole_number_of_updates(backend):
    """Ctrl-C in the middle of a long pass: the parameters are those of ``state.step`` updates."""
    case = problem(n=200, optimizer=SGD(0.01, momentum=0.9))
    a, order = case.architecture, np.random.default_rng(0).integers(0, 200, 16 * 200_000)

    def train(rows):
        params = a.allocate()
        params[...] = case.start
        state = OptimizerState(np.zeros((1, a.n_slots)))
        rest = (case.x, case.y, rows, case.options, case.sample_weight)
        return params, state, lambda: backend.train_epoch(a, params, state, *rest)

    train(order[:160])[2]()  # compile first
    n_steps = []
    few, many = np.linspace(0.005, 0.025, 20), 0.05 * 2.0 ** np.arange(8)
    for moment in [*few, *many]:  # few to hit each part of a step, more on a busy machine
        if len(n_steps) >= len(few) and any(0 < n < len(order) // 16 for n in n_steps):
            break
        params, state, run = train(order)
        timer = threading.Timer(moment, _thread.interrupt_main)
        try:
            timer.start()
            run()
            timer.join()
            pytest.fail("the interrupt did not come through")
        except KeyboardInterrupt:  # on a busy machine maybe before or after the pass
            pass
        n_steps.append(state.step)
        again, state_again, rerun = train(order[: 16 * state.step])
        rerun()
        assert_same_bits([params, state.slots], [again, state_again.slots])
    assert any(0 < n < len(order) // 16 for n in n_steps)


def test_the_gil_is_free_while_compiled_code_trains(compiled):
    """Another thread runs on while a pass is under way, without waiting for its end."""
    case = problem(n=200)
    order = np.random.default_rng(0).integers(0, 200, 16 * 20_000)
    case.orders = [order[:160]]
    case.train(compiled)
    for n_passes in (1, 4, 16):  # a longer one where this thread seldom gets a processor
        case.orders = [np.tile(order, n_passes)]
        done, n_ticks = threading.Event(), 0

        def run(done=done):
            case.train(compiled)
            done.set()

        worker = threading.Thread(target=run)
        worker.start()
        while not done.wait(0.005):
            n_ticks += 1
        worker.join()
        if n_ticks > 5:
            break
    assert n_ticks > 5


def test_training_leaves_the_threads_float_mode_as_it_was(backend):
    """Compiled training takes subnormal numbers as zero, which must not outlive it."""
    architecture = Architecture((3, 2))
    state = OptimizerState(np.zeros((2, architecture.n_slots), np.float32))
    x, y = np.ones((4, 3), np.float32), np.array([0, 1, 0, 1])
    options = TrainingOptions(Adam(), 2)
    backend.train_epoch(architecture, architecture.allocate(), state, x, y, np.arange(4), options)
    assert np.float32(1e-40) * np.float32(0.5) > 0
    assert np.float64(5e-324) + 0.0 > 0
