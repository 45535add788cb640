"""Estimators that are fitted together are bit for bit what each is after its own fit."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn.base")

from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel
from support.backends import backends_under_test
from support.examples import same_bits

from fastnn.schedules import Cosine
from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression, joint_training
from fastnn.sklearn.alone import Wanted
from fastnn.sklearn.together import fit_each

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SHOWN = ("loss_", "best_loss_", "n_iter_", "t_", "loss_curve_", "classes_", "n_features_in_",
         "validation_scores_", "out_activation_", "feature_names_in_")  # fmt: skip
COUNTED = ("n_without_progress", "stopped")


def said(seen):
    """Messages, except NumPy's of a fit that diverges and is then done again."""
    return [str(each.message) for each in seen if each.category is not RuntimeWarning]


def bits(value):
    return repr(np.asarray(value).tolist())


def assert_same(one, other):
    """Two estimators have the same bits, and go on alike."""
    a, b = one.network_, other.network_
    assert a.architecture == b.architecture
    assert a.trained_on == b.trained_on
    assert a.class_labels == b.class_labels
    assert same_bits(a.parameters, b.parameters)
    for name in SHOWN:
        assert hasattr(one, name) == hasattr(other, name), name
        assert bits(getattr(one, name, None)) == bits(getattr(other, name, None)), name
    if one.solver == "lbfgs":
        return
    for name in COUNTED:
        assert getattr(one._history, name) == getattr(other._history, name), name
    mine, theirs = one._stochastic, other._stochastic
    assert mine.running.optimizer == theirs.running.optimizer
    assert same_bits(mine.running.state.slots, theirs.running.state.slots)
    assert mine.running.state.step == theirs.running.state.step
    assert (mine.dropout_seed, mine.split_seed) == (theirs.dropout_seed, theirs.split_seed)
    if isinstance(one.random_state, np.random.RandomState):
        assert one.random_state.randint(2**30) == other.random_state.randint(2**30)


def alone(estimator, x, y, rows, caught):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            estimator.fit(x.iloc[rows] if hasattr(x, "iloc") else x[rows], y[rows])
        except Exception as error:
            caught.extend(said(seen))
            return error
        caught.extend(said(seen))
    return None


def assert_together_is_alone(estimators, x, y, rows, **options):
    expected = [copy.deepcopy(estimator) for estimator in estimators]
    wanted = [Wanted(e, x, y, r, {}) for e, r in zip(estimators, rows, strict=True)]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        done = list(fit_each(wanted, **options))
    caught = []
    for one, other, of_one in zip(done, expected, rows, strict=True):
        error = alone(other, x, y, of_one, caught)
        assert type(one.error) is type(error), one.error
        assert one.seconds >= 0
        if error is not None:
            assert str(one.error) == str(error)
            assert not hasattr(one.estimator, "network_")
        else:
            last = [e[-1] if hasattr(e, "steps") else e for e in (one.estimator, other)]
            assert_same(*last)
    assert sorted(said(seen)) == sorted(caught)
    return done


OPTIONS = st.fixed_dictionaries(
    {
        "hidden_layer_sizes": st.sampled_from([(5,), (5,), (4, 3)]),
        "activation": st.sampled_from(["tanh", "relu"]),
        "solver": st.sampled_from(["sgd", "adam", "adamw", "adam", "lbfgs"]),
        "alpha": st.sampled_from([0.0, 1e-4, 0.1, np.float32(0.1)]),
        "batch_size": st.sampled_from(["auto", 7, 16, 32, 1000]),
        "learning_rate": st.sampled_from(["constant", "constant", "adaptive", "invscaling",
                                          Cosine(0.1, 50)]),
        "learning_rate_init": st.sampled_from([1e-3, 0.05, 1e200]),
        "max_iter": st.sampled_from([3, 12]),
        "shuffle": st.booleans(),
        "random_state": st.integers(0, 1000) | st.integers(0, 9).map(np.random.RandomState),
        "tol": st.sampled_from([1e-4, 0.1]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "early_stopping": st.sampled_from([False, False, False, True]),
        "warm_start": st.booleans(),
        "n_iter_no_change": st.sampled_from([1, 10, np.inf]),
        "dropout": st.sampled_from([0.0, 0.3]),
    }
)  # fmt: skip

LAYOUTS = {
    "float64": np.asarray,
    "float32": np.float32,
    "columns": np.asfortranarray,
    "frame": lambda x: pd.DataFrame(x).add_prefix("column "),
    "csr": sparse.csr_array,
    "bytes": lambda x: (20 * np.abs(x)).astype(np.uint8),
}


@given(
    options=st.lists(OPTIONS, min_size=2, max_size=6), layout=st.sampled_from(sorted(LAYOUTS)),
    kind=st.sampled_from(["three", "text", "two", "labels", "numbers", "outputs", "counts"]),
    backend=st.sampled_from(sorted({*backends_under_test()} - {"numba"})),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_each_has_the_bits_of_its_own_fit(options, layout, kind, backend, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    y = {
        "three": lambda: rng.integers(0, 3, 60),
        "text": lambda: np.array(["a", "b", "c"])[rng.integers(0, 3, 60)],
        "two": lambda: np.arange(60) % 2,
        "labels": lambda: rng.integers(0, 2, (60, 3)),
        "numbers": lambda: rng.normal(size=60),
        "outputs": lambda: rng.normal(size=(60, 2)),
        "counts": lambda: rng.poisson(2.0, 60),
    }[kind]()
    make = MLPRegressor if kind in ("numbers", "outputs", "counts") else MLPClassifier
    fixed = {"loss": "poisson"} if kind == "counts" else {}
    if layout == "bytes" or kind == "labels":
        fixed["input_scale"] = 1 / 255
    estimators = [make(**each, **fixed, backend=backend) for each in options]
    rows = [rng.integers(0, 60, rng.choice([3, 40, 60])) for _ in estimators]
    assert_together_is_alone(estimators, LAYOUTS[layout](x), y, rows)


def blobs():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    return rng.normal(size=(90, 5)) + y[:, None], y


ROWS = [np.arange(90), np.arange(0, 90, 2), np.arange(80)]


@pytest.mark.parametrize("name", ["solver", "max_iter", "tol", "n_threads"])
def test_parameters_that_part_calls(name):
    x, y = blobs()
    values = {"solver": ["sgd", "lbfgs"], "max_iter": [3, 4], "tol": [0.0, 0.2],
              "n_threads": [1, 2]}[name]  # fmt: skip
    estimators = [MLPClassifier((4,), random_state=i, **{"max_iter": 5, name: value})
                  for i, value in enumerate(values * 2)]  # fmt: skip
    assert_together_is_alone(estimators, x, y, [ROWS[0]] * 4)


def test_plain_estimators_are_trained_in_one_call(monkeypatch):
    x, y = blobs()
    calls = []
    train = joint_training._Call.train

    def counted(call):
        calls.append(len(call.members))
        train(call)

    monkeypatch.setattr(joint_training._Call, "train", counted)
    estimators = [
        MLPClassifier((4,), solver=solver, alpha=alpha, batch_size=size, max_iter=4, random_state=i)
        for i, (solver, alpha, size) in enumerate([("adam", 0.1, 10), ("sgd", 0.0, "auto")] * 3)
    ]
    assert_together_is_alone(estimators, x, y, ROWS * 2)
    assert sorted(calls) == [3, 3]  # Adam counts its steps otherwise


@pytest.mark.parametrize("frame", [False, True])
def test_rows_that_come_again_are_checked_once(monkeypatch, frame):
    x, y = blobs()
    x = pd.DataFrame(x).add_prefix("column ") if frame else x
    checks = []
    check = MLPClassifier._checked
    monkeypatch.setattr(
        MLPClassifier, "_checked", lambda *a, **k: (checks.append(0), check(*a, **k))[1]
    )
    estimators = [MLPClassifier((4,), max_iter=4, random_state=i) for i in range(6)]
    assert_together_is_alone(estimators, x, y, ROWS * 2)
    assert len(checks) == 3 + 6  # and alone
    for estimator in estimators[1:]:
        assert estimator.network_.rng is not estimators[0].network_.rng


def test_rows_without_a_class_are_another_architecture_and_other_targets():
    x, y = blobs()
    rows = [np.flatnonzero(y != missing) for missing in (0, 1, 2)] + [np.arange(90)]
    estimators = [MLPClassifier((4,), max_iter=4, random_state=i) for i in range(4)]
    assert_together_is_alone(estimators, x, y, rows)
    y = y + 10 * (np.arange(90) >= 45)  # six classes, of which two parts see three
    rows = [np.arange(45), np.arange(45, 90), np.arange(90)]
    assert_together_is_alone([clone(e) for e in estimators[:3]], x, y, rows)


def test_softmax_regressions():
    x, y = blobs()
    estimators = [SoftmaxRegression(C=c, solver="adam", max_iter=5, random_state=0)
                  for c in (0.1, 1.0, np.inf)]  # fmt: skip
    assert_together_is_alone(estimators, x, y, ROWS)


def test_pipelines():
    x, y = blobs()
    estimators = [make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=4, random_state=i))
                  for i in range(6)]  # fmt: skip
    done = assert_together_is_alone(estimators, x, y, ROWS * 2)
    for one, rows in zip(done, ROWS * 2, strict=True):
        alone = clone(one.estimator)
        alone.fit(x[rows], y[rows])
        assert same_bits(one.estimator.predict_proba(x), alone.predict_proba(x))
        assert np.array_equal(one.estimator[0].mean_, alone[0].mean_)


def test_a_table_larger_than_the_budget_is_trained_in_waves():
    x, y = blobs()
    estimators = [MLPClassifier((4,), max_iter=4, random_state=i) for i in range(6)]
    assert_together_is_alone(estimators, x, y, ROWS * 2, n_bytes=3000)


def test_one_generator_for_several_is_drawn_from_in_turn():
    x, y = blobs()
    drawn, same = np.random.RandomState(3), np.random.RandomState(3)
    together = [MLPClassifier((4,), max_iter=4, random_state=drawn) for _ in range(3)]
    done = list(fit_each([Wanted(e, x, y, ROWS[0], {}) for e in together]))
    for one in done:
        expected = MLPClassifier((4,), max_iter=4, random_state=same).fit(x, y)
        assert same_bits(one.estimator.network_.parameters, expected.network_.parameters)


def test_without_a_seed_each_has_its_own():
    x, y = blobs()
    together = [MLPClassifier((4,), max_iter=2) for _ in range(2)]
    weights = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        done = list(fit_each([Wanted(clone(e), x, y, ROWS[0], {}) for e in together]))
        weights.append([one.estimator.network_.parameters for one in done])
    assert not np.array_equal(*weights[0])
    for first, second in zip(*weights, strict=True):
        assert same_bits(first, second)


def test_sample_weights_and_processes():
    x, y = blobs()
    weight = np.random.default_rng(0).random(90)
    estimators = [MLPClassifier((4,), max_iter=4, random_state=i) for i in range(2)]
    wanted = [Wanted(clone(e), x, y, ROWS[1], {"sample_weight": weight}) for e in estimators]
    done = list(fit_each(wanted, parallel=Parallel(n_jobs=2)))
    for one, other in zip(done, estimators, strict=True):
        assert_same(one.estimator, other.fit(x[ROWS[1]], y[ROWS[1]], weight[ROWS[1]]))


def test_an_interrupt_leaves_the_estimators_as_they_were(monkeypatch):
    x, y = blobs()

    def interrupted(call):
        raise KeyboardInterrupt

    monkeypatch.setattr(joint_training._Call, "train", interrupted)
    estimators = [MLPClassifier((4,), max_iter=4, random_state=i) for i in range(2)]
    with pytest.raises(KeyboardInterrupt):
        list(fit_each([Wanted(e, x, y, ROWS[0], {}) for e in estimators]))
    assert not any(hasattr(estimator, "network_") for estimator in estimators)
