"""scikit-learn: a fit for each model, in joblib's processes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import crowds
from cases import Array
from crowds import Crowd
from peers import crowd as base
from peers.scikit_learn import NEVER, set_parameters
from peers.scikit_learn import Trainer as Classifier


def fitted(estimator: Any, x: Array, y: Array) -> tuple[Any, float]:
    """Return the estimator after a fit, and the processor time that it took."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(x, y)
    return estimator, time.process_time() - start


class Jobs:
    """Fits in `n_jobs` processes, or here if it is 1; adds up their processor time."""

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs, self.processor_seconds = n_jobs, 0.0

    def fit(self, estimators: Sequence[Any], x: Sequence[Array], y: Sequence[Array]) -> list[Any]:
        """Return the estimators, each fitted on its x and y."""
        todo = (joblib.delayed(fitted)(*one) for one in zip(estimators, x, y, strict=True))
        done = joblib.Parallel(self.n_jobs)(todo)
        if self.n_jobs > 1:
            self.processor_seconds += sum(seconds for _, seconds in done)
        return [estimator for estimator, _ in done]


class Trainer(base.Trainer):
    """`MLPRegressor.fit` with ``warm_start``, from the weights it finds."""

    n_models = 16
    bound = Classifier.ADAM_BOUND

    def __init__(self, crowd: Crowd, threads: int) -> None:
        super().__init__(crowd, threads)
        self.jobs = Jobs(threads)
        self.made = [
            MLPRegressor(
                hidden_layer_sizes=crowds.NET.sizes[1:-1], activation=crowds.NET.activation,
                alpha=0.0, batch_size=crowds.BATCH_SIZE, learning_rate_init=crowds.LEARNING_RATE,
                max_iter=1, tol=0.0, n_iter_no_change=NEVER, warm_start=True, random_state=i,
            )
            for i in range(crowd.n_models)
        ]  # fmt: skip
        for one in self.made:
            fitted(one, np.zeros((crowds.BATCH_SIZE, crowds.NET.sizes[0]), np.float32),
                   np.zeros(crowds.BATCH_SIZE, np.float32))  # fmt: skip

    def train(self, epochs: int) -> None:
        self._fit(max_iter=epochs, shuffle=True)

    def follow(self) -> None:
        self._fit(max_iter=1, shuffle=False)

    def parameters(self) -> list[Array]:
        each = [(*one.coefs_, *one.intercepts_) for one in self.made]
        return [np.stack(arrays) for arrays in zip(*each, strict=True)]

    def processor_seconds(self) -> float:
        return self.jobs.processor_seconds

    def _fit(self, **options: Any) -> None:
        for i, one in enumerate(self.made):
            one.set_params(**options)
            set_parameters(one, [array[i] for array in self.crowd.start])
        self.made = self.jobs.fit(self.made, list(self.crowd.x), list(self.crowd.y))


def classify(jobs: Jobs, n: int, parameters: dict[str, Any], x: Array, y: Array) -> list[Any]:
    """Return so many new classifiers with these parameters, fitted on x and y."""
    made = [MLPClassifier(**parameters, random_state=i) for i in range(n)]
    return jobs.fit(made, [x] * n, [y] * n)


def classifiers_from(
    parameters: dict[str, Any], networks: Sequence[Any], x: Array, y: Array
) -> list[Any]:
    """Return classifiers fitted on x and y that start from the weights of fastnn's networks."""
    found = []
    for network in networks:
        made = MLPClassifier(**parameters | {"max_iter": 1}, warm_start=True, random_state=0)
        fitted(made, x, y)
        set_parameters(made, [*network.weights, *network.biases])
        made.set_params(max_iter=parameters["max_iter"])
        found.append(fitted(made, x, y)[0])
    return found
