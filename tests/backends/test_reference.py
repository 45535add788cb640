"""What each reference kernel means, in small examples worked out by hand."""

import math

import numpy as np
import pytest
from scipy import sparse

from fastnn.architecture import ACTIVATIONS, SELU_ALPHA, SELU_SCALE, Architecture
from fastnn.backends import reference as ref
from fastnn.backends.dropout import dropout_mask
from fastnn.backends.minibatch import clip_to_norm, gather, limit_column_norms, rows_right
from fastnn.backends.reference import Reference

kernels = Reference()


def forward(x, weight, bias=None, activation="identity"):
    x, weight = np.asarray(x, float), np.asarray(weight, float)
    out = np.full((len(x), weight.shape[1]), np.nan)
    kernels.dense_forward(x, weight, bias, activation, out)
    return out


# -- dense_forward --------------------------------------------------------------------------------


def test_dense_forward_is_x_weight_plus_bias():
    out = forward([[1, 2], [3, 4]], [[1, 0, -1], [2, 1, 0]], np.array([10.0, 20.0, 30.0]))
    np.testing.assert_array_equal(out, [[15, 22, 29], [21, 24, 27]])


def test_dense_forward_keeps_the_preactivation_beside_the_output():
    out, z = np.empty((1, 2)), np.empty((1, 2))
    kernels.dense_forward(
        np.array([[1.0, 1.0]]), np.array([[1.0, -2], [2, -1]]), None, "relu", out, z
    )
    np.testing.assert_array_equal(z, [[3, -3]])
    np.testing.assert_array_equal(out, [[3, 0]])


def test_dense_forward_of_no_rows_is_no_rows():
    for activation in (*ACTIVATIONS, "exp"):
        assert forward(np.empty((0, 3)), np.ones((3, 2)), activation=activation).shape == (0, 2)


def test_a_nan_row_stays_in_its_row():
    for activation in (*ACTIVATIONS, "exp"):
        out = forward([[1, 2], [np.nan, 1], [3, 4]], np.ones((2, 3)), activation=activation)
        np.testing.assert_array_equal(np.isnan(out), [[False] * 3, [True] * 3, [False] * 3])


KNOWN = {
    # z: [-2, -0.5, 0, 1, 3], each to 16 digits by mpmath
    "identity": [-2, -0.5, 0, 1, 3],
    "sigmoid": [
        0.1192029220221176, 0.3775406687981454, 0.5, 0.7310585786300049, 0.9525741268224333,
    ],
    "tanh": [
        -0.9640275800758169, -0.4621171572600098, 0, 0.7615941559557649, 0.9950547536867305,
    ],
    "relu": [0, 0, 0, 1, 3],
    "leaky_relu": [-0.02, -0.005, 0, 1, 3],
    "elu": [-0.8646647167633873, -0.3934693402873666, 0, 1, 3],
    "selu": [
        -1.520166468595695, -0.6917581878028713, 0, 1.050700987355480, 3.152102962066441,
    ],
    "gelu": [
        -0.04550026389635842, -0.1542687693629934, 0, 0.8413447460685429, 2.995950305905110,
    ],
    "silu": [
        -0.2384058440442351, -0.1887703343990727, 0, 0.7310585786300049, 2.857722380467300,
    ],
    "mish": [
        -0.2525014826957089, -0.22074377465173, 0, 0.8650983882673103, 2.986535004967957,
    ],
    "softplus": [
        0.1269280110429725, 0.4740769841801067, 0.6931471805599453, 1.313261687518223,
        3.048587351573742,
    ],
    "exp": [0.1353352832366127, 0.6065306597126334, 1, 2.718281828459045, 20.08553692318767],
}  # fmt: skip


@pytest.mark.parametrize("activation", KNOWN)
def test_activations_have_their_known_values(activation):
    z = np.array([[-2], [-0.5], [0], [1], [3]])
    out = forward(z, [[1]], activation=activation)
    np.testing.assert_allclose(out[:, 0], KNOWN[activation], rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_saturate_without_a_warning(dtype):
    z = np.array([[-1e4], [1e4]], dtype)
    dtype_of = np.dtype(dtype).type
    low_high = {
        "sigmoid": (0, 1),
        "tanh": (-1, 1),
        "relu": (0, 1e4),
        "elu": (-1, 1e4),
        "selu": (dtype_of(-SELU_SCALE * SELU_ALPHA), dtype_of(SELU_SCALE * 1e4)),
        "gelu": (0, 1e4),
        "silu": (0, 1e4),
        "mish": (0, 1e4),
        "softplus": (0, 1e4),
    }
    for activation, expected in low_high.items():
        out = np.empty_like(z)
        kernels.dense_forward(z, np.ones((1, 1), dtype), None, activation, out)
        assert tuple(out[:, 0]) == expected, activation


def test_a_csr_input_equals_the_dense_one():
    dense = np.array([[0.0, 2, 0], [0, 0, 0], [1, 0, 3]])
    weight, delta = np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(3, 2) - 2
    for x in (sparse.csr_array(dense), sparse.csr_matrix(dense)):
        out, grad = np.empty((3, 2)), np.empty((3, 2))
        kernels.dense_forward(x, weight, None, "tanh", out)
        np.testing.assert_array_equal(out, forward(dense, weight, activation="tanh"))
        kernels.weight_gradient(x, delta, grad, None)
        np.testing.assert_array_equal(grad, dense.T @ delta)


# -- softmax and cross-entropy --------------------------------------------------------------------


def test_softmax_is_exp_over_the_sum_of_exp():
    z, out = np.log([[1.0, 2, 5], [1, 1, 2]]), np.empty((2, 3))
    kernels.softmax(z, out)
    np.testing.assert_allclose(out, [[1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 2 / 4]], rtol=1e-15)


def test_softmax_takes_one_dimension_as_one_row():
    out = np.empty(3)
    kernels.softmax(np.log([1.0, 2, 5]), out)
    np.testing.assert_allclose(out, [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)


def test_softmax_of_huge_logits_is_that_of_their_differences():
    z, out = np.array([[1e4, 1e4 - math.log(3)], [-1e4, -1e4], [1e4, -1e4]]), np.empty((3, 2))
    kernels.softmax(z, out)
    np.testing.assert_allclose(out, [[0.75, 0.25], [0.5, 0.5], [1, 0]], rtol=1e-12)


def test_softmax_gives_minus_infinity_no_probability():
    z, out = np.array([[-np.inf, 0, 0]]), np.empty((1, 3))
    kernels.softmax(z, out)
    np.testing.assert_array_equal(out, [[0, 0.5, 0.5]])


def test_softmax_may_write_over_its_input():
    z = np.log([[1.0, 2, 5]])
    kernels.softmax(z, z)
    np.testing.assert_allclose(z, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)


def test_softmax_makes_a_nan_row_nan_and_no_other():
    z, out = np.array([[0.0, np.nan], [0, 0]]), np.empty((2, 2))
    kernels.softmax(z, out)
    np.testing.assert_array_equal(out, [[np.nan, np.nan], [0.5, 0.5]])


def test_cross_entropy_is_the_weighted_sum_of_minus_log_p():
    z, labels, delta = np.log([[1.0, 2, 5], [1, 1, 2]]), np.array([2, 0]), np.empty((2, 3))
    loss = kernels.softmax_cross_entropy(z, labels, None, 0.0, delta)
    assert loss == pytest.approx(-math.log(5 / 8) - math.log(1 / 4), rel=1e-15)
    expected = np.array([[1 / 8, 2 / 8, 5 / 8 - 1], [1 / 4 - 1, 1 / 4, 2 / 4]])
    np.testing.assert_allclose(delta, expected, rtol=1e-14)
    loss = kernels.softmax_cross_entropy(z, labels, np.array([2.0, 0.5]), 0.0, delta)
    assert loss == pytest.approx(-2 * math.log(5 / 8) - 0.5 * math.log(1 / 4), rel=1e-15)
    np.testing.assert_allclose(delta, expected * [[2], [0.5]], rtol=1e-14)


def test_a_smoothed_label_wants_a_share_of_every_class():
    z, labels, delta = np.log([[1.0, 2, 5]]), np.array([2]), np.empty((1, 3))
    target, p = np.array([0.1, 0.1, 0.8]), np.array([1 / 8, 2 / 8, 5 / 8])
    loss = kernels.softmax_cross_entropy(z, labels, np.array([2.0]), 0.3, delta)
    assert loss == pytest.approx(-2 * target @ np.log(p), rel=1e-14)
    np.testing.assert_allclose(delta, [2 * (p - target)], rtol=1e-14)


def test_cross_entropy_comes_from_logits():
    """A probability that rounds to 0 still has its logarithm."""
    delta = np.empty((1, 2))
    loss = kernels.softmax_cross_entropy(np.array([[1e4, -1e4]]), np.array([1]), None, 0.0, delta)
    assert loss == 2e4
    np.testing.assert_array_equal(delta, [[1, -1]])


def test_cross_entropy_of_an_impossible_label_is_infinite():
    delta = np.empty((1, 2))
    loss = kernels.softmax_cross_entropy(np.array([[0, -np.inf]]), np.array([1]), None, 0.0, delta)
    assert loss == math.inf
    np.testing.assert_array_equal(delta, [[1, -1]])


# -- losses without softmax -----------------------------------------------------------------------

LN2, E = math.log(2), math.e
EXPECTED_LOSSES = {
    # h, target → loss, delta; huber with d = 1.5
    "binary_cross_entropy": [(0, 0, LN2, 0.5), (0, 1, LN2, -0.5), (1e4, 0, 1e4, 1), (1e4, 1, 0, 0)],
    "squared_error": [(3, 1, 2, 2), (1, 1, 0, 0), (0, 4, 8, -4)],
    "poisson": [(0, 1, 1, 0), (1, 2, E - 2, E - 2), (0, 0, 1, 1)],
    "huber": [(1, 0, 0.5, 1), (3, 0, 1.5 * (3 - 0.75), 1.5), (0, 3, 1.5 * (3 - 0.75), -1.5)],
    "absolute_error": [(3, 1, 2, 1), (1, 1, 0, 0), (0, 4, 4, -1)],
    "quantile": [(3, 1, 0.5, 0.25), (1, 1, 0, 0), (0, 4, 3, -0.75)],  # q = 0.75
}


@pytest.mark.parametrize("loss", EXPECTED_LOSSES)
def test_elementwise_losses_and_their_deltas(loss):
    z, target, expected, expected_delta = np.array(EXPECTED_LOSSES[loss], float).T[:, :, None]
    delta = np.empty_like(z)
    constants = np.array([0.75 if loss == "quantile" else 1.5])
    value = kernels.elementwise_loss(loss, "identity", z, target, None, constants, delta)
    assert value == pytest.approx(expected.sum(), rel=1e-14)
    np.testing.assert_allclose(delta, expected_delta, rtol=1e-14, atol=1e-300)


EXPECTED_OUTPUTS = {  # z and h = f(z), f'(z)
    "sigmoid": (-math.log(3), 0.25, 0.25 * 0.75),
    "tanh": (math.log(3) / 2, 0.5, 0.75),
    "relu": (1.25, 1.25, 1),
}


@pytest.mark.parametrize("activation", EXPECTED_OUTPUTS)
def test_a_loss_of_an_output_multiplies_its_delta_by_the_derivative(activation):
    z, h, slope = EXPECTED_OUTPUTS[activation]
    delta, none = np.empty((1, 2)), np.zeros(2)
    value = kernels.elementwise_loss(
        "squared_error", activation, np.array([[z, z]]), np.array([[1.0, 0.0]]), None, none, delta
    )
    assert value == pytest.approx(((h - 1) ** 2 + h**2) / 2, rel=1e-14)
    np.testing.assert_allclose(delta, [[(h - 1) * slope, h * slope]], rtol=1e-14)


@pytest.mark.parametrize("loss", EXPECTED_LOSSES)
def test_elementwise_losses_weight_rows(loss):
    rng = np.random.default_rng(0)
    z, target, weight = rng.normal(size=(4, 3)), rng.random((4, 3)), rng.random(4)
    delta, row_delta = np.empty_like(z), np.empty((1, 3))
    total = 0.0
    constants = np.full(3, 1.5)
    value = kernels.elementwise_loss(loss, "identity", z, target, weight, constants, delta)
    for i in range(4):
        rows = slice(i, i + 1)
        total += weight[i] * kernels.elementwise_loss(
            loss, "identity", z[rows], target[rows], None, constants, row_delta
        )
        np.testing.assert_allclose(delta[rows], weight[i] * row_delta, rtol=1e-14)
    assert value == pytest.approx(total, rel=1e-14)


# -- gradients ------------------------------------------------------------------------------------


def test_weight_gradient_is_the_sum_of_outer_products():
    x, delta = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0, -1], [2, 1, 0]])
    weight_grad, bias_grad = np.full((2, 3), np.nan), np.full(3, np.nan)
    kernels.weight_gradient(x, delta, weight_grad, bias_grad)
    np.testing.assert_array_equal(
        weight_grad, np.outer([1, 2], delta[0]) + np.outer([3, 4], delta[1])
    )
    np.testing.assert_array_equal(bias_grad, [3, 1, -1])


def test_weight_gradient_of_no_rows_is_zero():
    weight_grad, bias_grad = np.full((2, 3), np.nan), np.full(3, np.nan)
    kernels.weight_gradient(np.empty((0, 2)), np.empty((0, 3)), weight_grad, bias_grad)
    assert not weight_grad.any()
    assert not bias_grad.any()


def test_input_gradient_is_delta_weight_transposed_times_the_derivative():
    delta, weight = np.array([[1.0, 2]]), np.array([[1.0, 0], [3, 1], [-1, 1]])
    out = np.empty((1, 3))
    kernels.input_gradient(delta, weight, "identity", np.zeros((1, 3)), out)
    np.testing.assert_array_equal(out, [[1, 5, 1]])
    kernels.input_gradient(delta, weight, "sigmoid", np.array([[0.5, 0.25, 1]]), out)
    np.testing.assert_array_equal(out, [[1 * 0.25, 5 * 0.1875, 0]])


def test_derivatives_at_the_kinks():
    assert ref.DERIVATIVE["relu"](np.zeros(1)) == 0
    assert ref.DERIVATIVE["leaky_relu"](np.zeros(1)) == 0.01
    assert ref.DERIVATIVE["elu"](np.zeros(1)) == 1
    assert ref.DERIVATIVE["selu"](np.zeros(1)) == SELU_SCALE * SELU_ALPHA  # as in PyTorch


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mish_and_its_derivative_have_exact_limits(dtype):
    z = np.array([np.nan, np.inf, 1e30, 100, -1e30, -np.inf, 0], dtype)
    y, slope = ref.FORWARD["mish"](z), ref.DERIVATIVE["mish"](z)
    np.testing.assert_array_equal(y, [np.nan, *z[1:4], 0, 0, 0])
    np.testing.assert_array_equal(slope[:-1], [np.nan, 1, 1, 1, 0, 0])
    assert np.signbit(y[4:6]).all()
    far = np.array([-20, -50, -80], dtype)  # nothing cancels: z eᶻ, (z + 1) eᶻ
    with np.errstate(under="ignore"):
        np.testing.assert_allclose(ref.FORWARD["mish"](far), far * np.exp(far), rtol=1e-6)
        np.testing.assert_allclose(ref.DERIVATIVE["mish"](far), (far + 1) * np.exp(far), rtol=1e-6)


# -- what the programs are made of ----------------------------------------------------------------


def test_bytes_are_scaled_and_floats_are_not():
    architecture = Architecture((3, 1), input_scale=0.5, dtype="float64")
    x = np.array([[0, 1, 255]], np.uint8)
    np.testing.assert_array_equal(gather(architecture, x, slice(None)), [[0, 0.5, 127.5]])
    np.testing.assert_array_equal(gather(architecture, x.astype("f4"), [0]), [[0, 1, 255]])
    scaled = gather(architecture, sparse.csr_array(x), np.array([0, 0]))
    assert sparse.issparse(scaled)
    np.testing.assert_array_equal(scaled.toarray(), [[0, 0.5, 127.5]] * 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gather_gives_the_networks_dtype(dtype):
    architecture = Architecture((2, 1), dtype=dtype)
    for kind in (np.float32, np.float64, np.uint8):
        assert gather(architecture, np.ones((3, 2), kind), np.array([2, 0])).dtype == dtype
        assert gather(architecture, sparse.csr_array(np.ones((3, 2), kind)), [0]).dtype == dtype


def test_a_row_is_right_when_the_largest_logit_is_its_labels():
    z = np.array([[1.0, 2, 0], [5, 1, 1], [0, 0, 0], [0, 3, 3]])
    right = rows_right(Architecture((1, 3)), z, np.array([1, 2, 0, 2]))
    np.testing.assert_array_equal(right, [True, False, True, False])  # a tie goes to the first


def test_a_multilabel_row_is_right_when_every_output_is():
    architecture = Architecture((1, 2), output="sigmoid", loss="binary_cross_entropy")
    z = np.array([[1.0, -1], [1, 1], [0, -1]])
    right = rows_right(architecture, z, np.array([[1.0, 0], [1, 0], [0, 0]]))
    np.testing.assert_array_equal(right, [True, False, True])


def test_clip_to_norm_shortens_only_what_is_longer():
    grads = np.array([3.0, 4.0])
    clip_to_norm(grads, 6.0)
    np.testing.assert_array_equal(grads, [3, 4])
    clip_to_norm(grads, 1.0)
    np.testing.assert_allclose(grads, [0.6, 0.8], rtol=1e-15)


def test_limit_column_norms_works_on_each_unit():
    weight = np.array([[3.0, 0.3], [4.0, 0.4]])
    limit_column_norms(weight, 1.0)
    np.testing.assert_allclose(weight, [[0.6, 0.3], [0.8, 0.4]], rtol=1e-15)


def test_dropout_masks_are_a_function_of_seed_step_and_layer():
    mask = dropout_mask(1, 2, 3, 0.25, 400, 50)
    np.testing.assert_array_equal(mask, dropout_mask(1, 2, 3, 0.25, 400, 50))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert (mask != dropout_mask(*other, 0.25, 400, 50)).mean() == pytest.approx(
            0.375, abs=0.02
        )
    # 20,000 draws of variance 3/16: four standard deviations of their mean are 0.012
    assert mask.mean() == pytest.approx(0.75, abs=0.012)
    assert dropout_mask(1, 2, 3, 0.0, 400, 50).all()
