"""What a page says of a network, and what it must know to ask it, as a value for JSON.

layers    rows of text: layer, shape, activation, number of parameters
facts     pairs of text
inputs    of a table {"columns": […]}; of numbers {"n_in", "names", "takes_bytes", "mean",
          "image"}, where image is {"side", "first", "guess", "ink"} or None
outputs   {"kind": "classes", "labels" or "numbers", "n", "names"}
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from fastnn.architecture import Architecture
from fastnn.model.model import Learner
from fastnn.model.summary import inputs_words, layer_rows, loss_words
from fastnn.rows.trained_on import takes_bytes
from fastnn.tabular import Columns

NOT_RECORDED = "not recorded"

SMALLEST_SIDE = 8
"""Of an image that can be drawn; the digits of scikit-learn have it."""


def description(model: Learner, n_networks: int = 1, accuracy: str | None = None) -> dict[str, Any]:
    """Return the description of a network, or of an ensemble of them.

    Parameters
    ----------
    model : Model or EnsembleModel
    n_networks : int, default 1
    accuracy : str, optional
        What is known of its accuracy, in words; files do not record it.
    """
    return {
        "layers": [list(row) for row in layer_rows(model.architecture)],
        "facts": _facts(model, n_networks, accuracy),
        "inputs": _inputs(model),
        "outputs": _outputs(model),
    }


def _facts(model: Learner, n_networks: int, accuracy: str | None) -> list[tuple[str, str]]:
    a, known = model.architecture, model.trained_on
    weights = f"{a.n_parameters:,}, {a.dtype}"
    if n_networks > 1:
        weights = f"{n_networks} networks of {weights}; the answer is the mean of theirs"
    outputs = _outputs(model)
    facts = [
        ("Weights", weights),
        ("Accuracy", accuracy or NOT_RECORDED),
        ("Training rows", f"{known.n_rows:,}" if known and known.n_rows else NOT_RECORDED),
        ("Inputs", inputs_words(known, a.input_scale)),
        ("Predicts", (known and known.label_name) or NOT_RECORDED),
    ]
    if a.n_classes:
        named = "" if model.class_labels is not None else ", numbered: names are not recorded"
        facts.append(("Classes", _some(outputs["names"]) + named))
    if known is not None and known.simplest_guess is not None:
        facts.append(("Without inputs", _guess_words(a, known.simplest_guess, outputs["names"])))
    if known is not None and known.columns is not None and known.columns.left_out:
        facts.append(("Columns left out", _some(list(known.columns.left_out))))
    facts.append(("Loss", loss_words(a)))
    return facts


def _guess_words(a: Architecture, guess: tuple[float, ...], names: list[str]) -> str:
    """Return what one would answer knowing only the training targets."""
    if a.one_class_a_row and len(guess) == len(names):
        best = max(range(len(guess)), key=guess.__getitem__)
        return f"always {names[best]}, right for {100 * guess[best]:.1f} % of the training rows"
    numbers = ", ".join(f"{value:.6g}" for value in guess[:6])
    return f"always {numbers}{', …' if len(guess) > 6 else ''}, of the training rows"


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} others" if len(names) > 12 else "")


# -- outputs --------------------------------------------------------------------------------------


def _outputs(model: Learner) -> dict[str, Any]:
    a, known = model.architecture, model.trained_on
    label = None if known is None else known.label_name
    if a.n_classes:
        labels = range(a.n_classes) if model.class_labels is None else model.class_labels
        names = [str(one).lower() if isinstance(one, bool) else str(one) for one in labels]
        return {"kind": "classes", "n": a.n_out, "names": names}
    kind = "labels" if a.classifies else "numbers"
    names = [f"output {i + 1}" for i in range(a.n_out)]
    if len(a.quantiles) == a.n_out:
        names = [f"{label or 'quantile'}, {100 * q:g} %" for q in a.quantiles]
    elif a.n_out == 1 and label is not None:
        names = [label]
    return {"kind": kind, "n": a.n_out, "names": names}


# -- inputs ---------------------------------------------------------------------------------------


def _inputs(model: Learner) -> dict[str, Any]:
    a, known = model.architecture, model.trained_on
    if known is not None and known.columns is not None:
        return {"columns": columns_of(known.columns)}
    return {
        "n_in": a.n_in,
        "names": None if known is None else known.feature_names,
        "takes_bytes": known is not None and takes_bytes(known.inputs, a.input_scale),
        "mean": None if known is None else known.mean,
        "image": _image(model),
    }


def columns_of(columns: Columns) -> list[dict[str, Any]]:
    """Return the columns that are read, in order, with the constants of their encodings."""
    found = []
    for column in columns.table:
        encoding = column.encoding
        if encoding is None:
            continue
        constants = asdict(encoding)  # type: ignore[call-overload]
        if "center" in constants:
            constants["center"] = float(constants["center"])  # of times, a whole number of µs
        found.append(
            {
                "name": column.name,
                "kind": encoding.kind,
                "tag": encoding.tag,
                "indicator": encoding.indicator,
                "may_miss": column.had_missing or encoding.indicator,
                "has_zone": bool(column.has_zone),
            }
            | constants
        )
    return found


def _image(model: Learner) -> dict[str, Any] | None:
    """Return how to draw the inputs, if they may be an image: a guess, since no file says so."""
    a, known = model.architecture, model.trained_on
    side = math.isqrt(a.n_in)
    if side < SMALLEST_SIDE or side * side != a.n_in:
        return None
    inputs = None if known is None else known.inputs
    has_names = known is not None and known.feature_names is not None
    square = f"{a.n_in:,} inputs are {side} × {side}"
    on = {"bytes": "bytes", "fractions": "numbers from 0 to 1"}.get(inputs or "")
    if on is not None and not (has_names and inputs == "fractions"):
        guess = (
            f"Guessed, since the file does not say that its inputs are an image: {square}, "
            f"trained on {on}."
        )
        return {"side": side, "first": "draw", "guess": guess, "ink": inputs}
    guess = f"Guessed, since the file does not say that its inputs are an image: {square}."
    ink = inputs if inputs in ("fractions", "flags") else "unknown"
    return {"side": side, "first": "row", "guess": guess, "ink": ink}
