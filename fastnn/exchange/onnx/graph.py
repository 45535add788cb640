"""Following an ONNX graph node by node, as far as it is a plain MLP.

Nothing is run. Each tensor of the graph is a constant or one of `fastnn.exchange.onnx.values`; a
node that leads anywhere else is refused with its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.onnx.classes import of_label
from fastnn.exchange.onnx.computed import Computing, normalization_of
from fastnn.exchange.onnx.constants import folded
from fastnn.exchange.onnx.ml import OPERATORS, scaler_of
from fastnn.exchange.onnx.nodes import PLAIN, Attributes, NotPlainError, dense_of
from fastnn.exchange.onnx.rows import of_rows
from fastnn.exchange.onnx.shapes import ROWS, of_dims
from fastnn.exchange.onnx.tensors import MOST_DIMENSIONS, Tensors
from fastnn.exchange.onnx.values import Computed, Label, Rows
from fastnn.validation.values import shortened

Value = Any
"""Array, Dims, Rows, Computed, Label, or None for an input left out."""

OF_DOMAIN = {"ai.onnx.ml": OPERATORS, "com.microsoft": frozenset(("Gelu",))}
"""Operators by the domain that means by them what is read here; all others are ONNX's own."""


class Graph:
    """What each tensor of a graph is."""

    def __init__(self, onnx: Any, model: Any, tensors: Tensors) -> None:
        self._onnx = onnx
        self._tensors = tensors
        self.computing = Computing(tensors.take)
        self.values: dict[str, Value] = {"": None}
        graph = model.graph
        if model.functions:
            raise ValueError("it defines operators of its own")
        if graph.sparse_initializer:
            raise ValueError("it holds sparse constants")
        self._unread: dict[str, Any] = {}
        for tensor in graph.initializer:
            self._check_new(tensor.name)
            self._unread[tensor.name] = tensor
        inputs = [i for i in graph.input if i.name not in self._unread]
        if len(inputs) != 1:
            names = [shortened(i.name) for i in inputs]
            raise ValueError(f"it takes {len(inputs)} inputs {names[:4]}, expected one")
        self._set(inputs[0].name, self._input(inputs[0]))
        for node in graph.node:
            self._follow(node)
        if missing := [o.name for o in graph.output if self.values.get(o.name) is None]:
            raise ValueError(f"nothing computes its output {shortened(missing[0])!r}")
        self.outputs = [self.values[o.name] for o in graph.output]

    def _check_new(self, name: str) -> None:
        if name in self.values or name in self._unread:
            raise ValueError(f"it defines {shortened(name)!r} twice")

    def _set(self, name: str, value: Value) -> None:
        self._check_new(name)
        self.values[name] = value

    def _get(self, name: str, what: str) -> Value:
        """Return a tensor; constants are read when they are first used."""
        if name in self._unread:
            self.values[name] = self._tensors.array(self._unread.pop(name))
        if name not in self.values:
            raise ValueError(f"{what} takes {shortened(name)!r}, which nothing gives")
        return self.values[name]

    def _input(self, info: Any) -> Rows:
        proto, tensor = self._onnx.TensorProto, info.type.tensor_type
        kinds = (proto.FLOAT, proto.DOUBLE, proto.FLOAT16, proto.BFLOAT16)
        if tensor.elem_type not in (*kinds, proto.UINT8, proto.INT64, proto.INT32):
            raise ValueError(f"its input {shortened(info.name)!r} does not hold numbers")
        is_bytes = tensor.elem_type == proto.UINT8
        if not tensor.HasField("shape"):
            return Rows(is_bytes, dims=None)
        if (rank := len(tensor.shape.dim)) > MOST_DIMENSIONS:
            raise ValueError(f"its input {shortened(info.name)!r} has {rank} dimensions")
        n_rows, *others = [max(0, dim.dim_value) or None for dim in tensor.shape.dim] or [None]
        return Rows(is_bytes, (n_rows or ROWS, *others) if rank else ())

    # -- nodes ----------------------------------------------------------------------------------

    def _follow(self, node: Any) -> None:
        if not node.output or not node.output[0]:
            raise ValueError(f"its node {shortened(node.name)!r} has no output")
        what = f"its node {shortened(node.name or node.output[0])!r} ({shortened(node.op_type)})"
        domain = "" if node.domain == "ai.onnx" else node.domain
        known = node.op_type in OF_DOMAIN.get(domain, ())
        if not known and (domain or node.op_type in OF_DOMAIN["ai.onnx.ml"]):
            raise ValueError(f"{what} is of the domain {shortened(node.domain)!r}: {PLAIN}")
        inputs = [self._get(name, what) for name in node.input]
        attributes = {}
        for attribute in node.attribute:
            if attribute.type in (attribute.GRAPH, attribute.GRAPHS):
                raise ValueError(f"{what} holds a graph of its own: {PLAIN}")
            attributes[attribute.name] = attribute
        try:
            value = self._value(node.op_type, inputs, Attributes(self._onnx, attributes), what)
        except NotPlainError as error:
            raise ValueError(f"{what} {error}: {PLAIN}") from None
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{what}: {error}") from None
        values = value if isinstance(value, tuple) else (value,)
        for name, one in zip(node.output, values, strict=False):
            if name:
                self._set(name, one)

    def _value(self, op: str, inputs: list[Value], attributes: Attributes, what: str) -> Value:
        given = [value for value in inputs if value is not None]
        if op == "Constant":
            return self._constant(attributes)
        if not given:
            raise NotPlainError("takes no input")
        if all(isinstance(value, np.ndarray) for value in given):
            array = folded(op, inputs, attributes)
            if not np.may_share_memory(array, inputs[0]):
                self._tensors.take(array.nbytes)
            return array
        if any(isinstance(value, Label) for value in given):
            return of_label(op, inputs, attributes, self._tensors.take)
        if any(isinstance(value, Rows) for value in given):
            return self._of_rows(op, inputs, attributes, what)
        if any(isinstance(value, Computed) for value in given):
            return self.computing.of_computed(op, inputs, attributes, what)
        return of_dims(op, inputs, attributes)

    def _constant(self, attributes: Attributes) -> Array:
        for name, dtype in (
            ("value_float", np.float32),
            ("value_floats", np.float32),
            ("value_int", np.int64),
            ("value_ints", np.int64),
        ):
            if name in attributes:
                return np.array(attributes.get(name), dtype)
        tensor = attributes.get("value")
        if not isinstance(tensor, self._onnx.TensorProto):
            raise NotPlainError("is no tensor of numbers")
        return self._tensors.array(tensor)

    def _of_rows(self, op: str, inputs: list[Value], attributes: Attributes, what: str) -> Value:
        rows, *others = inputs
        if isinstance(rows, Rows):
            match op:
                case "Gemm" | "MatMul":
                    return self.computing.layer(rows, dense_of(op, others, attributes, what), what)
                case "LinearRegressor" | "LinearClassifier":
                    return self.computing.linear(op, rows, attributes, what)
                case "Scaler":
                    factor, shift = scaler_of(attributes)
                    return rows.then(what, self._tensors.take, factor=factor, shift=shift)
                case "BatchNormalization":
                    rank = 2 if rows.rank is None else rows.rank
                    _, factor, shift = normalization_of(others, attributes, what, rank)
                    return rows.then(what, self._tensors.take, factor=factor, shift=shift)
                case "Normalizer":
                    raise NotPlainError("divides each row by its own norm, which no layers compute")
        return of_rows(op, inputs, attributes, what, self._tensors.take)
