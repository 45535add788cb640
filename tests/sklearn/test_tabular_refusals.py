"""What an estimator for tables refuses in words: labels, weights, targets, validation rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn.sklearn import MLPClassifier, TabularClassifier, TabularRegressor
from fastnn.sklearn.labels import sound_labels

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

RNG = np.random.default_rng(0)
N = 60
X = pd.DataFrame({"a": RNG.normal(size=N), "c": RNG.choice(list("uvw"), N)})
Y = np.where(X.a > 0, "yes", "no")
Z = 2 * X.a.to_numpy()


def classifier(**options):
    return TabularClassifier(**{"max_iter": 2, "n_estimators": 2, "random_state": 0} | options)


def regressor(**options):
    return TabularRegressor(**{"max_iter": 2, "n_estimators": 2, "random_state": 0} | options)


def as_objects(labels):
    return np.array(labels, object)


@given(
    rows=st.sets(st.integers(0, 9), min_size=1),
    missing=st.sampled_from([None, np.nan, pd.NA, pd.NaT]),
    labels=st.sampled_from([["a", "b"], [1, 2], [True, False], [0.5, 1.5]]),
    form=st.sampled_from([list, as_objects, lambda y: pd.Series(as_objects(y))]),
)
def test_a_missing_label_is_told_with_its_row(rows, missing, labels, form):
    y = [missing if row in rows else labels[row % 2] for row in range(10)]
    with pytest.raises(ValueError, match=f"y has no label in row {min(rows)}( and|$| \\()"):
        sound_labels(form(y))


@pytest.mark.parametrize("dtype", ["string", "Int64", "category", "boolean"])
@pytest.mark.parametrize("make", [classifier, lambda: MLPClassifier(max_iter=2)])
def test_labels_missing_in_a_series_of_any_dtype_are_refused(make, dtype):
    labels = {"Int64": [1, 2], "boolean": [True, False]}.get(dtype, ["a", "b"])
    y = pd.Series([labels[i % 2] for i in range(N)], dtype=dtype)
    y[7] = None
    with pytest.raises(ValueError, match="y has no label in row 7"):
        make().fit(X[["a"]], y)


def test_labels_of_several_types_are_refused():
    with pytest.raises(ValueError, match=r"got 'a' \(str\) in row 0 and 1 \(int\) in row 1"):
        classifier().fit(X, ["a", 1, 2.0] * (N // 3))


@pytest.mark.parametrize("labels", [[0, 1], [False, True]])
@pytest.mark.parametrize("make", [classifier, lambda: MLPClassifier(max_iter=2)])
@pytest.mark.filterwarnings("ignore")
def test_numbers_and_flags_in_an_array_of_objects_are_labels(make, labels):
    model = make().fit(X[["a"]], np.array(labels * (N // 2), object))
    assert model.classes_.tolist() == labels


def test_classes_that_files_cannot_hold_are_saved_as_text(tmp_path):
    days = np.where(Y == "yes", np.datetime64("2020-01-01"), np.datetime64("2021-01-01"))
    model = classifier().fit(X, days)
    model.ensemble_.save(tmp_path / "days.safetensors")
    loaded = fastnn.load(tmp_path / "days.safetensors")
    assert loaded.predict(X).tolist() == model.predict(X).astype(str).tolist()


@pytest.mark.parametrize(
    "weights", [lambda: {"sample_weight": 1.0 * (Y == "yes")}, lambda: {"class_weight": {"no": 0}}]
)
def test_classes_without_weight_are_named(weights):
    options = weights()
    weight = options.pop("sample_weight", None)
    with pytest.raises(ValueError, match=r"in rows with a weight, got one, .*'yes'"):
        classifier(**options).fit(X, Y, weight)


def test_a_row_is_that_of_the_users_table():
    weight, z = np.ones(N), Z.copy()
    weight[:5], z[20] = 0, 1e200
    with pytest.raises(ValueError, match="1e\\+200 in row 20: scale them down"):
        regressor().fit(X, z, weight)


def test_targets_to_watch_that_are_far_off_are_told_as_they_came():
    far = np.where(np.arange(N) == 3, 3e70, Z)
    with pytest.raises(ValueError, match=r"numbers like .* 3e\+70 in row 3"):
        regressor().fit(X, Z, eval_set=(X, far))


@pytest.mark.parametrize("weight", [None, np.ones(N)])
def test_targets_of_any_size_are_learned_alike(weight):
    usual = regressor().fit(X, Z * 1e-100, weight)
    tiny = regressor().fit(X, Z * 1e-200, weight)
    np.testing.assert_allclose(tiny.predict(X) * 1e100, usual.predict(X), rtol=1e-6)
    assert tiny.oof_score_ == pytest.approx(usual.oof_score_)
    with pytest.raises(ValueError, match="targets must differ by at least 1e-300"):
        regressor().fit(X, Z * 1e-305, weight)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (X[:0], "X must have at least 2 samples"),
        (X.a, "got a Series of 60: one column is"),
        (pl.from_pandas(X).lazy(), "got a LazyFrame: pass x.collect"),
    ],
)
def test_what_is_no_table_is_refused_in_words(x, words):
    with pytest.raises((TypeError, ValueError), match=words):
        classifier().fit(x, Y[: len(x)] if hasattr(x, "__len__") else Y)


def test_a_row_as_a_series_is_refused_in_words():
    with pytest.raises(ValueError, match=r"one row x.to_frame\(\).T"):
        classifier().fit(X, Y).predict(X.iloc[0])


def test_many_rows_and_none_are_explained():
    model = classifier().fit(X, Y)
    many = pd.concat([X] * 20)
    np.testing.assert_allclose(model.explain(many)[:N], model.explain(X), rtol=1e-5, atol=1e-6)
    assert model.explain(X[:0]).shape == (0, 2)
