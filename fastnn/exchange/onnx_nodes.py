"""One ONNX node by itself: its attributes, and what it makes of constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.validation.values import shortened

PLAIN = "only plain MLP graphs are read: Gemm or MatMul and Add, fastnn's activations and outputs"


class NotPlainError(ValueError):
    """A node that no plain MLP has."""


class Attributes:
    """The attributes of a node, read when asked for."""

    def __init__(self, onnx: Any, attributes: dict[str, Any]) -> None:
        self._onnx = onnx
        self._attributes = attributes

    def __contains__(self, name: str) -> bool:
        return name in self._attributes

    def get(self, name: str, default: Any = None) -> Any:
        """Return one attribute, text as str, or the default if the node has none."""
        if name not in self._attributes:
            return default
        value = self._onnx.helper.get_attribute_value(self._attributes[name])
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def only(self, names: Sequence[str] | dict[str, Any]) -> dict[str, Any]:
        """Return all, if their names are among these."""
        if unknown := set(self._attributes) - set(names):
            raise NotPlainError(f"has the attribute {shortened(min(unknown))!r}")
        return {name: self.get(name) for name in self._attributes}


def is_integers(value: Any) -> bool:
    """Whether it is a constant list of whole numbers, such as a shape."""
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == "i"


def scalar(value: Any) -> float:
    """Return the one number that a constant is."""
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "fi":
        shape = value.shape if isinstance(value, np.ndarray) else None
        raise NotPlainError(f"takes a constant of shape {shape}, expected one number")
    return float(value.ravel()[0])


def folded(op: str, inputs: list[Any], attributes: Attributes) -> Array:
    """Return what a node makes of constants."""
    array: Array = inputs[0]
    others = inputs[1:]
    match op:
        case "Identity" | "Dropout":
            return array
        case "Cast" if array.dtype.kind in "fi":
            return array
        case "Transpose" if array.ndim == 2 and list(attributes.get("perm", [1, 0])) == [1, 0]:
            return array.T
        case "Reshape" if is_integers(others[0]):
            return array.reshape(others[0].tolist())
        case "Squeeze" | "Unsqueeze" | "Flatten" if array.ndim <= 1:
            return array
    raise NotPlainError("computes with constants what is not expected of weights")


def dense_of(op: str, others: list[Any], attributes: Attributes, what: str) -> Dense:
    """Return the layer that a Gemm or a MatMul is."""
    weight = others[0] if others else None
    if not isinstance(weight, np.ndarray):
        raise NotPlainError("multiplies by what is no constant")
    if weight.ndim != 2 or weight.dtype.kind != "f":
        raise NotPlainError(
            f"multiplies by an array of shape {weight.shape} and dtype {weight.dtype}"
        )
    if op == "MatMul":
        return Dense(what, weight, None)
    attributes.only(("alpha", "beta", "transA", "transB"))
    if attributes.get("transA", 0):
        raise NotPlainError("transposes its input")
    if attributes.get("transB", 0):
        weight = weight.T
    weight = _times(weight, attributes.get("alpha", 1.0))
    bias = others[1] if len(others) > 1 else None
    if bias is not None:
        bias = _times(bias_of(bias, weight.shape[1], weight.dtype), attributes.get("beta", 1.0))
    return Dense(what, weight, bias)


def _times(array: Array, factor: float) -> Array:
    return array if factor == 1 else (array * np.float64(factor)).astype(array.dtype)


def bias_of(value: Any, n_out: int, dtype: Any) -> Array:
    """Return a bias (n_out,) that is added to rows (rows, n_out)."""
    if not isinstance(value, np.ndarray):
        raise NotPlainError("adds what is no constant")
    if value.shape not in ((), (1,), (n_out,), (1, 1), (1, n_out)) or value.dtype.kind != "f":
        raise NotPlainError(
            f"adds a constant of shape {value.shape} and dtype {value.dtype}, expected a bias of "
            f"shape ({n_out},)"
        )
    return np.broadcast_to(value.astype(dtype, copy=False).ravel(), (n_out,))


def zip_map_labels(attributes: Attributes) -> tuple[Any, ...]:
    """Return the classes that a ZipMap names."""
    strings = attributes.get("classlabels_strings", [])
    return tuple(str(v, "utf-8") for v in strings) or tuple(
        attributes.get("classlabels_int64s", [])
    )
