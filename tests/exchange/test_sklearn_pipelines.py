"""Pipelines, scaled targets and searches: networks that predict as they do, on the raw rows.

Bound: 1e-9 in float64, relative for numbers; the same labels.
"""

import copy

import numpy as np
import pytest
from support.examples import blobs
from support.random_networks import THOROUGH

import fastnn
import fastnn.sklearn

pytest.importorskip("sklearn.base")

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS, CLASSES = blobs(n_classes=3)
ROWS = ROWS.astype(np.float64)
UNITS = np.geomspace(1e-3, 1e4, ROWS.shape[1])
X = ROWS * UNITS + 5 * UNITS * np.arange(ROWS.shape[1])
NAMES = np.array(["no", "perhaps", "yes"])


def same_predictions(estimator, network, x, tolerance=1e-9):
    expected = estimator.predict(x)
    if hasattr(estimator, "predict_proba"):
        assert network.predict(x).tolist() == expected.tolist()
        p = network.predict_proba(x)
        p = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
        np.testing.assert_allclose(p, estimator.predict_proba(x), rtol=0, atol=tolerance)
    else:
        found = network.predict(x)
        bound = tolerance * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


def drawn_scaler(rng):
    def flag():
        return bool(rng.random() < 0.7)

    low = float(rng.normal())
    scalers = [
        StandardScaler(with_mean=flag(), with_std=flag()),
        MinMaxScaler((low, low + float(rng.uniform(0.1, 3)))),
        MaxAbsScaler(),
        RobustScaler(
            with_centering=flag(),
            with_scaling=flag(),
            unit_variance=flag(),
            quantile_range=(10.0, 80.0),
        ),
        "passthrough",
        None,
        FunctionTransformer(),
        make_pipeline(StandardScaler(), MinMaxScaler()),
    ]
    return scalers[rng.integers(len(scalers))]


def drawn_estimator(rng, is_classifier):
    options = {"max_iter": 3, "random_state": 0, "hidden_layer_sizes": (5,) * rng.integers(0, 3)}
    options["activation"] = str(rng.choice(["identity", "logistic", "tanh", "relu"]))
    if is_classifier:
        estimators = (MLPClassifier(**options), LogisticRegression(max_iter=20))
        return estimators[rng.integers(2)]
    linear = (LinearRegression(fit_intercept=bool(rng.random() < 0.7)), Ridge(), Lasso(1e-3))
    estimators = (MLPRegressor(**options), MLPRegressor(**options), *linear)
    return estimators[rng.integers(len(estimators))]


@pytest.mark.parametrize("seed", range(300 if THOROUGH else 30))
def test_random_pipelines_predict_the_same_on_raw_rows(seed):
    rng = np.random.default_rng(seed)
    is_classifier = bool(rng.random() < 0.5)
    y = (
        [CLASSES, NAMES[CLASSES], CLASSES % 2][rng.integers(3)]
        if is_classifier
        else [X[:, 0] * 1e3 + 70, X[:, :2] @ [[1.0, 2], [3, 4]] - 5][rng.integers(2)]
    )
    steps = [(f"s{i}", drawn_scaler(rng)) for i in range(rng.integers(1, 4))]
    estimator = Pipeline([("first", StandardScaler()), *steps, ("last", None)])
    last = drawn_estimator(rng, is_classifier)
    if not is_classifier and rng.random() < 0.5:
        target = drawn_scaler(rng)
        last = TransformedTargetRegressor(
            last, transformer=None if target == "passthrough" else target
        )
    estimator.set_params(last=last)
    if not is_classifier and rng.random() < 0.3:
        estimator = TransformedTargetRegressor(estimator, transformer=StandardScaler())
    estimator.fit(X, y)
    network = fastnn.from_sklearn(estimator)
    assert network.architecture.dtype == "float64"
    same_predictions(estimator, network, X)


@pytest.mark.parametrize(
    "regression", [LinearRegression(), LinearRegression(fit_intercept=False), Ridge(), Lasso(0.01)]
)
@pytest.mark.parametrize("y", [X[:, 0], X[:, :1], X[:, :2]])
def test_a_linear_regression_is_one_layer(regression, y):
    estimator = regression.fit(ROWS, y)
    network = fastnn.from_sklearn(estimator)
    a = network.architecture
    assert (len(network.weights), a.output, a.loss) == (1, "identity", "squared_error")
    expected = estimator.predict(ROWS).reshape(len(ROWS), -1)
    found = network.predict(ROWS).reshape(len(ROWS), -1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), RobustScaler()])
@pytest.mark.parametrize(
    "own",
    [
        fastnn.sklearn.MLPClassifier((7,), max_iter=3),
        fastnn.sklearn.SoftmaxRegression(),
        fastnn.sklearn.MLPRegressor(hidden_layer_sizes=(7,), max_iter=3),
    ],
    ids=lambda e: type(e).__name__,
)
def test_fastnns_own_estimators_are_read_in_pipelines(own, scaler):
    numbers = isinstance(own, fastnn.sklearn.MLPRegressor)
    estimator = make_pipeline(copy.deepcopy(scaler), copy.deepcopy(own))
    estimator.fit(X, ROWS[:, :2] if numbers else NAMES[CLASSES])
    before = estimator[-1].network_.parameters.copy()
    network = fastnn.from_sklearn(estimator, backend="numpy")
    assert network.backend == "numpy"
    assert network.architecture.loss == estimator[-1].network_.architecture.loss
    tolerance = 1e-9 if network.architecture.dtype == "float64" else 1e-5
    same_predictions(estimator, network, X, tolerance)
    network.parameters = 0 * network.parameters
    assert np.array_equal(estimator[-1].network_.parameters, before)


@pytest.mark.parametrize("far", [False, True])
def test_float32_weights_stay_so_unless_a_mean_is_far_from_zero(far):
    x = (ROWS + (1e5 if far else 0)).astype(np.float32)
    estimator = make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=3)).fit(x, CLASSES)
    network = fastnn.from_sklearn(estimator)
    assert network.architecture.dtype == ("float64" if far else "float32")
    p = estimator.predict_proba(x.astype(np.float64))  # its scaler rounds means of 1e5 to float32
    np.testing.assert_allclose(network.predict_proba(x), p, rtol=0, atol=1e-5)


@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
def test_a_search_gives_its_best_estimator(search):
    pipeline = Pipeline([("scale", StandardScaler()), ("last", LogisticRegression())])
    options = {"n_iter": 2} if search is RandomizedSearchCV else {}
    estimator = search(pipeline, {"last__C": [0.1, 1.0]}, cv=2, **options)
    with pytest.raises(ValueError, match="not fitted yet"):
        fastnn.from_sklearn(estimator)
    estimator.fit(X, CLASSES)
    same_predictions(estimator, fastnn.from_sklearn(estimator), X)
    estimator = search(pipeline, {"last__C": [0.1, 1.0]}, cv=2, refit=False, **options)
    with pytest.raises(ValueError, match="fit it with refit=True"):
        fastnn.from_sklearn(estimator.fit(X, CLASSES))


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        lambda: make_pipeline("passthrough", make_pipeline(MinMaxScaler()), LogisticRegression()),
        lambda: make_pipeline(make_pipeline(StandardScaler(), LogisticRegression())),
        lambda: GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
        lambda: LogisticRegression(max_iter=1000),
        lambda: fastnn.sklearn.SoftmaxRegression(),
        lambda: make_pipeline(StandardScaler(), fastnn.sklearn.SoftmaxRegression()),
    ],
)
def test_the_columns_names_come_along(make):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=[f"c{i}" for i in range(ROWS.shape[1])])
    estimator = make().fit(frame, CLASSES)
    network = fastnn.from_sklearn(estimator)
    assert network.trained_on.feature_names == tuple(frame.columns)
    assert network.trained_on.inputs == "numbers"
    shuffled = frame[frame.columns[::-1]]
    assert network.predict(shuffled).tolist() == estimator.predict(frame).tolist()
    with pytest.raises(ValueError, match="c0"):
        network.predict(frame.rename(columns={"c0": "other"}))


class Subclass(StandardScaler):
    def transform(self, x):
        return super().transform(x) ** 2


def fitted(*steps, y=CLASSES):
    return make_pipeline(*steps).fit(X, y)


def scaled(regressor, **options):
    return TransformedTargetRegressor(regressor, **options).fit(ROWS, CLASSES + 1.0)


def poisson():
    return MLPRegressor(loss="poisson", hidden_layer_sizes=(3,), max_iter=3)


REFUSED = {
    "clipping": (
        lambda: fitted(MinMaxScaler(clip=True), LogisticRegression()),
        ValueError,
        "step 'minmaxscaler', a MinMaxScaler, has clip=True",
    ),
    "in a nested pipeline": (
        lambda: fitted(make_pipeline(StandardScaler(), PCA(2)), LogisticRegression()),
        TypeError,
        r"step 'pipeline\.pca', a PCA, cannot be folded.* StandardScaler.*beforehand",
    ),
    "polynomials": (
        lambda: fitted(PolynomialFeatures(), LogisticRegression()),
        TypeError,
        "a PolynomialFeatures,",
    ),
    "imputing": (lambda: fitted(SimpleImputer(), Ridge()), TypeError, "a SimpleImputer,"),
    "single columns": (
        lambda: fitted(ColumnTransformer([("a", StandardScaler(), [0])]), Ridge()),
        TypeError,
        "a ColumnTransformer,",
    ),
    "a function": (
        lambda: fitted(FunctionTransformer(np.abs), Ridge()), TypeError, "a FunctionTransformer,"
    ),
    "a subclass": (lambda: fitted(Subclass(), Ridge()), TypeError, "a Subclass,"),
    "an unfitted scaler": (
        lambda: make_pipeline(StandardScaler(), Ridge()), ValueError, "not fitted yet"
    ),
    "no estimator": (lambda: fitted(StandardScaler()), TypeError, "estimator must be .*Standard"),
    "an empty pipeline": (lambda: Pipeline([]), ValueError, "has no steps"),
    "a function of the target": (
        lambda: scaled(Ridge(), func=np.log, inverse_func=np.exp),
        TypeError,
        "step 'transformer', a FunctionTransformer,",
    ),
    "a scaled target of exp": (
        lambda: scaled(poisson(), transformer=MinMaxScaler((1, 2))),
        ValueError,
        "MLPRegressor.* has the output exp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_takes_up_is_refused_by_name(name):
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        fastnn.from_sklearn(make())
