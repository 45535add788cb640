"""Gradients against finite differences, in float64, on every backend.

One SGD step with learning rate 1 moves the parameters by minus the gradient, which recovers it
from ``train_epoch`` itself. Central differences of the objective that it reports before each step,
``(f(p + h) − f(p − h)) / 2h`` with h = 1e-5, err by ``h²/6 · |f‴| ≈ 1e-10`` and by rounding,
``eps |f| / h ≈ 1e-10``; 2e-8 leaves room for curved activations. The data are fixed, and lie so
that no kink (relu at 0, a residual of 0, a weight of 0 under L1) comes within h of a row.
"""

import numpy as np
import pytest
from scipy import sparse

from fastnn.architecture import ACTIVATIONS, FROM_PREACTIVATION, LOSSES, Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, OptimizerState

H = 1e-5
TOLERANCE = 2e-8
N_ROWS = 6
CANONICAL = [(output, losses[0]) for output, losses in LOSSES.items()]
PAIRS = [(output, loss) for output, losses in LOSSES.items() for loss in losses]


def problem(
    sizes=(4, 5, 3), activation="tanh", output="softmax", loss=None, bias=True, seed=0, **constants
):  # fmt: skip
    """An architecture, its parameters, and rows x, y to train on."""
    architecture = Architecture(
        sizes, (activation,) * (len(sizes) - 2), output, loss or LOSSES[output][0], bias, "float64",
        **({"huber_delta": 0.75} | constants),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    params = architecture.allocate()
    for _, weight, b in architecture.views(params):
        weight[...] = rng.normal(0, 0.7, weight.shape)
        if b is not None:
            b[...] = rng.normal(0, 0.5, b.shape)
    x = rng.normal(size=(N_ROWS, sizes[0]))
    if output == "softmax":
        y = rng.integers(0, sizes[-1], N_ROWS)
    elif output == "sigmoid":
        y = rng.random((N_ROWS, sizes[-1]))
    else:
        y = rng.gamma(2.0, 1.0, (N_ROWS, sizes[-1]))
    return architecture, params, x, y


def one_step(backend, architecture, params, x, y, sample_weight=None, **options):
    """The objective before a step of learning rate 1 over all rows, and the step's gradient."""
    options = TrainingOptions(SGD(1.0), batch_size=N_ROWS, **options)
    after = architecture.allocate()
    after[...] = params
    state = OptimizerState(np.zeros((0, len(params))))
    order = np.arange(N_ROWS)
    result = backend.train_epoch(architecture, after, state, x, y, order, options, sample_weight)
    weights = np.ones(N_ROWS) if sample_weight is None else sample_weight
    scale = weights.sum() if options.reduction == "sum" else 1.0
    return result.loss * scale + result.penalty, params - after


def assert_gradient_is_right(backend, architecture, params, x, y, sample_weight=None, **options):
    _, gradient = one_step(backend, architecture, params, x, y, sample_weight, **options)
    differences = np.zeros_like(params)
    learned = architecture.allocate()
    for _, weight, bias in architecture.views(learned):
        weight[...] = 1
        if bias is not None:
            bias[...] = 1
    for i in np.flatnonzero(learned):
        moved = params.copy()
        values = []
        for sign in (1, -1):
            moved[i] = params[i] + sign * H
            value, _ = one_step(backend, architecture, moved, x, y, sample_weight, **options)
            values.append(value)
        differences[i] = (values[0] - values[1]) / (2 * H)
    assert np.abs(differences).max() > 1e-3  # there is something to compare
    scale = max(1.0, np.abs(differences).max())
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=TOLERANCE * scale)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(backend, activation):
    assert_gradient_is_right(backend, *problem((4, 5, 4, 3), activation))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output_with_each_of_its_losses(backend, output, loss, reduction):
    assert_gradient_is_right(backend, *problem(output=output, loss=loss), reduction=reduction)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_sample_weights(backend, output, loss):
    weight = np.array([0.5, 2.0, 0.0, 1.0, 0.25, 3.0])
    for reduction in ("mean", "sum"):
        assert_gradient_is_right(
            backend, *problem(output=output, loss=loss), weight, reduction=reduction
        )


@pytest.mark.parametrize("quantiles", [(0.1,), (0.1, 0.5, 0.9)])
def test_quantiles(backend, quantiles):
    architecture, params, x, y = problem(output="identity", loss="quantile", quantiles=quantiles)
    if len(quantiles) > 1:  # of one target, as a view of one column
        y = np.broadcast_to(y[:, :1], y.shape)
    assert_gradient_is_right(backend, architecture, params, x, y)


@pytest.mark.parametrize("label_smoothing", [0.1, 0.9])
@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 0.0, 1.0, 0.25, 3.0])])
def test_label_smoothing(backend, label_smoothing, weight):
    assert_gradient_is_right(backend, *problem(label_smoothing=label_smoothing), weight)


@pytest.mark.parametrize(("l1", "l2"), [(0.03, 0.0), (0.0, 0.05), (0.03, 0.05)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_penalties_on_the_weights_alone(backend, l1, l2, reduction):
    assert_gradient_is_right(backend, *problem(), l1=l1, l2=l2, reduction=reduction)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu", "selu", "mish"])
def test_dropout(backend, activation):
    """The mask is a function of seed and step, so it is the same in both differences."""
    architecture, params, x, y = problem((4, 9, 8, 3), activation)
    assert_gradient_is_right(
        backend, architecture, params, x, y, dropout=(0.5, 0.25), dropout_seed=3
    )
    with_all, _ = one_step(backend, architecture, params, x, y)
    dropped, _ = one_step(backend, architecture, params, x, y, dropout=(0.5, 0.25), dropout_seed=3)
    assert with_all != dropped


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3), (4, 1, 2), (3, 5, 4, 6, 2)])
def test_every_depth_with_and_without_bias(backend, sizes, bias):
    assert_gradient_is_right(backend, *problem(sizes, "sigmoid", bias=bias))


@pytest.mark.parametrize(("output", "loss"), CANONICAL)
@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3)])
def test_csr_input(backend, output, loss, sizes):
    architecture, params, x, y = problem(sizes, output=output, loss=loss)
    x[np.random.default_rng(1).random(x.shape) < 0.5] = 0
    x[2] = 0
    assert_gradient_is_right(backend, architecture, params, sparse.csr_array(x), y)


def test_everything_at_once(backend):
    architecture, params, x, y = problem((4, 7, 5, 2), "silu", "identity", "huber")
    weight = np.array([0.5, 2.0, 0.0, 1.0, 0.25, 3.0])
    options = {"l1": 0.02, "l2": 0.1, "dropout": (0.25, 0.5), "dropout_seed": 11}
    assert_gradient_is_right(backend, architecture, params, x, y, weight, **options)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_derivative_from_what_is_stored(backend, activation):
    """``input_gradient`` of a unit weight is the derivative; z from −6 to 6, none at the kink 0."""
    z = np.linspace(-6, 6, 96)[:, None]
    one = np.ones((1, 1))
    above, below, y, slope = (np.empty_like(z) for _ in range(4))
    backend.dense_forward(z + H, one, None, activation, above)
    backend.dense_forward(z - H, one, None, activation, below)
    backend.dense_forward(z, one, None, activation, y)
    stored = z if activation in FROM_PREACTIVATION else y
    backend.input_gradient(np.ones_like(z), one, activation, stored, slope)
    np.testing.assert_allclose(slope, (above - below) / (2 * H), rtol=0, atol=1e-9)


def test_a_gradient_wrong_in_one_element_is_caught():
    """The comparison's own test: a backend whose bias gradient is off by 1e-6 in one unit."""
    from fastnn.backends.reference import Reference

    class WrongInOneElement(Reference):
        def weight_gradient(self, x, delta, weight_grad, bias_grad):
            super().weight_gradient(x, delta, weight_grad, bias_grad)
            bias_grad[-1] += 1e-6

    with pytest.raises(AssertionError):
        assert_gradient_is_right(WrongInOneElement(), *problem())
