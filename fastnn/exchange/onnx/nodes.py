"""One ONNX node by itself: its attributes, and what it makes of constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.onnx.tensors import FLOATS
from fastnn.validation.values import shortened

PLAIN = (
    "only plain MLPs are read: Gemm or MatMul and Add, scaling and shifting, fastnn's activations "
    "and outputs, and what these can compute"
)


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


def axes_of(others: list[Any], attributes: Attributes) -> list[int] | None:
    """Return the axes that a node names in its second input or, as once, in an attribute.

    Raises
    ------
    NotPlainError
        If they are no constant.
    """
    axes = others[0] if others and others[0] is not None else attributes.get("axes")
    if others and others[0] is not None and not isinstance(axes, np.ndarray):
        raise NotPlainError("has axes that are no constant")
    return None if axes is None else np.ravel(axes).tolist()


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


def bias_of(value: Any, n_out: int, dtype: Any) -> Array:
    """Return the bias (n_out,) that a Gemm adds.

    Raises
    ------
    NotPlainError
        If it is not one, or no constant.
    """
    bias = of_columns(value, n_out, rank=2)
    return np.broadcast_to(bias.astype(dtype, copy=False), (n_out,))


def of_columns(value: Any, n_out: int, *, rank: int) -> Array:
    """Return a constant () or (n_out,), one number or one a column, as rows of this rank take it.

    Raises
    ------
    NotPlainError
        If it has another shape, or is no constant of floating-point numbers.
    """
    if not isinstance(value, np.ndarray):
        raise NotPlainError("takes what is no constant")
    shapes = [(), (1,), (n_out,), (1, 1), (1, n_out)]
    if value.shape not in shapes or value.ndim > rank or value.dtype.kind != "f":
        raise NotPlainError(
            f"takes a constant of shape {value.shape} and dtype {value.dtype}, expected one number "
            f"or shape ({n_out},)"
        )
    if rank == 1 and value.size > 1:
        raise NotPlainError("takes one number of each row for a column")
    return value.reshape(()) if value.size == 1 else value.ravel()
