"""What SciPy's minimizer is handed by scikit-learn's perceptrons and by ours, and on what terms."""

import warnings
from contextlib import nullcontext

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

import scipy.optimize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import neural_network
from support.backends import under_test

from fastnn import sklearn as ours
from fastnn.backends import threads


@pytest.fixture
def watched(monkeypatch):
    """A function that fits an estimator; returns the starts, and the losses of all evaluations."""
    minimize = scipy.optimize.minimize
    starts, losses = [], []

    def watching(function, start, *arguments, **options):
        def evaluate(params, *others):
            loss, gradient = function(params, *others)
            losses.append(loss)
            return loss, gradient

        starts.append(start)
        return minimize(evaluate, start, *arguments, **options)

    def fit(estimator, x, y):
        del starts[:], losses[:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(x, y)
        (start,) = starts
        return start, np.array(losses)

    monkeypatch.setattr("scipy.optimize.minimize", watching)
    monkeypatch.setattr("fastnn.sklearn.lbfgs.minimize", watching)
    return fit


def rows(seed, n_rows, n_in, n_out):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_in))
    y = x @ rng.normal(size=(n_in, n_out)) + 0.1 * rng.normal(size=(n_rows, n_out))
    return x, y


sizes = st.integers(1, 20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it forgets the last fit
@given(
    st.integers(0, 1000),
    st.integers(30, 80),
    sizes,
    st.integers(1, 5),
    st.lists(sizes, max_size=2),
    st.booleans(),
)
def test_the_minimizer_is_asked_the_same_as_scikit_learns(
    watched, seed, n_rows, n_in, n_out, hidden, classifies
):
    x, y = rows(seed, n_rows, n_in, n_out)
    name = "MLPClassifier" if classifies else "MLPRegressor"
    y = np.digitize(y[:, 0], np.quantile(y[:, 0], [0.3, 0.6])) if classifies else y
    options = {
        "hidden_layer_sizes": hidden, "activation": "tanh", "solver": "lbfgs", "max_iter": 6,
        "random_state": seed, "alpha": 0.1,
    }  # fmt: skip
    start, losses = watched(getattr(neural_network, name)(**options), x, y)
    own_start, own_losses = watched(getattr(ours, name)(**options), x, y)
    np.testing.assert_array_equal(own_start, start)  # in the same order, without padding
    assert len(own_losses) == len(losses)
    # rounding, as the line searches of six iterations amplify it
    np.testing.assert_allclose(own_losses, losses, rtol=1e-6)


class ToldToFailError(Exception):
    pass


@pytest.mark.parametrize("fails", [False, True])
def test_blas_uses_one_thread_while_it_minimizes_and_only_then(backend, monkeypatch, fails):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    threads._blas_beside.cache_clear()  # another library may have been loaded meanwhile
    minimize = scipy.optimize.minimize
    seen = []

    def used():
        return [
            i["num_threads"] for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"
        ]

    def watching(function, *arguments, callback, **options):
        def iterated(params):
            seen.extend(used())
            if fails:
                raise ToldToFailError
            callback(params)

        return minimize(function, *arguments, callback=iterated, **options)

    monkeypatch.setattr("fastnn.sklearn.lbfgs.minimize", watching)
    x, y = rows(0, 50, 4, 1)
    given = {"solver": "lbfgs", "backend": backend.name, "max_iter": 3, "random_state": 0}
    with threadpoolctl.ThreadpoolController().limit(limits=2, user_api="blas"):
        before = used()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ToldToFailError) if fails else nullcontext():
                ours.MLPRegressor(hidden_layer_sizes=5, **given).fit(x, y[:, 0])
        assert used() == before
    assert set(seen) == {1}


@pytest.mark.parametrize(("name", "product"), [("numpy", 512 * 4 * 5), ("cython", 0.0)])
def test_products_that_blas_computes_decide_on_its_threads(monkeypatch, name, product):
    under_test(name)
    limited, asked = threads.blas_limited, []

    def watching(uses_blas, multiply_adds):
        asked.append((uses_blas, multiply_adds))
        return limited(uses_blas, multiply_adds)

    monkeypatch.setattr("fastnn.sklearn.lbfgs.blas_limited", watching)
    x, y = rows(0, 50, 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours.MLPRegressor(
            hidden_layer_sizes=5, solver="lbfgs", backend=name, max_iter=3, random_state=0
        ).fit(x, y[:, 0])
    assert asked == [(True, product)]
