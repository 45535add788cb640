"""The parameters of the perceptrons, and their checks at the beginning of each fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from fastnn.architecture import ACTIVATIONS
from fastnn.callbacks.base import Callback
from fastnn.schedules import Schedule
from fastnn.sklearn.validation_rows import ValidationRows
from fastnn.training.hooks import hooks
from fastnn.validation import check_choice, check_count, check_in_range, check_per_layer
from fastnn.vocabulary import BackendName

NAMES = {"logistic": "sigmoid"}
"""scikit-learn's names of activations that fastnn names differently."""

Callbacks = Callback | Callable[..., Any] | Iterable[Callback | Callable[..., Any]]

LEARNING_RATES = ("constant", "invscaling", "adaptive")
SOLVERS = ("lbfgs", "sgd", "adam", "adamw")


def is_stochastic(estimator: Any) -> bool:
    """Return True if the solver uses minibatches, otherwise raise an error for `available_if`."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


@contextmanager
def _hint(text: str) -> Iterator[None]:
    """Add to an error what else is allowed."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} ({text})") from None


class Parameters(BaseEstimator):  # type: ignore[misc]
    """The parameters that `MLPClassifier` and `MLPRegressor` share."""

    # Set by __init__ of the subclass, as scikit-learn requires.
    hidden_layer_sizes: int | Iterable[int]
    activation: str | Sequence[str]
    solver: str
    alpha: float
    batch_size: int | str
    learning_rate: str | Schedule
    learning_rate_init: float
    power_t: float
    max_iter: int
    max_fun: int
    shuffle: bool
    random_state: int | np.random.RandomState | None
    tol: float
    verbose: bool | int | str
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    dropout: float | Sequence[float]
    input_scale: float
    weight_decay: float
    callbacks: Callbacks
    n_threads: int | None
    backend: BackendName

    def _hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        sizes = sizes if isinstance(sizes, Iterable) else (sizes,)
        return tuple(check_count("hidden_layer_sizes", size) for size in sizes)

    def _activations(self) -> tuple[str, ...]:
        def check(name: str, value: Any) -> str:
            value = NAMES.get(value, value) if isinstance(value, str) else value
            return check_choice(name, value, (*ACTIVATIONS, *NAMES))

        n_hidden = len(self._hidden())
        if isinstance(self.activation, Sequence) and not isinstance(self.activation, str):
            return tuple(check_per_layer("activation", self.activation, n_hidden, check))
        return (check("activation", self.activation),) * n_hidden

    def _dropout_rates(self) -> tuple[float, ...]:
        def check(name: str, value: Any) -> float:
            return check_in_range(name, value, 0.0, 1.0, open_high=True)

        rates = check_per_layer("dropout", self.dropout, len(self._hidden()), check)
        return rates if any(rates) else ()

    def _check_parameters(self) -> None:
        self._hidden()
        self._activations()
        self._dropout_rates()
        check_choice("solver", self.solver, SOLVERS)
        if not isinstance(self.learning_rate, Schedule):
            with _hint(
                "or a schedule such as fastnn.schedules.Cosine; a number is learning_rate_init"
            ):
                check_choice("learning_rate", self.learning_rate, LEARNING_RATES)
        if self.batch_size != "auto":
            with _hint('or "auto"'):
                check_count("batch_size", self.batch_size)
        for name in ("max_iter", "max_fun"):
            check_count(name, getattr(self, name))
        if self.n_iter_no_change != np.inf:
            check_count("n_iter_no_change", self.n_iter_no_change)
        for name in ("alpha", "power_t", "tol", "weight_decay"):
            check_in_range(name, getattr(self, name), 0.0, np.inf)
        for name in ("learning_rate_init", "epsilon", "input_scale"):
            check_in_range(name, getattr(self, name), 0.0, np.inf, open_low=True)
        check_in_range("momentum", self.momentum, 0.0, 1.0)
        for name in ("beta_1", "beta_2", "validation_fraction"):
            check_in_range(name, getattr(self, name), 0.0, 1.0, open_high=True)
        for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.verbose != "bar" and not isinstance(self.verbose, bool | np.bool_):
            with _hint('or True, False or "bar"'):
                check_count("verbose", self.verbose, minimum=0)

    def _check_solver_can(self, watched: ValidationRows | None) -> None:
        if self.solver != "lbfgs":
            return
        wanted = {
            "dropout": any(self._dropout_rates()),
            "callbacks": self.callbacks is not None and bool(hooks(self.callbacks, None)),
            "schedule as learning_rate": isinstance(self.learning_rate, Schedule),
            "eval_set" if watched is None else watched.name: watched is not None,
        }
        if refused := [name for name, is_wanted in wanted.items() if is_wanted]:
            raise ValueError(
                f"solver='lbfgs' has no epochs and supports no {' and no '.join(refused)}: use "
                "'adam', 'adamw' or 'sgd'"
            )
