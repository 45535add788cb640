"""warm_start and partial_fit go on with what was built: its optimizer, its network, its targets."""

import copy
import itertools
import pickle

import joblib
import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_digits
from support.backends import under_test

from fastnn import sklearn as ours
from fastnn.backends import NAMES
from fastnn.schedules import Constant
from fastnn.sklearn import MLPClassifier, MLPRegressor, SoftmaxRegression
from fastnn.sklearn.history import OLDER, SHOWN

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS = load_digits(return_X_y=True)
X, Y = DIGITS[0][:200] / 16, DIGITS[1][:200]
LABELS = np.stack([Y > 2, Y > 4, Y % 2], axis=1).astype(int)
DOUBLE = np.stack([Y / 3, 1000 + Y], axis=1)

DESCENTS = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam"},
    "adam, other decays": {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 1.0},
    "a higher rate": {"learning_rate_init": 0.05},
}
OWN = {
    "adamw": {"solver": "adamw", "weight_decay": 0.5},
    "a schedule": {"learning_rate": Constant(0.05)},
}
COPIES = {
    "itself": lambda model: model,
    "unpickled": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}


def small(kind=MLPClassifier, **options):
    return kind(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 2, **options})


# -- the optimizer --------------------------------------------------------------------------------


def in_turn(n, *several):
    """Every n-th combination, such that each pair of values comes up as often."""
    numbered = itertools.product(*(list(enumerate(values)) for values in several))
    return [[v for _, v in these] for these in numbered if sum(i for i, _ in these) % n == 0]


WAYS = list(itertools.product(["fit", "partial_fit"], COPIES))


@pytest.mark.parametrize(("first", "then", "way"), in_turn(6, DESCENTS, DESCENTS, WAYS))
def test_partial_fit_goes_on_with_the_optimizer_it_began_with(first, then, way):
    """As scikit-learn does, whatever the parameters say in the meantime."""
    (begin, how), losses = way, []
    for module in (neural_network, ours):
        model = small(module.MLPClassifier, **DESCENTS[first])
        if begin == "fit":
            model.fit(X, Y)
        else:
            model.partial_fit(X, Y, classes=np.arange(10))
        model = COPIES[how](model).set_params(**DESCENTS[then])
        for _ in range(3):
            model.partial_fit(X, Y)
        losses.append(model.loss_curve_)
    np.testing.assert_allclose(*losses, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "first", "then"), in_turn(3, NAMES, [*DESCENTS, *OWN], [*DESCENTS, *OWN])
)
def test_no_backend_reads_another_rules_state(name, first, then):
    backend = under_test(name)
    every = DESCENTS | OWN
    model = small(backend=backend.name, **every[first])
    model.partial_fit(X, Y, classes=np.arange(10))
    unchanged = copy.deepcopy(model)
    model.set_params(**every[then])
    kept = {name: model.get_params()[name] for name in ("tol", "n_iter_no_change")}
    unchanged.set_params(**kept)
    for _ in range(2):
        model.partial_fit(X, Y)
        unchanged.partial_fit(X, Y)
    assert model.loss_curve_ == unchanged.loss_curve_


@pytest.mark.parametrize("warm_start", [False, True])
def test_fit_begins_with_the_optimizer_that_the_parameters_describe(backend, warm_start):
    model = small(solver="sgd", backend=backend.name, warm_start=warm_start).fit(X, Y)
    model.set_params(solver="adam", learning_rate_init=0.01).fit(X, Y)
    expected = small(solver="adam", learning_rate_init=0.01, backend=backend.name)
    if warm_start:
        start = small(solver="sgd", backend=backend.name).fit(X, Y)
        expected.set_params(warm_start=True, max_iter=1).fit(X, Y).set_params(max_iter=2)
        expected.network_.parameters = start.network_.parameters
    expected.fit(X, Y)
    assert model.loss_ == expected.loss_


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_models_in_joblibs_memory_maps_go_on(backend, solver, tmp_path):
    model = small(solver=solver, backend=backend.name).partial_fit(X, Y, classes=np.arange(10))
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert mapped.partial_fit(X, Y).loss_ == model.partial_fit(X, Y).loss_


def test_a_pickle_without_an_optimizer_starts_a_new_one():
    model = small().partial_fit(X, Y, classes=np.arange(10))
    state = model.__getstate__()
    older = copy.copy(state["_stochastic"])
    del older.running
    model.__setstate__(state | {"_stochastic": older})
    assert np.isfinite(model.partial_fit(X, Y).loss_)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_pickle_from_before_the_history_goes_on_alike(solver, early_stopping):
    """An estimator whose losses and scores are attributes of its own."""
    model = small(solver=solver, warm_start=True, early_stopping=early_stopping, random_state=0)
    model.fit(X, Y)
    state = copy.deepcopy(model.__getstate__())
    kept = vars(state.pop("_history"))
    state |= {name: kept[ours] for name, ours in OLDER.items() if ours in kept}
    older = type(model).__new__(type(model))
    older.__setstate__(state)
    for name in SHOWN:
        assert getattr(older, name, "absent") == getattr(model, name, "absent")
    assert not OLDER.keys() & vars(older).keys()
    assert older.fit(X, Y).loss_ == model.fit(X, Y).loss_
    assert getattr(older, "loss_curve_", None) == getattr(model, "loss_curve_", None)


def test_a_stop_ends_with_early_stopping():
    """A model that early stopping has ended trains on without it."""
    model = small(early_stopping=True, n_iter_no_change=1, tol=1.0)
    for _ in range(5):
        model.partial_fit(X, Y, classes=np.arange(10))
    assert len(model.loss_curve_) < 5
    model.set_params(early_stopping=False).partial_fit(X, Y)
    assert len(model.loss_curve_) == 1
    assert model.loss_ == model.loss_curve_[0]


def test_a_callback_may_not_fit_its_own_estimator():
    def fit_again(network, epoch, record):
        model.set_params(callbacks=(), hidden_layer_sizes=(80,)).fit(X, Y)

    model = small(callbacks=fit_again)
    with pytest.raises(RuntimeError, match=r"a callback fitted the estimator .* a clone"):
        model.fit(X, Y)


# -- the network ----------------------------------------------------------------------------------

OF_THE_NETWORK = [
    (MLPClassifier, {"hidden_layer_sizes": (16,)}, r"hidden_layer_sizes was \(8,\) .* \(16,\) now"),
    (MLPClassifier, {"hidden_layer_sizes": (8, 8)}, r"hidden_layer_sizes=\(8,\)"),
    (MLPClassifier, {"hidden_layer_sizes": (), "dropout": ()}, r"hidden_layer_sizes was \(8,\)"),
    (MLPClassifier, {"activation": "tanh"}, r"activation was \('relu',\) .* \('tanh',\) now"),
    (MLPClassifier, {"input_scale": 0.5}, r"input_scale was 1\.0 .* 0\.5 now"),
    (MLPRegressor, {"loss": "poisson"}, "loss was 'squared_error' .* 'poisson' now"),
    (MLPRegressor, {"loss": "huber"}, r"set_params\(loss='squared_error'\)"),
    (SoftmaxRegression, {"fit_intercept": False}, "fit_intercept was True .* False now"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
@pytest.mark.parametrize(("kind", "changed", "words"), OF_THE_NETWORK)
def test_what_is_part_of_the_network_may_not_change(kind, changed, words, name):
    options = {} if kind is SoftmaxRegression else {"hidden_layer_sizes": (8,)}
    model = kind(solver="adam", random_state=0, warm_start=True, max_iter=2, **options).fit(X, Y)
    before, loss = model.get_params(), model.loss_
    model.set_params(**changed)
    with pytest.raises(ValueError, match=words) as caught:
        getattr(model, name)(X, Y)
    assert "fit with warm_start=False" in str(caught.value)
    assert model.loss_ == loss
    model.set_params(**before).partial_fit(X, Y)
    model.set_params(**changed, warm_start=False).fit(X, Y)


def test_the_same_network_may_be_said_in_other_words(backend):
    model = small(hidden_layer_sizes=8, activation="logistic", backend=backend.name)
    model.partial_fit(X, Y, classes=np.arange(10))
    for hidden in ((8,), [8], np.array([8])):
        for activation in ("logistic", "sigmoid", ("logistic",)):
            model.set_params(hidden_layer_sizes=hidden, activation=activation).partial_fit(X, Y)
    assert len(model.loss_curve_) == 10


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_dropout_of_fewer_layers_is_refused(backend, name):
    model = small(hidden_layer_sizes=(32,) * 4, warm_start=True, backend=backend.name).fit(X, Y)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes was \(32, 32, 32, 32\)"):
        getattr(model.set_params(hidden_layer_sizes=(32,), dropout=(0.5,)), name)(X, Y)
    with pytest.raises(ValueError, match=r"dropout must be .* each of the 4 hidden layers"):
        getattr(model.set_params(hidden_layer_sizes=(32,) * 4), name)(X, Y)


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_the_backend_may_change(backend, name):
    model = small(warm_start=True, backend="numpy").fit(X, Y)
    getattr(model.set_params(backend=backend.name), name)(X, Y)
    assert model.network_.backend == backend.name
    with pytest.raises(ValueError, match="'fortran'"):
        getattr(model.set_params(backend="fortran"), name)(X, Y)
    assert model.network_.backend == backend.name


# -- the targets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (1, 100_000), (100_000, 1)])
def test_a_regressor_keeps_its_number_of_targets(backend, solver, how, before, after):
    rows = X[:3, :2]
    y = {1: Y[:3] / 3, 2: DOUBLE[:3], 100_000: np.broadcast_to(Y[:3, None], (3, 100_000))}
    if solver == "lbfgs" and (how == "partial_fit" or before > 2):
        return
    model = small(MLPRegressor, hidden_layer_sizes=(1,), solver=solver, warm_start=True,
                  max_iter=1, backend=backend.name).fit(rows, y[before])  # fmt: skip
    with pytest.raises(ValueError, match=rf"y has shape .* but had {before} numbers a sample"):
        getattr(model, how)(rows, y[after])
    getattr(model, how)(rows, y[before])
    model.set_params(warm_start=False).fit(rows, y[2])
    assert model.predict(rows).shape == (3, 2)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (Y, LABELS, "y must hold one label a sample"),
        (LABELS, Y, r"0 or 1 for each of 3 labels, .* got shape \(200,\)"),
        (LABELS, LABELS[:, :2], r"0 or 1 for each of 3 labels, .* got shape \(200, 2\)"),
        (LABELS, np.c_[LABELS, Y > 0], r"0 or 1 for each of 3 labels, .* got shape \(200, 4\)"),
        (Y % 2, Y, "classes"),
        (Y % 2, LABELS[:, :2], "y must hold one label a sample"),
        (LABELS[:, :2], Y % 2, "0 or 1 for each of 2 labels"),
        (Y, Y.astype(str), "classes"),
        (Y, Y + 1, "classes"),
    ],
)
def test_a_classifier_keeps_its_kind_of_labels(backend, before, after, words, how):
    model = small(warm_start=True, backend=backend.name).fit(X, before)
    with pytest.raises(ValueError, match=words):
        getattr(model, how)(X, after)
    assert model.predict(X).shape == before.shape


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_several_labels_begin_in_partial_fit(backend, make):
    model = small(backend=backend.name)
    for classes in ([0, 1], [0, 1, 2, 3]):
        with pytest.raises(ValueError, match=r"classes holds . labels, but y has 3 columns"):
            model.partial_fit(X, make(LABELS), classes=classes)
    for _ in range(2):
        model.partial_fit(X, make(LABELS), classes=range(3))
    dense = small(backend=backend.name)
    for _ in range(2):
        dense.partial_fit(X, LABELS, classes=range(3))
    assert model.loss_curve_ == dense.loss_curve_


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # scikit-learn's own
@pytest.mark.parametrize(
    "classes", [[], 5, None, [0], ["a", "b"], [0, np.nan], "ab", {0, 1}, [[0], [1]]]
)
def test_refused_classes_leave_nothing_behind(classes):
    model = small()
    with pytest.raises((TypeError, ValueError), match="classes"):
        model.partial_fit(X, Y % 2, classes=classes)
    assert not hasattr(model, "classes_")
    assert model.partial_fit(X, Y % 2, classes=[0, 1]).classes_.tolist() == [0, 1]


# -- the rows -------------------------------------------------------------------------------------

LAYOUTS = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "uint8": lambda x: (x * 4).astype(np.uint8),
    "int64": lambda x: (x * 4).astype(np.int64),
    "bool": lambda x: x > 0.5,
    "CSR float64": sparse.csr_array,
    "CSR float32": lambda x: sparse.csr_matrix(x.astype(np.float32)),
}


@pytest.mark.parametrize(
    ("backend_name", "name", "first", "then"),
    in_turn(3, NAMES, ["MLPClassifier", "MLPRegressor"], LAYOUTS, LAYOUTS),
)
def test_rows_may_change_their_dtype(backend_name, name, first, then):
    backend, losses = under_test(backend_name), []
    for module in (neural_network, ours):
        model = small(getattr(module, name), solver="sgd", **(
            {"backend": backend.name} if module is ours else {}
        ))  # fmt: skip
        y, options = (Y, {"classes": np.arange(10)}) if "C" in name else (Y / 3, {})
        model.partial_fit(LAYOUTS[first](X), y, **options)
        model.partial_fit(LAYOUTS[then](X), y)
        losses.append(model.loss_curve_)
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_eval_set_may_be_of_another_dtype(backend, name):
    kind = getattr(ours, name)
    model = small(kind, alpha=0.0, backend=backend.name)
    model.fit(X.astype(np.float32), Y, eval_set=(X, Y.astype(float)))
    same = small(kind, alpha=0.0, backend=backend.name)
    same.fit(X.astype(np.float32), Y, eval_set=(X.astype(np.float32), Y))
    np.testing.assert_allclose(model.validation_loss_curve_, same.validation_loss_curve_, rtol=1e-6)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_numbers_beyond_a_float32_network_are_refused(backend, layout):
    model = small(MLPRegressor, backend=backend.name).fit(X.astype(np.float32), Y)
    for use in (model.predict, lambda x: model.partial_fit(x, Y)):
        with pytest.raises(ValueError, match=r"X holds numbers up to .*e\+300, beyond"):
            use(layout(X * 1e300))
    with pytest.raises(ValueError, match=r"y holds numbers up to .*e\+300, beyond"):
        model.partial_fit(layout(X), Y * -1e300)


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (np.nan, "Input X contains NaN: column 'height' holds nan in row 3."),
        (np.inf, "column 'height' holds inf in row 3."),
        (None, "column 'height' holds nan in row 3."),
        ("tall", "column 'height' holds text such as 'tall', not numbers."),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "pandas nullable", "polars"])
def test_a_frames_bad_column_is_named(library, spoilt, words):
    frames = pytest.importorskip(library.split()[0])
    good = frames.DataFrame(
        {"age": [20.0, 30.0, 40.0, 50.0] * 5, "height": [1.6, 1.7, 1.8, 1.9] * 5}
    )
    heights = [1.6, 1.7, 1.8, spoilt] * 5
    if isinstance(spoilt, str) and library == "polars":
        heights = [str(h) for h in heights]
        words = "column 'height' holds text such as '1.6', not numbers."
    bad = frames.DataFrame({"age": [20, 30, 40, 50] * 5, "height": heights})
    if library == "pandas nullable":
        bad = bad.convert_dtypes()
    model = small(MLPRegressor).fit(good, np.arange(20))
    for use in (model.predict, lambda x: small(MLPRegressor).fit(x, np.arange(20))):
        with pytest.raises((TypeError, ValueError)) as caught:
            use(bad)
        assert words in str(caught.value)


def test_nullable_frames_without_missing_values_are_numbers():
    pandas = pytest.importorskip("pandas")
    plain = pandas.DataFrame({"a": [0, 1, 2, 3] * 5, "b": [0.5, 1.0, 0.0, 2.0] * 5})
    nullable = plain.astype({"a": "Int64", "b": "Float64"})
    expected = small(MLPRegressor).fit(plain, np.arange(20))
    model = small(MLPRegressor).fit(nullable, pandas.Series(np.arange(20), dtype="Int64"))
    assert model.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize(
    "make",
    [np.asarray, lambda x: x.astype(np.uint8), lambda x: x.astype(int), lambda x: x.tolist()],
)
def test_flags_are_zeros_and_ones_however_they_come(backend, make):
    flags = X > 0.5
    expected = small(backend=backend.name, max_iter=5).fit(flags.astype(np.float64), Y)
    model = small(backend=backend.name, max_iter=5).fit(make(flags), Y)
    np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(model.predict_proba(flags), model.predict_proba(make(flags)), 1e-5)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (Y.astype(str), r"y must hold numbers, got dtype <U"),
        (sparse.csr_array(LABELS), r"y must be a dense array .* use y\.toarray\(\)"),
    ],
)
def test_targets_that_are_no_numbers_are_named(y, words):
    with pytest.raises((TypeError, ValueError), match=words):
        small(MLPRegressor).fit(X, y)
