"""What a benchmark asks of a candidate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cases import SEED, Array, Net, TrainCase, as_float32


class Trainer(ABC):
    """A fit that can be repeated: each starts from the same parameters and a fresh optimizer.

    Parameters
    ----------
    case : TrainCase
    x, y : ndarray
        All training rows, float32 or uint8, and integer labels. What a user would convert once,
        before training, is converted here, off the clock.
    """

    note = ""
    bound: float | None = None
    """Of the distance from the reference, where a formula differs; the case's own otherwise."""

    def __init__(self, case: TrainCase, x: Array, y: NDArray[np.int64]) -> None:
        self.case = case
        self.y = y
        self.x = self.convert(x)
        self.start = case.net.initial_parameters()
        self.rng = np.random.default_rng(SEED)

    def convert(self, x: Array) -> Any:
        """Return the training data as they best lie in memory: float32, unless overridden."""
        return as_float32(x)

    def learn(self, epochs: int, after_epoch: Callable[[], None]) -> None:
        """Train from the start, and call `after_epoch` after each pass over the rows."""
        self.reset()
        for _ in range(epochs):
            self.one_pass(self.rng.permutation(len(self.y)))
            after_epoch()

    def train(self, epochs: int) -> None:
        """Train from the start, each pass over the rows in a new random order."""
        self.learn(epochs, lambda: None)

    def follow(self, order: NDArray[np.int64]) -> None:
        """Train from the start on these rows, in this order."""
        self.reset()
        self.one_pass(order)

    @abstractmethod
    def reset(self) -> None:
        """Go back to the initial parameters and a fresh optimizer."""

    @abstractmethod
    def one_pass(self, order: NDArray[np.int64]) -> None:
        """Train on whole minibatches of these rows: gather, forward, backward, update."""

    @abstractmethod
    def parameters(self) -> list[Array]:
        """Return weights (n_in, n_out), then biases (n_out,), as they are now."""


class Predictor(ABC):
    """A trained net that gives class probabilities.

    Parameters
    ----------
    net : Net
    parameters : list of ndarray
        Weights, then biases.
    n_rows : int
        Of each call.
    """

    note = ""

    def __init__(self, net: Net, parameters: list[Array], n_rows: int) -> None:
        self.net = net
        self.n_rows = n_rows
        n_layers = len(net.sizes) - 1
        self.weights, self.biases = parameters[:n_layers], parameters[n_layers:]

    def convert(self, x: Array) -> Any:
        """Return rows as the candidate takes them best; off the clock."""
        return as_float32(x)

    @property
    @abstractmethod
    def call(self) -> Callable[[Any], Any]:
        """One call: converted rows (n_rows, n_in) to probabilities (n_rows, n_out)."""

    def run(self, inputs: Sequence[Any]) -> None:
        """Call on each of the inputs: what is timed."""
        call = self.call
        for x in inputs:
            call(x)


def layer_pairs(parameters: list[Any]) -> list[tuple[Any, Any]]:
    """Split weights followed by biases into one (weight, bias) a layer."""
    n_layers = len(parameters) // 2
    return list(zip(parameters[:n_layers], parameters[n_layers:], strict=True))
