"""Options in any combination: the fits of fastnn.sklearn are scikit-learn's."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import neural_network

from fastnn import sklearn as ours

# Of the loss: 12 epochs are at most 200 updates, in which Adam makes rounding grow; line searches
# of L-BFGS part on the way.
CLOSE = {"sgd": 1e-9, "adam": 1e-6, "lbfgs": 1e-5}

LAYOUTS = [np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_matrix]
OPTIONS = st.fixed_dictionaries(
    {
        "hidden_layer_sizes": st.sampled_from([(), (5,), (4, 3), (17,), (8, 8, 8)]),
        "activation": st.sampled_from(["identity", "logistic", "tanh", "relu"]),
        "solver": st.sampled_from(["sgd", "adam", "lbfgs"]),
        "alpha": st.sampled_from([0.0, 1e-4, 0.1]),
        "batch_size": st.sampled_from(["auto", 7, 16, 32]),
        "learning_rate": st.sampled_from(["constant", "invscaling", "adaptive"]),
        "learning_rate_init": st.sampled_from([1e-3, 1e-2]),
        "power_t": st.sampled_from([0.2, 0.5]),
        "max_iter": st.integers(1, 12),
        "shuffle": st.booleans(),
        "random_state": st.integers(0, 1000),
        "tol": st.sampled_from([1e-4, 1e-2, 0.1]),
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "nesterovs_momentum": st.booleans(),
        "early_stopping": st.booleans(),
        "validation_fraction": st.sampled_from([0.1, 0.3]),
        "n_iter_no_change": st.sampled_from([1, 2, 10]),
        "beta_1": st.sampled_from([0.5, 0.9]),
        "beta_2": st.sampled_from([0.9, 0.999]),
        "epsilon": st.sampled_from([1e-8, 1e-3]),
        "max_fun": st.sampled_from([3, 15000]),
    }
)


def assert_fits_agree(name, x, y, weight, options):
    fitted = []
    for module in (neural_network, ours):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.append(getattr(module, name)(**options).fit(x, y, weight))
    theirs, mine = fitted
    close = CLOSE[options["solver"]]
    assert mine.n_iter_ == theirs.n_iter_
    assert mine.t_ == theirs.t_
    np.testing.assert_allclose(mine.loss_, theirs.loss_, rtol=close)
    if options["solver"] != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=close)
        if options["early_stopping"]:
            scores = mine.validation_scores_, theirs.validation_scores_
            np.testing.assert_allclose(*scores, rtol=1e-6, atol=1e-6)
    for mine_w, their_w in zip(
        mine.coefs_ + mine.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine_w, their_w, rtol=100 * close, atol=100 * close)


def data(seed, n_rows, n_in, layout, weigh):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_in))
    x[rng.random(x.shape) < rng.choice([0.0, 0.6])] = 0.0
    return rng, layout(x), rng.random(n_rows) if weigh else None


SHAPES = {
    "seed": st.integers(0, 2**32 - 1),
    "n_rows": st.integers(30, 120),
    "n_in": st.integers(1, 12),
    "layout": st.sampled_from(LAYOUTS),
    "weigh": st.booleans(),
}


@given(
    options=OPTIONS, kind=st.sampled_from(["two", "four", "text", "labels"]),
    shape=st.fixed_dictionaries(SHAPES),
)  # fmt: skip
def test_classifiers_agree(options, kind, shape):
    rng, x, weight = data(**shape)
    n_rows = shape["n_rows"]
    y = {
        "two": lambda: np.arange(n_rows) % 2,
        "four": lambda: rng.permutation(np.arange(n_rows) % 4 * 3),
        "text": lambda: np.array(["a", "b", "c"])[np.arange(n_rows) % 3],
        "labels": lambda: rng.integers(0, 2, (n_rows, 3)),
    }[kind]()
    assert_fits_agree("MLPClassifier", x, y, weight, options)


@given(
    options=OPTIONS, loss=st.sampled_from(["squared_error", "poisson"]),
    n_outputs=st.integers(1, 3), shape=st.fixed_dictionaries(SHAPES),
)  # fmt: skip
def test_regressors_agree(options, loss, n_outputs, shape):
    rng, x, weight = data(**shape)
    y = 3 * rng.random((shape["n_rows"], n_outputs))
    y[y < 0.3] = 0.0
    y = y.ravel() if n_outputs == 1 else y
    assert_fits_agree("MLPRegressor", x, y, weight, {**options, "loss": loss})
