"""SoftmaxRegression: multinomial logistic regression, a network without hidden layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fastnn.architecture import Architecture
from fastnn.backends import get_backend
from fastnn.backends.minibatch import gather
from fastnn.network import Network
from fastnn.sklearn.classifier import MLPClassifier
from fastnn.sklearn.hidden_units import NotThere
from fastnn.sklearn.inputs import checked_x
from fastnn.sklearn.problem import Problem
from fastnn.validation import check_in_range
from fastnn.vocabulary import BackendName


class SoftmaxRegression(MLPClassifier):
    """Multinomial logistic regression with an L2 penalty, on fastnn's backends.

    It minimizes ``C Σ_i weight_i log-loss_i + ½ Σw²``, as scikit-learn's LogisticRegression does;
    intercepts are not penalized, and two classes share one row of coefficients. `C` to `verbose`
    are LogisticRegression's parameters, with the same meaning; the others are those of
    `MLPClassifier`.

    Parameters
    ----------
    C : float, default 1.0
        Inverse of the penalty's strength, above 0; `numpy.inf` for no penalty.
    solver : {"lbfgs", "adam", "sgd", "adamw"}, default "lbfgs"
        "lbfgs" finds the minimum to within `tol`; "adam" and "sgd" use minibatches and approximate
        it: for many samples, or with `partial_fit`.
    fit_intercept : bool, default True
        Whether to add an intercept for each class.
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, multiplied by the sample weights; "balanced", only in `fit`, gives
        all classes the same total weight.
    tol : float, default 1e-4
        The largest element of the gradient at a minimum; for the other solvers the minimum
        improvement of the loss per epoch.
    max_iter : int, default 100
        Maximum number of iterations of "lbfgs", or epochs. Reaching it causes a
        ConvergenceWarning.
    random_state : int, RandomState or None, default None
        Seed of held-out samples and shuffles; initial coefficients are 0.
    warm_start : bool, default False
        Whether `fit` continues from the coefficients of the last fit.
    verbose : bool, int or "bar", default 0
        Whether to print the loss of each epoch, or to show a progress bar.
    batch_size : int or "auto", default "auto"
        Samples in a minibatch; "auto" is ``min(200, n_samples)``. Not for "lbfgs".
    learning_rate_init : float, default 0.01
        The rate of "adam" and "sgd".
    shuffle : bool, default True
        Whether to shuffle the samples in each epoch. Not for "lbfgs".
    early_stopping : bool, default False
        Whether to stop by the score on held-out samples, as in `MLPClassifier`. Not for "lbfgs".
    validation_fraction : float, default 0.1
        Fraction of the samples held out, in [0, 1).
    n_iter_no_change : int, default 10
        Epochs without improvement after which training stops; `numpy.inf` for never.
    input_scale : float, default 1.0
        Factor for uint8 X, applied without a copy: 1 / 255 for images.
    n_threads : int or None, default None
        Maximum number of threads for large operations; None is `fastnn.get_num_threads`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use; "auto" follows `fastnn.use_backend` and `fastnn.set_backend`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        The coefficients, as a view that can be assigned into.
    intercept_ : ndarray of shape (n_classes,) or (1,)
        The intercepts; zeros without `fit_intercept`.
    loss_ : float
        The final mean loss, including the penalty.
    n_iter_ : int
        Iterations of "lbfgs", or epochs; a number, unlike in LogisticRegression.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Column names, if X had any.
    network_ : fastnn.Network
        The trained network: ``network_.save(path)``, ``network_.predictor()``.

    See Also
    --------
    MLPClassifier : With hidden layers; describes further attributes, which this class has too.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn.sklearn import SoftmaxRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> SoftmaxRegression(max_iter=1000).fit(X, y).predict(X[::50])
    array([0, 1, 2])
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        solver: str = "lbfgs",
        fit_intercept: bool = True,
        class_weight: Mapping[Any, float] | str | None = None,
        tol: float = 1e-4,
        max_iter: int = 100,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: bool | int | str = 0,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.01,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        input_scale: float = 1.0,
        n_threads: int | None = None,
        backend: BackendName = "auto",
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

    transform = NotThere()
    fit_transform = NotThere()
    set_output = NotThere()
    get_feature_names_out = NotThere()

    # Parameters of MLPClassifier that are fixed here.
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
    alpha = 1.0  # see _strength
    _divides_l2 = False
    _ftol = 64 * np.finfo(np.float64).eps  # as in LogisticRegression, where the gradient decides

    @property
    def coef_(self) -> NDArray[Any]:
        """Coefficients, one row per class."""
        return self._fitted_network().weights[0].T

    @property
    def intercept_(self) -> NDArray[Any]:
        """Intercepts; zeros without `fit_intercept`."""
        bias = self._fitted_network().biases[0]
        return np.zeros(self.n_outputs_) if bias is None else bias

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the logits: (n_samples, n_classes), or (n_samples,) for two classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = checked_x(self, X)
        architecture = self.network_.architecture
        logits = np.empty((X.shape[0], architecture.n_out), architecture.dtype)
        x = gather(architecture, X, slice(None))
        weight, bias = self.network_.weights[0], self.network_.biases[0]
        get_backend(self.network_.backend).dense_forward(x, weight, bias, "identity", logits)
        return logits.ravel() if logits.shape[1] == 1 else logits

    # -- for the base ---------------------------------------------------------------------------

    def _check_classes(self, y: NDArray[Any], incremental: bool) -> None:
        if y.ndim != 1:
            raise ValueError(f"y should be a 1d array, got an array of shape {y.shape} instead.")
        super()._check_classes(y, incremental)
        if len(self.classes_) < 2:
            raise ValueError(
                "SoftmaxRegression needs samples of at least 2 classes, but y has only one class: "
                f"{self.classes_[0]!r}"
            )

    def _architecture(self, n_in: int, dtype: str) -> Architecture:
        output, loss, n_out = self._output()
        bias = bool(self.fit_intercept)
        return Architecture((n_in, n_out), (), output, loss, bias, dtype, self.input_scale)

    def _initial_network(self, problem: Problem) -> Network:
        dtype = "float64" if problem.x.dtype == np.float64 else "float32"
        architecture = self._architecture(problem.x.shape[1], dtype)
        return Network.from_architecture(architecture, backend=self.backend, seed=0)

    def _strength(self, total: float) -> float:
        """The penalty refers to the sum over all samples, not to the minibatch."""
        return 1.0 / (self.C * total) if total else 0.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        value = self.C
        if value != np.inf:
            check_in_range("C", value, 0.0, np.inf, open_low=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        tags.transformer_tags = None
        return tags
