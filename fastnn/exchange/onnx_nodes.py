"""One ONNX node by itself: its attributes, and what it makes of constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.onnx_tensors import FLOATS
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

    def element_type(self, name: str) -> tuple[str, Any]:
        """Return the element type that an attribute names, and its NumPy dtype.

        Raises
        ------
        NotPlainError
            If there is no such type.
        """
        value = self.get(name)
        for kind, number in self._onnx.TensorProto.DataType.items():
            if isinstance(value, int) and number == value and kind != "UNDEFINED":
                return kind, self._onnx.helper.tensor_dtype_to_np_dtype(value)
        raise NotPlainError("names no element type")

    def only(self, names: Iterable[str]) -> dict[str, Any]:
        """Return all, if their names are among these.

        Raises
        ------
        NotPlainError
            If there are others.
        """
        if unknown := set(self._attributes) - set(names):
            raise NotPlainError(f"has the attribute {shortened(min(unknown))!r}")
        return {name: self.get(name) for name in self._attributes}


def shape_of(others: list[Any], attributes: Attributes) -> list[int]:
    """Return the shape that a Reshape, with these inputs behind its first, asks for.

    Raises
    ------
    NotPlainError
        If it is no constant list of whole numbers, or its zeros mean an array without elements.
    """
    value = others[0] if others else None
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind != "i":
        raise NotPlainError("reshapes to what is no constant shape")
    shape: list[int] = value.tolist()
    if 0 in shape and attributes.get("allowzero", 0):
        raise NotPlainError("reshapes to an array without elements")
    return shape


def scalar(value: Any, rank: int) -> float:
    """Return the one number that a constant is, which leaves arrays of this rank their shape.

    Raises
    ------
    NotPlainError
        If it is not one number, or no constant.
    """
    fits = isinstance(value, np.ndarray) and value.size == 1 and value.ndim <= rank
    if not fits or value.dtype.kind not in "fi":
        shape = value.shape if isinstance(value, np.ndarray) else None
        raise NotPlainError(f"takes a constant of shape {shape}, expected one number")
    return float(value.ravel()[0])


def real_dtype(attributes: Attributes) -> str:
    """Return the floating-point dtype that a Cast turns numbers to.

    Raises
    ------
    NotPlainError
        If it turns them to something else, which would round them or cut them off.
    """
    kind, dtype = attributes.element_type("to")
    if kind not in FLOATS:
        raise NotPlainError(f"casts numbers to {kind}, expected {', '.join(FLOATS)}")
    return str(np.dtype(dtype).name)


def check_drops_nothing(others: list[Any]) -> None:
    """Check that a Dropout, with these inputs behind its first, is not in training mode.

    Raises
    ------
    NotPlainError
        If it is, or that is not known beforehand.
    """
    if len(others) > 1 and others[1] is not None and np.any(others[1]):
        raise NotPlainError("drops out while it predicts")


def folded(op: str, inputs: list[Any], attributes: Attributes) -> Array:
    """Return what a node makes of constants.

    Raises
    ------
    NotPlainError
        If it is none of the operators that bring weights into their shape or precision.
    """
    array, *others = inputs
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


def dense_of(op: str, others: list[Any], attributes: Attributes, what: str) -> Dense:
    """Return the layer that a Gemm or a MatMul is.

    Raises
    ------
    NotPlainError
        If it multiplies by what is no matrix of floating-point numbers, or transposes its input.
    """
    weight = others[0] if others else None
    if not isinstance(weight, np.ndarray):
        raise NotPlainError("multiplies by what is no constant")
    if weight.ndim != 2 or weight.dtype.kind != "f" or 0 in weight.shape:
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


def bias_of(value: Any, n_out: int, dtype: Any, rank: int = 2) -> Array:
    """Return a bias (n_out,) that is added to rows (rows, n_out), or (rows,) of rank 1.

    Raises
    ------
    NotPlainError
        If it is not, or no constant.
    """
    if not isinstance(value, np.ndarray):
        raise NotPlainError("adds what is no constant")
    shapes = [(), (1,), (n_out,), (1, 1), (1, n_out)]
    if value.shape not in shapes or value.ndim > rank or value.dtype.kind != "f":
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
