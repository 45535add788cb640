"""What a node makes of constants: weights in another shape, scales of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.onnx.nodes import Attributes, NotPlainError, check_drops_nothing, real_dtype
from fastnn.exchange.onnx.shapes import shape_of

ELEMENTWISE: dict[str, Any] = {
    "Add": np.add,
    "Div": np.divide,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}


def folded(op: str, inputs: list[Any], attributes: Attributes) -> Array:
    """Return what a node makes of constants.

    Raises
    ------
    NotPlainError
        If it is none of the operators that bring weights into their shape or precision.
    """
    array, *others = inputs
    if op in ELEMENTWISE and all(isinstance(v, np.ndarray) and v.dtype.kind == "f" for v in inputs):
        return _elementwise(op, inputs)
    if isinstance(array, np.ndarray):
        match op:
            case "Identity":
                return array
            case "Dropout":
                check_drops_nothing(others)
                return array
            case "Cast" if array.dtype.kind in "fi":
                return _cast(array, attributes)
            case "Transpose" if array.ndim == 2 and list(attributes.get("perm", [1, 0])) == [1, 0]:
                return array.T
            case "Reshape":
                shape = shape_of(others, attributes)
                copied = [n or array.shape[i] for i, n in enumerate(shape)]
                return array.reshape(copied)
            case "Squeeze" | "Unsqueeze" | "Flatten" if array.size == 1 and array.ndim <= 1:
                return array
    raise NotPlainError("computes with constants what is not expected of weights")


def _elementwise(op: str, inputs: list[Any]) -> Array:
    function, shapes = ELEMENTWISE[op], [value.shape for value in inputs]
    if len(inputs) != function.nin or np.broadcast_shapes(*shapes) not in shapes:
        raise NotPlainError("computes with constants what is not expected of weights")
    result: Array = function(*inputs)
    return result


def _cast(array: Array, attributes: Attributes) -> Array:
    """Return a constant in another precision; half precision is kept in float32."""
    if array.dtype.kind == "i" and attributes.element_type("to")[0] == "INT64":
        return array.astype(np.int64)
    name = real_dtype(attributes)
    if name in ("float32", "float64"):
        return array.astype(name)
    if name == "float16":
        return array.astype(np.float16).astype(np.float32)
    raise NotPlainError(f"rounds a constant to {name}")
