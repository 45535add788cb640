"""Every kernel of every compiled backend is the reference's, within the bounds of `bounds`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import parity
from support import strategies as draw
from support.parity import ELEMENTWISE_LOSSES
from support.strategies import freeze, lay_out, values

from fastnn.architecture import ACTIVATIONS

FORWARD = (*ACTIVATIONS, "exp")
seeds, rows, widths, dtypes = draw.seeds, draw.rows, draw.widths, draw.dtypes


def padded(array):
    """The same rows with a longer row stride, as the weights of a network have."""
    whole = np.full((array.shape[0], array.shape[1] + 5), 99, array.dtype)
    whole[:, : array.shape[1]] = array
    return whole[:, : array.shape[1]]


@given(
    seed=seeds, n=rows, n_in=widths, n_out=widths, dtype=dtypes, layout=draw.layouts,
    density=draw.densities, activation=st.sampled_from(FORWARD), bias=st.booleans(),
    keep_preactivation=st.booleans(), read_only=st.booleans(),
)  # fmt: skip
def test_dense_forward(
    each_set, seed, n, n_in, n_out, dtype, layout, density, activation, bias, keep_preactivation,
    read_only,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    x = lay_out(rng, values(rng, (n, n_in), dtype, density), layout)
    weight = padded(values(rng, (n_in, n_out), dtype) / np.sqrt(n_in, dtype=dtype))
    b = values(rng, n_out, dtype) if bias else None
    if read_only:
        freeze(x, weight, b)
    parity.dense_forward(each_set, x, weight, b, activation, keep_preactivation)


SPECIAL = [
    0.0,
    -0.0,
    1e-300,
    -1e-12,
    1e-6,
    -1e-3,
    0.5,
    -1,
    5,
    -9,
    20,
    -40,
    100,
    709,
    -750,
    1e4,
    -1e4,
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", FORWARD)
def test_activations_to_the_last_places(each_set, activation, dtype):
    """Where z is exact, only the function's own error is left. NaN stays NaN."""
    dense = np.concatenate([np.linspace(-30, 30, 4001), np.linspace(-1e-3, 1e-3, 101), SPECIAL])
    z = np.concatenate([dense, [np.nan, np.inf]]).astype(dtype)[:, None]
    parity.activation(each_set, z, activation)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", [name for name in FORWARD if name not in ("gelu", "silu")])
def test_activations_at_minus_infinity(each_set, activation, dtype):
    parity.activation(each_set, np.array([[-np.inf], [1.0]], dtype), activation)


@pytest.mark.parametrize("activation", FORWARD)
def test_a_nan_in_x_makes_its_row_nan_and_no_other(each_set, activation):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(37, 19)), rng.normal(size=(19, 23))
    x[[3, 36], [18, 0]] = np.nan
    parity.dense_forward(each_set, x, weight, np.ones(23), activation)


def logits(rng, n, k, dtype, kinds):
    """Rows of ordinary logits, or huge, equal, with −inf, with NaN, or of nothing but −inf."""
    z = rng.normal(size=(n, k)).astype(dtype)
    for i, kind in enumerate(rng.choice(kinds, n)):
        if kind == "huge":
            z[i] = rng.choice([-1e4, 1e4], k)
        elif kind == "equal":
            z[i] = z[i, 0]
        elif kind == "wide":
            z[i] *= 300
        elif kind == "minus infinity" and k > 1:
            z[i, rng.permutation(k)[: rng.integers(1, k)]] = -np.inf
        elif kind == "nan":
            z[i, rng.integers(k)] = np.nan
        elif kind == "all minus infinity":
            z[i] = -np.inf
    return z


KINDS = ["ordinary", "huge", "equal", "wide", "minus infinity", "nan", "all minus infinity"]
kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)


@given(seed=seeds, n=rows, k=widths, dtype=dtypes, kinds=kinds, in_place=st.booleans())
def test_softmax(each_set, seed, n, k, dtype, kinds, in_place):
    z = padded(logits(np.random.default_rng(seed), n, k, dtype, kinds))
    freeze(z)
    parity.softmax(each_set, z, in_place)


@given(seed=seeds, k=widths, dtype=dtypes, kind=st.sampled_from(KINDS))
def test_softmax_of_one_dimension_as_one_row(each_set, seed, k, dtype, kind):
    parity.softmax(each_set, logits(np.random.default_rng(seed), 1, k, dtype, [kind])[0])


def sample_weights(rng, n, dtype, weighted):
    """Of ones, zeros and others; None if not `weighted`."""
    return rng.choice([0.0, 1.0, 0.3, 2.5], n).astype(dtype) if weighted else None


@given(
    seed=seeds, n=rows, k=widths, dtype=dtypes, kinds=kinds, weighted=st.booleans(),
    label_smoothing=st.sampled_from([0.0, 0.1, 0.9]),
)  # fmt: skip
def test_softmax_cross_entropy(each_set, seed, n, k, dtype, kinds, weighted, label_smoothing):
    rng = np.random.default_rng(seed)
    z, labels = padded(logits(rng, n, k, dtype, kinds)), rng.integers(0, k, n)
    weight = sample_weights(rng, n, dtype, weighted)
    if not np.isfinite(z).all() and weighted:
        weight += 1  # 0 · inf: what a row without weight may cost is not said
    freeze(z, labels, weight)
    parity.softmax_cross_entropy(each_set, z, labels, weight, label_smoothing)


@pytest.mark.parametrize("k", [2, 7, 100])
def test_cross_entropy_keeps_its_digits_beside_huge_logits(each_set, k):
    """log k, of k equal logits of 1e4: log Σ exp(z − max) − (z − max), not + max − z at the end."""
    z, labels = np.full((5, k), 1e4), np.zeros(5, np.int64)
    parity.softmax_cross_entropy(each_set, z, labels, None)


@given(
    seed=seeds, n=rows, k=widths, dtype=dtypes, pair=st.sampled_from(ELEMENTWISE_LOSSES),
    weighted=st.booleans(), special=st.sampled_from([None, 0.0, 1e4, -1e4, -np.inf, np.nan]),
)  # fmt: skip
def test_elementwise_loss(each_set, seed, n, k, dtype, pair, weighted, special):
    loss, activation = pair
    rng = np.random.default_rng(seed)
    z, target = padded(values(rng, (n, k), dtype)), padded(rng.random((n, k)).astype(dtype))
    constants = rng.choice([0.25, 0.5, 0.9], k).astype(dtype)
    if loss in ("absolute_error", "quantile"):
        z[rng.random((n, k)) < 0.2] = target[0, 0] if n else 0  # a residual of exactly 0
    weight = sample_weights(rng, n, dtype, weighted)
    if special is not None and n:
        z[rng.integers(n), rng.integers(k)] = special
        if weighted:
            weight += 1
    freeze(z, target, weight, constants)
    parity.elementwise_loss(each_set, loss, activation, z, target, weight, constants)


@given(
    seed=seeds, n=rows, n_in=widths, n_out=widths, dtype=dtypes, layout=draw.layouts,
    density=draw.densities, with_bias=st.booleans(), read_only=st.booleans(),
)  # fmt: skip
def test_weight_gradient(
    each_set, seed, n, n_in, n_out, dtype, layout, density, with_bias, read_only
):
    rng = np.random.default_rng(seed)
    x = lay_out(rng, values(rng, (n, n_in), dtype, density), layout)
    delta = padded(values(rng, (n, n_out), dtype))
    if read_only:
        freeze(x, delta)
    parity.weight_gradient(each_set, x, delta, with_bias)


@given(
    seed=seeds, n=rows, n_in=widths, n_out=widths, dtype=dtypes,
    activation=st.sampled_from(ACTIVATIONS), scale=st.sampled_from([1.0, 20.0]),
)  # fmt: skip
def test_input_gradient(each_set, seed, n, n_in, n_out, dtype, activation, scale):
    rng = np.random.default_rng(seed)
    delta = padded(values(rng, (n, n_out), dtype))
    weight = padded(values(rng, (n_in, n_out), dtype))
    z = values(rng, (n, n_in), dtype, density=0.9) * np.array(scale, dtype)
    freeze(delta, weight, z)
    parity.input_gradient(each_set, delta, weight, activation, z)


@given(
    seed=seeds, n=st.sampled_from([1, 2, 7, 15, 16, 17, 31, 100, 257, 4099]), dtype=dtypes,
    optimizer=draw.optimizers(in_groups=False), step=st.sampled_from([1, 2, 10, 5000]),
    density=draw.densities,
)  # fmt: skip
def test_update(each_set, seed, n, dtype, optimizer, step, density):
    rng = np.random.default_rng(seed)
    params, grads = values(rng, n, dtype), values(rng, n, dtype, density)
    state = values(rng, (optimizer.n_state, n), dtype, density)
    if len(state):
        state[-1] **= 2  # a mean square
    freeze(grads)
    parity.update(each_set, optimizer, step, params, grads, state)
