"""MLPClassifier and MLPRegressor: scikit-learn's, and what they could not do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import column_or_1d, validate_data

from fastnn.sklearn.perceptron import Perceptron
from fastnn.sklearn.problem import Problem
from fastnn.validation import check_choice


def _is_stochastic(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that classifies: log-loss, trained by Adam, SGD or L-BFGS.

    The parameters are scikit-learn's and mean what they mean there; those after `max_fun` are
    fastnn's.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default (100,)
        Units of each hidden layer; empty for none.
    activation : str or sequence of str, default "relu"
        Of all hidden layers, or of each: "identity", "logistic", "tanh", "relu" and the others of
        `fastnn.Network`.
    solver : {"adam", "sgd", "lbfgs", "adamw"}, default "adam"
        "adamw" is fastnn's: Adam with the weights shrunk by `weight_decay`, beside `alpha`.
    alpha : float, default 0.0001
        Strength of the penalty ``alpha / (2 n) Σw²``, n being the samples of a minibatch, or the
        sum of their weights.
    batch_size : int or "auto", default "auto"
        Samples in a minibatch; "auto" is 200, or all if there are fewer. Not of "lbfgs".
    learning_rate : {"constant", "invscaling", "adaptive"} or fastnn schedule, default "constant"
        Of "sgd": stays, is ``learning_rate_init / (t + 1)^power_t`` after t samples, or is divided
        by 5 whenever there was no progress. A schedule such as `fastnn.schedules.Cosine` says the
        rate of each step, for "adam" too, and `learning_rate_init` is not asked.
    learning_rate_init : float, default 0.001
    power_t : float, default 0.5
    max_iter : int, default 200
        Epochs at most, iterations of "lbfgs".
    shuffle : bool, default True
        Whether each epoch sees the samples in another order.
    random_state : int, RandomState or None, default None
        Draws initial weights, the held-out part and the shuffles.
    tol : float, default 1e-4
        Progress below it counts as none.
    verbose : bool, int or "bar", default False
        Whether to print the loss of each epoch, or show a progress bar.
    warm_start : bool, default False
        Whether `fit` goes on from the last fit's weights.
    momentum : float, default 0.9
        Of "sgd", in [0, 1).
    nesterovs_momentum : bool, default True
    early_stopping : bool, default False
        Whether the score on a held-out part, not the loss, says when to stop; its best weights are
        restored. Held out is `eval_set`, if there is one.
    validation_fraction : float, default 0.1
        The part of the samples that is held out otherwise.
    beta_1, beta_2 : float, default 0.9 and 0.999
        Decay rates of "adam".
    epsilon : float, default 1e-8
    n_iter_no_change : int, default 10
        Epochs without progress after which training stops.
    max_fun : int, default 15000
        Calls of the objective, of "lbfgs".
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, multiplied with the sample weights.
    dropout : float or sequence of float, default 0.0
        Fraction of each hidden layer's units that a training step leaves out. Not of "lbfgs".
    input_scale : float, default 1.0
        What X is multiplied by if it is uint8, without a copy: 1 / 255 for images.
    weight_decay : float, default 0.01
        Of "adamw".
    callbacks : callable, fastnn.Callback or sequence of them, default ()
        Called after each epoch as by `fastnn.Network.fit`; one that returns True ends the training.
        Not of "lbfgs".
    n_threads : int or None, default None
        Threads to share large work among; None is `fastnn.get_num_threads`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coefs_, intercepts_ : list of ndarray
        Weights (n_in, n_out) and biases (n_out,) of each layer.
    loss_, best_loss_ : float
        The last epoch's loss, and the least; `best_loss_` is None with early stopping.
    loss_curve_ : list of float
        The loss of each epoch. Not of "lbfgs".
    validation_scores_ : list of float or None
        Accuracy on the held-out part after each epoch, with early stopping.
    best_validation_score_ : float or None
    validation_loss_curve_ : list of float
        The loss on `eval_set` after each epoch, if `fit` was given one.
    n_iter_, t_ : int
        Epochs of the last fit, and samples seen.
    n_layers_, n_outputs_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X had column names.
    out_activation_ : {"softmax", "logistic"}
    network_ : fastnn.Network
        What was trained: ``network_.save(path)``, ``network_.predictor()``.
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        dropout: Any = 0.0,
        input_scale: float = 1.0,
        weight_decay: float = 0.01,
        callbacks: Any = (),
        n_threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.dropout = dropout
        self.input_scale = input_scale
        self.weight_decay = weight_decay
        self.callbacks = callbacks
        self.n_threads = n_threads
        self.backend = backend

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
        *,
        eval_set: Any = None,
    ) -> Any:
        """Train for one epoch, from where the last call left off.

        With `early_stopping` the score is measured after each call, on `eval_set`, or on a part of
        X that is held out. When it has not improved for `n_iter_no_change` calls the best weights
        come back, and further calls change nothing.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array-like of shape (n_classes,), optional
            All classes that will ever come; required in the first call.
        eval_set : (X, y), optional
            As in `fit`.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, incremental=True, eval_set=eval_set)

    partial_fit = available_if(_is_stochastic)(partial_fit)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each sample, (n_samples,); or 0 and 1 for each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        return self._labels(self._outputs(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class, (n_samples, n_classes), as `classes_` lists them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        p = self._outputs(X)
        return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf
            log_p: NDArray[Any] = np.log(self.predict_proba(X))
        return log_p

    # -- for the base ---------------------------------------------------------------------------

    def _labels(self, outputs: NDArray[Any]) -> NDArray[Any]:
        if outputs.shape[1] == 1:
            outputs = outputs.ravel()
        labels: NDArray[Any] = self._label_binarizer.inverse_transform(outputs)
        return labels

    def _output(self) -> tuple[str, str, int]:
        n_classes = len(self.classes_)
        if self._label_binarizer.y_type_ == "multiclass":
            return "softmax", "cross_entropy", n_classes
        n_out = 1 if self._label_binarizer.y_type_ == "binary" else n_classes
        return "sigmoid", "binary_cross_entropy", n_out

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, incremental: bool
    ) -> Problem:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=self._dtypes(), reset=reset
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._check_classes(y, incremental)
        weight = self._checked_weight(sample_weight, X)
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, y)
            weight = of_class if weight is None else weight * of_class
        return Problem(X, self._targets(X, y), weight)

    def _check_classes(self, y: NDArray[Any], incremental: bool) -> None:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        classes = unique_labels(y)
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _eval_problem(self, X: Any, y: Any) -> Problem:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=self._dtypes(), reset=False
        )
        return Problem(X, self._targets(X, y), None)

    def _targets(self, X: Any, y: NDArray[Any]) -> NDArray[Any]:
        """Return class numbers for softmax, zeros and ones for sigmoid."""
        if self._label_binarizer.y_type_ == "multiclass":
            numbers: NDArray[np.int64] = np.searchsorted(self.classes_, y).astype(np.int64)
            return numbers
        columns = self._label_binarizer.transform(y)
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        targets: NDArray[Any] = np.ascontiguousarray(columns, dtype)
        return targets

    def _stratifies(self) -> bool:
        return bool(self.n_outputs_ == 1)

    def _score(self, problem: Problem) -> float:
        outputs, y = self._outputs_of(problem.x), problem.y
        predicted = outputs.argmax(axis=1) if y.ndim == 1 else outputs > 0.5
        weight = problem.sample_weight
        return float(accuracy_score(y, predicted.astype(y.dtype), sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that predicts numbers, trained by Adam, SGD or L-BFGS.

    The parameters are scikit-learn's and mean what they mean there; those after `max_fun` are
    fastnn's.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "huber", "absolute_error"}, default "squared_error"
        Half the squared error, the mean over outputs; half the Poisson deviance, whose predictions
        are exponentials; the Huber loss, quadratic up to residuals of 1; the absolute error. The
        last two are fastnn's.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, \
power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, \
early_stopping, validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, \
input_scale, weight_decay, callbacks, n_threads, backend
        As for `MLPClassifier`.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_loss_curve_, n_iter_, t_, \
n_layers_, n_outputs_, \
n_features_in_, feature_names_in_, network_
        As of `MLPClassifier`.
    validation_scores_ : list of float or None
        R² on the held-out part after each epoch, with early stopping.
    best_validation_score_ : float or None
    out_activation_ : {"identity", "exp"}
    """

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        input_scale: float = 1.0,
        weight_decay: float = 0.01,
        callbacks: Any = (),
        n_threads: int | None = None,
        backend: str = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.input_scale = input_scale
        self.weight_decay = weight_decay
        self.callbacks = callbacks
        self.n_threads = n_threads
        self.backend = backend

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None
    ) -> Any:
        """Train for one epoch, from where the last call left off.

        With `early_stopping` the score is measured after each call, on `eval_set`, or on a part of
        X that is held out. When it has not improved for `n_iter_no_change` calls the best weights
        come back, and further calls change nothing.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        eval_set : (X, y), optional
            As in `fit`.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, incremental=True, eval_set=eval_set)

    partial_fit = available_if(_is_stochastic)(partial_fit)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the numbers predicted, (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        predicted = self._outputs(X)
        return predicted.ravel() if predicted.shape[1] == 1 else predicted

    # -- for the base ---------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("loss", self.loss, ("squared_error", "poisson", "huber", "absolute_error"))

    def _output(self) -> tuple[str, str, int]:
        return "exp" if self.loss == "poisson" else "identity", self.loss, self._n_targets

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, incremental: bool
    ) -> Problem:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True,
            dtype=self._dtypes(), reset=reset,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' needs targets of at least 0, got negative ones in y")
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype)
        weight = self._checked_weight(sample_weight, X)
        self._n_targets = targets.shape[1]
        self._loss_factor = 1.0 / self._n_targets if self.loss == "squared_error" else 1.0
        self._loss_offset = self._constant(targets, weight)
        return Problem(X, targets, weight)

    def _eval_problem(self, X: Any, y: Any) -> Problem:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True,
            dtype=self._dtypes(), reset=False,
        )  # fmt: skip
        dtype = np.float64 if X.dtype == np.float64 else np.float32
        return Problem(X, np.ascontiguousarray(y.reshape(len(y), -1), dtype), None)

    def _constant(self, y: NDArray[Any], weight: NDArray[np.float64] | None) -> float:
        """Return what half the Poisson deviance has and the likelihood has not."""
        if self.loss != "poisson":
            return 0.0
        return float(np.average(xlogy(y, y) - y, weights=weight, axis=0).sum())

    def _score(self, problem: Problem) -> float:
        predicted = self._outputs_of(problem.x)
        if not np.isfinite(predicted).all():
            return float("nan")
        return float(r2_score(problem.y, predicted, sample_weight=problem.sample_weight))
