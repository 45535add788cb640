"""Training by L-BFGS: SciPy's minimizer on the loss over all rows.

The minimizer sees the parameters without their padding, in scikit-learn's order: weights, then
biases. The gradient comes from the backend's ``train_epoch``, in minibatches whose activations fit
in the cache: with momentum 1 and learning rate 0 the weights do not change, and the state becomes
the sum of the minibatch gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from fastnn.architecture import Architecture, Array
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import TrainingOptions, largest_product
from fastnn.backends.threads import blas_limited
from fastnn.network import Network
from fastnn.optimizers import OptimizerState
from fastnn.sklearn.callback_support import FitTasks
from fastnn.sklearn.optimizer import ScikitSGD
from fastnn.sklearn.problem import Problem

GRADIENT_SUM = ScikitSGD(0.0, momentum=1.0)
ROWS = 512  # of a minibatch: 36,000 rows of 64-100-10 take a quarter of what they take in one piece


def minimize_loss(
    network: Network,
    objective: Objective,
    max_iter: int,
    max_fun: int,
    tol: float,
    ftol: float,
    verbose: bool,
    tasks: FitTasks,
    snapshot: Callable[..., dict[str, Any]],
) -> tuple[float, int]:
    """Set the network's parameters to a minimum; return its loss and the number of iterations.

    Parameters
    ----------
    network : Network
        The starting point.
    objective : Objective
    max_iter, max_fun : int
        Maximum iterations and objective evaluations; reaching either causes a ConvergenceWarning.
    tol : float
        The largest element of the gradient at which it stops.
    ftol : float
        The relative progress of the loss below which it stops.
    verbose : bool
        Whether to print the loss of each iteration.
    tasks : FitTasks
        Told of each iteration; it may end the fit.
    snapshot : callable
        ``snapshot(parameters, loss=…, n_iter=…)`` returns the attributes of an estimator fitted so
        far.
    """
    if verbose:
        print(f"L-BFGS, {network.architecture.n_parameters} parameters")
    start = objective.packed(network.parameters)
    iterations = Iterations(objective, start, tasks, snapshot, verbose)
    try:
        result = minimize(
            iterations.evaluate,
            start,
            method="L-BFGS-B",
            jac=True,
            callback=iterations.end,
            options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol, "ftol": ftol},
        )
    except EndedError:
        network.parameters = objective.unpacked(iterations.params)
        return iterations.loss, iterations.n_done
    iterations.end_unfinished()
    network.parameters = objective.unpacked(result.x)
    if not result.success:
        warnings.warn(
            f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): "
            f"{result.message}. Increase the number of iterations (max_iter={max_iter}) or of "
            f"calls (max_fun={max_fun}), or scale the data.",
            ConvergenceWarning,
            stacklevel=7,
        )
    return float(result.fun), min(int(result.nit), max_iter)


def minimizer_limited(architecture: Architecture, uses_blas: bool) -> AbstractContextManager[None]:
    """Hold the BLAS of SciPy's minimizer to one thread, as its work is worth no more.

    In each iteration it solves a triangular system of up to 20 equations, which OpenBLAS shares
    among all its threads. They wait for each other: with two other busy processes on two
    processors a fit of iris took twenty times as long.

    Parameters
    ----------
    architecture : Architecture
    uses_blas : bool
        Whether BLAS also computes the products of the network, which then decide.
    """
    return blas_limited(True, largest_product(architecture, ROWS) if uses_blas else 0.0)


class Objective:
    """Loss and gradient as functions of the parameters.

    Parameters
    ----------
    architecture : Architecture
    sums : callable
        ``sums(params)`` returns the sums over all rows of weighted losses and of their gradients.
    total : float
        The weight of all rows.
    l2 : float
        The penalty is ``l2 / 2 Σw²``, added to the weighted mean loss.
    factor, offset : float
        The returned loss is ``factor · loss + offset + penalty``. The gradient is that of
        ``loss + penalty``.

    Attributes
    ----------
    loss : float
        Of the last evaluation.
    """

    def __init__(
        self,
        architecture: Architecture,
        sums: Callable[[Array], tuple[float, Array]],
        total: float,
        l2: float,
        factor: float,
        offset: float,
    ) -> None:
        self._architecture, self._sums, self._total = architecture, sums, total
        self._l2, self._factor, self._offset = l2, factor, offset
        self._params = architecture.allocate()
        self._places = _places(architecture, self._params)
        is_used = np.zeros(architecture.n_slots, bool)
        architecture.copy_parameters(np.ones_like(is_used), is_used)
        self._slots = np.flatnonzero(is_used)
        n_weights = np.count_nonzero(is_used[: architecture.n_weight_slots])
        self._weights, self._shrinkage = slice(n_weights), np.empty(n_weights)
        self.loss = np.nan

    def __call__(self, params: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss and its gradient; params (n_parameters,), without padding."""
        _write(self._places, params)
        loss, slopes = self._sums(self._params)
        gradient = slopes.take(self._slots)
        gradient /= self._total
        weights = params[self._weights]
        gradient[self._weights] += np.multiply(weights, self._l2, out=self._shrinkage)
        penalty = 0.5 * self._l2 * float(weights @ weights)
        self.loss = self._factor * (loss / self._total) + self._offset + penalty
        return self.loss, gradient.astype(np.float64, copy=False)

    def packed(self, params: Array) -> NDArray[np.float64]:
        """Return a copy of parameters in the network's layout without their padding."""
        return params.take(self._slots).astype(np.float64)

    def unpacked(self, params: NDArray[np.float64]) -> Array:
        """Return them in the network's layout and dtype."""
        padded = self._architecture.allocate()
        _write(_places(self._architecture, padded), params)
        return padded


def _places(architecture: Architecture, padded: Array) -> list[Array]:
    """Return views of the weights, then of the biases, in the order of parameters without padding.

    To copy through them takes a tenth of an assignment to indices.
    """
    biases = (bias for bias in architecture.biases(padded) if bias is not None)
    return [*architecture.weights(padded), *biases]


def _write(places: list[Array], params: NDArray[np.float64]) -> None:
    begin = 0
    for place in places:
        place[...] = params[begin : begin + place.size].reshape(place.shape)
        begin += place.size


class Sums:
    """The sums of `Objective`, over rows that are here."""

    def __init__(self, architecture: Architecture, backend: Backend, problem: Problem) -> None:
        self._architecture, self._backend, self._problem = architecture, backend, problem
        self._order = np.arange(problem.n_rows)
        self.total = problem.weight_of(self._order)
        self._options = TrainingOptions(GRADIENT_SUM, ROWS, reduction="sum")
        self._state = OptimizerState(np.zeros((1, architecture.n_slots), architecture.dtype))

    def __call__(self, params: Array) -> tuple[float, Array]:
        """Return the sums; they are valid until the next call."""
        self._state.slots[...] = 0
        problem = self._problem
        loss, _, _ = self._backend.train_epoch(
            self._architecture,
            params,
            self._state,
            problem.x,
            problem.y,
            self._order,
            self._options,
            problem.sample_weight,
        )
        return loss * self.total, self._state.slots[0]


class EndedError(Exception):
    """A callback asked the minimizer to end."""


class Iterations:
    """The minimizer's iterations as tasks of the fit.

    The minimizer only says when one ends. The next begins with the evaluation after that.

    Attributes
    ----------
    n_done : int
    params : ndarray of shape (n_parameters,)
        After the last iteration, without padding.
    loss : float
        Of these parameters; NaN before the first iteration.
    """

    def __init__(
        self,
        objective: Objective,
        params: NDArray[np.float64],
        tasks: FitTasks,
        snapshot: Callable[..., dict[str, Any]],
        verbose: bool,
    ) -> None:
        self.n_done, self.params, self.loss = 0, params, np.nan
        self._objective, self._verbose = objective, verbose
        self._tasks, self._snapshot = tasks, snapshot
        self._is_running = False

    def evaluate(self, params: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss and its gradient."""
        if not self._is_running:
            self._tasks.begin("lbfgs-iter", self._attributes)
            self._is_running = True
        return self._objective(params)

    def end(self, params: NDArray[np.float64]) -> None:
        """End an iteration, at parameters that the objective was evaluated at last."""
        self.n_done += 1
        self.params, self.loss = params, self._objective.loss
        if self._verbose:
            print(f"loss = {self.loss:.8f}")
        self._is_running = False
        if self._tasks.end(self._attributes):
            raise EndedError

    def end_unfinished(self) -> None:
        """End an iteration in which the minimizer found no better parameters."""
        if self._is_running:
            self._tasks.end(self._attributes)

    def _attributes(self) -> dict[str, Any]:
        loss = {"loss": self.loss} if self.n_done else {}
        return self._snapshot(self._objective.unpacked(self.params), n_iter=self.n_done, **loss)
