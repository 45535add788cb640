"""Properties of data, network, options, timings and machine, as names with values."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from fastnn.backends import machine
from fastnn.datasets import Dataset
from fastnn.drawing.canvas import evenly
from fastnn.model.summary import loss_words
from fastnn.network import Network
from fastnn.optimizers import Optimizer, RateFactors
from fastnn.report.parts import PARTS, Result, n_rows, parts
from fastnn.schedules import Schedule
from fastnn.training.history import History

Facts = list[tuple[str, str]]

MOST_EPOCHS = 60  # maximum rows of the table of epochs
MOST_TARGETS = 20
STATES = {
    "diverged": "Training diverged: the loss became infinite or NaN, so there are no results.",
    "interrupted": "Training was interrupted; the results are those reached until then.",
    "callback": "Training was stopped before the last epoch by a callback, such as early stopping.",
}


def headline(network: Network) -> str:
    """Return the architecture as one line."""
    a = network.architecture
    widths = "–".join(str(n) for n in a.sizes)
    return ", ".join([widths, *dict.fromkeys(a.activations), f"{a.output} output"])


def state(history: History) -> str | None:
    """Return a sentence if training ended early."""
    return STATES.get(history.stopped or "")


def tiles(
    network: Network, history: History, data: Dataset, results: Sequence[Result]
) -> list[tuple[str, str]]:
    """Return the most important figures: value and name."""
    found = []
    if results:
        best = results[-1]
        for name, value in best.values.items():
            if name != "loss" or len(best.values) == 1:
                found.append((measure(name, value), f"{best.name} {spoken(name)}"))
    seconds = _seconds(history)
    if history.n_epochs:
        found.append((duration(seconds), f"for {counted(history.n_epochs, 'epoch')}"))
    if seconds > 0:
        found.append((_rate(history.n_epochs * n_rows(data, "train") / seconds), "rows per second"))
    found.append((f"{network.architecture.n_parameters:,}", "parameters"))
    return found


def data_facts(data: Dataset, shape: tuple[int, int] | None) -> Facts:
    """Return name, inputs and kind of the data."""
    x = data.train.x
    n_in = x.shape[1]
    inputs = f"{n_in:,} ({shape[0]}×{shape[1]} pixels)" if shape else f"{n_in:,}"
    rows = [(f"{name} rows", f"{n_rows(data, key):,}") for key, name in PARTS.items()]
    facts = [("name", data.name), *rows, ("inputs", f"{inputs}, {x.dtype}")]
    if data.class_labels is not None:
        return [*facts, ("classes", f"{len(data.class_labels):,}")]
    y = data.train.y
    return [*facts, ("targets", str(y.shape[1] if y.ndim == 2 else 1))]


def classes(data: Dataset) -> dict[str, Any] | None:
    """Return the number of rows per class in each part; None for regressions."""
    if data.class_labels is None:
        return None
    n = len(data.class_labels)
    counts = {}
    for part in parts(data):
        y = part.split.y[part.rows]
        y = y.argmax(axis=1) if y.ndim == 2 else y
        counts[part.name] = np.bincount(y.astype(np.int64), minlength=n)
    return {
        "parts": list(counts),
        "rows": [
            (str(label), [f"{count[k]:,}" for count in counts.values()])
            for k, label in enumerate(data.class_labels.tolist())
        ],
    }


def targets(data: Dataset) -> list[tuple[str, list[str]]] | None:
    """Return mean, deviation and range of each target in the training rows; None for classes."""
    if data.class_labels is not None:
        return None
    train = parts(data)[0]
    y = train.split.y[train.rows].reshape(len(train.rows), -1).astype(np.float64)
    return [
        (str(k + 1), [f"{f(y[:, k]):.4g}" for f in (np.mean, np.std, np.min, np.max)])
        for k in range(min(y.shape[1], MOST_TARGETS))
    ]


def layers(network: Network) -> list[tuple[str, ...]]:
    """Return inputs, units, activation and parameters of each layer."""
    a = network.architecture
    return [
        (
            f"{layer.n_in:,}",
            f"{layer.n_out:,}",
            layer.activation,
            f"{(layer.n_in + a.bias) * layer.n_out:,}",
        )
        for layer in a.layers
    ]


def network_facts(network: Network) -> Facts:
    """Return properties of the whole network."""
    a = network.architecture
    return [
        ("parameters", f"{a.n_parameters:,}"),
        ("loss", loss_words(a).replace("_", " ")),
        ("biases", "yes" if a.bias else "no"),
        ("precision", a.dtype),
    ]


def training(optimizer: Optimizer | None, options: Mapping[str, object]) -> Facts:
    """Return the optimizer with its constants, then all options."""
    facts = []
    if optimizer is not None:
        kind = type(optimizer).__name__
        rule = "" if optimizer.rule == kind.lower() else f", {optimizer.rule}"
        facts.append(("optimizer", kind + rule))
        constants = {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
        if optimizer.rate_factors is None:
            del constants["rate_factors"]
        options = constants | dict(options)
    return facts + [(_words(name), _value(value)) for name, value in options.items()]


def timing(history: History, data: Dataset) -> Facts:
    """Return the training time, in total and per epoch."""
    lasted = _epoch_seconds(history)
    if not len(lasted):
        return []
    seconds = _seconds(history)
    facts = [("total", duration(seconds))]
    if seconds > 0:
        facts.append(("rows per second", _rate(history.n_epochs * n_rows(data, "train") / seconds)))
    return [
        *facts,
        ("per epoch, median", duration(float(np.median(lasted)))),
        ("fastest epoch", duration(float(lasted.min()))),
        ("slowest epoch", duration(float(lasted.max()))),
    ]


def epochs(history: History) -> dict[str, Any]:
    """Return the metrics of the epochs, at most about sixty of them."""
    names = [name for name in history if name != "time"]
    n = history.n_epochs
    lasted = _epoch_seconds(history)
    return {
        "names": [spoken(name) for name in names],
        "n": n,
        "rows": [
            (
                str(i + 1),
                [*(measure(name, history[name][i]) for name in names), duration(lasted[i])],
            )
            for i in evenly(n, MOST_EPOCHS)
        ],
    }


def machine_facts(network: Network) -> Facts:
    """Return the machine and software used for training."""
    found = machine.describe(network.backend)
    packages = found["packages"]
    backend = found["backend"] + (f" ({found['isa']})" if found["isa"] else "")
    return [
        ("processor", machine.processor()),
        ("threads", f"{found['threads']} of {found['processors']} processors allowed"),
        ("backend", backend),
        ("BLAS", found["blas"]),
        ("platform", found["platform"]),
        ("Python", found["python"]),
        ("NumPy", packages["numpy"] or "unknown"),
        ("fastnn", found["fastnn"]),
    ]


def spoken(name: str) -> str:
    """Return the display name of a metric."""
    return name.replace("val_", "validation ").replace("r2", "R²").replace("_", " ")


def measure(name: str, value: float) -> str:
    """Return a metric as text: fractions in per cent, other numbers with four digits."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
    if name.endswith("accuracy"):
        return f"{value:.2%}".replace("%", " %")
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.5g}"


def duration(seconds: float) -> str:
    """Return seconds in three digits, in units that suit them."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else "1 s"
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _seconds(history: History) -> float:
    return history["time"][-1] if history.n_epochs else 0.0


def _epoch_seconds(history: History) -> Any:
    return np.diff(history["time"], prepend=0.0) if history.n_epochs else np.empty(0)


def _rate(rows: float) -> str:
    return f"{rows / 1e6:.3g} million" if rows >= 1e6 else f"{float(f'{rows:.3g}'):,.0f}"


def counted(n: int, noun: str) -> str:
    """Return a number and what it counts, one or several."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Schedule | RateFactors):
        own_first = sorted(fields(value), key=lambda field: bool(field.kw_only))
        inside = (f"{_words(f.name)} {_value(getattr(value, f.name))}" for f in own_first)
        return f"{type(value).__name__}: {', '.join(inside)}"
    if isinstance(value, tuple | list):
        return ", ".join(map(_value, value)) or "none"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
