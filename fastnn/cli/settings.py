"""The network, the optimizer and the length of a training, as options and data determine them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import optimizers
from fastnn.cli import options as words
from fastnn.datasets.readers.formats import format_by_name
from fastnn.datasets.readers.sources import PACKED
from fastnn.model.standardization import Standardization
from fastnn.network import Network
from fastnn.schedules import Cosine

# Learning rates that train MNIST and tables of standardized columns well without tuning.
LEARNING_RATES = {
    "sgd": 0.2,
    "momentum": 0.05,
    "nesterov": 0.05,
    "rmsprop": 0.001,
    "adam": 0.003,
    "adamw": 0.003,
}

LOSSES = ("squared_error", "absolute_error", "quantile")
"""Of a regression, whose targets are standardised: scaled targets have scaled predictions. Huber's
bend would lie elsewhere for each column."""

BATCH_SIZE, SMALLEST_BATCH = 100, 8
EPOCHS = 15
STEPS, STEPS_AN_EPOCH = 2000, 20
"""Minimum numbers of steps for small data sets: in 2,000 steps of a cosine schedule Adam, at the
rate above, can change a weight by 3, enough for standardized columns."""


LAYERS, ACTIVATION, OPTIMIZER = (100,), "relu", "adam"
"""Of one network."""


def set_defaults(options: argparse.Namespace) -> None:
    """Set the options of one network that were not given; those of a table have other defaults."""
    if options.layers is None:
        options.layers = LAYERS
    options.activation = options.activation or ACTIVATION
    options.optimizer = options.optimizer or OPTIMIZER
    options.label_smoothing = options.label_smoothing or 0.0


def choose_steps(options: argparse.Namespace, n_rows: int) -> None:
    """Set the batch size and the number of epochs if not given; many rows use the defaults."""
    batch_size = min(BATCH_SIZE, max(SMALLEST_BATCH, n_rows // STEPS_AN_EPOCH))
    if options.epochs is None:
        options.epochs = max(EPOCHS, -(-STEPS // -(-n_rows // batch_size)))
    if options.batch_size is None:
        options.batch_size = batch_size


def default_name(data: str) -> str:
    """Return the name of the file for the network."""
    path = Path("stdin" if data == words.STANDARD_INPUT else data)
    if (
        any(sign in path.name for sign in "*?[") and not path.exists()
    ):  # a pattern: what its files have in common
        ending = path.suffix if format_by_name(path) else ""
        path = Path(re.split(r"[*?[]", path.name)[0].rstrip("-_.") or path.parent.name or "network")
        path = Path(f"{path}{ending}")
    if path.suffix.lower() in PACKED.values():
        path = path.with_suffix("")
    has_suffix = format_by_name(path) is not None or path.suffix.lower() == ".zip"
    return f"{path.stem if has_suffix else path.name}.safetensors"


def new_network(
    options: argparse.Namespace,
    n_in: int,
    n_out: int,
    *,
    regression: bool,
    targets: Standardization,
    of_float64: bool,
) -> Network:
    """Return a network for rows of `n_in` columns, and `n_out` targets or classes."""
    if targets.needs_float64 and not of_float64:
        words.note("using float64, since the targets are too far from zero for float32", options)
    wide = of_float64 or targets.needs_float64
    loss, quantiles = _loss(options, regression, n_out)
    return Network(
        (n_in, *options.layers, max(n_out, len(quantiles or ()))),
        activation=options.activation,
        output="identity" if regression else "softmax",
        loss=loss,
        quantiles=quantiles,
        label_smoothing=options.label_smoothing,
        dtype="float64" if wide else "float32",
        backend=options.backend,
        seed=options.seed,
    )


def _loss(
    options: argparse.Namespace, regression: bool, n_targets: int
) -> tuple[Any, tuple[float, ...] | None]:
    """Return the loss, None for the output's own, and its quantiles, if they fit the data."""
    loss, quantiles = options.loss, options.quantiles
    if quantiles is not None and loss not in (None, "quantile"):
        raise ValueError(f"--quantiles are of --loss quantile, got --loss {loss}")
    if quantiles is not None:
        loss = "quantile"
    if loss is not None and not regression:
        option = "--loss" if options.loss else "--quantiles"
        raise ValueError(
            f"{option} is of a regression, and these labels are classes: leave it out, or say "
            "--task regression"
        )
    if options.label_smoothing and regression:
        raise ValueError(
            "--label-smoothing is of a classification, and these labels are numbers: leave it "
            "out, or say --task classification"
        )
    if quantiles is not None and len(quantiles) > 1 and n_targets > 1:
        raise ValueError(
            f"several --quantiles are of one target, and a row has {n_targets}: give one quantile"
        )
    return loss, quantiles


def class_names(labels: Any) -> tuple[Any, ...] | None:
    """Return the names of the classes, or None if they are just 0, 1, 2 and so on."""
    if labels is None or np.array_equal(labels, np.arange(len(labels))):
        return None
    return tuple(labels.tolist())


def new_optimizer(options: argparse.Namespace, n_steps: int) -> optimizers.Optimizer:
    """Return the optimizer, whose learning rate is zero after so many steps."""
    name = options.optimizer
    rate = Cosine(options.learning_rate or LEARNING_RATES[name], n_steps)
    match name:
        case "rmsprop":
            return optimizers.RMSprop(rate)
        case "adam":
            return optimizers.Adam(rate)
        case "adamw":
            return optimizers.AdamW(rate)
        case _:
            momentum = 0.0 if name == "sgd" else 0.9
            return optimizers.SGD(rate, momentum=momentum, nesterov=name == "nesterov")
