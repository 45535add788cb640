"""``fastnn show``: what a saved network is, and what it was trained on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.cli.table_announcement import columns_described
from fastnn.ensemble import Ensemble
from fastnn.model.summary import loss_words
from fastnn.system.printable import named, printable
from fastnn.validation.frames import some


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "show",
        help="show what a saved network is",
        description="Show the layers, classes and size of a saved network, or of the networks of "
        "an ensemble, and the columns and the target that it was trained on.",
    )
    words.add_model_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load and print."""
    model = words.model(options.model, "numpy")  # which can always be loaded; nothing is computed
    found = described(model, Path(options.model))
    if options.json:
        words.print_json(found)
        return 0
    n = found["n_networks"]
    what = f"an ensemble of {n} networks" if isinstance(model, Ensemble) else "a network"
    streams.say(f"{named(options.model)}: {what}, {words.size_shown(found['bytes'])}")
    for name, value in _facts(model, found):
        streams.say(f"{name:<11} {value}", indent=" " * 12)
    if model.columns is not None:
        streams.say_verbatim(f"\n{model.columns}\n")
    return 0


def _facts(model: Any, found: dict[str, Any]) -> list[tuple[str, str]]:
    a = model.architecture
    hidden = ", ".join(dict.fromkeys(a.activations))
    each = " each" if found["n_networks"] > 1 else ""
    facts = [
        ("sizes", "-".join(map(str, a.sizes)) + (f" {hidden}" if hidden else "")),
        ("output", f"{a.output}, trained with {loss_words(a).replace('_', ' ')}"),
        ("parameters", f"{a.n_parameters:,}{each}, {a.dtype}"),
    ]
    if found["classes"] is not None:
        facts.append(("classes", some([str(label) for label in found["classes"]])))
    if found["target"] is not None:
        facts.append(("target", printable(found["target"])))
    if found["training_rows"] is not None:
        facts.append(("trained on", f"{found['training_rows']:,} rows"))
    if found["temperature"] is not None:
        facts.append(("calibrated", f"logits divided by {found['temperature']:.3f}"))
    if model.columns is None:
        if found["columns"] is not None:
            facts.append(("columns", some([c["name"] for c in found["columns"]])))
        if found["inputs"] is not None:
            facts.append(("inputs", found["inputs"]))
    return facts


def described(model: Any, path: Path) -> dict[str, Any]:
    """Return what is known of a saved network, for JSON.

    Parameters
    ----------
    model : Network or Ensemble
    path : Path
    """
    a, known = model.architecture, model.trained_on
    columns = None
    if model.columns is not None:
        columns = columns_described(model.columns)
    elif known is not None and known.feature_names is not None:
        columns = [{"name": name} for name in known.feature_names]
    classes = model.class_labels
    if classes is None and a.one_class_a_row:
        classes = tuple(range(max(a.n_out, 2)))
    return {
        "file": path,
        "bytes": path.stat().st_size,
        "kind": "ensemble" if isinstance(model, Ensemble) else "network",
        "n_networks": len(model) if isinstance(model, Ensemble) else 1,
        "sizes": list(a.sizes),
        "activations": list(a.activations),
        "output": a.output,
        "loss": a.loss,
        "dtype": a.dtype,
        "n_parameters": a.n_parameters,
        "classes": None if classes is None else list(classes),
        "target": None if known is None else known.label_name,
        "takes_tables": model.columns is not None,
        "inputs": None if known is None or model.columns is not None else known.inputs,
        "columns": columns,
        "training_rows": None if known is None else known.n_rows,
        "temperature": None if known is None else known.temperature,
    }
