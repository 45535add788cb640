"""Following an ONNX graph node by node, as far as it is a plain MLP.

Nothing is run. Each tensor of the graph is one of four things: a constant, the input rows, what
some dense layers and an expression of the last one's z compute (`Computed`), or the classes chosen
from that (`Label`). A node that leads anywhere else is refused with its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.onnx_expressions import OPERATORS, WITH_ATTRIBUTES, Expressions, Z
from fastnn.exchange.onnx_tensors import Tensors
from fastnn.validation.values import shortened

PLAIN = "only plain MLP graphs are read: Gemm or MatMul and Add, fastnn's activations and outputs"


@dataclass(frozen=True)
class Rows:
    """The input: whether it is bytes, what it is multiplied by, its rank and width if known."""

    is_bytes: bool
    scale: Array | None
    rank: int | None
    width: int | None


@dataclass(frozen=True)
class Computed:
    """An expression of z, which the last of these layers gives; `node` computed it."""

    rows: Rows
    layers: tuple[Dense, ...]
    activations: tuple[str, ...]
    expression: int
    node: str
    class_labels: tuple[Any, ...] | None = None
    two_columns: bool = False
    """Of one sigmoid output p, the probabilities 1 − p and p."""

    @property
    def n_out(self) -> int:
        """How many numbers a row has."""
        return int(self.layers[-1].weight.shape[1])


@dataclass(frozen=True)
class Label:
    """The class of the largest output, or for each output whether it is past a threshold."""

    of: Computed
    rule: str
    class_labels: tuple[Any, ...] | None = None


Value = Any
"""Array, Rows, Computed, Label, or None for an input left out."""


class NotPlainError(ValueError):
    """A node that no plain MLP has."""


class Graph:
    """What each tensor of a graph is."""

    def __init__(self, onnx: Any, model: Any, tensors: Tensors) -> None:
        self._onnx = onnx
        self._tensors = tensors
        self.expressions = Expressions()
        self.values: dict[str, Value] = {"": None}
        graph = model.graph
        for tensor in graph.initializer:
            self._set(tensor.name, tensors.array(tensor))
        if graph.sparse_initializer:
            raise ValueError("it holds sparse constants")
        inputs = [i for i in graph.input if i.name not in self.values]
        if len(inputs) != 1:
            names = [shortened(i.name) for i in inputs]
            raise ValueError(f"it takes {len(inputs)} inputs {names[:4]}, expected one")
        self._set(inputs[0].name, self._input(inputs[0]))
        for node in graph.node:
            self._follow(node)
        if missing := [o.name for o in graph.output if self.values.get(o.name) is None]:
            raise ValueError(f"nothing computes its output {shortened(missing[0])!r}")
        self.outputs = [self.values[o.name] for o in graph.output]

    def _set(self, name: str, value: Value) -> None:
        if self.values.get(name) is not None:
            raise ValueError(f"it defines {shortened(name)!r} twice")
        self.values[name] = value

    def _input(self, info: Any) -> Rows:
        proto, tensor = self._onnx.TensorProto, info.type.tensor_type
        kinds = (proto.FLOAT, proto.DOUBLE, proto.FLOAT16, proto.BFLOAT16)
        if tensor.elem_type not in (*kinds, proto.UINT8, proto.INT64, proto.INT32):
            raise ValueError(f"its input {shortened(info.name)!r} does not hold numbers")
        dims = list(tensor.shape.dim) if tensor.HasField("shape") else None
        width = dims[-1].dim_value if dims else 0
        return Rows(
            is_bytes=tensor.elem_type == proto.UINT8,
            scale=None,
            rank=None if dims is None else len(dims),
            width=width if dims and len(dims) == 2 and width > 0 else None,
        )

    # -- nodes ----------------------------------------------------------------------------------

    def _follow(self, node: Any) -> None:
        what = f"its node {shortened(node.name or node.output[0])!r} ({shortened(node.op_type)})"
        if node.domain not in ("", "ai.onnx", "ai.onnx.ml", "com.microsoft"):
            raise ValueError(f"{what} is of the domain {shortened(node.domain)!r}: {PLAIN}")
        inputs = []
        for name in node.input:
            if name not in self.values:
                raise ValueError(f"{what} takes {shortened(name)!r}, which nothing gives")
            inputs.append(self.values[name])
        attributes = {}
        for attribute in node.attribute:
            if attribute.type in (attribute.GRAPH, attribute.GRAPHS):
                raise ValueError(f"{what} holds a graph of its own: {PLAIN}")
            attributes[attribute.name] = attribute
        try:
            value = self._value(node.op_type, inputs, _Attributes(self._onnx, attributes), what)
        except NotPlainError as error:
            raise ValueError(f"{what} {error}: {PLAIN}") from None
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{what}: {error}") from None
        self._set(node.output[0], value)

    def _value(self, op: str, inputs: list[Value], attributes: _Attributes, what: str) -> Value:
        given = [value for value in inputs if value is not None]
        if op == "Constant":
            return self._constant(attributes)
        if not given:
            raise NotPlainError("takes no input")
        if all(isinstance(value, np.ndarray) for value in given):
            return _folded(op, inputs, attributes)
        if any(isinstance(value, Label) for value in given):
            return self._of_label(op, inputs, attributes)
        if any(isinstance(value, Rows) for value in given):
            return self._of_rows(op, inputs, attributes, what)
        return self._of_computed(op, inputs, attributes, what)

    def _constant(self, attributes: _Attributes) -> Array:
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

    def _of_rows(self, op: str, inputs: list[Value], attributes: _Attributes, what: str) -> Value:
        rows, *others = inputs
        match op:
            case "Identity" | "Cast" | "Dropout":
                return rows
            case "Flatten" if attributes.get("axis", 1) == 1:
                return replace(rows, rank=2)
            case "Reshape" if isinstance(rows, Rows) and _is_integers(others[0]):
                if len(others[0]) != 2 or others[0][1] == 0:
                    raise NotPlainError(f"reshapes the input to {others[0].tolist()}")
                width = int(others[0][1])
                return replace(rows, rank=2, width=width if width > 0 else rows.width)
            case "Mul" | "Div":
                if op == "Mul" and isinstance(rows, np.ndarray):
                    rows, others = others[0], [rows]
                if isinstance(rows, Rows) and isinstance(others[0], np.ndarray):
                    factor = others[0].astype(np.float64, copy=False)
                    factor = factor if op == "Mul" else 1 / factor
                    scale = factor if rows.scale is None else rows.scale * factor
                    return replace(rows, scale=scale)
            case "Gemm" | "MatMul" if isinstance(rows, Rows):
                return self._first_layer(op, rows, others, attributes, what)
        raise NotPlainError("does to the input what no plain MLP does")

    def _first_layer(
        self, op: str, rows: Rows, others: list[Value], attributes: _Attributes, what: str
    ) -> Computed:
        if rows.rank not in (None, 2):
            raise NotPlainError(f"takes an input of {rows.rank} dimensions, not flattened to rows")
        dense = _dense(op, others, attributes, what)
        n_in = dense.weight.shape[0]
        if rows.width not in (None, n_in):
            raise ValueError(f"it takes {n_in} numbers, but the rows have {rows.width}")
        if rows.scale is not None and not rows.is_bytes:  # fastnn scales bytes only
            if rows.scale.size not in (1, n_in):
                raise NotPlainError(
                    f"takes an input scaled by an array of shape {rows.scale.shape}"
                )
            scaled = rows.scale.reshape(-1, 1) * dense.weight
            dense = dense._replace(weight=scaled.astype(dense.weight.dtype))
        return Computed(rows, (dense,), (), Z, what)

    def _of_computed(
        self, op: str, inputs: list[Value], attributes: _Attributes, what: str
    ) -> Value:
        first, *others = inputs
        computed = [value for value in inputs if isinstance(value, Computed)]
        value = computed[0]
        if any(other.layers is not value.layers for other in computed):
            raise NotPlainError("joins two branches")
        last = any(c.two_columns or c.class_labels for c in computed)
        if last and op not in (*_TRANSPARENT, "ArgMax", "ZipMap"):
            raise NotPlainError("follows the probabilities")
        if first is value:
            match op:
                case "Identity" | "Cast":
                    return value
                case "Dropout":
                    if len(others) > 1 and others[1] is not None and np.any(others[1]):
                        raise NotPlainError("drops out while it predicts")
                    return value
                case "Flatten" if attributes.get("axis", 1) == 1:
                    return value
                case "Reshape" if _is_integers(others[0]):
                    shape = others[0].tolist()
                    if shape in ([-1, value.n_out], [0, value.n_out], [0, -1]):
                        return value
                    if value.n_out == 1 and shape == [-1]:
                        return value
                    raise NotPlainError(f"reshapes to {shape}")
                case "Squeeze" if value.n_out == 1:
                    return value
                case "Gemm" | "MatMul":
                    return self._next_layer(op, value, others, attributes, what)
                case "ArgMax" if attributes.get("axis", 0) in (1, -1):
                    if attributes.get("select_last_index", 0):
                        raise NotPlainError("takes the last of equal outputs for the largest")
                    return Label(value, "argmax", value.class_labels)
                case "Greater" if self._is_halfway(value, others[0]):
                    return Label(value, "threshold")
                case "Binarizer" if self._is_halfway(value, attributes.get("threshold", 0.0)):
                    return Label(value, "threshold")
                case "ZipMap":
                    return replace(value, class_labels=_zip_map_labels(attributes))
                case "Concat":
                    return self._two_columns(computed, inputs, attributes)
        if op == "Add" and value.expression == Z and len(computed) == 1:
            return self._with_bias(value, others[0] if first is value else first)
        if op not in OPERATORS:
            raise NotPlainError("is not part of any")
        operands = [
            o.expression if isinstance(o, Computed) else _scalar(o)
            for o in inputs
            if o is not None or op != "Clip"
        ]
        settings = attributes.only(WITH_ATTRIBUTES.get(op, {}))
        expression = self.expressions.op(op, *operands, **settings)
        return replace(value, expression=expression, node=what)

    def _next_layer(
        self, op: str, value: Computed, others: list[Value], attributes: _Attributes, what: str
    ) -> Computed:
        activation = self.expressions.activations.get(value.expression)
        if activation is None:
            raise ValueError(
                f"it takes what {value.node.removeprefix('its ')} computes, which is none of "
                f"fastnn's activations: {PLAIN}"
            )
        dense = _dense(op, others, attributes, what)
        if dense.weight.shape[0] != value.n_out:
            raise ValueError(
                f"it takes {dense.weight.shape[0]} numbers, but the layer before it gives "
                f"{value.n_out}"
            )
        return Computed(
            value.rows, (*value.layers, dense), (*value.activations, activation), Z, what
        )

    def _with_bias(self, value: Computed, bias: Value) -> Computed:
        *before, last = value.layers
        added = _bias(bias, value.n_out, last.weight.dtype)
        if last.bias is not None:
            added = last.bias + added
        return replace(value, layers=(*before, last._replace(bias=added)))

    def _is_halfway(self, value: Computed, threshold: Value) -> bool:
        """Whether no turns to yes there: at the probability 0.5, or the logit 0."""
        expected = {"sigmoid": 0.5, "identity": 0.0}
        name = self.expressions.outputs.get(value.expression, "")
        return bool(np.size(threshold) == 1 and np.all(threshold == expected.get(name)))

    def _two_columns(
        self, computed: list[Computed], inputs: list[Value], attributes: _Attributes
    ) -> Computed:
        yes = computed[-1].expression
        no = self.expressions.op("Sub", 1.0, yes)
        if (
            len(computed) != len(inputs)
            or [c.expression for c in computed] != [no, yes]
            or self.expressions.outputs.get(yes) != "sigmoid"
            or attributes.get("axis") not in (1, -1)
            or computed[0].n_out != 1
        ):
            raise NotPlainError("joins what are not the probabilities 1 − p and p")
        return replace(computed[1], two_columns=True)

    def _of_label(self, op: str, inputs: list[Value], attributes: _Attributes) -> Label:
        if op in _TRANSPARENT and isinstance(inputs[0], Label):
            return inputs[0]
        labels, label = (*inputs, None)[:2]
        if (
            op in ("Gather", "ArrayFeatureExtractor")
            and isinstance(labels, np.ndarray)
            and isinstance(label, Label)
            and attributes.get("axis", 0) == 0
        ):
            return replace(label, class_labels=tuple(labels.ravel().tolist()))
        raise NotPlainError("does to the classes what no plain MLP does")


_TRANSPARENT = frozenset(("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"))
"""Operators that leave values what they are."""


class _Attributes:
    """The attributes of a node, read when asked for."""

    def __init__(self, onnx: Any, attributes: dict[str, Any]) -> None:
        self._onnx = onnx
        self._attributes = attributes

    def __contains__(self, name: str) -> bool:
        return name in self._attributes

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self._attributes:
            return default
        value = self._onnx.helper.get_attribute_value(self._attributes[name])
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def only(self, names: Sequence[str] | dict[str, Any]) -> dict[str, Any]:
        """Return all, if their names are among these."""
        if unknown := set(self._attributes) - set(names):
            raise NotPlainError(f"has the attribute {shortened(min(unknown))!r}")
        return {name: self.get(name) for name in self._attributes}


def _is_integers(value: Value) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == "i"


def _scalar(value: Value) -> float:
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "fi":
        shape = value.shape if isinstance(value, np.ndarray) else None
        raise NotPlainError(f"takes a constant of shape {shape}, expected one number")
    return float(value.ravel()[0])


def _folded(op: str, inputs: list[Value], attributes: _Attributes) -> Array:
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
        case "Reshape" if _is_integers(others[0]):
            return array.reshape(others[0].tolist())
        case "Squeeze" | "Unsqueeze" | "Flatten" if array.ndim <= 1:
            return array
    raise NotPlainError("computes with constants what is not expected of weights")


def _dense(op: str, others: list[Value], attributes: _Attributes, what: str) -> Dense:
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
        bias = _times(_bias(bias, weight.shape[1], weight.dtype), attributes.get("beta", 1.0))
    return Dense(what, weight, bias)


def _times(array: Array, factor: float) -> Array:
    return array if factor == 1 else (array * np.float64(factor)).astype(array.dtype)


def _bias(value: Value, n_out: int, dtype: Any) -> Array:
    """Return a bias (n_out,) that is added to rows (rows, n_out)."""
    if not isinstance(value, np.ndarray):
        raise NotPlainError("adds what is no constant")
    if value.shape not in ((), (1,), (n_out,), (1, 1), (1, n_out)) or value.dtype.kind != "f":
        raise NotPlainError(
            f"adds a constant of shape {value.shape} and dtype {value.dtype}, expected a bias of "
            f"shape ({n_out},)"
        )
    return np.broadcast_to(value.astype(dtype, copy=False).ravel(), (n_out,))


def _zip_map_labels(attributes: _Attributes) -> tuple[Any, ...]:
    strings = attributes.get("classlabels_strings", [])
    return tuple(str(v, "utf-8") for v in strings) or tuple(
        attributes.get("classlabels_int64s", [])
    )
