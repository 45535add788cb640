"""MLPRegressor: scikit-learn's, and what it could not do."""

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
from fastnn.sklearn.perceptron import Callbacks, Perceptron, is_stochastic
from fastnn.sklearn.problem import Problem
from fastnn.validation import check_choice, check_n_targets
from fastnn.vocabulary import BackendName


class MLPRegressor(HiddenUnits, RegressorMixin, Perceptron):  # type: ignore[misc]
    """A multi-layer perceptron that predicts numbers, trained by Adam, SGD or L-BFGS.

    The parameters up to `max_fun` are those of `sklearn.neural_network.MLPRegressor` and mean what
    they mean there; the others are fastnn's.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "huber", "absolute_error"}, default "squared_error"
        Half the squared error, the mean over outputs; half the Poisson deviance, whose predictions
        are exponentials; the Huber loss, quadratic up to residuals of 1; the absolute error. The
        last two are fastnn's, and sums over outputs.
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; empty for none.
    activation : str or sequence of str, default "relu"
        Of all hidden layers, or of each: "identity", "logistic", "tanh", "relu", "leaky_relu",
        "elu", "gelu" or "silu".
    solver : {"lbfgs", "sgd", "adam", "adamw"}, default "adam"
        "lbfgs" looks at all samples at once, through SciPy's minimizer: for small data. "sgd" and
        "adam" take minibatches. "adamw" is fastnn's: Adam with the weights shrunk by
        `weight_decay`, beside `alpha`.
    alpha : float, default 0.0001
        Strength of the penalty ``alpha / (2 n) Σw²``, n being the samples of a minibatch, or the
        sum of their weights. Biases are not penalised.
    batch_size : int or "auto", default "auto"
        Samples in a minibatch; "auto" is ``min(200, n_samples)``. Not of "lbfgs".
    learning_rate : {"constant", "invscaling", "adaptive"} or schedule, default "constant"
        Of "sgd": stays ``learning_rate_init``, is ``learning_rate_init / (t + 1)^power_t`` after t
        samples, or is divided by 5 whenever `n_iter_no_change` epochs brought no progress. A
        schedule such as `fastnn.schedules.Cosine` says the rate of each step, for "adam" and
        "adamw" too, and `learning_rate_init` is not asked.
    learning_rate_init : float, default 0.001
        The rate at first. Not of "lbfgs".
    power_t : float, default 0.5
        The exponent of "invscaling".
    max_iter : int, default 200
        Epochs at most, iterations of "lbfgs". Whoever gets so far is warned of by a
        ConvergenceWarning.
    shuffle : bool, default True
        Whether each epoch sees the samples in another order. Not of "lbfgs".
    random_state : int, RandomState or None, default None
        Draws the initial weights, the held-out part and the shuffles, in scikit-learn's order.
    tol : float, default 1e-4
        Progress of the loss, or of the score with `early_stopping`, below which an epoch counts as
        one without; for "lbfgs" the largest element of the gradient at a minimum.
    verbose : bool, int or "bar", default False
        Whether to print the loss of each epoch, or to show a progress bar.
    warm_start : bool, default False
        Whether `fit` goes on from the weights of the last fit. Parameters that are part of the
        network may not change then.
    momentum : float, default 0.9
        Of "sgd", in [0, 1).
    nesterovs_momentum : bool, default True
        Whether the momentum of "sgd" is Nesterov's; for ``momentum > 0``.
    early_stopping : bool, default False
        Whether the score on a held-out part, not the loss, says when to stop; its best weights are
        restored. Held out is `eval_set`, if `fit` is given one. Not of "lbfgs".
    validation_fraction : float, default 0.1
        The part of the samples that is held out otherwise, in [0, 1).
    beta_1 : float, default 0.9
        Decay of the mean of gradients in "adam" and "adamw", in [0, 1).
    beta_2 : float, default 0.999
        Decay of the mean of squared gradients in "adam" and "adamw", in [0, 1).
    epsilon : float, default 1e-8
        What "adam" and "adamw" add to the root of that mean.
    n_iter_no_change : int, default 10
        Epochs without progress after which training stops; `numpy.inf` for never.
    max_fun : int, default 15000
        Calls of the objective at most, of "lbfgs".
    dropout : float or sequence of float, default 0.0
        Fraction of the units of all hidden layers, or of each, that a training step leaves out.
        Not of "lbfgs".
    input_scale : float, default 1.0
        What X is multiplied by if it is uint8, without a copy: 1 / 255 for images.
    weight_decay : float, default 0.01
        Of "adamw": each step shrinks the weights by so much of themselves, times the learning rate.
    callbacks : callable, fastnn.Callback or sequence of them, default ()
        Called after each epoch as ``f(network, epoch, record)``, the record holding the epoch's
        measurements; one that returns True ends the training. Not of "lbfgs".
    n_threads : int or None, default None
        Threads to share large work among; None is `fastnn.get_num_threads`.
    backend : {"auto", "cython", "numba", "numpy"}, default "auto"
        Which kernels compute; "auto" is what `fastnn.use_backend` and its kin say.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        The weights of each layer: views, which can be assigned into.
    intercepts_ : list of ndarray of shape (n_out,)
        The biases of each layer, likewise.
    loss_ : float
        The loss at the end, penalty included.
    best_loss_ : float or None
        The least loss of an epoch; None with early stopping. Not of "lbfgs".
    loss_curve_ : list of float
        The loss of each epoch. Not of "lbfgs".
    validation_scores_ : list of float or None
        R² on the held-out part after each epoch, with early stopping; otherwise None. Not of
        "lbfgs".
    best_validation_score_ : float or None
        The best of them.
    validation_loss_curve_ : list of float
        The loss on `eval_set` after each epoch, without the penalty, if `fit` was given one.
    n_iter_ : int
        Epochs of the last fit, iterations of "lbfgs".
    t_ : int
        Samples seen; 0 after "lbfgs".
    n_layers_ : int
        Layers, the input counted.
    n_outputs_ : int
        Units of the last layer.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Their names, if X had any.
    out_activation_ : {"identity", "exp"}
        The activation of the last layer.
    network_ : fastnn.Network
        What was trained: ``network_.save(path)``, ``network_.predictor()``.

    See Also
    --------
    MLPClassifier : The same for classes.

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
        """Train for one epoch, from where the last call left off.

        With `early_stopping` the score is measured after each call, on `eval_set`, or on a part of
        X that is held out. When it has not improved for `n_iter_no_change` calls the best weights
        come back, and further calls change nothing.

        As in scikit-learn, all calls go on with the optimizer of the first one, or of the last
        `fit`: another `solver`, learning rate, momentum or decay takes effect in the next `fit`.
        Other parameters take effect at once; those that are part of the network, such as
        `hidden_layer_sizes` and `activation`, may not change and are named in a ValueError.

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

    if not TYPE_CHECKING:  # for an editor it is always there
        partial_fit = available_if(is_stochastic)(partial_fit)

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
                f"eval_set's y must hold {self._n_targets} numbers a sample, as y does, got shape "
                f"{y.shape}"
            )
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("loss='poisson' needs targets of at least 0 in eval_set too")
        return Problem(X, as_targets(y), None)

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


def as_targets(y: NDArray[Any]) -> NDArray[Any]:
    """Return targets (n_samples, n_outputs) of some float dtype."""
    return np.asarray(y.reshape(len(y), -1), y.dtype if y.dtype.kind == "f" else np.float64)
