"""SoftmaxRegression: multinomial logistic regression, a network without hidden layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.network import Network
from fastnn.sklearn.mlp import MLPClassifier
from fastnn.sklearn.problem import Problem
from fastnn.validation import check_in_range


class SoftmaxRegression(MLPClassifier):
    """What scikit-learn's LogisticRegression is with an L2 penalty, on fastnn's backends.

    It minimises ``C Σ_i weight_i log-loss_i + ½ Σw²``; intercepts are not penalised. Two classes
    share one column of coefficients.

    Parameters
    ----------
    C : float, default 1.0
        Inverse of the penalty's strength.
    solver : {"lbfgs", "adam", "sgd"}, default "lbfgs"
        "adam" and "sgd" take minibatches: for many samples.
    fit_intercept : bool, default True
    class_weight : dict, "balanced" or None, default None
    tol, max_iter, random_state, warm_start, verbose
        As of LogisticRegression.
    batch_size, learning_rate_init, shuffle, early_stopping, validation_fraction, \
n_iter_no_change, input_scale, n_threads, backend
        As for `MLPClassifier`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
    intercept_ : ndarray of shape (n_classes,) or (1,)
    classes_, n_iter_, loss_, n_features_in_, feature_names_in_, network_
        As of `MLPClassifier`.
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        solver: str = "lbfgs",
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-4,
        max_iter: int = 100,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = 0,
        batch_size: Any = "auto",
        learning_rate_init: float = 0.01,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        input_scale: float = 1.0,
        n_threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        self.C = C
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.input_scale = input_scale
        self.n_threads = n_threads
        self.backend = backend

    # What MLPClassifier asks for and the user of a regression does not choose.
    hidden_layer_sizes = ()
    activation = "identity"
    learning_rate = "constant"
    power_t = 0.5
    momentum = 0.9
    nesterovs_momentum = True
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
    max_fun = 15000
    dropout = 0.0
    weight_decay = 0.0
    callbacks = ()
    alpha = 1.0  # see _l2
    _ftol = 64 * np.finfo(np.float64).eps  # as LogisticRegression: it is the gradient that decides

    @property
    def coef_(self) -> NDArray[Any]:
        """Coefficients, a row for each class."""
        return self._fitted_network().weights[0].T

    @property
    def intercept_(self) -> NDArray[Any]:
        """What is added for each class; zeros without an intercept."""
        bias = self._fitted_network().biases[0]
        return np.zeros(self.n_outputs_) if bias is None else bias

    # -- for the base ---------------------------------------------------------------------------

    def _initial_network(self, problem: Problem) -> Network:
        output, loss, n_out = self._output()
        return Network.from_architecture(
            Architecture(
                (problem.x.shape[1], n_out),
                (),
                output,
                loss,
                bool(self.fit_intercept),
                "float64" if problem.x.dtype == np.float64 else "float32",
                self.input_scale,
            ),
            backend=self.backend,
            seed=0,
        )

    def _l2(self, weight: float, total: float) -> float:
        """The penalty is one on the sum over all samples, whatever the minibatch."""
        return 1.0 / (self.C * total) if total else 0.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_in_range("C", self.C, 0.0, np.inf, open_low=True)
