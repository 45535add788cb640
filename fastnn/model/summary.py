"""Networks and histories told to people: as text, and as HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from fastnn.rows.trained_on import TrainedOn
from fastnn.system.printable import named

if TYPE_CHECKING:
    from fastnn.network import Network
    from fastnn.training.history import History

HEADER = ("layer", "shape", "activation", "parameters")
LAST_EPOCHS = 10
"""Epochs of a long history that HTML shows."""


def network_text(network: Network) -> str:
    """Return a network as a table of its layers, with a few lines below."""
    rows = [HEADER, *_layers(network)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ("<", ">", "<", ">")
    lines = [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        )
        for row in rows
    ]
    facts = [f"{name:<10}  {value}" for name, value in _facts(network)]
    return "\n".join([*lines, "", *facts])


def network_html(network: Network) -> str:
    """Return the same for a notebook."""
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in _facts(network)
    )
    return f"{_table(HEADER, _layers(network))}<table>{facts}</table>"


def history_html(history: History) -> str:
    """Return a history's last epochs, and its best if there was validation, for a notebook."""
    names, n = list(history), history.n_epochs
    shown = range(max(0, n - LAST_EPOCHS), n)
    rows = [[str(i + 1), *(f"{history[name][i]:.4g}" for name in names)] for i in shown]
    ended = f"; stopped: {history.stopped}" if history.stopped else ""
    best = ""
    if n and "val_loss" in history:
        losses = history["val_loss"]
        at = min(range(n), key=lambda i: (losses[i] != losses[i], losses[i]))
        best = f"; the lowest validation loss, {losses[at]:.4g}, in epoch {at + 1}"
    above = f"{len(rows)} of {n} epochs" if len(rows) < n else f"{n} epochs"
    return f"<p>{above}{best}{ended}</p>{_table(['epoch', *names], rows)}"


def _layers(network: Network) -> list[tuple[str, str, str, str]]:
    a = network.architecture
    found = []
    for i, ((n_in, n_out), activation) in enumerate(
        zip(a.shapes, (*a.activations, a.output), strict=True)
    ):
        kind = "output" if i == len(a.activations) else f"hidden {i + 1}"
        count = n_in * n_out + (n_out if a.bias else 0)
        found.append((kind, f"{n_in} → {n_out}", activation, f"{count:,}"))
    return found


def _facts(network: Network) -> list[tuple[str, str]]:
    a = network.architecture
    size = a.n_parameters * (8 if a.dtype == "float64" else 4)
    facts = [
        ("parameters", f"{a.n_parameters:,}, {a.dtype}, {_bytes(size)}"),
        ("loss", a.loss or ""),
        ("backend", network.backend),
        ("inputs", _inputs(network.trained_on, a.input_scale)),
    ]
    known = network.trained_on
    if known is not None and known.feature_names is not None:
        facts.append(("columns", _some(known.feature_names)))
    if known is not None and known.label_name is not None:
        facts.append(("label", named(known.label_name)))
    if network.class_labels is not None:
        facts.append(("classes", _some(list(map(str, network.class_labels)))))
    return facts


def _inputs(trained_on: TrainedOn | None, input_scale: float) -> str:
    scale = "as they are" if input_scale == 1 else f"times {input_scale:.4g}"
    if trained_on is None:
        return f"not trained yet; bytes would be taken {scale}"
    if trained_on.inputs == "bytes":
        return f"trained on bytes, {scale}"
    standardised = ", standardised inside" if trained_on.mean is not None else ""
    what = {
        "fractions": "numbers within 0 and 1",
        "flags": "columns of 0 and 1",
    }.get(trained_on.inputs, "numbers")
    return f"trained on {what}{standardised}; bytes are taken {scale}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(named, names[:6])) + (
        f" and {len(names) - 6} others" if len(names) > 6 else ""
    )


def _bytes(n: int) -> str:
    return f"{n:,} bytes" if n < 10_000 else f"{n / 1000:,.0f} kB"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def cells(values: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values)

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{cells(header, 'th')}</tr></thead><tbody>{body}</tbody></table>"
