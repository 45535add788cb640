"""fastnn.sklearn's estimators inside what scikit-learn, joblib, pandas and polars offer."""

import copy
import pickle
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

import joblib
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:400] / 16, y[:400]


def small(**options):
    return MLPClassifier(**{"hidden_layer_sizes": (20,), "random_state": 0, **options})


# -- model selection ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, -1])
def test_pipeline_and_grid_search(wine, n_jobs):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(solver="lbfgs", max_iter=30)),
        {
            "mlpclassifier__alpha": [1e-4, 1.0],
            "mlpclassifier__hidden_layer_sizes": [(5,), (20, 10)],
        },
        cv=3,
        n_jobs=n_jobs,
    ).fit(*wine)
    assert search.best_score_ > 0.95
    assert search.predict(wine[0]).shape == (178,)


@pytest.mark.parametrize("kind", ["loky", "threading", "sequential"])
def test_cross_validation_has_the_same_scores_in_processes_and_threads(wine, kind):
    model = make_pipeline(StandardScaler(), small(max_iter=30))
    expected = cross_val_score(model, *wine, cv=4)
    with joblib.parallel_backend(kind, n_jobs=2):
        assert cross_val_score(model, *wine, cv=4).tolist() == expected.tolist()


def test_threads_do_not_multiply_in_workers():
    n_workers = 2
    counts = joblib.Parallel(n_workers, backend="loky")(
        joblib.delayed(fastnn.get_num_threads)() for _ in range(n_workers)
    )
    assert max(counts) * n_workers <= max(joblib.cpu_count(), n_workers)


@pytest.mark.parametrize("wanted", [1, 3])
def test_workers_have_as_many_threads_as_joblib_is_told(wanted):
    with joblib.parallel_config("loky", inner_max_num_threads=wanted):
        counts = joblib.Parallel(2)(joblib.delayed(fastnn.get_num_threads)() for _ in range(2))
    assert counts == [wanted, wanted]


def test_fits_in_threads_share_one_pool():
    """However many fits run at once, they have one pool of helpers between them."""
    rng = np.random.default_rng(0)
    x, y = rng.random((2000, 300), np.float32), rng.integers(0, 10, 2000)
    seen = []

    def look(network, epoch, record):
        seen.append(sum(thread.name.startswith("fastnn") for thread in threading.enumerate()))

    model = MLPClassifier((200,), max_iter=3, n_threads=2, callbacks=look)
    before = sum(thread.name.startswith("fastnn") for thread in threading.enumerate())
    joblib.Parallel(4, backend="threading")(
        joblib.delayed(clone(model).fit)(x, y) for _ in range(8)
    )
    assert max(seen) <= max(before, 1)


def test_clone_and_parameters():
    model = small(alpha=0.5, dropout=0.1, backend="numpy")
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert twin.set_params(alpha=2.0).alpha == 2.0
    assert "alpha=2.0" in repr(twin)
    assert "MLPClassifier" in twin._repr_html_()
    with pytest.raises(ValueError, match="alfa"):
        model.set_params(alfa=1.0)


# -- pickles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, SoftmaxRegression])
def test_pickled_and_copied_models_predict_and_train_on(kind, solver, digits, tmp_path):
    x, y = digits
    model = kind(solver=solver, max_iter=5, random_state=0).fit(x, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for twin in (
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        joblib.load(tmp_path / "model.joblib"),
    ):
        assert np.array_equal(twin.predict(x), model.predict(x))
        if solver != "lbfgs":
            once = copy.deepcopy(model).partial_fit(x, y)
            twin.partial_fit(x, y)
            assert np.array_equal(twin.coefs_[0], once.coefs_[0])
            assert twin.loss_curve_ == once.loss_curve_


def test_a_pickle_holds_the_network_in_the_safe_format(digits):
    model = small(max_iter=2).fit(*digits)
    assert b"TrainingOptions" not in pickle.dumps(model), "options are of one fit"
    assert b'"format":"fastnn' in pickle.dumps(model).replace(b" ", b"").replace(b"\\", b"")


def test_the_network_is_one_of_fastnn(digits, tmp_path):
    x, y = digits
    model = small(max_iter=20).fit(x, y)
    model.network_.save(tmp_path / "model.safetensors")
    network = fastnn.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(network.predict_proba(x), model.predict_proba(x), atol=1e-12)


@pytest.mark.parametrize("eval_set", [False, True])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "labels",
    [["j", "a", "e"], [9, 4, -1], [2.0, 1.0, 7.0], [False, True], ["yes", "no"], [1, 2], [0, 1, 2]],
)
def test_the_file_of_the_network_names_the_classes(digits, tmp_path, labels, method, eval_set):
    x, y = digits
    y = np.array(labels)[y % len(labels)]
    options = {"classes": labels} if method == "partial_fit" else {}
    options |= {"eval_set": (x, y)} if eval_set else {}
    model = getattr(small(max_iter=20), method)(x, y, **options)
    model.network_.save(tmp_path / "model.safetensors")
    network = fastnn.load(tmp_path / "model.safetensors")
    predicted = network.predict(x)
    assert predicted.tolist() == model.predict(x).tolist()
    assert predicted.dtype.kind == model.predict(x).dtype.kind
    assert network.evaluate(x, y)["accuracy"] == pytest.approx(model.score(x, y))
    assert (network.class_labels is None) == (labels == [0, 1, 2])
    twin = pickle.loads(pickle.dumps(model))
    assert twin.network_.class_labels == model.network_.class_labels


def test_a_network_keeps_the_numbers_of_a_single_class_and_of_many_labels(digits):
    x, y = digits
    for given in (np.full(len(y), "all"), np.stack([y > 3, y > 5], axis=1).astype(int)):
        assert small(max_iter=2).fit(x, given).network_.class_labels is None


# -- frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_name_the_features(library, wine):
    frames = pytest.importorskip(library)
    x, y = wine
    names = load_wine().feature_names
    frame = (
        frames.DataFrame(x, columns=names)
        if library == "pandas"
        else frames.DataFrame(dict(zip(names, x.T, strict=True)))
    )
    model = make_pipeline(StandardScaler(), small(max_iter=200))
    model.set_output(transform=library).fit(frame, y)
    assert model[-1].feature_names_in_.tolist() == names
    assert model.score(frame, y) > 0.95
    with pytest.raises(ValueError, match="feature names"):
        model[-1].predict(frame[names[::-1]])


def test_text_labels_in_a_series(wine):
    pandas = pytest.importorskip("pandas")
    x, y = wine
    labels = pandas.Series(y).map({0: "red", 1: "white", 2: "rosé"})
    model = make_pipeline(StandardScaler(), small()).fit(x, labels)
    assert set(model.predict(x)) == {"red", "white", "rosé"}
    assert model.score(x, labels) > 0.9


# -- meta-estimators, inspection, routing ---------------------------------------------------------


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(wine, method):
    model = make_pipeline(StandardScaler(), small(max_iter=100))
    calibrated = CalibratedClassifierCV(model, method=method, cv=3).fit(*wine)
    np.testing.assert_allclose(calibrated.predict_proba(wine[0]).sum(axis=1), 1.0)
    assert calibrated.score(*wine) > 0.9


def test_inspection(wine):
    model = make_pipeline(StandardScaler(), small(max_iter=100)).fit(*wine)
    importance = permutation_importance(model, *wine, n_repeats=3, random_state=0)
    assert importance.importances_mean.max() > 0.01
    assert partial_dependence(model, wine[0], [0])["average"].shape[0] == 3


def test_ensembles_and_wrappers(wine):
    base = make_pipeline(StandardScaler(), small(max_iter=100))
    for model in (
        BaggingClassifier(base, n_estimators=3, random_state=0),
        VotingClassifier([("network", base), ("softmax", SoftmaxRegression())], voting="soft"),
        OneVsRestClassifier(base),
    ):
        assert model.fit(*wine).score(*wine) > 0.9
    x, y = load_diabetes(return_X_y=True)
    regressor = TransformedTargetRegressor(
        MLPRegressor(
            hidden_layer_sizes=(20,), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0
        ),
        transformer=StandardScaler(),
    )
    assert regressor.fit(x * 20, y).score(x * 20, y) > 0.5


def test_metadata_is_routed():
    x, y = load_iris(return_X_y=True)
    weight = np.where(y == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = small(max_iter=50).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        result = cross_validate(
            make_pipeline(scaler, model), x, y, cv=3, params={"sample_weight": weight},
            return_estimator=True,
        )  # fmt: skip
    ignoring = [pipeline[-1].predict_proba(pipeline[:-1].transform(x)) for pipeline in
                result["estimator"]]  # fmt: skip
    assert all(p[y != 0, 0].max() < 0.5 for p in ignoring)
    with sklearn.config_context(enable_metadata_routing=True), pytest.raises(
        sklearn.exceptions.UnsetMetadataPassedError
    ):  # fmt: skip
        cross_validate(small(), x, y, params={"sample_weight": weight})
