"""MLPClassifier: scikit-learn's, with additions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from fastnn.network import Network
from fastnn.schedules import Schedule
from fastnn.sklearn.hidden_units import HiddenUnits
from fastnn.sklearn.inputs import checked_weight, checked_x_y
from fastnn.sklearn.labels import (
    check_kind,
    check_known,
    known_targets,
    labels_of_network,
    weights_of_classes,
)
from fastnn.sklearn.parameters import Callbacks, is_stochastic
from fastnn.sklearn.perceptron import Perceptron
from fastnn.sklearn.problem import Problem
from fastnn.sklearn.training import undone_if_it_fails
from fastnn.sklearn.validation_rows import validation_rows
from fastnn.validation import check_label_count
from fastnn.vocabulary import BackendName


class MLPClassifier(HiddenUnits, ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that classifies: log-loss, trained by Adam, SGD or L-BFGS.

    The parameters up to `max_fun` are those of `sklearn.neural_network.MLPClassifier`, with the
    same meaning; the others are fastnn's.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; empty for none.
    activation : str or sequence of str, default "relu"
        For all hidden layers, or one per layer: "identity", "logistic", "tanh", "relu",
        "leaky_relu", "elu", "selu", "gelu", "silu", "mish" or "softplus".
    solver : {"lbfgs", "sgd", "adam", "adamw"}, default "adam"
        "lbfgs" uses all samples at once, with SciPy's minimizer: for small data. "sgd" and
        "adam" use minibatches. "adamw" is fastnn's: Adam with decoupled weight decay
        (`weight_decay`), in addition to `alpha`.
    alpha : float, default 0.0001
        Strength of the penalty ``alpha / (2 n) Σw²``, where n is the number of samples in a
        minibatch, or the sum of their weights. Biases are not penalized.
    batch_size : int or "auto", default "auto"
        Samples in a minibatch; "auto" is ``min(200, n_samples)``. Not for "lbfgs".
    learning_rate : {"constant", "invscaling", "adaptive"} or schedule, default "constant"
        For "sgd": stays ``learning_rate_init``, is ``learning_rate_init / (t + 1)^power_t`` after t
        samples, or is divided by 5 whenever `n_iter_no_change` epochs brought no improvement. A
        schedule such as `fastnn.schedules.Cosine` sets the rate of each step, also for "adam" and
        "adamw", and `learning_rate_init` is ignored.
    learning_rate_init : float, default 0.001
        Initial learning rate. Not for "lbfgs".
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        Maximum number of epochs, or iterations of "lbfgs". Reaching it causes a
        ConvergenceWarning.
    shuffle : bool, default True
        Whether to shuffle the samples in each epoch. Not for "lbfgs".
    random_state : int, RandomState or None, default None
        Seed of initial weights, held-out samples and shuffles, drawn in scikit-learn's order.
    tol : float, default 1e-4
        Minimum improvement of the loss, or of the score with `early_stopping`, per epoch; for
        "lbfgs" the largest element of the gradient at a minimum.
    verbose : bool, int or "bar", default False
        Whether to print the loss of each epoch, or to show a progress bar.
    warm_start : bool, default False
        Whether `fit` continues from the weights of the last fit. Parameters that are part of the
        network must then stay the same.
    momentum : float, default 0.9
        For "sgd", in [0, 1).
    nesterovs_momentum : bool, default True
        Whether "sgd" uses Nesterov's momentum; for ``momentum > 0``.
    early_stopping : bool, default False
        Whether to stop by the score on held-out samples (`eval_set` if given to `fit`) instead of
        the loss, and to restore the best weights. Not for "lbfgs".
    validation_fraction : float, default 0.1
        Fraction of the samples held out if there is no `eval_set`, in [0, 1).
    beta_1 : float, default 0.9
        Decay of the mean of gradients in "adam" and "adamw", in [0, 1).
    beta_2 : float, default 0.999
        Decay of the mean of squared gradients in "adam" and "adamw", in [0, 1).
    epsilon : float, default 1e-8
        Added to the square root of that mean in "adam" and "adamw".
    n_iter_no_change : int, default 10
        Epochs without improvement after which training stops; `numpy.inf` for never.
    max_fun : int, default 15000
        Maximum number of objective evaluations of "lbfgs".
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, multiplied by the sample weights; "balanced", only in `fit`, gives
        all classes the same total weight.
    dropout : float or sequence of float, default 0.0
        Fraction of units dropped in each training step, for all hidden layers or one per layer.
        Not for "lbfgs".
    input_scale : float, default 1.0
        Factor for uint8 X, applied without a copy: 1 / 255 for images.
    weight_decay : float, default 0.01
        For "adamw": each step multiplies the weights by one minus this times the learning rate.
    callbacks : callable, fastnn.Callback or sequence of them, default ()
        Called after each epoch as ``f(network, epoch, record)``, where record holds the metrics of
        the epoch; returning True stops training. Not for "lbfgs".
    n_threads : int or None, default None
        Maximum number of threads for large operations; None is `fastnn.get_num_threads`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        The backend to use; "auto" follows `fastnn.use_backend` and `fastnn.set_backend`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coefs_ : list of ndarray of shape (n_in, n_out)
        The weights of each layer, as views that can be assigned into.
    intercepts_ : list of ndarray of shape (n_out,)
        The biases of each layer, also as views.
    loss_ : float
        The final loss, including the penalty.
    best_loss_ : float or None
        The lowest loss of an epoch; None with early stopping. Not for "lbfgs".
    loss_curve_ : list of float
        The loss of each epoch. Not for "lbfgs".
    validation_scores_ : list of float or None
        Accuracy on held-out samples after each epoch, with early stopping; otherwise None. Not for
        "lbfgs".
    best_validation_score_ : float or None
        The best of them.
    validation_loss_curve_ : list of float
        The loss on `eval_set` after each epoch, without the penalty, if `fit` was given one.
    n_iter_ : int
        Epochs of the last fit, iterations of "lbfgs".
    t_ : int
        Number of samples seen; 0 after "lbfgs".
    n_layers_ : int
        Number of layers, including the input.
    n_outputs_ : int
        Number of units in the last layer.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str
        Column names, if X had any.
    out_activation_ : {"softmax", "logistic"}
        The activation of the last layer.
    network_ : fastnn.Network
        The trained network: ``network_.save(path)``, ``network_.predictor()``.

    See Also
    --------
    MLPRegressor : The same for regression.
    SoftmaxRegression : Without hidden layers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MLPClassifier((20,), solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    >>> classifier.predict(X[::50])
    array([0, 1, 2])
    """

    classes_: NDArray[Any]

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int | str = False,
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
        class_weight: Mapping[Any, float] | str | None = None,
        dropout: float | Sequence[float] = 0.0,
        input_scale: float = 1.0,
        weight_decay: float = 0.01,
        callbacks: Callbacks = (),
        n_threads: int | None = None,
        backend: BackendName = "auto",
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
    ) -> Self:
        """Train for one epoch, continuing from the last call.

        With `early_stopping` the score is measured after each call, on `eval_set` or on held-out
        rows of X. When it has not improved for `n_iter_no_change` calls, the best weights are
        restored, and further calls change nothing.

        As in scikit-learn, all calls use the optimizer of the first one, or of the last `fit`:
        another `solver`, learning rate, momentum or decay takes effect in the next `fit`.
        Other parameters take effect at once; changing those that are part of the network, such as
        `hidden_layer_sizes` and `activation`, raises a ValueError.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
        classes : array-like of shape (n_classes,), optional
            All classes that can occur; required in the first call.
        eval_set : (X, y), optional
            As in `fit`.

        Returns
        -------
        self
        """
        self._check_weights_of_a_part()
        with undone_if_it_fails(self) as keep:
            if self.__sklearn_is_fitted__():
                keep()
            if self._is_first_call(classes):
                self._start_labels(y)
            return self._fit(X, y, sample_weight, True, validation_rows(eval_set))

    if not TYPE_CHECKING:  # so that editors always show it
        partial_fit = available_if(is_stochastic)(partial_fit)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each sample, (n_samples,), or 0 and 1 for each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        return self._labels(self._outputs(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class, (n_samples, n_classes), in the order of `classes_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        return self._probabilities(self._outputs(X))

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf
            log_p: NDArray[Any] = np.log(self.predict_proba(X))
        return log_p

    # -- for the base ---------------------------------------------------------------------------

    def _probabilities(self, outputs: NDArray[Any]) -> NDArray[Any]:
        if outputs.shape[1] == 1:
            return np.concatenate([1 - outputs, outputs], axis=1)
        return outputs

    def _labels(self, outputs: NDArray[Any]) -> NDArray[Any]:
        if self._label_binarizer.y_type_ == "multiclass":
            of_largest: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
            return of_largest
        if outputs.shape[1] == 1:
            outputs = outputs.ravel()
        labels: NDArray[Any] = self._label_binarizer.inverse_transform(outputs)
        return labels

    def _output(self) -> tuple[str, str, int]:
        n_classes = len(self._label_binarizer.classes_)
        if self._label_binarizer.y_type_ == "multiclass":
            return "softmax", "cross_entropy", n_classes
        n_out = 1 if self._label_binarizer.y_type_ == "binary" else n_classes
        return "sigmoid", "binary_cross_entropy", n_out

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, incremental: bool
    ) -> Problem:
        X, y = checked_x_y(self, X, y, reset=reset)
        targets = None
        if incremental and not reset and not self.warm_start:
            targets = known_targets(y, self._label_binarizer)
        if targets is None:
            check_classification_targets(y)
            self._check_classes(y, incremental)
            targets = self._targets(y)
        weight = checked_weight(sample_weight, X)
        if self.class_weight is not None:
            of_class = weights_of_classes(self.class_weight, self.classes_, y, weight)
            weight = of_class if weight is None else weight * of_class
        return Problem(X, targets, weight)

    def _is_first_call(self, classes: Any) -> bool:
        try:
            first = bool(_check_partial_fit_first_call(self, classes))
            if first and not len(self.classes_):
                raise ValueError("it is empty")
            return first
        except (TypeError, ValueError) as error:
            if "classes" in str(error):
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"classes must list all labels, such as [0, 1, 2]: {error}") from None

    def _check_weights_of_a_part(self) -> None:
        """Check that weights of classes do not depend on samples that are not there."""
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all samples, which partial_fit does not "
                "have: pass a dict, for example from sklearn.utils.class_weight"
            )

    def _start_labels(self, y: Any) -> None:
        """Use `classes_`, passed by the caller, as the labels that y may contain."""
        multilabel = type_of_target(y).startswith("multilabel")
        self._label_binarizer = LabelBinarizer().fit(y if multilabel else self.classes_)
        if multilabel:
            check_label_count(self.classes_, len(self._label_binarizer.classes_))

    def _check_classes(self, y: NDArray[Any], incremental: bool) -> None:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return
        check_kind("y", y, self._label_binarizer)
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
        X, y = checked_x_y(self, X, y, reset=False)
        check_known("y", y, self._label_binarizer)
        return Problem(X, self._targets(y), None)

    def _targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return class indices for softmax, zeros and ones for sigmoid."""
        if self._label_binarizer.y_type_ == "multiclass":
            numbers: NDArray[np.int64] = np.searchsorted(self.classes_, y).astype(np.int64)
            return numbers
        columns: NDArray[Any] = self._label_binarizer.transform(y)
        return columns.astype(np.float32)

    def _class_labels(self, network: Network) -> tuple[Any, ...] | None:
        return labels_of_network(network, self._label_binarizer)

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
