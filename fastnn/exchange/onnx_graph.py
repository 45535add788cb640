"""Following an ONNX graph node by node, as far as it is a plain MLP.

Nothing is run. Each tensor of the graph is a constant or one of `onnx_values`; a node that leads
anywhere else is refused with its name.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.onnx_expressions import OPERATORS, WITH_ATTRIBUTES, Expressions, Z, n_operands
from fastnn.exchange.onnx_nodes import (
    PLAIN,
    Attributes,
    NotPlainError,
    bias_of,
    check_drops_nothing,
    dense_of,
    folded,
    real_dtype,
    scalar,
    shape_of,
    zip_map_labels,
)
from fastnn.exchange.onnx_tensors import MOST_DIMENSIONS, Tensors
from fastnn.exchange.onnx_values import Computed, Label, Layers, Rows
from fastnn.validation.values import shortened

Value = Any
"""Array, Rows, Computed, Label, or None for an input left out."""

OF_DOMAIN = {
    "ai.onnx.ml": frozenset(("ArrayFeatureExtractor", "Binarizer", "ZipMap")),
    "com.microsoft": frozenset(("Gelu",)),
}
"""Operators by the domain that means by them what is read here; all others are ONNX's own."""

LABEL_BYTES = 100
"""About what one class label takes."""


class Graph:
    """What each tensor of a graph is."""

    def __init__(self, onnx: Any, model: Any, tensors: Tensors) -> None:
        self._onnx = onnx
        self._tensors = tensors
        self.expressions = Expressions()
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
            return Rows(is_bytes, rank=None, n_rows=None, width=None)
        if (rank := len(tensor.shape.dim)) > MOST_DIMENSIONS:
            raise ValueError(f"its input {shortened(info.name)!r} has {rank} dimensions")
        n_rows, *widths = [dim.dim_value for dim in tensor.shape.dim] or [0]
        width = math.prod(widths) if widths and min(widths) > 0 else None
        return Rows(is_bytes, rank, n_rows if n_rows > 0 else None, width)

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
        self._set(node.output[0], value)

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
            return self._of_label(op, inputs, attributes)
        if any(isinstance(value, Rows) for value in given):
            return self._of_rows(op, inputs, attributes, what)
        return self._of_computed(op, inputs, attributes, what)

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
        if op == "Mul" and isinstance(rows, np.ndarray) and len(others) == 1:
            rows, others = others[0], [rows]
        if not isinstance(rows, Rows):
            raise NotPlainError("does to the input what no plain MLP does")
        match op:
            case "Identity":
                return rows
            case "Dropout":
                check_drops_nothing(others)
                return rows
            case "Cast":
                real_dtype(attributes)
                return rows
            case "Flatten" if attributes.get("axis", 1) == 1:
                return rows.flattened()
            case "Reshape":
                return rows.reshaped(shape_of(others, attributes))
            case "Mul" | "Div" if isinstance(others[0], np.ndarray):
                factor = others[0]
                if op == "Div" and factor.dtype.kind == "f":
                    factor = 1 / factor.astype(np.float64)
                self._tensors.take(8 * factor.size)
                return rows.scaled(factor)
            case "Gemm" | "MatMul":
                return self._first_layer(op, rows, others, attributes, what)
        raise NotPlainError("does to the input what no plain MLP does")

    def _first_layer(
        self, op: str, rows: Rows, others: list[Value], attributes: Attributes, what: str
    ) -> Computed:
        if rows.rank not in (None, 2):
            raise NotPlainError(f"takes an input of {rows.rank} dimensions, not flattened to rows")
        dense = self._dense(op, others, attributes, what)
        n_in = dense.weight.shape[0]
        if rows.width not in (None, n_in):
            raise ValueError(f"it takes {n_in} numbers, but the rows have {rows.width}")
        if rows.scale is not None and not rows.is_bytes:  # fastnn scales bytes only
            self._tensors.take(8 * dense.weight.size)
            scaled = rows.scale.reshape(-1, 1) * dense.weight
            dense = dense._replace(weight=scaled.astype(dense.weight.dtype))
        return Computed(rows, Layers(dense), Z, what)

    def _dense(self, op: str, others: list[Value], attributes: Attributes, what: str) -> Dense:
        dense = dense_of(op, others, attributes, what)
        self._tensors.take(sum(array.nbytes for array in dense[1:] if array is not None))
        return dense

    def _of_computed(
        self, op: str, inputs: list[Value], attributes: Attributes, what: str
    ) -> Value:
        first, *others = inputs
        computed = [value for value in inputs if isinstance(value, Computed)]
        value = computed[0]
        if any(o.layers is not value.layers or o.flat != value.flat for o in computed):
            raise NotPlainError("joins two branches")
        last = any(c.two_columns or c.class_labels for c in computed)
        if last and op not in (*_TRANSPARENT, "ArgMax", "ZipMap"):
            raise NotPlainError("follows the probabilities")
        if value.flat and op in _OF_COLUMNS:
            raise NotPlainError("takes one number of each row for a column")
        if first is value:
            match op:
                case "Identity":
                    return value
                case "Cast":
                    if real_dtype(attributes) not in ("float32", "float64"):
                        raise NotPlainError("rounds to half precision")
                    return value
                case "Dropout":
                    check_drops_nothing(others)
                    return value
                case "Flatten" if attributes.get("axis", 1) == 1:
                    return value
                case "Reshape":
                    return value.reshaped(shape_of(others, attributes))
                case "Squeeze" if value.n_out == 1 and not last:
                    return self._squeezed(value, others, attributes)
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
                    return replace(value, class_labels=zip_map_labels(attributes))
                case "Concat":
                    return self._two_columns(computed, inputs, attributes)
                case "Clip" if len(inputs) <= 3:
                    attributes.only(())
                    return self._clipped(value, others, what)
        if op == "Add" and value.expression == Z and len(computed) == 1 and len(inputs) == 2:
            return self._with_bias(value, others[0] if first is value else first)
        if op not in OPERATORS or len(inputs) not in n_operands(op):
            raise NotPlainError("is not part of any")
        operands = [
            o.expression if isinstance(o, Computed) else scalar(o, _rank(value)) for o in inputs
        ]
        settings = attributes.only(WITH_ATTRIBUTES.get(op, {}))
        expression = self.expressions.op(op, *operands, **settings)
        return replace(value, expression=expression, node=what)

    def _squeezed(self, value: Computed, others: list[Value], attributes: Attributes) -> Computed:
        axes = others[0] if others else attributes.get("axes")
        if axes is not None and np.asarray(axes).tolist() not in ([1], [-1]):
            raise NotPlainError("squeezes the rows")
        return replace(value, flat=True)

    def _clipped(self, value: Computed, limits: list[Value], what: str) -> Computed:
        expression = value.expression
        for op, limit in zip(("Max", "Min"), limits, strict=False):
            if limit is not None:
                expression = self.expressions.op(op, expression, scalar(limit, _rank(value)))
        return replace(value, expression=expression, node=what)

    def _next_layer(
        self, op: str, value: Computed, others: list[Value], attributes: Attributes, what: str
    ) -> Computed:
        activation = self.expressions.activations.get(value.expression)
        if activation is None:
            raise ValueError(
                f"it takes what {value.node.removeprefix('its ')} computes, which is none of "
                f"fastnn's activations: {PLAIN}"
            )
        dense = self._dense(op, others, attributes, what)
        if dense.weight.shape[0] != value.n_out:
            raise ValueError(
                f"it takes {dense.weight.shape[0]} numbers, but the layer before it gives "
                f"{value.n_out}"
            )
        return Computed(value.rows, Layers(dense, value.layers, activation), Z, what)

    def _with_bias(self, value: Computed, bias: Value) -> Computed:
        last = value.layers.last
        self._tensors.take(value.n_out * last.weight.dtype.itemsize)
        added = bias_of(bias, value.n_out, last.weight.dtype, _rank(value))
        if last.bias is not None:
            added = last.bias + added
        return replace(value, layers=replace(value.layers, last=last._replace(bias=added)))

    def _is_halfway(self, value: Computed, threshold: Value) -> bool:
        """Whether no turns to yes there: at the probability 0.5, or the logit 0."""
        expected = {"sigmoid": 0.5, "identity": 0.0}
        name = self.expressions.outputs.get(value.expression, "")
        fits = np.size(threshold) == 1 and np.ndim(threshold) <= _rank(value)
        return bool(fits and np.all(threshold == expected.get(name)))

    def _two_columns(
        self, computed: list[Computed], inputs: list[Value], attributes: Attributes
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

    def _of_label(self, op: str, inputs: list[Value], attributes: Attributes) -> Label:
        if op == "Cast" and isinstance(inputs[0], Label):
            return inputs[0].cast(attributes.element_type("to")[1])
        if op in _TRANSPARENT and isinstance(inputs[0], Label):
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
            self._tensors.take(LABEL_BYTES * names.size)
            return replace(label, class_labels=tuple(names.ravel().tolist()))
        raise NotPlainError("does to the classes what no plain MLP does")


def _rank(value: Computed) -> int:
    return 1 if value.flat else 2


_TRANSPARENT = frozenset(("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"))
"""Operators that leave values what they are."""

_OF_COLUMNS = frozenset(
    ("Gemm", "MatMul", "ArgMax", "Concat", "Flatten", "LogSoftmax", "Softmax", "Squeeze", "ZipMap")
)
"""Operators that need the columns of rows."""
