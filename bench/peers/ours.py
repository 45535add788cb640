"""fastnn, as a user calls it: `Network.fit`, `Network.predict_proba`, `Network.predictor`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn
from cases import PIXEL, Array, Net, TrainCase
from fastnn.backends import get_backend
from fastnn.backends.base import Backend
from peers import base


def network(net: Net, parameters: list[Array], backend: str) -> fastnn.Network:
    """Return a Network of these parameters."""
    made = fastnn.Network(
        net.sizes, activation=net.activation, input_scale=PIXEL, backend=backend, seed=0
    )
    set_parameters(made, parameters)
    return made


def set_parameters(made: fastnn.Network, parameters: list[Array]) -> None:
    """Write weights, then biases, into a Network."""
    for view, value in zip(views(made), parameters, strict=True):
        view[...] = value


def views(made: fastnn.Network) -> list[Array]:
    """Return views of the weights, then of the biases."""
    return [view for view in (*made.weights, *made.biases) if view is not None]


def optimizer(case: TrainCase) -> fastnn.optimizers.Optimizer:
    """Return the case's optimizer, its other constants at the defaults all libraries share."""
    rule = fastnn.SGD if case.optimizer == "sgd" else fastnn.Adam
    return rule(case.learning_rate)


def kernels(*, backend: str) -> Backend:
    """Return a backend itself: its kernels, without a network around them."""
    return get_backend(backend)


class Trainer(base.Trainer):
    """`Network.fit` on the rows as they are: images stay bytes."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64], *, backend: str) -> None:
        super().__init__(case, x, y)
        self.network = network(case.net, self.start, backend)
        self.optimizer = optimizer(case)

    def convert(self, x: Array) -> Array:
        return x

    def reset(self) -> None:
        set_parameters(self.network, self.start)

    def train(self, epochs: int) -> None:
        self.reset()
        self._fit(self.x, self.y, epochs, shuffle=True)

    def learn(self, epochs: int, after_epoch: Callable[[], None]) -> None:
        self.reset()
        self._fit(self.x, self.y, epochs, shuffle=True, callbacks=lambda *_: after_epoch())

    def one_pass(self, order: NDArray[np.int64]) -> None:
        self._fit(self.x[order], self.y[order], 1, shuffle=False)

    def parameters(self) -> list[Array]:
        return [view.copy() for view in views(self.network)]

    def _fit(self, x: Array, y: NDArray[np.int64], epochs: int, **options: Any) -> None:
        self.network.fit(
            x,
            y,
            epochs=epochs,
            batch_size=self.case.batch_size,
            optimizer=self.optimizer,
            progress=False,
            **options,
        )


class Predictor(base.Predictor):
    """`Network.predict_proba`: every check of every call included."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int, *, backend: str) -> None:
        super().__init__(net, parameters, n_rows)
        self.network = network(net, parameters, backend)

    def convert(self, x: Array) -> Array:
        return x

    @property
    def call(self) -> Callable[[Any], Any]:
        return partial(self.network.predict_proba, progress=False)


class FrozenPredictor(Predictor):
    """`Network.predictor`: the network frozen for serving, writing into the caller's array."""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int, *, backend: str) -> None:
        super().__init__(net, parameters, n_rows, backend=backend)
        self.frozen: Callable[[Any], Any] = self.network.predictor()

    @property
    def call(self) -> Callable[[Any], Any]:
        return self.frozen


def estimator(backend: str, **parameters: Any) -> Any:
    """Return scikit-learn's MLPClassifier as fastnn has it."""
    from fastnn.sklearn import MLPClassifier

    return MLPClassifier(**parameters, backend=backend)
