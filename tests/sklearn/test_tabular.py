"""TabularClassifier and TabularRegressor: tables as they come."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.backends import backends_under_test
from support.learnable_tables import mixed_table, score_of
from support.table_inputs import graph_inputs

import fastnn
from fastnn.bagging.tables import fit_table
from fastnn.sklearn import TabularClassifier, TabularRegressor
from fastnn.tabular import as_frame

QUICK = {"n_estimators": 2, "max_iter": 8, "hidden_layer_sizes": (16,), "random_state": 0}
TABLE = mixed_table(400)
NUMBERS = score_of(TABLE)
CLASSES = np.where(np.median(NUMBERS) < NUMBERS, "high", "low")
NEW = mixed_table(50, seed=9)


def classifier(**options):
    return TabularClassifier(**QUICK | options)


def regressor(**options):
    return TabularRegressor(**QUICK | options)


def expected_to_fail(_):
    return {
        "check_sample_weight_equivalence_on_dense_data": "rows are shared out into folds, and "
        "shuffled into minibatches, by their number: a row of weight 2 is not two rows"
    }


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        TabularClassifier(n_estimators=2, max_iter=60, hidden_layer_sizes=(32,)),
        TabularRegressor(n_estimators=2, max_iter=60, hidden_layer_sizes=(32,)),
    ],
    expected_failed_checks=expected_to_fail,
)
def test_scikit_learns_checks(estimator, check):
    if check.func.__name__ == "check_array_api_input":
        pytest.skip("SciPy must be imported with SCIPY_ARRAY_API=1")
    check(estimator)


def test_a_table_as_it_comes_is_learned():
    model = TabularClassifier(random_state=0, max_iter=20, n_estimators=3).fit(TABLE, CLASSES)
    truth = np.where(score_of(NEW) > np.median(NUMBERS), "high", "low")
    assert model.score(NEW, truth) > 0.8
    assert model.oof_score_ > 0.85
    assert set(model.classes_) == {"high", "low"}
    names = list(model.feature_names_in_)
    worth = dict(zip(names, model.feature_importances_, strict=True))
    assert worth["id"] == worth["constant"] == 0.0
    assert max(worth, key=worth.get) == "city"
    assert min(worth["city"], worth["age"], worth["member"]) > 5 * abs(worth["income"])


def test_numbers_are_learned_and_predictions_stay_within_the_targets():
    model = TabularRegressor(random_state=0, max_iter=20, n_estimators=3).fit(TABLE, NUMBERS)
    assert model.oof_score_ > 0.8
    assert model.score(NEW, score_of(NEW)) > 0.75
    far = NEW.assign(age=1e9)
    predicted = model.predict(pd.concat([NEW, far, far.assign(age=-1e9)], ignore_index=True))
    slack = 1e-6 * np.ptp(NUMBERS)
    assert predicted.min() >= NUMBERS.min() - slack
    assert predicted.max() <= NUMBERS.max() + slack


@pytest.mark.parametrize("make", [classifier, regressor])
def test_columns_are_matched_by_name(make):
    y = CLASSES if make is classifier else NUMBERS
    model = make().fit(TABLE, y)
    expected = model.predict(NEW)
    turned = NEW[list(NEW.columns[::-1])]
    np.testing.assert_array_equal(model.predict(turned), expected)
    without = NEW.drop(columns=["id", "constant"])
    np.testing.assert_array_equal(model.predict(without.assign(id=0, constant=0)), expected)
    with pytest.raises(ValueError, match="city"):
        model.predict(NEW.drop(columns="city"))
    with pytest.raises(ValueError, match="town"):
        model.predict(NEW.rename(columns={"city": "town"}))


@pytest.mark.parametrize("make", [classifier, regressor])
def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(make):
    y = CLASSES if make is classifier else NUMBERS
    one, two = make(n_threads=1).fit(TABLE, y), make(n_threads=2).fit(TABLE, y)
    np.testing.assert_array_equal(one.ensemble_.parameters, two.ensemble_.parameters)
    other = make(random_state=1).fit(TABLE, y)
    assert not np.array_equal(one.ensemble_.parameters, other.ensemble_.parameters)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_callbacks_see_each_network_and_change_no_bit(make):
    y = CLASSES if make is classifier else NUMBERS
    seen = []

    def look(network, epoch, record):
        seen.append((epoch, record["val_loss"]))

    watched, alone = make(callbacks=look).fit(TABLE, y), make().fit(TABLE, y)
    np.testing.assert_array_equal(watched.ensemble_.parameters, alone.ensemble_.parameters)
    assert [epoch for epoch, _ in seen] == [*range(1, 9), *range(1, 9)]
    for history, other in zip(watched.histories_, alone.histories_, strict=True):
        assert history["val_loss"] == other["val_loss"]


@pytest.mark.parametrize("make", [classifier, regressor])
def test_pickles_and_files_predict_the_same(make, tmp_path):
    y = CLASSES if make is classifier else NUMBERS
    model = make().fit(TABLE, y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(NEW), model.predict(NEW))
    model.ensemble_.save(tmp_path / "model.safetensors")
    ensemble = fastnn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(ensemble.predict(NEW), model.predict(NEW))


def test_the_rows_that_a_network_left_out_are_predicted_by_it():
    model = classifier(n_estimators=5).fit(TABLE, CLASSES)
    p = model.oof_decision_function_
    assert p.shape == (400, 2)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    right = model.classes_[p.argmax(axis=1)] == CLASSES
    assert right.mean() == pytest.approx(model.oof_score_)
    few = regressor(n_estimators=2).fit(TABLE, NUMBERS)
    assert np.isnan(few.oof_prediction_).mean() == pytest.approx(0.6)


@pytest.mark.parametrize("make", [classifier, regressor])
def test_samples_to_watch_can_be_passed(make):
    y, y_new = (
        (CLASSES, np.where(score_of(NEW) > np.median(NUMBERS), "high", "low"))
        if make is classifier
        else (NUMBERS, score_of(NEW))
    )
    model = make().fit(TABLE, y, eval_set=(NEW, y_new))
    other = make().fit(TABLE, y, X_val=NEW, y_val=y_new)
    np.testing.assert_array_equal(model.ensemble_.parameters, other.ensemble_.parameters)
    assert not hasattr(model, "oof_score_")
    with pytest.raises(ValueError, match="eval_set"):
        make().fit(TABLE, y, eval_set=(NEW.drop(columns="age"), y_new))


def test_a_fit_without_eval_set_forgets_nothing_of_an_older_one():
    model = classifier().fit(TABLE, CLASSES)
    model.fit(TABLE, CLASSES, eval_set=(TABLE, CLASSES))
    assert not hasattr(model, "oof_score_")


def test_balanced_weights_are_those_of_samples():
    y = np.where(score_of(TABLE) > np.quantile(NUMBERS, 0.9), "rare", "usual")
    balanced = classifier(class_weight="balanced").fit(TABLE, y)
    of_class = {"rare": 400 / 2 / (y == "rare").sum(), "usual": 400 / 2 / (y == "usual").sum()}
    by_hand = classifier().fit(TABLE, y, sample_weight=[of_class[label] for label in y])
    named = classifier(class_weight=of_class).fit(TABLE, y)
    np.testing.assert_array_equal(balanced.predict_proba(NEW), by_hand.predict_proba(NEW))
    np.testing.assert_allclose(named.predict_proba(NEW), by_hand.predict_proba(NEW), rtol=1e-5)
    plain = classifier().fit(TABLE, y)
    assert (balanced.predict(NEW) == "rare").mean() >= (plain.predict(NEW) == "rare").mean()


def test_contributions_are_derivatives_times_inputs():
    model = regressor(hidden_layer_sizes=()).fit(TABLE, NUMBERS)
    explained = model.explain(NEW)
    x = model.columns_.rows(NEW)
    slopes = np.mean([-weight[:, 0] for weight in model.ensemble_.weights[0]], axis=0)
    names = list(model.feature_names_in_)
    by_hand = np.zeros((len(NEW), len(names)))
    for j, source in enumerate(model.columns_.sources):
        by_hand[:, names.index(model.columns_.names[source])] += x[:, j] * slopes[j]
    np.testing.assert_allclose(explained, by_hand, rtol=1e-4, atol=1e-5)
    model = classifier().fit(TABLE, CLASSES)
    high, low = model.explain(NEW, "high"), model.explain(NEW, "low")
    chosen = model.explain(NEW)
    is_high = model.predict(NEW) == "high"
    np.testing.assert_array_equal(chosen[is_high], high[is_high])
    np.testing.assert_array_equal(chosen[~is_high], low[~is_high])
    with pytest.raises(ValueError, match="label must be one of the classes"):
        model.explain(NEW, "middle")


def test_a_typical_cell_contributes_nothing_in_bins_as_well():
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"a": rng.normal(5, 1, 801), "b": np.exp(rng.normal(size=801))})
    x["c"] = rng.choice(["u", "v", "w"], 801)
    model = regressor(n_bins=8).fit(x, x["a"] + x["b"])
    median = x[["a", "b"]].median()
    rows = pd.DataFrame({"a": [median["a"], 7.0], "b": [median["b"]] * 2, "c": [None, None]})
    with pytest.warns(UserWarning, match="missing cells"):
        explained = model.explain(rows)
    np.testing.assert_allclose(explained[0], 0, atol=1e-5)
    assert explained[1, 0] > 0.3
    np.testing.assert_allclose(explained[1, 1:], 0, atol=1e-5)


def test_a_frame_that_was_read_already_is_learned_as_the_table_it_is():
    frame = as_frame(TABLE)
    model = classifier().fit(frame, CLASSES)
    assert model.n_features_in_ == 7
    np.testing.assert_array_equal(model.feature_names_in_, TABLE.columns)
    np.testing.assert_array_equal(
        model.predict(NEW), classifier().fit(TABLE, CLASSES).predict(as_frame(NEW))
    )


def test_predictions_at_the_edge_of_the_targets_are_explained_too():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = np.clip(2 * x[:, 0] + x[:, 1], -1, 1)
    model = regressor(max_iter=30).fit(x, y)
    far = np.array([[6.0, 6.0], [-6.0, -6.0]])
    np.testing.assert_allclose(model.predict(far), [1, -1], atol=1e-6)
    explained = model.explain(np.vstack([x, far]))
    assert (np.abs(explained) > 0).all(axis=1).mean() > 0.99


@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_row_without_weight_is_as_if_it_were_not_there(make):
    y = CLASSES if make is classifier else NUMBERS.copy()
    weight = np.ones(400)
    weight[::3] = 0.0
    if make is regressor:
        y[0] = 1e9
    model = make().fit(TABLE, y, sample_weight=weight)
    kept = weight > 0
    alone = make().fit(TABLE[kept], y[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(model.predict(NEW), alone.predict(NEW))
    out_of_fold = model.oof_decision_function_ if make is classifier else model.oof_prediction_
    assert np.isnan(out_of_fold[~kept]).all()
    few = np.zeros(400)
    few[:5] = 1.0
    assert np.isfinite(make().fit(TABLE, y, sample_weight=few).oof_score_)
    with pytest.raises(ValueError, match="at least one non-zero number"):
        make().fit(TABLE, y, sample_weight=np.zeros(400))
    one = np.zeros(400)
    one[7] = 1.0
    with pytest.raises(ValueError, match="at least 2 rows"):
        make().fit(TABLE, y, sample_weight=one)


def test_several_targets_are_learned_together():
    y = np.stack([NUMBERS, -2 * NUMBERS + 5], axis=1)
    model = regressor(max_iter=20).fit(TABLE, y)
    assert model.predict(NEW).shape == (50, 2)
    assert model.oof_prediction_.shape == (400, 2)
    assert model.explain(NEW, 1).shape == (50, 7)


@pytest.mark.parametrize("backend", sorted(backends_under_test()))
def test_backends_agree(backend):
    first = sorted(backends_under_test())[0]
    ours = regressor(backend=backend, max_iter=3).fit(TABLE, NUMBERS)
    theirs = regressor(backend=first, max_iter=3).fit(TABLE, NUMBERS)
    np.testing.assert_allclose(ours.predict(NEW), theirs.predict(NEW), rtol=1e-3, atol=1e-3)


def test_a_time_limit_is_kept_about():
    many = pd.concat([TABLE] * 20, ignore_index=True)
    model = TabularRegressor(random_state=0, time_limit=1.0, n_estimators=4)
    model.fit(many, np.tile(NUMBERS, 20))
    assert model.n_iter_ < 128 or len(model.ensemble_) < 4
    assert model.predict(NEW).shape == (50,)


def test_in_pipelines_searches_and_cross_validation():
    pipeline = make_pipeline(FunctionTransformer(lambda x: x.drop(columns="id")), classifier())
    assert 0.5 < cross_val_score(pipeline, TABLE, CLASSES, cv=2).mean() <= 1
    search = GridSearchCV(regressor(), {"n_bins": [0, 4]}, cv=2).fit(TABLE, NUMBERS)
    assert search.best_params_["n_bins"] in (0, 4)
    assert clone(search.best_estimator_).get_params()["max_iter"] == 8


def test_tables_of_other_libraries_are_read_alike():
    polars = pytest.importorskip("polars")
    model = classifier().fit(TABLE, CLASSES)
    theirs = classifier().fit(polars.from_pandas(TABLE), CLASSES)
    np.testing.assert_array_equal(model.ensemble_.parameters, theirs.ensemble_.parameters)
    np.testing.assert_array_equal(model.predict(NEW), theirs.predict(polars.from_pandas(NEW)))
    as_dict = {name: NEW[name].to_numpy() for name in NEW}
    np.testing.assert_array_equal(model.predict(NEW), model.predict(as_dict))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_estimators": 0}, "n_estimators must be at least 1"),
        ({"max_iter": 1.5}, "max_iter must be an integer"),
        ({"activation": "swoosh"}, "activation must be one of"),
        ({"dropout": 1.0}, "dropout must be in"),
        ({"label_smoothing": -0.1}, "label_smoothing must be in"),
        ({"time_limit": 0.0}, "time_limit must be above 0"),
        ({"verbose": "loud"}, "verbose must be True, False"),
        ({"n_bins": -1}, "n_bins must be at least 0"),
        ({"kinds": {"agee": "number"}}, "age"),
        ({"drop": ["cityy"]}, "city"),
        ({"class_weight": "even"}, "class_weight"),
    ],
)
def test_wrong_parameters_are_refused_and_leave_the_estimator_as_it_was(options, words):
    model = classifier().fit(TABLE, CLASSES)
    before = model.predict_proba(NEW)
    model.set_params(**options)
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(TABLE, CLASSES)
    np.testing.assert_array_equal(model.predict_proba(NEW), before)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (TABLE, np.full(400, "same"), "at least two classes"),
        (TABLE.assign(age=1, income=1, city="x", member=True, since=TABLE["since"][0]), CLASSES,
         "no column to learn from"),
        (TABLE[:10], CLASSES, "must have as many samples, got 10 and 400"),
        (TABLE, [None] * 400, "missing|NaN|None|Unknown label"),
        (TABLE, NUMBERS, "continuous"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_learned_are_refused(x, y, words):
    with pytest.raises((ValueError, TypeError), match=words):
        classifier().fit(x, y)


# -- in other programs ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [classifier, regressor])
def test_an_onnx_model_says_what_the_estimator_does(make, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    y = CLASSES if make is classifier else NUMBERS
    model = make().fit(TABLE, y)
    model.to_onnx(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    found = session.run(None, graph_inputs(model.columns_, NEW))
    if make is classifier:
        assert (found[0] == model.predict(NEW)).all()
        np.testing.assert_allclose(found[1], model.predict_proba(NEW), atol=1e-6)
    else:
        np.testing.assert_allclose(found[0][:, 0], model.predict(NEW), rtol=1e-5, atol=1e-5)


def test_a_c_header_is_of_numbers_and_flags(tmp_path):
    model = classifier().fit(TABLE[["age", "income", "member"]], CLASSES)
    written = model.to_c(tmp_path / "club.h", rows=(TABLE[["age", "income", "member"]], CLASSES))
    assert written.name == "club"
    assert written.agreement.agreement == 1
    with pytest.raises(ValueError, match="the text of 'city' or the times of 'since'"):
        classifier().fit(TABLE, CLASSES).to_c(tmp_path / "club.h")


def test_classes_that_files_cannot_hold_are_text_with_a_warning(tmp_path):
    table = TABLE[["age", "income"]]
    years = np.array(["2020", "2021"] * 200, "datetime64[Y]")
    model = classifier().fit(table, years)
    with pytest.warns(UserWarning, match="classes are written as text"):
        model.to_c(tmp_path / "net.h")


def test_a_page_is_written_of_all_kinds_of_columns(tmp_path):
    written = (
        classifier().fit(TABLE, CLASSES).to_html(tmp_path / "club.html", rows=(TABLE, CLASSES))
    )
    assert written.agreement.agreement == 1.0
    assert written.n_bytes == (tmp_path / "club.html").stat().st_size


def test_only_a_fitted_estimator_is_written(tmp_path):
    for write in (classifier().to_onnx, regressor().to_c, classifier().to_html):
        with pytest.raises(NotFittedError):
            write(tmp_path / "net")


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("seed", range(3))
def test_parameters_reach_the_fit(make, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    given = {
        "activation": str(rng.choice(["relu", "tanh"])),
        "max_iter": int(rng.integers(2, 5)),
        "batch_size": int(rng.integers(20, 99)),
        "learning_rate_init": float(rng.uniform(0.001, 0.01)),
        "weight_decay": float(rng.random()),
        "dropout": float(rng.random()),
    }
    preparation = {"drop": ["city"], "kinds": {"age": "ordered"}, "n_bins": int(rng.integers(2, 5))}
    calls = []

    def seen(*args, **options):
        calls.append(options)
        return fit_table(*args, **options)

    monkeypatch.setattr("fastnn.sklearn.tabular.fit_table", seen)
    model = make(
        **given,
        **preparation,
        n_estimators=3,
        time_limit=1000.0,
        backend="numpy",
        random_state=seed,
    )
    model.fit(TABLE, CLASSES if make is classifier else NUMBERS)
    (options,) = calls
    names = {"max_iter": "epochs", "learning_rate_init": "learning_rate"}
    for name, value in given.items():
        assert getattr(options["recipe"], names.get(name, name)) == value
    for name, value in preparation.items():
        assert getattr(options["preparation"], name) == value
    assert (options["n_models"], options["time_limit"], options["backend"]) == (3, 1000.0, "numpy")
