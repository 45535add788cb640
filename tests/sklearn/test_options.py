"""What fastnn.sklearn has beyond scikit-learn's perceptrons, and how it refuses wrong options."""

import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning

import fastnn
from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:600] / 16, y[:600]


@pytest.fixture(scope="module")
def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return x / x.std(axis=0), y / 100


def fitted(x, y, **options):
    return MLPClassifier(**{"max_iter": 8, "random_state": 0, **options}).fit(x, y)


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw", "lbfgs"])
def test_backends_agree(backend, digits, solver):
    expected = fitted(*digits, solver=solver, backend="numpy")
    model = fitted(*digits, solver=solver, backend=backend.name)
    np.testing.assert_allclose(model.loss_, expected.loss_, 1e-9)
    np.testing.assert_allclose(model.coefs_[0], expected.coefs_[0], 1e-6, 1e-8)


def test_a_gradient_of_many_minibatches_is_that_of_one(backend, digits, monkeypatch):
    expected = fitted(*digits, solver="lbfgs", backend=backend.name)
    monkeypatch.setattr("fastnn.sklearn.lbfgs.ROWS", 64)
    model = fitted(*digits, solver="lbfgs", backend=backend.name)
    np.testing.assert_allclose(model.loss_, expected.loss_, 1e-9)


def test_threads_are_those_asked_for(digits, monkeypatch):
    seen = []

    class Spy(fastnn.Callback):
        def on_epoch_end(self, network, epoch, record):
            seen.append(fastnn.get_num_threads())

    before = fastnn.get_num_threads()
    fitted(*digits, n_threads=3, callbacks=Spy(), max_iter=2)
    assert seen == [3, 3]
    assert fastnn.get_num_threads() == before


def test_balanced_classes_are_weights_of_the_rows(digits):
    x, y = digits
    y = np.minimum(y, 2)
    weight = len(y) / (3 * np.bincount(y))[y]
    balanced = fitted(x, y, class_weight="balanced")
    weighted = MLPClassifier(max_iter=8, random_state=0).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(balanced.loss_curve_, weighted.loss_curve_, rtol=1e-12)
    named = fitted(x, y, class_weight={0: 1.0, 1: 5.0, 2: 1.0})
    assert (named.predict(x) == 1).sum() > (fitted(x, y).predict(x) == 1).sum()


def test_classes_that_do_not_come_keep_their_weights(digits):
    x, y = digits
    model = MLPClassifier(class_weight={7: 2.0}, random_state=0)
    few = y < 5
    model.partial_fit(x[few], y[few], classes=np.arange(10))
    assert model.loss_ > 0
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(x, y, classes=np.arange(10))


def test_dropout_is_for_training_only(digits):
    dropped = fitted(*digits, dropout=0.5)
    thorough = {"max_iter": 60, "learning_rate_init": 0.01}
    assert fitted(*digits, dropout=0.5, **thorough).loss_ > 2 * fitted(*digits, **thorough).loss_
    assert np.array_equal(dropped.predict_proba(digits[0]), dropped.predict_proba(digits[0]))
    assert fitted(*digits, dropout=0.5).loss_curve_ == dropped.loss_curve_


def test_each_layer_has_its_activation_and_dropout(digits):
    classifier = fitted(
        *digits, hidden_layer_sizes=(30, 20), activation=("gelu", "logistic"), dropout=(0.2, 0.0)
    )
    assert classifier.network_.architecture.activations == ("gelu", "sigmoid")


def test_adamw_decays_weights(digits):
    plain = fitted(*digits, solver="adamw", weight_decay=0.0, alpha=0.0, max_iter=30)
    decayed = fitted(*digits, solver="adamw", weight_decay=1.0, alpha=0.0, max_iter=30)
    assert sum((w**2).sum() for w in decayed.coefs_) < sum((w**2).sum() for w in plain.coefs_)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_schedules_say_the_rates(digits, solver):
    still = fastnn.schedules.Constant(1e-12)
    classifier = fitted(*digits, solver=solver, learning_rate=still, weight_decay=0.0)
    np.testing.assert_allclose(classifier.loss_curve_, classifier.loss_curve_[0], rtol=1e-6)
    falling = fastnn.schedules.Cosine(0.01, n_steps=24)
    assert fitted(*digits, solver=solver, learning_rate=falling).loss_ < classifier.loss_


@pytest.mark.parametrize("loss", ["huber", "absolute_error"])
def test_robust_losses_resist_outliers(diabetes, loss):
    x, y = diabetes
    spoilt = y.copy()
    spoilt[::20] = 100.0
    scores = {
        name: MLPRegressor(name, max_iter=300, random_state=0).fit(x, spoilt).score(x, y)
        for name in (loss, "squared_error")
    }
    assert scores[loss] > 0.3 > scores["squared_error"]


def test_bytes_are_scaled_without_a_copy(digits):
    x, y = digits
    pixels = (x * 16).astype(np.uint8)
    scaled = fitted(pixels, y, input_scale=1 / 16)
    floats = fitted(x.astype(np.float32), y)
    np.testing.assert_allclose(scaled.loss_curve_, floats.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(scaled.predict_proba(pixels), floats.predict_proba(x), atol=1e-3)
    assert scaled.network_.architecture.input_scale == 1 / 16


# -- watching -------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_eval_set_is_measured_after_each_epoch(estimator, digits):
    x, y = digits
    model = estimator(max_iter=5, random_state=0, alpha=0.0)
    model.fit(x[:400], y[:400], eval_set=(x[400:], y[400:]))
    assert len(model.validation_loss_curve_) == 5
    if estimator is MLPRegressor:
        expected = ((model.predict(x[400:]) - y[400:]) ** 2).mean() / 2
    else:
        expected = -model.predict_log_proba(x[400:])[np.arange(200), y[400:]].mean()
    assert model.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)


def test_poisson_losses_of_fit_and_eval_set_are_the_same_measure(diabetes):
    x, y = diabetes
    model = MLPRegressor("poisson", max_iter=3, random_state=0, solver="sgd", alpha=0.0,
                         learning_rate_init=1e-9, batch_size=len(y))  # fmt: skip
    model.fit(x, y, eval_set=(x, y))
    assert model.validation_loss_curve_ == pytest.approx(model.loss_curve_, rel=1e-6)


def test_early_stopping_on_eval_set_restores_the_best(digits):
    x, y = digits
    model = MLPClassifier(
        max_iter=200, early_stopping=True, n_iter_no_change=3, learning_rate_init=0.02,
        random_state=0,
    )  # fmt: skip
    model.fit(x[:400], y[:400], eval_set=(x[400:], y[400:]))
    assert model.n_iter_ < 200
    assert model.t_ == 400 * model.n_iter_, "no rows are held out"
    assert model.score(x[400:], y[400:]) == max(model.validation_scores_)


@pytest.mark.parametrize("own", [False, True])
def test_partial_fit_stops_early_with_the_best_weights(digits, own):
    x, y = digits
    eval_set = (x[400:], y[400:]) if own else None
    model = MLPClassifier(
        (10,), early_stopping=True, n_iter_no_change=2, learning_rate_init=0.05, random_state=0
    )
    for _ in range(100):
        model.partial_fit(x[:400], y[:400], classes=np.arange(10), eval_set=eval_set)
    n_calls = len(model.loss_curve_)
    assert n_calls < 100
    assert model.t_ == n_calls * (400 if own else 360)
    if own:
        assert model.score(*eval_set) == max(model.validation_scores_)
    model.fit(x, y)
    assert len(model.loss_curve_) == model.n_iter_, "fit begins anew"


def test_a_warm_start_keeps_the_best_weights_of_the_fits_before(digits):
    model = fitted(*digits, early_stopping=True, warm_start=True, max_iter=40)
    best = model.best_validation_score_
    before = [weight.copy() for weight in model.coefs_]
    model.set_params(learning_rate_init=10.0, max_iter=2).fit(*digits)
    assert model.best_validation_score_ == best
    for now, then in zip(model.coefs_, before, strict=True):
        assert np.array_equal(now, then)


def test_minibatches_may_weigh_nothing(digits):
    x, y = digits
    weight = np.r_[np.zeros(300), np.ones(300)]
    model = MLPClassifier(shuffle=False, batch_size=50, max_iter=3, random_state=0)
    assert np.isfinite(model.fit(x, y, weight).loss_)


@pytest.mark.parametrize("then", [{"solver": "adam"}, {"early_stopping": True}])
def test_a_warm_start_may_be_of_another_kind(digits, then):
    first = {"solver": "lbfgs"} if "solver" in then else {}
    model = fitted(*digits, warm_start=True, max_iter=20, **first)
    accuracy = model.score(*digits)
    model.set_params(**then, learning_rate_init=1e-4).fit(*digits)
    assert len(model.loss_curve_) == model.n_iter_ <= 20
    assert model.score(*digits) > accuracy - 0.02


def test_eval_set_may_come_later_and_go(digits):
    x, y = digits
    model = MLPClassifier(random_state=0, max_iter=2).partial_fit(x, y, classes=np.arange(10))
    model.partial_fit(x, y, eval_set=(x, y))
    assert len(model.validation_loss_curve_) == 1
    model.fit(x, y)
    assert not hasattr(model, "validation_loss_curve_")
    with pytest.raises(RuntimeError):
        model.set_params(callbacks=raise_an_error).fit(x, y, eval_set=(x, y))
    assert model._eval_set is None, "the data are not kept"


def raise_an_error(network, epoch, record):
    raise RuntimeError


def test_callbacks_see_each_epoch_and_stop(digits):
    seen = []

    def stop_at_three(network, epoch, record):
        seen.append((epoch, sorted(record)))
        return epoch == 3

    x, y = digits
    model = MLPClassifier(max_iter=50, callbacks=stop_at_three)
    model.fit(x[:400], y[:400], eval_set=(x[400:], y[400:]))
    assert seen == [(epoch, ["loss", "val_loss"]) for epoch in (1, 2, 3)]
    assert model.n_iter_ == 3


def test_a_bar_shows_progress(digits, capsys):
    fitted(*digits, verbose="bar", max_iter=4, callbacks=lambda *_: time.sleep(0.4))
    captured = capsys.readouterr()
    assert "loss=" in captured.err
    assert captured.out == ""


def test_an_interrupt_leaves_a_usable_model(digits):
    def interrupt(network, epoch, record):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        model = fitted(*digits, callbacks=interrupt, max_iter=20)
    assert model.n_iter_ == 2
    assert model.score(*digits) > 0.1


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}, {"batch_size": 1000}])
def test_warnings_point_to_the_call_of_fit(digits, options):
    model = MLPClassifier(max_iter=2, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*digits)
    assert caught[-1].category is ConvergenceWarning
    assert {warning.filename for warning in caught} == {__file__}
    assert len(caught) == 1 + ("batch_size" in options)


# -- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_layer_sizes": (10, 0)}, "hidden_layer_sizes must be .*1.*got 0"),
        ({"hidden_layer_sizes": "wide"}, "hidden_layer_sizes"),
        ({"activation": "step"}, "activation must be one of .*got 'step'"),
        ({"activation": ("relu", "tanh")}, "activation"),
        ({"solver": "newton"}, "solver must be one of .*got 'newton'"),
        ({"alpha": -1.0}, "alpha .*-1"),
        ({"batch_size": 0}, "batch_size .*0"),
        ({"learning_rate": "fast"}, "learning_rate must be one of .*'fast'"),
        ({"learning_rate_init": 0.0}, "learning_rate_init"),
        ({"max_iter": 0}, "max_iter"),
        ({"momentum": 1.1}, "momentum"),
        ({"validation_fraction": 1.5, "early_stopping": True}, "validation_fraction"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": (0.1, 0.2)}, "dropout"),
        ({"verbose": "loud"}, "verbose must be .*'loud'"),
        ({"shuffle": "yes"}, "shuffle must be True or False, got 'yes'"),
        ({"backend": "fortran"}, "backend.*'fortran'"),
        ({"n_threads": 0}, "n_threads"),
        ({"input_scale": 0.0}, "input_scale"),
    ],
)
def test_wrong_options_are_refused(digits, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fitted(*digits, **options)


def test_wrong_losses_and_targets_are_refused(diabetes):
    x, y = diabetes
    with pytest.raises(ValueError, match=r"loss must be one of .*'cubic'"):
        MLPRegressor("cubic").fit(x, y)
    with pytest.raises(ValueError, match="negative"):
        MLPRegressor("poisson").fit(x, -y)
    with pytest.raises(ValueError, match="C must be in"):
        SoftmaxRegression(C=0.0).fit(x, y > 1)


def test_lbfgs_refuses_what_it_cannot_do(digits):
    with pytest.raises(AttributeError, match="partial_fit"):
        MLPClassifier(solver="lbfgs").partial_fit(*digits, classes=np.arange(10))
    x, y = digits
    for options, fit_options in (
        ({"dropout": 0.5}, {}),
        ({"callbacks": lambda *_: None}, {}),
        ({}, {"eval_set": (x, y)}),
    ):
        with pytest.raises(ValueError, match="lbfgs"):
            MLPClassifier(solver="lbfgs", **options).fit(x, y, **fit_options)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_diverged_training_is_an_error(diabetes):
    x, y = diabetes
    regressor = MLPRegressor(solver="sgd", learning_rate_init=1e6, max_iter=50)
    with pytest.raises(ValueError, match="non-finite"):
        regressor.fit(1e3 * x, y)


def test_without_scikit_learn_the_import_says_what_to_install():
    code = """
import sys
sys.modules["sklearn"] = None
import fastnn
net = fastnn.Network((3, 2))
try:
    import fastnn.sklearn
except ImportError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "fastnn[sklearn]"' in run.stdout


def test_importing_fastnn_does_not_import_scikit_learn():
    code = "import sys, fastnn; assert 'sklearn' not in sys.modules and 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
