"""How networks on tables are trained: the settings of a fit, and their defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnn.ensemble import Ensemble
from fastnn.optimizers import AdamW, RateFactors
from fastnn.schedules import CosLog

LARGE_TABLE = 1_500
"""Rows from which on numbers are encoded in bins, and scales of inputs learned fast: that lowered
the error of tables of 1,500 to 6,000 rows by 6 and 3 %, and raised that of smaller ones."""

SMALL_SCALES = 1.0
"""The largest factor for the rate of feature scales on smaller tables."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a fit; the defaults are those of `fastnn.sklearn.TabularClassifier`.

    They begin from RealMLP's simple variant (Holzmüller, Grinsztajn and Steinwart, 2024, "Better by
    default").

    Attributes
    ----------
    hidden_layer_sizes : tuple of int
    activation : str
    epochs : int
    batch_size : int
    learning_rate : float
        η of the schedule; of the weights of a layer with n_in inputs η / √n_in.
    biases, feature_scales : float
        Factors of η for biases and for the learned scale of each input; the latter at most 1 for
        tables of less than `LARGE_TABLE` rows.
    weight_decay : float
    dropout : float
    label_smoothing : float
        Of classifiers.
    monitor : str
        What chooses the best epoch.
    most_steps : int
        Updates of one network: large tables are learned in fewer epochs.
    """

    hidden_layer_sizes: tuple[int, ...] = (128, 128, 128)
    activation: str = "selu"
    epochs: int = 128
    batch_size: int = 256
    learning_rate: float = 0.02
    biases: float = 0.1
    feature_scales: float = 6.0
    weight_decay: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.1
    monitor: str = "val_loss"
    most_steps: int = 25_000

    def optimizer(self, n_steps: int, n_rows: int) -> AdamW:
        """Return the optimizer of a fit of so many updates on a table of so many rows."""
        scales = self.feature_scales
        if n_rows < LARGE_TABLE:
            scales = min(scales, SMALL_SCALES)
        return AdamW(
            CosLog(self.learning_rate, n_steps=n_steps),
            beta_2=0.95,
            weight_decay=self.weight_decay,
            rate_factors=RateFactors("fan_in", biases=self.biases, feature_scales=scales),
        )

    @staticmethod
    def patience(epochs: int) -> int:
        """Return after how many epochs without a better one a fit ends: half of all.

        So long is the last cycle of the schedule, at the end of which most networks are best.
        """
        return max(1, epochs // 2)

    @staticmethod
    def initial_weights(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Draw a layer's initial weights, normal with deviation 1/√n_in (LeCun et al., 1998)."""
        weight: NDArray[np.float64] = rng.normal(size=shape) / math.sqrt(shape[0])
        return weight

    def finish_initial(self, ensemble: Ensemble, rng: np.random.Generator) -> None:
        """Draw initial biases, normal with deviation 1; the last layer begins at zero."""
        for bias in ensemble.biases[:-1]:
            assert bias is not None
            bias[...] = rng.normal(size=bias.shape)
        ensemble.weights[-1][...] = 0


N_MODELS = 6
"""Networks of a bag."""

CLASSES = Recipe()
"""The defaults for classes."""

NUMBERS = Recipe(activation="mish", learning_rate=0.035)
"""The defaults for numbers."""
