"""What a node does to the input rows before the first layer: flattening, scaling, shifting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.exchange.onnx.nodes import (
    Attributes,
    NotPlainError,
    axes_of,
    check_drops_nothing,
    real_dtype,
)
from fastnn.exchange.onnx.shapes import (
    Dims,
    shape_of,
    shape_taken,
    squeezed,
    transposed,
    unsqueezed,
)
from fastnn.exchange.onnx.values import Computed, Rows

AFFINE = frozenset(("Add", "Div", "Mul", "Neg", "Sub"))
"""Operators that scale or shift."""


def of_rows(
    op: str, inputs: list[Any], attributes: Attributes, what: str, take: Callable[[int], None]
) -> Rows | Dims:
    """Return what a node makes of the rows.

    Raises
    ------
    NotPlainError
        If it does to them what no plain MLP does.
    """
    rows, *others = inputs
    if any(isinstance(value, Computed) for value in inputs):
        raise NotPlainError("joins the input with what is computed from it")
    if op in AFFINE:
        return _affine(op, inputs, what, take)
    if isinstance(rows, Rows):
        match op:
            case "Identity":
                return rows
            case "Dropout":
                check_drops_nothing(others)
                return rows
            case "Cast":
                real_dtype(attributes)
                return rows
            case "Flatten" if attributes.get("axis", 1) in (1, 1 - (rows.rank or 0)):
                return rows.flattened()
            case "Reshape":
                return rows.reshaped(shape_of(others, attributes))
            case "Shape":
                return shape_taken(rows.with_rank(), attributes)
            case "Squeeze":
                return replace(rows, dims=squeezed(_known(rows), axes_of(others, attributes)))
            case "Unsqueeze":
                return replace(rows, dims=unsqueezed(_known(rows), axes_of(others, attributes)))
            case "Transpose" if "perm" in attributes:
                return replace(rows, dims=transposed(_known(rows), list(attributes.get("perm"))))
    raise NotPlainError("does to the input what no plain MLP does")


def _known(rows: Rows) -> tuple[Any, ...]:
    if rows.dims is None:
        raise NotPlainError("changes the dimensions of an input that has no known ones")
    return rows.with_rank()


def _affine(op: str, inputs: list[Any], what: str, take: Callable[[int], None]) -> Rows:
    """Return rows that a constant is added to, subtracted from and so on."""
    *before, last = inputs
    if op == "Neg" and not before and isinstance(last, Rows):
        return last.then(what, take, factor=-1.0)
    first = before[0] if len(before) == 1 else None
    match op, first, last:
        case ("Add", Rows(), np.ndarray()):
            return first.then(what, take, shift=last)
        case ("Add", np.ndarray(), Rows()):
            return last.then(what, take, shift=first)
        case ("Sub", Rows(), np.ndarray()):
            return first.then(what, take, shift=_real(last) * -1.0)
        case ("Sub", np.ndarray(), Rows()):
            return last.then(what, take, factor=-1.0).then(what, take, shift=first)
        case ("Mul", Rows(), np.ndarray()):
            return first.then(what, take, factor=last)
        case ("Mul", np.ndarray(), Rows()):
            return last.then(what, take, factor=first)
        case ("Div", Rows(), np.ndarray()):
            return first.then(what, take, factor=np.reciprocal(_real(last)))
    raise NotPlainError("does to the input what no plain MLP does")


def _real(value: Any) -> Any:
    """Return floating-point numbers in float64, and others as they are: they are refused."""
    return value.astype(np.float64) if value.dtype.kind == "f" else value
