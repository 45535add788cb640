"""MLPRegressor: scikit-learn's, with additions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from fastnn.schedules import Schedule
from fastnn.sklearn.hidden_units import HiddenUnits
from fastnn.sklearn.inputs import checked_weight, checked_x_y
from fastnn.sklearn.parameters import Callbacks, is_stochastic
from fastnn.sklearn.perceptron import Perceptron
from fastnn.sklearn.problem import Problem
from fastnn.sklearn.validation_rows import validation_rows
from fastnn.validation import check_choice, check_n_targets
from fastnn.vocabulary import BackendName


class MLPRegressor(HiddenUnits, RegressorMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron for regression, trained with Adam, SGD or L-BFGS.

    The parameters up to `max_fun` are those of `sklearn.neural_network.MLPRegressor`, with the
    same meaning; the others are fastnn's.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "huber", "absolute_error"}, default "squared_error"
        Half the squared error, averaged over outputs; half the Poisson deviance, with exponential
        predictions; the Huber loss, quadratic up to residuals of 1; the absolute error. The
        last two are fastnn's, and summed over outputs.
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
        R² on held-out samples after each epoch, with early stopping; otherwise None. Not for
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
    out_activation_ : {"identity", "exp"}
        The activation of the last layer.
    network_ : fastnn.Network
        The trained network: ``network_.save(path)``, ``network_.predictor()``.

    See Also
    --------
    MLPClassifier : The same for classification.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.sklearn import MLPRegressor
    >>> X = np.linspace(0, 6, 100).reshape(-1, 1)
    >>> y = np.sin(X).ravel()
    >>> regressor = MLPRegressor(activation="tanh", solver="lbfgs", random_state=0).fit(X, y)
    >>> round(regressor.score(X, y), 2)
    1.0
    """

    def __init__(
        self,
        loss: str = "squared_error",
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
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        eval_set : (X, y), optional
            As in `fit`.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, True, validation_rows(eval_set))

    if not TYPE_CHECKING:  # so that editors always show it
        partial_fit = available_if(is_stochastic)(partial_fit)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predictions, (n_samples,) or (n_samples, n_outputs).

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
        X, y = checked_x_y(self, X, y, reset=reset, y_numeric=True)
        if not reset:
            check_n_targets(y, self.network_.architecture.n_out)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' needs targets of at least 0, got negative ones in y")
        targets = as_targets(y)
        self._n_targets = targets.shape[1]
        self._loss_factor = 1.0 / self._n_targets if self.loss == "squared_error" else 1.0
        return Problem(X, targets, checked_weight(sample_weight, X))

    def _eval_problem(self, X: Any, y: Any) -> Problem:
        X, y = checked_x_y(self, X, y, reset=False, y_numeric=True)
        if y.size != len(y) * self._n_targets:
            raise ValueError(
                f"y must hold {self._n_targets} targets per sample, as in training, got shape "
                f"{y.shape}"
            )
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' needs targets of at least 0, got negative ones in y")
        return Problem(X, as_targets(y), None)

    def _constant(self, y: NDArray[Any], weight: NDArray[np.float64] | None) -> float:
        """Return half the Poisson deviance minus the negative log-likelihood."""
        if self.loss != "poisson":
            return 0.0
        return float(np.average(xlogy(y, y) - y, weights=weight, axis=0).sum())

    def _score(self, problem: Problem) -> float:
        predicted = self._outputs_of(problem.x)
        if not np.isfinite(predicted).all():
            return float("nan")
        return float(r2_score(problem.y, predicted, sample_weight=problem.sample_weight))


def as_targets(y: NDArray[Any]) -> NDArray[Any]:
    """Return targets (n_samples, n_outputs) of some float dtype."""
    return np.asarray(y.reshape(len(y), -1), y.dtype if y.dtype.kind == "f" else np.float64)
