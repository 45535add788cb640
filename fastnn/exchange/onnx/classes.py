"""The classes that a graph chooses from its last numbers, and their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.exchange.onnx.nodes import Attributes, NotPlainError
from fastnn.exchange.onnx.values import Label

TRANSPARENT = frozenset(("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"))
"""Operators that leave values what they are."""

LABEL_BYTES = 100
"""About what one class label takes."""


def of_label(
    op: str, inputs: list[Any], attributes: Attributes, take: Callable[[int], None]
) -> Label:
    """Return what a node makes of the classes.

    Raises
    ------
    NotPlainError
        If it does more than to name them, or to write them as other numbers.
    """
    if op == "Cast" and isinstance(inputs[0], Label):
        return inputs[0].cast(attributes.element_type("to")[1])
    if op in TRANSPARENT and isinstance(inputs[0], Label):
        return inputs[0]
    names, label = (*inputs, None)[:2]
    if (
        op in ("Gather", "ArrayFeatureExtractor")
        and isinstance(names, np.ndarray)
        and names.shape in ((names.size,), (1, names.size)[: 2 * (op != "Gather")])
        and isinstance(label, Label)
        and label.class_labels is None
        and attributes.get("axis", 0) == 0
    ):
        take(LABEL_BYTES * names.size)
        return replace(label, class_labels=tuple(names.ravel().tolist()))
    raise NotPlainError("does to the classes what no plain MLP does")


def class_names(attributes: Attributes, strings: str, numbers: str) -> tuple[Any, ...]:
    """Return the classes that a node names in one of two attributes."""
    texts = attributes.get(strings, [])
    return tuple(str(v, "utf-8") for v in texts) or tuple(attributes.get(numbers, []))
