"""The common base of classifier and regressor: initial weights, solvers, what was learned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted

from fastnn.architecture import Architecture, Array
from fastnn.backends import get_backend
from fastnn.backends.base import PREDICT_ROWS, Backend
from fastnn.backends.minibatch import largest_product
from fastnn.backends.threads import blas_limited, threads_limited
from fastnn.model.evaluation import evaluate
from fastnn.network import Network
from fastnn.rows.strides import by_rows
from fastnn.sklearn.callback_support import CallbackSupportMixin, FitTasks, fit_tasks, snapshot
from fastnn.sklearn.history import History, shown, taken_from
from fastnn.sklearn.inputs import checked_x, trained_on
from fastnn.sklearn.lbfgs import Objective, Sums, minimize_loss, minimizer_limited
from fastnn.sklearn.parameters import Parameters
from fastnn.sklearn.problem import Problem
from fastnn.sklearn.stochastic import Stochastic
from fastnn.sklearn.training import Checked, Training, undone_if_it_fails
from fastnn.sklearn.validation_rows import ValidationRows, validation_rows
from fastnn.validation import (
    check_hidden_layer,
    check_not_replaced,
    check_same_network,
)


def _new_in(after: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in after.items() if k not in before or before[k] is not v}


class Perceptron(CallbackSupportMixin, Parameters):  # type: ignore[misc]
    """The base of `MLPClassifier` and `MLPRegressor`; not to be used by itself."""

    _history: History
    _random_state: np.random.RandomState
    _stochastic: Stochastic

    # Set when scikit-learn checks X.
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    _loss_factor = 1.0
    """Ratio of the reported loss to the backend's, before `_constant` is added."""
    _divides_l2 = True
    """Whether a minibatch's share of the penalty is `_strength` divided by its weight."""
    _eval_set: Problem | None = None
    _ftol = 1e7 * np.finfo(np.float64).eps
    """Relative progress of the loss at which "lbfgs" stops: SciPy's default."""

    # -- defined by subclasses ------------------------------------------------------------------

    @abstractmethod
    def _output(self) -> tuple[str, str, int]:
        """Return output, loss and width of the last layer."""

    @abstractmethod
    def _checked(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, incremental: bool
    ) -> Problem:
        """Return the checked training data."""

    @abstractmethod
    def _eval_problem(self, X: Any, y: Any) -> Problem:
        """Return the checked data of `eval_set`."""

    @abstractmethod
    def _score(self, problem: Problem) -> float:
        """Return the score for early stopping."""

    def _eval_loss(self) -> float:
        """Return the loss on `eval_set`, without the penalty."""
        assert self._eval_set is not None
        x, y, network = self._eval_set.x, self._eval_set.y, self.network_
        a = network.architecture
        # not network.evaluate, which expects class labels, where these are indices
        targets = y if y.ndim == 1 else y.astype(a.dtype, copy=False)
        backend = get_backend(network.backend)
        measured = evaluate(backend, a, network.parameters, x, targets, None, progress=False)
        return measured["loss"] * self._loss_factor + self._constant(y, None)

    def _constant(self, y: NDArray[Any], weight: NDArray[np.float64] | None) -> float:
        """Return the constant added to the backend's loss."""
        return 0.0

    def _strength(self, total: float) -> float:
        """Return the strength of the penalty ``l2 / 2 Σw²`` for rows of that weight in all."""
        return self.alpha

    def _l2(self, weight: float, total: float) -> float:
        """Return the strength of the penalty in a minibatch of that weight."""
        if not self._divides_l2:
            return self._strength(total)
        return self._strength(total) / weight if weight else 0.0

    def _class_labels(self, network: Network) -> tuple[Any, ...] | None:
        """Return the class labels of the network, if not 0, 1, 2 and so on."""
        return None

    def _stratifies(self) -> bool:
        """Return whether held-out rows are stratified by class."""
        return False

    # -- learning -------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: Any = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32, float64 and uint8 are used directly; anything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers.
        sample_weight : array-like of shape (n_samples,), optional
            By default every sample has weight 1.
        eval_set : (X, y), optional
            Evaluated after each epoch: its losses are `validation_loss_curve_`, and early stopping
            uses its score. Not for "lbfgs".
        X_val : {array-like, sparse matrix} of shape (n_validation_samples, n_features), optional
            With `y_val`, another way to pass `eval_set`, for pipelines: in one with
            ``transform_input=["X_val"]`` the rows pass through its transformers.
        y_val : array-like of shape (n_validation_samples,) or (n_validation_samples, n_outputs)
            Optional; required with `X_val`.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, False, validation_rows(eval_set, X_val, y_val))

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, watched: ValidationRows | None
    ) -> Self:
        with self._prepared(X, y, sample_weight, incremental, watched) as training:
            training.run()
        return self

    @contextmanager
    def _prepared(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        incremental: bool = False,
        watched: ValidationRows | None = None,
        random_state: np.random.RandomState | None = None,
        checked: Checked | None = None,
    ) -> Iterator[Training]:
        """Check everything, and yield a fit that is to be run; then check its weights.

        An error leaves the estimator as it was. `random_state` draws instead of the parameter, and
        X and y that were `checked` for another estimator are not checked again.
        """
        try:
            self._check_parameters()
            random_state = self._seeded() if random_state is None else random_state
        except (TypeError, ValueError) as error:  # scikit-learn's is both
            raise InvalidParameterError(str(error)) from None
        self._check_solver_can(watched)
        starts = not hasattr(self, "network_") or not (self.warm_start or incremental)
        n_epochs = 1 if incremental else self.max_iter
        observed = fit_tasks(self, X, y, sample_weight, n_epochs)
        with observed as tasks, undone_if_it_fails(self) as keep:
            self._random_state = random_state
            self._seeded_by = id(self) if type(self.random_state) is int else None
            if checked is None:
                before = dict(self.__dict__)
                problem = self._checked(X, y, sample_weight, starts, incremental)
                checked = Checked(_new_in(self.__dict__, before), problem)
            else:
                self.__dict__.update(checked.attributes)
                problem = checked.problem
            if starts:
                self._start(problem)
            built = self.network_.architecture
            check_same_network(built, self._architecture(built.sizes[0], built.dtype))
            problem = replace(problem.in_dtype(built.dtype), x=by_rows(problem.x))
            self._eval_set = None if watched is None else self._watched_problem(watched)
            training = Training(
                self, problem, np.empty(0, np.int64), None, incremental, checked, tasks
            )
            if self.solver != "lbfgs":
                training.rows, training.held_out = self._prepare_minibatches(problem, incremental)
            self.network_.backend = self.backend
            try:
                if not starts:  # from here on the existing network changes
                    keep()
                yield training
            finally:
                self._eval_set = None
            if not np.isfinite(self.network_.parameters).all():
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain "
                    "large values and need to be preprocessed."
                )
            tasks.end_fit(lambda: snapshot(self))

    def _watched_problem(self, watched: ValidationRows) -> Problem:
        with watched.named_in_errors():
            problem = self._eval_problem(watched.x, watched.y)
            return problem.in_dtype(self.network_.architecture.dtype)

    def _seeded(self) -> np.random.RandomState:
        """Return what draws in this fit; one that an earlier fit of this object's made, reseeded.

        To make one takes longer than to train on a few rows. A copy of the estimator makes its own.
        """
        if type(self.random_state) is int and getattr(self, "_seeded_by", None) == id(self):
            self._random_state.seed(self.random_state)
            return self._random_state
        drawing: np.random.RandomState = check_random_state(self.random_state)
        return drawing

    def _minimize(self, problem: Problem, tasks: FitTasks) -> None:
        network = self.network_
        sums = Sums(network.architecture, get_backend(network.backend), problem)
        offset = self._constant(problem.y, problem.sample_weight)
        self._minimize_sums(sums, sums.total, offset, tasks)

    def _minimize_sums(
        self, sums: Callable[[Array], tuple[float, Array]], total: float, offset: float,
        tasks: FitTasks,
    ) -> None:  # fmt: skip
        """Minimize the loss whose sums, without `offset`, over rows of weight `total` are given."""
        network = self.network_
        l2, factor = self._l2(total, total), self._loss_factor
        uses_blas = get_backend(network.backend).uses_blas
        with minimizer_limited(network.architecture, uses_blas):
            loss, n_iter = minimize_loss(
                network,
                Objective(network.architecture, sums, total, l2, factor, offset),
                self.max_iter,
                self.max_fun,
                self.tol,
                self._ftol,
                bool(self.verbose) and self.verbose != "bar",
                tasks,
                partial(snapshot, self),
            )
        check_not_replaced(network, self.network_)
        self._history.loss, self._history.n_iter = loss, n_iter

    def _prepare_minibatches(
        self, problem: Problem, incremental: bool
    ) -> tuple[NDArray[np.int64], Problem | None]:
        """Return the training rows and the held-out data, and prepare the history."""
        history = self._history = copy(self._history)  # keep the previous one in case of an error
        if not history.has_epochs(bool(self.early_stopping)):  # the last fit was of another kind
            history.begin_epochs(self.network_.parameters, bool(self.early_stopping))
        if self._eval_set is not None and not hasattr(history, "eval_losses"):
            history.eval_losses = []
        if not (incremental and hasattr(self, "_stochastic")):
            self._stochastic, history.stopped = Stochastic(self, self.network_), False
        self._stochastic.check(self.network_)
        rows, held_out = self._stochastic.split(self, history, problem, once=incremental)
        self._stochastic.begin(self, problem, rows)
        return rows, held_out

    def _start(self, problem: Problem) -> None:
        """Start over: a network with weights drawn as in scikit-learn, and an empty history."""
        self.network_ = self._initial_network(problem)
        self.network_.class_labels = self._class_labels(self.network_)
        self.network_.trained_on = trained_on(self, problem.x)
        a = self.network_.architecture
        self.n_layers_, self.n_outputs_ = len(a.sizes), a.n_out
        self.out_activation_ = {"sigmoid": "logistic"}.get(a.output, a.output)
        self._history = History()
        self.__dict__.pop("_stochastic", None)

    def _architecture(self, n_in: int, dtype: str) -> Architecture:
        """Return the architecture for the parameters and the known classes or targets."""
        output, loss, n_out = self._output()
        sizes = (n_in, *self._hidden(), n_out)
        return Architecture(
            sizes, self._activations(), output, loss, dtype=dtype, input_scale=self.input_scale
        )

    def _initial_network(self, problem: Problem) -> Network:
        dtype = "float64" if problem.x.dtype == np.float64 else "float32"
        architecture = self._architecture(problem.x.shape[1], dtype)
        network = Network.from_architecture(architecture, backend=self.backend, seed=0)
        # scikit-learn uses the parameter even if there is no hidden layer
        hidden = architecture.activations
        logistic = self.activation in ("logistic", "sigmoid") or "sigmoid" in hidden
        factor = 2.0 if logistic else 6.0
        for weight, bias in zip(network.weights, network.biases, strict=True):
            assert bias is not None
            bound = np.sqrt(factor / sum(weight.shape))
            weight[...] = self._random_state.uniform(-bound, bound, weight.shape)
            bias[...] = self._random_state.uniform(-bound, bound, bias.shape)
        if self._dropout_rates():
            network.rng = np.random.default_rng(self._random_state.randint(2**31))
        return network

    # -- what was learned -----------------------------------------------------------------------

    loss_ = shown("loss_")
    n_iter_ = shown("n_iter_")
    t_ = shown("t_")
    loss_curve_ = shown("loss_curve_")
    best_loss_ = shown("best_loss_")
    validation_scores_ = shown("validation_scores_")
    best_validation_score_ = shown("best_validation_score_")
    validation_loss_curve_ = shown("validation_loss_curve_")

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """Weights (n_in, n_out) of each layer: views of those of `network_`."""
        return self._fitted_network().weights

    @property
    def intercepts_(self) -> list[Any]:
        """Biases (n_out,) of each layer, also as views."""
        return self._fitted_network().biases

    def _fitted_network(self) -> Network:
        if not hasattr(self, "network_"):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet: call fit first")
        network: Network = self.network_
        return network

    def _outputs(self, X: Any, layer: int | None = None) -> NDArray[Any]:
        """Return what the last layer, or a hidden one, says of rows that a caller hands in."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # says so
        return self._outputs_of(checked_x(self, X), layer)

    def _outputs_of(self, x: Any, layer: int | None = None) -> NDArray[Any]:
        network = self._fitted_network()
        a = network.architecture
        n_layers = None if layer is None else 1 + check_hidden_layer(layer, len(a.activations))
        out = np.empty((x.shape[0], a.sizes[-1 if n_layers is None else n_layers]), a.dtype)
        with self._computing() as backend:
            backend.predict(a, network.parameters, x, out, n_layers)
        return out

    @contextmanager
    def _computing(self) -> Iterator[Backend]:
        """Limit the threads of the network's backend to `n_threads`, and BLAS by the work."""
        network = self._fitted_network()
        backend = get_backend(network.backend)
        n_rows = PREDICT_ROWS if isinstance(self.batch_size, str) else self.batch_size
        product = largest_product(network.architecture, n_rows)
        with (
            nullcontext() if self.n_threads is None else threads_limited(self.n_threads),
            blas_limited(backend.uses_blas, product),
        ):
            yield backend

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        stochastic = self.__dict__.get("_stochastic")
        if not hasattr(stochastic, "running"):  # older versions did not store the optimizer
            self.__dict__.pop("_stochastic", None)
        if hasattr(self, "network_") and not hasattr(self, "_history"):
            self._history = taken_from(self.__dict__)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
