"""What `ensembles.py` asks of those who train many nets at once; and fastnn's `Ensemble`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

import crowds
import fastnn
from cases import SEED, Array
from crowds import Crowd


class Trainer(ABC):
    """Fits of all models of a crowd that can be repeated, each from the start of the crowd.

    Parameters
    ----------
    crowd : Crowd
    threads : int
        To be used.
    """

    n_models = 0
    """How many are timed, to be scaled; where more take no less time each. 0 for all."""
    epochs = crowds.EPOCHS
    """Of a timed fit."""
    bound = crowds.BOUND

    def __init__(self, crowd: Crowd, threads: int) -> None:
        self.crowd, self.threads = crowd, threads
        self.rng = np.random.default_rng(SEED)

    @abstractmethod
    def train(self, epochs: int) -> None:
        """Train from the start, the rows of each model in a new random order in each epoch."""

    @abstractmethod
    def follow(self) -> None:
        """Train from the start for an epoch, on the rows as they come."""

    @abstractmethod
    def parameters(self) -> list[Array]:
        """Return weights (n_models, n_in, n_out), then biases (n_models, n_out)."""

    def processor_seconds(self) -> float:
        """Return the processor time that other processes have spent for it."""
        return 0.0

    def orders(self) -> NDArray[np.int64]:
        """Return a random order of its rows for each model, (n_models, n_rows)."""
        n_models, n_rows = self.crowd.y.shape
        return self.rng.permuted(np.tile(np.arange(n_rows), (n_models, 1)), axis=1)


class Ensemble(Trainer):
    """One `Ensemble.fit`, with its checks and its history."""

    def __init__(self, crowd: Crowd, threads: int, backend: str, dtype: Any = "float32") -> None:
        super().__init__(crowd, threads)
        self.ensemble = fastnn.Ensemble(
            crowds.NET.sizes, crowd.n_models, activation="relu", output="identity", dtype=dtype,
            backend=backend, seed=SEED,
        )  # fmt: skip

    def train(self, epochs: int) -> None:
        self._fit(epochs, shuffle=True)

    def follow(self) -> None:
        self._fit(1, shuffle=False)

    def parameters(self) -> list[Array]:
        return [view.copy() for view in self._views()]

    def _views(self) -> list[Array]:
        both = (*self.ensemble.weights, *self.ensemble.biases)
        return [view for view in both if view is not None]

    def _fit(self, epochs: int, *, shuffle: bool) -> None:
        for view, start in zip(self._views(), self.crowd.start, strict=True):
            view[...] = start
        self.ensemble.fit(
            self.crowd.x, self.crowd.y, epochs=epochs, batch_size=crowds.BATCH_SIZE,
            optimizer=fastnn.Adam(crowds.LEARNING_RATE), shuffle=shuffle, progress=False,
        )  # fmt: skip
