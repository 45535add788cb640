"""Validation rows as arguments of their own, X_val and y_val, which a pipeline can transform."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = [MLPClassifier, MLPRegressor, SoftmaxRegression]

X, Y = load_wine(return_X_y=True)
X_VAL, Y_VAL = X[::4], Y[::4]
X_TRAIN, Y_TRAIN = np.delete(X, np.s_[::4], axis=0), np.delete(Y, np.s_[::4])


def small(kind, **options):
    hidden = {} if kind is SoftmaxRegression else {"hidden_layer_sizes": (6,)}
    return kind(**{"solver": "adam", "max_iter": 4, "random_state": 0, **hidden, **options})


def curves(model):
    return model.loss_curve_, model.validation_loss_curve_, model.validation_scores_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_they_are_another_way_to_pass_eval_set(kind, early_stopping):
    model = small(kind, early_stopping=early_stopping)
    pair = clone(model).fit(X_TRAIN, Y_TRAIN, eval_set=(X_VAL, Y_VAL))
    model.fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    assert curves(model) == curves(pair)
    assert np.array_equal(model.network_.parameters, pair.network_.parameters)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_a_pipeline_transforms_them_as_it_does_the_training_rows(kind):
    scaler = StandardScaler().fit(X_TRAIN)
    by_hand = small(kind, early_stopping=True).fit(
        scaler.transform(X_TRAIN), Y_TRAIN, eval_set=(scaler.transform(X_VAL), Y_VAL)
    )
    with sklearn.config_context(enable_metadata_routing=True):
        model = small(kind, early_stopping=True).set_fit_request(X_val=True, y_val=True)
        steps = [("scaler", StandardScaler()), ("model", model)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    assert curves(pipeline[-1]) == curves(by_hand)
    assert pipeline.score(X_VAL, Y_VAL) == by_hand.score(scaler.transform(X_VAL), Y_VAL)


def test_a_search_over_a_pipeline_hands_them_to_every_fit():
    with sklearn.config_context(enable_metadata_routing=True):
        model = small(MLPClassifier, early_stopping=True).set_fit_request(X_val=True, y_val=True)
        steps = [("scaler", StandardScaler()), ("model", model)]
        search = GridSearchCV(
            Pipeline(steps, transform_input=["X_val"]), {"model__alpha": [1e-4, 1.0]}, cv=2
        ).fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)
    best = search.best_estimator_
    assert best.score(X_VAL, Y_VAL) == max(best[-1].validation_scores_)


@given(
    kind=st.sampled_from(ESTIMATORS),
    passed=st.sets(st.sampled_from(["eval_set", "X_val", "y_val"])),
)
def test_they_come_together_and_not_beside_eval_set(kind, passed):
    every = {"eval_set": (X_VAL, Y_VAL), "X_val": X_VAL, "y_val": Y_VAL}
    options, model = {name: every[name] for name in passed}, small(kind, max_iter=1)
    own = passed & {"X_val", "y_val"}
    if "eval_set" in passed and own:
        with pytest.raises(ValueError, match=r"eval_set and as X_val and y_val.*pass one"):
            model.fit(X_TRAIN, Y_TRAIN, **options)
    elif len(own) == 1:
        (came,), (missing,) = own, {"X_val", "y_val"} - own
        with pytest.raises(ValueError, match=rf"got {came} without {missing}"):
            model.fit(X_TRAIN, Y_TRAIN, **options)
    else:
        model.fit(X_TRAIN, Y_TRAIN, **options)
        assert hasattr(model, "validation_loss_curve_") == bool(passed)
        return
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X_VAL[:, 1:], Y_VAL, "X has 12 features"),
        (np.where(X_VAL > 1000, np.nan, X_VAL), Y_VAL, "contains NaN"),
        (X_VAL, Y_VAL[1:], "inconsistent numbers of samples"),
        (X_VAL, Y_VAL + 7, "labels that are not among the classes: 7, 8, 9"),
    ],
)
def test_what_is_wrong_with_them_is_not_said_of_the_training_rows(x, y, words):
    with pytest.raises(ValueError, match=f"^X_val and y_val: .*{words}"):
        small(MLPClassifier).fit(X_TRAIN, Y_TRAIN, X_val=x, y_val=y)
    with pytest.raises(ValueError, match=f"^eval_set: .*{words}"):
        small(MLPClassifier).fit(X_TRAIN, Y_TRAIN, eval_set=(x, y))


def test_lbfgs_has_no_epochs_after_which_to_look_at_them():
    with pytest.raises(ValueError, match="supports no X_val and y_val: use 'adam'"):
        small(MLPClassifier, solver="lbfgs").fit(X_TRAIN, Y_TRAIN, X_val=X_VAL, y_val=Y_VAL)


def test_they_are_read_as_the_rows_of_this_fit_are_not_those_of_an_earlier_one():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8))
    labels = pixels[:, 0] // 128
    as_bytes, as_floats = pixels.astype(np.uint8), pixels.astype(np.float64)
    model = small(MLPClassifier, input_scale=1 / 255).fit(as_bytes, labels)
    again = clone(model).set_params(input_scale=1.0)
    again.fit(as_floats, labels, X_val=as_floats, y_val=labels)
    model.set_params(input_scale=1.0).fit(as_floats, labels, X_val=as_floats, y_val=labels)
    assert curves(model) == curves(again)
