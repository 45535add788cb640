"""MLPEnsembleClassifier: many MLPClassifiers that answer as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import check_classification_targets

from fastnn.schedules import Schedule
from fastnn.sklearn.classifier import MLPClassifier
from fastnn.sklearn.ensemble import MLPEnsemble
from fastnn.sklearn.inputs import checked_x_y
from fastnn.sklearn.parameters import Callbacks
from fastnn.vocabulary import BackendName


class MLPEnsembleClassifier(ClassifierMixin, MLPEnsemble):  # type: ignore[misc]
    """Many `MLPClassifier` that are trained together and whose probabilities are averaged.

    Each has the bits of an `MLPClassifier` fitted alone, with its `random_state`, to its rows. They
    are trained in one native call, except where `MLPSearchCV` would fit them one by one too.

    Parameters
    ----------
    hidden_layer_sizes, activation
        As of `MLPClassifier`.
    n_estimators : int, default 10
        Number of members.
    bootstrap : bool, default False
        Whether each learns from as many samples drawn with replacement. Members with different
        initial weights are usually better without (Lakshminarayanan et al., 2017).
    random_state : int, RandomState or None, default None
        Draws the `random_state` of each member, and its samples.
    warm_start : bool, default False
        Whether `fit` continues the training of each member.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, tol, \
verbose, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, \
epsilon, n_iter_no_change, max_fun, class_weight, dropout, input_scale, weight_decay, callbacks, \
n_threads, backend
        As of `MLPClassifier`.

    Attributes
    ----------
    estimators_ : list of MLPClassifier
        The members. With `bootstrap`, one may not know all classes.
    estimators_samples_ : list of ndarray of int
        The rows that each learned from.
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
        Epochs, or iterations of "lbfgs", of the member that took most.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn.sklearn import MLPEnsembleClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> ensemble = MLPEnsembleClassifier(
    ...     (20,), n_estimators=5, learning_rate_init=0.01, max_iter=500, random_state=0
    ... ).fit(X, y)
    >>> ensemble.predict(X[::50])
    array([0, 1, 2])
    """

    classes_: NDArray[Any]
    _kind = MLPClassifier

    def __init__(
        self,
        hidden_layer_sizes: int | Iterable[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        n_estimators: int = 10,
        bootstrap: bool = False,
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
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
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

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each sample, (n_samples,), or 0 and 1 for each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        p = self.predict_proba(X)
        if self._is_multilabel:
            return (p > 0.5).astype(np.int64)
        labels: NDArray[Any] = self.classes_[p.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the mean probability of each class, (n_samples, n_classes).

        A class that a member does not know has probability 0 there.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        outputs = self._outputs(X)
        total = np.zeros((len(outputs[0]), len(self.classes_)))
        for member, of_member in zip(self.estimators_, outputs, strict=True):
            if self._is_multilabel:
                total += of_member
                continue
            p = member._probabilities(of_member) if len(member.classes_) > 1 else 1.0
            total[:, np.searchsorted(self.classes_, member.classes_)] += p
        total /= len(outputs)
        return total.astype(outputs[0].dtype)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        """
        with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf
            log_p: NDArray[Any] = np.log(self.predict_proba(X))
        return log_p

    def _checked(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        X, y = checked_x_y(self, X, y, reset=True)
        check_classification_targets(y)
        binarizer = LabelBinarizer().fit(y)
        self.classes_ = binarizer.classes_
        self._is_multilabel = binarizer.y_type_.startswith("multilabel")
        return X, y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
