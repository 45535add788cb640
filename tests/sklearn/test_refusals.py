"""What fastnn.sklearn refuses, in words that help, and what a refused fit leaves behind."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import fastnn
from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:300] / 16, y[:300]


def small(kind=MLPClassifier, **options):
    return kind(**{"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, **options})


# -- eval_set -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("labels", "came", "known"),
    [
        ([0, 2, 4], "1, 3, 5", "0, 2, 4"),  # between the known and after them
        (["b", "d", "f"], "'c', 'e'", "'b', 'd', 'f'"),
        ([False, True], "2", "False, True"),
    ],
)
def test_unknown_labels_in_eval_set_are_named(digits, name, labels, came, known):
    x, y = digits
    y = np.array(labels)[y % len(labels)]
    others = np.array([eval(label) for label in came.split(", ")])
    given = others[np.arange(len(x)) % len(others)]
    options = {"classes": labels} if name == "partial_fit" else {}
    message = f"eval_set: y has labels .*: {came}; the classes are {known}$"
    with pytest.raises(ValueError, match=message):
        getattr(small(), name)(x, y, eval_set=(x, given), **options)


def test_many_labels_are_not_all_named(digits):
    x, y = digits
    with pytest.raises(ValueError, match=r"1000, .*, 1009 and 290 more; the classes are 0, 1"):
        small().fit(x, y, eval_set=(x, 1000 + np.arange(300)))


def test_the_known_labels_in_eval_set_may_be_few_and_of_another_dtype(digits):
    x, y = digits
    few = y == 3
    model = small().fit(x, y, eval_set=(x[few], y[few].astype(np.float64)))
    expected = -model.predict_log_proba(x[few])[:, 3].mean()
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)
    named = np.array([f"n{label}" for label in y])
    model = small().fit(x, named, eval_set=(x[few], named[few].astype(object)))
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("spoil", [lambda y: y[:, 0], lambda y: y[:, :2], lambda y: 3 * y])
def test_eval_set_has_the_shape_of_multilabel_training(digits, spoil):
    x, y = digits
    columns = np.stack([y > 2, y > 4, y % 2], axis=1).astype(int)
    message = r"eval_set: y must hold 0 or 1 for each of 3 labels, .*\(n_samples, 3\), got shape"
    with pytest.raises(ValueError, match=message):
        small().fit(x, columns, eval_set=(x, spoil(columns)))
    model = small(alpha=0.0).fit(x, columns, eval_set=(x, columns))
    assert len(model.validation_loss_curve_) == 3


@pytest.mark.parametrize("n_classes", [2, 5])
def test_multilabel_rows_are_refused_after_classes(digits, n_classes):
    x, y = digits
    y = y % n_classes
    columns = np.stack([y > 0, y > 1], axis=1).astype(int)
    with pytest.raises(ValueError, match=r"eval_set: y must hold one label .*\(300, 2\)"):
        small().fit(x, y, eval_set=(x, columns))
    with pytest.raises(ValueError, match=r"y must hold one label per sample.*\(300, 2\)"):
        small().fit(x, y).partial_fit(x, columns)


def test_eval_set_of_a_regressor_has_as_many_targets(digits):
    x, y = digits
    with pytest.raises(ValueError, match=r"eval_set: y must hold 2 targets .*\(300,\)"):
        small(MLPRegressor).fit(x, np.stack([y, y], axis=1), eval_set=(x, y))
    with pytest.raises(ValueError, match=r"eval_set: loss='poisson'"):
        small(MLPRegressor, loss="poisson").fit(x, y, eval_set=(x, -y))


@pytest.mark.parametrize("spoil", [lambda x, y: x, lambda x, y: (x,), lambda x, y: 3,
                                   lambda x, y: [(x, y)], lambda x, y: (x, y, y)])  # fmt: skip
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_eval_set_must_be_a_pair(digits, kind, spoil):
    with pytest.raises(ValueError, match=r"^eval_set must be a tuple \(X, y\), got .*\)$"):
        small(kind).fit(*digits, eval_set=spoil(*digits))


# -- what a refused fit leaves behind -------------------------------------------------------------

WRONG = [
    {"eval_set": 3},
    {"eval_set": (np.zeros((2, 64)), [11, 12])},
    {"eval_set": (np.zeros((2, 63)), [1, 2])},
]


def stop(network, epoch, record):
    raise RuntimeError("stop")


@pytest.mark.parametrize("fit_options", [*WRONG, {}])
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_refused_fit_leaves_the_model_that_was(digits, fit_options, warm_start):
    x, y = digits
    model = small(max_iter=5).fit(x, y, eval_set=(x, y))
    before, expected = dict(vars(model)), model.predict_proba(x)
    curve = list(model.loss_curve_)
    model.warm_start = before["warm_start"] = warm_start
    if not fit_options:  # no rows are left to hold out
        held = {"early_stopping": True, "validation_fraction": 0.001}
        model.set_params(**held)
        before |= held
    with pytest.raises(ValueError, match=r"eval_set|features|validation"):
        model.fit(x, y, **fit_options)
    assert np.array_equal(model.predict_proba(x), expected)
    assert model.n_iter_ == 5
    assert model.loss_curve_ == curve
    assert {name: vars(model)[name] is value for name, value in before.items()} == (
        dict.fromkeys(before, True)
    )


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_refused_fit_of_other_data_leaves_the_model_that_was(digits, kind):
    x, y = digits
    model = small(kind).fit(x, y)
    expected = model.predict(x)
    with pytest.raises(ValueError, match="eval_set"):
        model.fit(x[:, :5], np.stack([y > 1, y > 2], axis=1).astype(int), eval_set=(x[:, :5], y))
    assert np.array_equal(model.predict(x), expected)
    if kind is MLPClassifier:
        assert model.classes_.tolist() == list(range(10))
    model.partial_fit(x, y)


@pytest.mark.parametrize("fit_options", WRONG)
def test_a_refused_first_fit_leaves_nothing_that_predicts(digits, fit_options):
    x, y = digits
    for model in (small(), small(early_stopping=True, validation_fraction=0.001)):
        with pytest.raises(ValueError, match=r"eval_set|features"):
            model.fit(x, y, **fit_options)
        with pytest.raises(NotFittedError):
            model.predict(x)
        with pytest.raises(ValueError, match=r"eval_set|features"):
            model.partial_fit(x, y, classes=np.arange(10), **fit_options)
        with pytest.raises(NotFittedError):
            model.predict(x)


def test_a_fit_that_fails_on_its_way_leaves_the_model_that_was(digits):
    x, y = digits
    model = small().fit(x, y)
    expected = model.predict_proba(x)
    with pytest.raises(RuntimeError, match="stop"):
        model.set_params(callbacks=stop, random_state=1).fit(x, y)
    assert np.array_equal(model.predict_proba(x), expected)
    assert model.n_iter_ == 3


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": "foo"}, ["batch_size", '"auto"', "foo"]),
        ({"batch_size": 0}, ["batch_size", '"auto"', "0"]),
        ({"verbose": "loud"}, ["verbose", '"bar"', "loud"]),
        ({"learning_rate": 0.1}, ["fastnn.schedules.Cosine", "learning_rate_init", "0.1"]),
        ({"learning_rate": "fast"}, ["'invscaling'", "fastnn.schedules.Cosine", "fast"]),
        (
            {"solver": "lbfgs", "learning_rate": fastnn.schedules.Constant(0.1), "dropout": 0.5},
            ["supports no dropout and no schedule as learning_rate: use 'adam'"],
        ),
    ],
)
def test_refusals_say_what_is_allowed(digits, options, words):
    with pytest.raises(ValueError, match=r"got|supports") as caught:
        small(**options).fit(*digits)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", [MLPClassifier, SoftmaxRegression])
@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_numbers_are_no_classes(digits, kind, name):
    x, y = digits
    options = {"classes": np.arange(10)} if name == "partial_fit" else {}
    with pytest.raises(ValueError, match="Unknown label type: continuous") as caught:
        getattr(kind(solver="adam"), name)(x, y + 0.5, **options)
    assert "array" not in str(caught.value)
    model = kind(solver="adam", warm_start=True, max_iter=2).fit(x, y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        model.fit(x, y + 0.5)
