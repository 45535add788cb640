"""MLPEnsembleRegressor: many MLPRegressors that answer as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from fastnn.schedules import Schedule
from fastnn.sklearn.ensemble import MLPEnsemble
from fastnn.sklearn.inputs import checked_x_y
from fastnn.sklearn.parameters import Callbacks
from fastnn.sklearn.regressor import MLPRegressor
from fastnn.vocabulary import BackendName


class MLPEnsembleRegressor(RegressorMixin, MLPEnsemble):  # type: ignore[misc]
    """Many `MLPRegressor` that are trained together and whose predictions are averaged.

    Each has the bits of an `MLPRegressor` fitted alone, with its `random_state`, to its rows. They
    are trained in one native call, except where `MLPSearchCV` would fit them one by one too.

    Parameters
    ----------
    loss, hidden_layer_sizes, activation
        As of `MLPRegressor`.
    n_estimators : int, default 10
        Number of members.
    bootstrap : bool, default False
        Whether each learns from as many samples drawn with replacement.
    random_state : int, RandomState or None, default None
        Draws the `random_state` of each member, and its samples.
    warm_start : bool, default False
        Whether `fit` continues the training of each member.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, tol, \
verbose, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, \
epsilon, n_iter_no_change, max_fun, dropout, input_scale, weight_decay, callbacks, n_threads, \
backend
        As of `MLPRegressor`.

    Attributes
    ----------
    estimators_ : list of MLPRegressor
        The members.
    estimators_samples_ : list of ndarray of int
        The rows that each learned from.
    n_iter_ : int
        Epochs, or iterations of "lbfgs", of the member that took most.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.sklearn import MLPEnsembleRegressor
    >>> X = np.linspace(0, 6, 100).reshape(-1, 1)
    >>> ensemble = MLPEnsembleRegressor(
    ...     activation="tanh", n_estimators=5, learning_rate_init=0.01, max_iter=500, random_state=0
    ... ).fit(X, np.sin(X).ravel())
    >>> mean, deviation = ensemble.predict([[3.0], [9.0]], return_std=True)
    >>> bool(deviation[0] < deviation[1])  # no samples are near 9
    True
    """

    _kind = MLPRegressor

    def __init__(
        self,
        loss: str = "squared_error",
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
        dropout: float | Sequence[float] = 0.0,
        input_scale: float = 1.0,
        weight_decay: float = 0.01,
        callbacks: Callbacks = (),
        n_threads: int | None = None,
        backend: BackendName = "auto",
    ) -> None:
        self.loss = loss
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
        self.dropout = dropout
        self.input_scale = input_scale
        self.weight_decay = weight_decay
        self.callbacks = callbacks
        self.n_threads = n_threads
        self.backend = backend

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the mean prediction of the members, (n_samples,) or (n_samples, n_outputs).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_std : bool, default False
            Whether to return the standard deviation of their predictions too, of the same shape.

        Returns
        -------
        ndarray, or tuple of two ndarray
        """
        outputs = np.stack(self._outputs(X))
        if outputs.shape[2] == 1:
            outputs = outputs[:, :, 0]
        mean = outputs.mean(axis=0, dtype=np.float64)
        if not return_std:
            return mean.astype(outputs.dtype)
        deviation = np.sqrt(np.square(outputs - mean).mean(axis=0))
        return mean.astype(outputs.dtype), deviation.astype(outputs.dtype)

    def _checked(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        return checked_x_y(self, X, y, reset=True, y_numeric=True)
