"""The operators of ``ai.onnx.ml`` that scikit-learn's converters write, as plain layers.

    Scaler            (x - offset) · scale
    LinearRegressor   x @ coefficientsᵀ + intercepts
    LinearClassifier  scores of x like that, and the class of the largest

A classifier of two classes has one row of coefficients, or two of which one is the other's
negative: either is one sigmoid of z where its scores are ``σ(-z), σ(z)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.folding import Scaling, Step
from fastnn.exchange.onnx.classes import class_names
from fastnn.exchange.onnx.nodes import Attributes, NotPlainError

OPERATORS = frozenset(("LinearClassifier", "LinearRegressor", "Normalizer", "Scaler")) | frozenset(
    ("ArrayFeatureExtractor", "Binarizer", "ZipMap")
)
"""All of that domain that are read."""


def scaler_of(attributes: Attributes) -> tuple[Array, Array]:
    """Return the factor and the shift of a Scaler, each () or (n,).

    Raises
    ------
    NotPlainError
        If it has other attributes.
    """
    given = attributes.only(("offset", "scale"))
    offset, factor = (
        np.array(given.get(key, [default]), np.float32).astype(np.float64)
        for key, default in (("offset", 0.0), ("scale", 1.0))
    )
    offset, factor = (v.reshape(()) if v.size == 1 else v for v in (offset, factor))
    return factor, -offset * factor


def linear_of(op: str, attributes: Attributes, what: str) -> tuple[Dense, tuple[Any, ...]]:
    """Return the layer that a LinearClassifier or LinearRegressor is, and the classes' names.

    Raises
    ------
    NotPlainError
        If its attributes do not fit each other.
    """
    coefficients = np.array(attributes.get("coefficients", []), np.float32)
    intercepts = np.array(attributes.get("intercepts", []), np.float32)
    names: tuple[Any, ...] = ()
    if op == "LinearRegressor":
        n_out = attributes.get("targets", 1)
    else:
        names = class_names(attributes, "classlabels_strings", "classlabels_ints")
        n_out = intercepts.size
        if n_out != len(names) and (n_out, len(names)) != (1, 2):
            raise NotPlainError(f"names {len(names)} classes and has {n_out} intercepts")
    if n_out < 1 or coefficients.size % n_out or not coefficients.size:
        raise NotPlainError(f"has {coefficients.size} coefficients for {n_out} outputs")
    if intercepts.size not in (0, n_out):
        raise NotPlainError(f"has {intercepts.size} intercepts for {n_out} outputs")
    weight = np.ascontiguousarray(coefficients.reshape(n_out, -1).T)
    return Dense(what, weight, intercepts if intercepts.size else None), names


def of_second_class(steps: list[Step]) -> list[Step] | None:
    """Return steps that give the second of two columns, if the first is its negative, else None."""
    reversed_steps: list[Step] = []
    for step in reversed(steps):
        if isinstance(step, Dense):
            weight, bias = step.weight, step.bias
            if weight.shape[1] != 2 or not np.array_equal(weight[:, 0], -weight[:, 1]):
                return None
            if bias is not None and bias[0] != -bias[1]:
                return None
            one = Dense(step.name, weight[:, 1:], None if bias is None else bias[1:])
            return [*steps[: len(steps) - 1 - len(reversed_steps)], one, *reversed_steps[::-1]]
        if not isinstance(step, Scaling):
            return None
        factor, shift = (np.broadcast_to(v, (2,)) for v in step[1:])
        if factor[0] != factor[1] or shift[0] != -shift[1]:
            return None
        reversed_steps.append(Scaling(step.name, factor[1], shift[1]))
    return None
