"""The estimators on a cluster: those of fastnn.sklearn, for rows that lie elsewhere."""

import pickle
import warnings

import numpy as np
import pytest

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
pytest.importorskip("distributed")
sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.metrics import accuracy_score, log_loss, r2_score  # noqa: E402

from fastnn.dask import (  # noqa: E402
    DaskMLPClassifier,
    DaskMLPRegressor,
    DaskSoftmaxRegression,
)
from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression  # noqa: E402


def problem(n_rows=900, n_in=6):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n_rows, n_in))
    y = np.array(["blue", "green", "red"])[
        (x[:, :3] + 0.3 * rng.normal(size=(n_rows, 3))).argmax(1)
    ]
    return x, y


def on_dask(*arrays, chunk=250):
    return [da.from_array(a, chunks=(chunk, *a.shape[1:])) for a in arrays]


def fit_quietly(estimator, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(*arguments, **options)


@pytest.mark.parametrize("chunk", [900, 250, 77])
@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs_finds_the_minimum_of_one_machine(dask_client, chunk, weighted):
    x, y = problem()
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y)) if weighted else None
    given = {"C": 0.7, "tol": 1e-9, "max_iter": 500, "class_weight": "balanced"}
    local = SoftmaxRegression(**given).fit(x, y, weight)
    xs, ys, *weights = on_dask(x, y, *([weight] if weighted else []), chunk=chunk)
    far = DaskSoftmaxRegression(**given, client=dask_client).fit(xs, ys, *weights)
    np.testing.assert_allclose(far.coef_, local.coef_, atol=1e-6)
    assert far.loss_ == pytest.approx(local.loss_, abs=1e-9)
    assert far.score(xs, ys) == local.score(x, y)


def test_lbfgs_of_a_regression(dask_client):
    x, _ = problem()
    y = np.stack([x[:, 0] - x[:, 1], x[:, 2]], axis=1)
    given = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "max_iter": 30, "random_state": 1}
    local = fit_quietly(MLPRegressor(**given), x, y)
    far = fit_quietly(DaskMLPRegressor(**given, client=dask_client), *on_dask(x, y))
    assert far.loss_ == pytest.approx(local.loss_, rel=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw"])
def test_what_is_learned_is_learned_on_one_machine_too(dask_client, solver):
    x, y = problem()
    rate = {"sgd": 0.05}.get(solver, 0.01)
    given = {"hidden_layer_sizes": (8,), "solver": solver, "learning_rate_init": rate,
             "max_iter": 30, "random_state": 0}  # fmt: skip
    far = fit_quietly(DaskMLPClassifier(**given, client=dask_client), *on_dask(x, y))
    local = fit_quietly(MLPClassifier(**given), x, y)
    assert far.score(*on_dask(x, y)) > local.score(x, y) - 0.03
    assert len(far.loss_curve_) == far.n_iter_
    assert far.loss_curve_[-1] < far.loss_curve_[0]


def test_predictions_are_lazy_and_those_of_the_local_estimator(dask_client):
    x, y = problem()
    xs, ys = on_dask(x, y)
    far = fit_quietly(DaskMLPClassifier((8,), max_iter=3, client=dask_client), xs, ys)
    local = far.to_local()
    assert type(local) is MLPClassifier
    for name in ("predict", "predict_proba", "predict_log_proba", "transform"):
        lazy = getattr(far, name)(xs)
        here = getattr(local, name)(x)
        assert isinstance(lazy, da.Array)
        assert lazy.shape == here.shape
        assert lazy.dtype == here.dtype
        np.testing.assert_array_equal(lazy.compute(scheduler="sync"), here, err_msg=name)
    assert far.score(xs, ys) == accuracy_score(y, local.predict(x))


def test_frames_keep_their_index_and_name_their_classes(dask_client):
    x, y = problem()
    table = pd.DataFrame(x.astype(np.float32), columns=list("abcdef"))
    table["colour"] = y
    table.index = table.index * 7
    frame = dd.from_pandas(table, npartitions=4)
    far = fit_quietly(
        DaskMLPClassifier((8,), max_iter=3, client=dask_client),
        frame[list("abcdef")], frame["colour"],
    )  # fmt: skip
    assert far.feature_names_in_.tolist() == list("abcdef")
    shuffled = frame[list("fedcba")]
    predicted = far.predict(frame[list("abcdef")]).compute()
    assert (predicted.index == table.index).all()
    with pytest.raises(ValueError, match="feature names"):
        far.predict(shuffled).compute()
    proba = far.predict_proba(frame[list("abcdef")]).compute()
    assert proba.columns.tolist() == ["blue", "green", "red"]
    assert (proba.idxmax(axis=1) == predicted).all()


def test_a_regression(dask_client):
    x, _ = problem()
    y = 2 * x[:, 0] - x[:, 1]
    xs, ys = on_dask(x, y)
    far = fit_quietly(
        DaskMLPRegressor(hidden_layer_sizes=(16,), max_iter=30, random_state=0, client=dask_client,
                         learning_rate_init=0.01), xs, ys,
    )  # fmt: skip
    assert far.score(xs, ys) == pytest.approx(r2_score(y, far.predict(xs).compute()), rel=1e-6)
    assert far.score(xs, ys) > 0.9


def test_partial_fit_takes_partitions_as_they_come(dask_client):
    x, y = problem()
    xs, ys = on_dask(x, y)
    far = DaskMLPClassifier((8,), random_state=0, client=dask_client)
    losses = []
    for _ in range(4):
        far.partial_fit(xs[:500], ys[:500], classes=["blue", "green", "red"])
        losses.append(far.loss_)
    assert losses == sorted(losses, reverse=True)
    assert far.t_ == 4 * 500


def test_early_stopping_watches_other_partitions(dask_client):
    x, y = problem()
    xs, ys = on_dask(x, y)
    far = DaskMLPClassifier(
        (8,), early_stopping=True, n_iter_no_change=3, max_iter=200, learning_rate_init=0.02,
        random_state=0, client=dask_client,
    )  # fmt: skip
    with pytest.raises(ValueError, match="eval_set"):
        far.fit(xs, ys)
    far.fit(xs[:600], ys[:600], eval_set=(xs[600:], ys[600:]))
    assert far.n_iter_ < 200
    assert far.best_validation_score_ == max(far.validation_scores_)
    assert far.score(xs[600:], ys[600:]) == far.best_validation_score_
    local = far.to_local()
    assert local.score(x[600:], y[600:]) == pytest.approx(far.best_validation_score_)


def test_constructors_have_the_parameters_of_the_local_ones():
    for far, local in (
        (DaskMLPClassifier, MLPClassifier),
        (DaskMLPRegressor, MLPRegressor),
        (DaskSoftmaxRegression, SoftmaxRegression),
    ):
        own = {"client", "rounds_per_epoch", "rate_factor", "outer", "persist"}
        assert set(far().get_params()) == set(local().get_params()) | own
        with pytest.raises(TypeError, match="no_such"):
            far(no_such=1)


def test_clones_share_the_client_and_pickles_have_none(dask_client):
    far = DaskMLPClassifier((8,), alpha=0.5, client=dask_client)
    twin = clone(far)
    assert twin.client is dask_client
    assert twin.alpha == 0.5
    back = pickle.loads(pickle.dumps(far))
    assert back.client is None
    assert back.alpha == 0.5


def test_an_error_leaves_a_fitted_estimator_as_it_was(dask_client):
    x, y = problem()
    xs, ys = on_dask(x, y)
    far = fit_quietly(DaskMLPClassifier((8,), max_iter=2, client=dask_client), xs, ys)
    before = far.network_.parameters.copy()
    broken = da.where(xs > 3.0, np.nan, xs)
    with pytest.raises(ValueError, match="partition"):
        far.fit(broken, ys)
    np.testing.assert_array_equal(far.network_.parameters, before)


def cases_of_warnings():
    x, y = problem()
    order = np.argsort(y)
    sets = {
        "not converged": ({"max_iter": 1}, x, y),
        "lbfgs": ({"solver": "lbfgs", "max_iter": 1}, x, y),
        "few classes": ({"max_iter": 1}, x[order], y[order]),
    }
    return [pytest.param(*case, id=name) for name, case in sets.items()]


@pytest.mark.parametrize(("options", "x", "y"), cases_of_warnings())
def test_warnings_point_to_the_call_of_fit(dask_client, options, x, y):
    far = DaskMLPClassifier((4,), random_state=0, client=dask_client, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        far.fit(*on_dask(x, y))
    assert {warning.filename for warning in caught} == {__file__}


def test_validation_rows_have_no_weights(dask_client):
    x, y = problem()
    xs, ys = on_dask(x, y)
    far = DaskMLPClassifier(
        (8,), max_iter=2, class_weight={"blue": 9.0, "green": 1.0, "red": 0.1}, client=dask_client
    )
    fit_quietly(far, xs, ys, eval_set=(xs, ys))
    expected = log_loss(y, far.to_local().predict_proba(x))
    assert far.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-6)
