"""Any sequence of fits, changed parameters, copies and other data ends as scikit-learn's does.

Each step is taken by an estimator of fastnn and by scikit-learn's: both train or both raise, and
where they train the losses and shapes are the same. Where fastnn promises something else (see
"Differences" in docs/scikit-learn.md) that is what is expected, and from there on the two part.
"""

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn.base")

from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone

from fastnn import sklearn as ours
from fastnn.backends import NAMES

N_ROWS = 24
BOTH = {
    "solver": ["sgd", "sgd", "adam", "lbfgs"],
    "alpha": [0.0, 1e-4, 0.1],
    "batch_size": ["auto", 5, 16],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "learning_rate_init": [1e-3, 1e-2],
    "power_t": [0.2, 0.5],
    "max_iter": [1, 3],
    "shuffle": [True, False],
    "random_state": [0, 1],
    "tol": [1e-4, 0.5],
    "momentum": [0.0, 0.5, 0.9],
    "nesterovs_momentum": [True, False],
    "n_iter_no_change": [1, 10],
    "beta_1": [0.5, 0.9],
    "beta_2": [0.9, 0.999],
    "epsilon": [1e-8, 1e-3],
    "max_fun": [3, 15000],
    "warm_start": [True, False],
    "early_stopping": [False, False, True],
    "validation_fraction": [0.2, 0.4],
    "hidden_layer_sizes": [(4,), 4, [4], (3,), (4, 4), ()],
    "activation": ["relu", "tanh", "logistic"],
}
OURS = {
    "solver": ["adamw"],
    "weight_decay": [0.0, 0.5],
    "dropout": [0.0, 0.5, (0.5,), (0.2, 0.3)],
    "input_scale": [1.0, 0.5],
    "n_threads": [None, 1, 2],
    "backend": [*NAMES, "auto"],
}
LOSSES = ["squared_error", "poisson", "huber"]
LAYOUTS = {
    "float64": np.asarray,
    "float32": lambda x: x.astype(np.float32),
    "uint8": lambda x: np.abs(x * 2).astype(np.uint8),
    "bool": lambda x: x > 0,
    "integers": lambda x: (x * 3).astype(np.int64),
    "CSR": lambda x: sparse.csr_array(np.where(x > 0, x, 0.0)),
    "Fortran": np.asfortranarray,
}
TARGETS = {
    ours.MLPClassifier: {
        "three": lambda n: n % 3,
        "two of three": lambda n: n % 2,
        "four": lambda n: n % 4,
        "whole floats": lambda n: (n % 3).astype(float),
        "text": lambda n: np.array(["a", "b", "c"])[n % 3],
        "three labels": lambda n: np.stack([n % 2, n % 3 > 0, n > 5], axis=1).astype(int),
        "two labels": lambda n: np.stack([n % 2, n % 3 > 0], axis=1).astype(int),
        "a column": lambda n: (n % 3)[:, None],
    },
    ours.MLPRegressor: {
        "one": lambda n: np.sqrt(n),
        "a column": lambda n: np.sqrt(n)[:, None],
        "two": lambda n: np.stack([np.sqrt(n), n % 4], axis=1),
        "three": lambda n: np.stack([np.sqrt(n), n % 4, n % 2], axis=1),
        "integers": lambda n: n % 5,
    },
}
FIRST = {ours.MLPClassifier: "three", ours.MLPRegressor: "one"}


def changes(kind):
    several = [(name, value) for table in (BOTH, OURS) for name in table for value in table[name]]
    if kind is ours.MLPRegressor:
        several += [("loss", loss) for loss in LOSSES]
    return st.lists(st.sampled_from(several), min_size=1, max_size=3).map(dict)


def often(usual, others):
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(sorted(others)))


def steps(kind):
    data = st.fixed_dictionaries(
        {
            "layout": often("float64", LAYOUTS),
            "target": often(FIRST[kind], TARGETS[kind]),
            "n_in": st.sampled_from([6, 6, 6, 6, 5]),
            "n_weights": st.sampled_from([None, None, N_ROWS, N_ROWS - 1]),
        }
    )
    fits = st.tuples(st.sampled_from(["fit", "partial_fit", "partial_fit"]), data)
    copies = st.tuples(st.sampled_from(["pickle", "deepcopy", "clone"]), st.none())
    return st.lists(
        st.one_of(fits, fits, st.tuples(st.just("set_params"), changes(kind)), copies),
        min_size=2,
        max_size=9,
    )


COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "clone": clone,
}


def arguments(kind, layout, target, n_in, n_weights):
    rng = np.random.default_rng(len(target) + n_in)
    x = LAYOUTS[layout](rng.normal(size=(N_ROWS, n_in)))
    weight = None if n_weights is None else rng.random(n_weights) + 0.1
    return x, TARGETS[kind][target](np.arange(N_ROWS)), weight


class Pair:
    """An estimator of fastnn and scikit-learn's, which take the same steps."""

    def __init__(self, kind, backend, **start):
        options = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **start}
        self.kind = kind
        self.mine = kind(backend=backend, **options)
        self.theirs = getattr(neural_network, kind.__name__)(**options)
        self.alike = True  # until the two part
        self.last_solver = None

    def set_params(self, values):
        self.mine.set_params(**values)
        known = {n: v for n, v in values.items() if n in self.theirs.get_params()}
        if known.get("solver") == "adamw" or known.get("loss") == "huber":
            self.alike = False
        self.theirs.set_params(**known)

    def copy(self, how):
        self.mine, self.theirs = COPIES[how](self.mine), COPIES[how](self.theirs)

    def train(self, name, data):
        x, y, weight = arguments(self.kind, **data)
        goes_on = hasattr(self.mine, "network_") and (name == "partial_fit" or self.mine.warm_start)
        refused = self.refused(y) if goes_on else []
        self.alike &= self.comparable(name, goes_on)
        before = pickle.dumps(self.mine)
        error = self.take(self.mine, name, x, y, weight)
        if name == "partial_fit" and self.mine.solver == "lbfgs":
            assert isinstance(error, AttributeError)  # scikit-learn's regressor has the method
            return
        assert error is None or isinstance(error, ValueError | TypeError), error
        if error is not None and goes_on:
            self.assert_as_it_was(before)
        if refused:
            assert isinstance(error, ValueError), refused
            return
        if self.alike:
            before = copy.deepcopy(self.theirs)
            their_error = self.take(self.theirs, name, x, y, weight)
            assert (error is None) == (their_error is None), (error, their_error)
            if error is not None:
                self.theirs = before
        if error is None:
            self.assert_fitted(x, y)
            self.last_solver = self.mine.solver

    def take(self, model, name, x, y, weight):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                options = {}
                if name == "partial_fit" and self.kind is ours.MLPClassifier:
                    labels = np.arange(y.shape[1]) if np.shape(y)[1:] > (1,) else np.unique(y)
                    options["classes"] = None if hasattr(model, "classes_") else labels
                getattr(model, name)(x, y, sample_weight=weight, **options)
            except Exception as error:
                return error

    def refused(self, y):
        """Name what is not that of the network: parameters that are part of it, or targets."""
        a, hidden = self.mine.network_.architecture, self.mine.hidden_layer_sizes
        hidden = tuple(hidden) if np.iterable(hidden) else (hidden,)
        activation = {"logistic": "sigmoid"}.get(self.mine.activation, self.mine.activation)
        wanted = {
            "hidden_layer_sizes": (a.sizes[1:-1], hidden),
            "activation": (a.activations, (activation,) * len(hidden)),
            "input_scale": (a.input_scale, self.mine.input_scale),
        }
        if self.kind is ours.MLPRegressor:
            wanted["loss"] = (a.loss, self.mine.loss)
            wanted["targets"] = (a.n_out, 1 if y.ndim == 1 else y.shape[1])
        else:  # which scikit-learn takes for one label a row, if the numbers are those of columns
            multilabel = self.mine._label_binarizer.y_type_.startswith("multilabel")
            wanted["labels"] = (multilabel, np.shape(y)[1:] > (1,))
        return [name for name, (had, has) in wanted.items() if had != has]

    def comparable(self, name, goes_on):
        """Whether scikit-learn promises the same of this step."""
        mine, with_early_stopping = self.mine, self.mine.early_stopping
        had_scores = getattr(mine, "validation_scores_", None) is not None
        return not (
            np.any(mine.dropout)
            or mine.input_scale != 1.0
            or (with_early_stopping and (goes_on or name == "partial_fit"))
            or (goes_on and (had_scores or self.last_solver == "lbfgs"))
        )

    def assert_as_it_was(self, before):
        before = pickle.loads(before)
        assert np.array_equal(self.mine.network_.parameters, before.network_.parameters)
        for name in ("n_iter_", "t_", "loss_", "loss_curve_", "n_features_in_", "n_outputs_"):
            assert getattr(self.mine, name, None) == getattr(before, name, None)

    def assert_fitted(self, x, y):
        n_out = self.mine.network_.architecture.n_out
        assert self.mine.coefs_[-1].shape[1] == self.mine.n_outputs_ == n_out
        assert len(self.mine.predict(x)) == N_ROWS
        if not self.alike:
            return
        single = self.mine.coefs_[0].dtype == np.float32
        close = 1e-3 if single else 1e-5 if self.mine.solver == "lbfgs" else 1e-6
        assert [w.shape for w in self.mine.coefs_] == [w.shape for w in self.theirs.coefs_]
        np.testing.assert_allclose(self.mine.loss_, self.theirs.loss_, rtol=close, atol=close)
        assert self.mine.n_iter_ == self.theirs.n_iter_
        assert self.mine.t_ == self.theirs.t_
        assert self.mine.predict(x).shape == self.theirs.predict(x).shape


def run(kind, backend, start, sequence):
    pair = Pair(kind, backend.name, **start)
    for name, value in sequence:
        if name == "set_params":
            pair.set_params(value)
        elif name in COPIES:
            pair.copy(name)
        else:
            pair.train(name, value)


START = st.fixed_dictionaries(
    {"solver": st.sampled_from(["sgd", "adam"]), "warm_start": st.booleans()}
)


@given(start=START, sequence=steps(ours.MLPClassifier))
def test_classifiers_go_on_as_scikit_learns(backend, start, sequence):
    run(ours.MLPClassifier, backend, start, sequence)


@given(start=START, sequence=steps(ours.MLPRegressor))
def test_regressors_go_on_as_scikit_learns(backend, start, sequence):
    run(ours.MLPRegressor, backend, start, sequence)
