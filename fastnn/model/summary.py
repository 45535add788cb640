"""Models as text, and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fastnn.architecture import Architecture
from fastnn.model.model import Model
from fastnn.rows.trained_on import TrainedOn
from fastnn.system.html import html_table
from fastnn.system.printable import named

HEADER = ("layer", "shape", "activation", "parameters")


def model_text(model: Model, backend: str) -> str:
    """Return a model as a table of its layers, followed by its backend and other properties."""
    rows = [HEADER, *layer_rows(model.architecture)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ("<", ">", "<", ">")
    lines = [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        )
        for row in rows
    ]
    facts = [f"{name:<10}  {value}" for name, value in _facts(model, backend)]
    return "\n".join([*lines, "", *facts])


def model_html(model: Model, backend: str) -> str:
    """Return the same as HTML for a notebook."""
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in _facts(model, backend)
    )
    return f"{html_table(HEADER, layer_rows(model.architecture))}<table>{facts}</table>"


def layer_rows(architecture: Architecture) -> list[tuple[str, str, str, str]]:
    """Return for each layer its name, shape, activation and number of parameters, as text."""
    a = architecture
    found = []
    for i, ((n_in, n_out), activation) in enumerate(
        zip(a.shapes, (*a.activations, a.output), strict=True)
    ):
        kind = "output" if i == len(a.activations) else f"hidden {i + 1}"
        count = n_in * n_out + (n_out if a.bias else 0)
        found.append((kind, f"{n_in} → {n_out}", activation, f"{count:,}"))
    return found


def _facts(model: Model, backend: str) -> list[tuple[str, str]]:
    a = model.architecture
    size = a.n_parameters * (8 if a.dtype == "float64" else 4)
    facts = [
        ("parameters", f"{a.n_parameters:,}, {a.dtype}, {_bytes(size)}"),
        ("loss", loss_words(a)),
        ("backend", backend),
        ("inputs", inputs_words(model.trained_on, a.input_scale)),
    ]
    known = model.trained_on
    names = None if known is None else known.feature_names
    if known is not None and known.columns is not None:
        names = known.columns.names
    if names is not None:
        facts.append(("columns", _some(names)))
    if known is not None and known.label_name is not None:
        facts.append(("label", named(known.label_name)))
    if model.class_labels is not None:
        facts.append(("classes", _some(list(map(str, model.class_labels)))))
    return facts


def loss_words(architecture: Architecture) -> str:
    """Return the name of the loss, with its quantiles, or how much labels are smoothed."""
    a = architecture
    quantiles = "".join(f" {q:g}," for q in a.quantiles).rstrip(",")
    smoothing = f", labels smoothed by {a.label_smoothing:g}" if a.label_smoothing else ""
    return f"{a.loss}{quantiles}{smoothing}"


def inputs_words(trained_on: TrainedOn | None, input_scale: float) -> str:
    """Return what a network was trained on, and what bytes are multiplied by."""
    scale = "not scaled" if input_scale == 1 else f"multiplied by {input_scale:.4g}"
    if trained_on is None:
        return f"not trained yet; bytes will be {scale}"
    if trained_on.columns is not None:
        n_columns = len(trained_on.columns.names)
        return f"tables of {n_columns:,} columns, as {trained_on.columns.n_out:,} numbers"
    if trained_on.inputs == "bytes":
        return f"trained on bytes, {scale}"
    standardized = ", standardized internally" if trained_on.mean is not None else ""
    what = {
        "fractions": "numbers between 0 and 1",
        "flags": "columns of 0 and 1",
    }.get(trained_on.inputs, "numbers")
    return f"trained on {what}{standardized}; bytes are {scale}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(named, names[:6])) + (
        f" and {len(names) - 6} others" if len(names) > 6 else ""
    )


def _bytes(n: int) -> str:
    return f"{n:,} bytes" if n < 10_000 else f"{n / 1000:,.0f} kB"
