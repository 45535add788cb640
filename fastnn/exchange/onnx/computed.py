"""What a node does behind the first layer: the next layer, an expression of z, a choice of a class.

What acts on all numbers alike becomes part of an expression, to be recognized as a whole; what acts
on each column (BatchNormalization, a PRelu or a scale of each unit) is a step of its own, behind
those that the expression before it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from fastnn.architecture import ACTIVATIONS
from fastnn.exchange.assembly import Dense
from fastnn.exchange.folding import Activation, Scaling, Step, batch_normalization, leaky
from fastnn.exchange.onnx.classes import TRANSPARENT, class_names
from fastnn.exchange.onnx.expressions import OPERATORS, WITH_ATTRIBUTES, Expressions, Z, n_operands
from fastnn.exchange.onnx.ml import linear_of, of_second_class, scaler_of
from fastnn.exchange.onnx.nodes import (
    PLAIN,
    Attributes,
    NotPlainError,
    axes_of,
    check_drops_nothing,
    dense_of,
    of_columns,
    real_dtype,
    scalar,
)
from fastnn.exchange.onnx.rows import AFFINE
from fastnn.exchange.onnx.shapes import shape_of, shape_taken
from fastnn.exchange.onnx.steps import steps_of
from fastnn.exchange.onnx.values import Computed, Label, Rows, Steps

OF_COLUMNS = (
    frozenset(
        ["Gemm", "MatMul", "LinearClassifier", "LinearRegressor", "ArgMax", "Concat", "Flatten"]
    )
    | frozenset(
        [
            "BatchNormalization",
            "LogSoftmax",
            "Normalizer",
            "ReduceSum",
            "Scaler",
            "Softmax",
            "Squeeze",
        ]
    )
    | {"ZipMap"}
)
"""Operators that need the columns of rows."""

NO_LIMIT = float(np.finfo(np.float32).max)
"""From where on exporters mean by a limit of Clip that there is none."""

NEVER = {
    "HardSwish": "is a parabola between -3 and 3",
    "Softsign": "is z divided by 1 + |z|",
    "ThresholdedRelu": "jumps at its threshold",
}
"""Activations that others have, and why no layers of fastnn's compute them."""


class Computing:
    """Makes the values of nodes that take rows or what was computed of them."""

    def __init__(self, take: Callable[[int], None]) -> None:
        self.expressions = Expressions()
        self.take = take

    # -- layers ---------------------------------------------------------------------------------

    def layer(self, value: Rows | Computed, dense: Dense, what: str) -> Computed:
        """Return what a dense layer makes of rows or of what was computed.

        Raises
        ------
        ValueError
            If it takes another number of columns, or what is before it is no activation.
        """
        self.take(sum(array.nbytes for array in dense[1:] if array is not None))
        n_in, n_out = dense.weight.shape
        if isinstance(value, Rows):
            if value.rank not in (None, 2):
                raise NotPlainError(
                    f"takes an input of {value.rank} dimensions, not flattened to rows"
                )
            if value.width not in (None, n_in):
                raise ValueError(f"it takes {n_in} numbers, but the rows have {value.width}")
            return Computed(value, Steps(dense, n_out), Z, what)
        if n_in != value.n_out:
            raise ValueError(
                f"it takes {n_in} numbers, but the layer before it gives {value.n_out}"
            )
        return Computed(value.rows, self.resolved(value).then([dense]), Z, what)

    def resolved(self, value: Computed) -> Steps:
        """Return the steps that something was computed in.

        Raises
        ------
        ValueError
            If fastnn has none that compute its expression of z.
        """
        steps = steps_of(self.expressions, value.expression, value.node)
        if steps is None or any(
            isinstance(step, Activation) and step.kind not in ACTIVATIONS for step in steps
        ):
            raise ValueError(
                f"it takes what {value.node.removeprefix('its ')} computes, which is none of "
                f"fastnn's activations: {PLAIN}"
            )
        return value.steps.then(steps)

    def behind(self, value: Computed, step: Step, what: str) -> Computed:
        """Return what a step makes of what was computed."""
        self.take(16 * value.n_out)
        return replace(value, steps=self.resolved(value).then([step]), expression=Z, node=what)

    def linear(
        self, op: str, value: Rows | Computed, attributes: Attributes, what: str
    ) -> Computed | tuple[Label, Computed]:
        """Return what a LinearRegressor or LinearClassifier computes: for that, the class too."""
        dense, names = linear_of(op, attributes, what)
        transform = attributes.get("post_transform", "NONE")
        n_out = dense.weight.shape[1]
        if op == "LinearRegressor":
            if transform != "NONE":
                raise NotPlainError(f"transforms its numbers by {transform}")
            return self.layer(value, dense, what)
        if transform == "LOGISTIC" and n_out == 2 and (second := of_second_class([dense])):
            dense, n_out = cast(Dense, second[0]), 1
        known = ("NONE", "LOGISTIC") if n_out == 1 else ("NONE", "LOGISTIC", "SOFTMAX")
        if transform not in known:
            raise NotPlainError(
                f"turns {n_out} scores to probabilities by {transform}, expected {', '.join(known)}"
            )
        z = self.layer(value, dense, what)
        rule = "threshold" if n_out == 1 and transform == "NONE" else "argmax"
        op = {"LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}.get(transform, "")
        expression = self.expressions.op(op, Z) if op else Z
        last = replace(z, expression=expression, two_columns=n_out == 1)
        return Label(last, rule, names), last

    # -- nodes ----------------------------------------------------------------------------------

    def of_computed(self, op: str, inputs: list[Any], attributes: Attributes, what: str) -> Any:
        """Return what a node makes of it: `Computed`, `Label`, `Dims`, or a pair of the first two.

        Raises
        ------
        NotPlainError
            If it is nothing that plain layers, or the end of a network, do.
        """
        first, *others = inputs
        computed = [value for value in inputs if isinstance(value, Computed)]
        value: Computed = computed[0]
        if any(o.steps is not value.steps or o.flat != value.flat for o in computed):
            raise NotPlainError("joins two branches")
        last = any(c.two_columns or c.class_labels for c in computed)
        if last and op not in (*TRANSPARENT, "ArgMax", "ZipMap", "Normalizer", "Shape"):
            raise NotPlainError("follows the probabilities")
        if value.flat and op in OF_COLUMNS:
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
                case "Shape":
                    return shape_taken(value.dims, attributes)
                case "Squeeze" if value.n_out == 1 and not last:
                    if axes_of(others, attributes) not in (None, [1], [-1]):
                        raise NotPlainError("squeezes the rows")
                    return replace(value, flat=True)
                case "Unsqueeze" if value.flat and axes_of(others, attributes) in ([1], [-1]):
                    return replace(value, flat=False)
                case "Gemm" | "MatMul":
                    return self.layer(value, dense_of(op, others, attributes, what), what)
                case "LinearRegressor" | "LinearClassifier":
                    return self.linear(op, value, attributes, what)
                case "BatchNormalization":
                    return self.behind(value, normalization_of(others, attributes, what), what)
                case "Scaler":
                    factor, shift = (
                        of_columns(v, value.n_out, rank=2) for v in scaler_of(attributes)
                    )
                    return self.behind(value, Scaling(what, factor, shift), what)
                case "PRelu" if np.size(others[0]) > 1:
                    slope = of_columns(others[0], value.n_out, rank=value.rank)
                    return self.behind(value, leaky(what, slope), what)
                case "ArgMax" if attributes.get("axis", 0) in (1, -1):
                    if attributes.get("select_last_index", 0):
                        raise NotPlainError("takes the last of equal outputs for the largest")
                    return Label(value, "argmax", value.class_labels)
                case "Greater" if self._is_halfway(value, others[0]):
                    return Label(value, "threshold")
                case "Binarizer" if self._is_halfway(value, attributes.get("threshold", 0.0)):
                    return Label(value, "threshold")
                case "ZipMap":
                    names = class_names(attributes, "classlabels_strings", "classlabels_int64s")
                    return replace(value, class_labels=names)
                case "Normalizer":
                    return self._normalized(value, attributes)
                case "Concat":
                    return self._two_columns(computed, inputs, attributes)
                case "Clip" if len(inputs) <= 3:
                    return self._clipped(value, others, attributes, what)
                case "ReduceSum" if axes_of(others, attributes) in ([1], [-1]):
                    total = {"axes": (1,), "keepdims": attributes.get("keepdims", 1)}
                    expression = self.expressions.op(op, value.expression, **total)
                    return replace(value, expression=expression, node=what)
        if op in AFFINE and len(computed) == 1 and len(inputs) == 2:
            constant = others[0] if first is value else first
            if np.size(constant) > 1 or (op == "Add" and value.expression == Z):
                return self._scaled(op, value, first is value, constant, what)
        if op in NEVER:
            raise NotPlainError(f"{NEVER[op]}, which fastnn's activations cannot compute")
        if op not in OPERATORS or len(inputs) not in n_operands(op):
            raise NotPlainError("is no step of a plain MLP")
        operands = [
            o.expression if isinstance(o, Computed) else scalar(o, value.rank) for o in inputs
        ]
        settings = attributes.only(WITH_ATTRIBUTES.get(op, {}))
        expression = self.expressions.op(op, *operands, **settings)
        return replace(value, expression=expression, node=what)

    def _scaled(
        self, op: str, value: Computed, is_first: bool, constant: Any, what: str
    ) -> Computed:
        """Return what was computed, scaled or shifted by one number or one a column."""
        v = of_columns(constant, value.n_out, rank=value.rank).astype(np.float64)
        match op, is_first:
            case "Add", _:
                step = Scaling(what, shift=v)
            case "Sub", True:
                step = Scaling(what, shift=-v)
            case "Sub", False:
                step = Scaling(what, factor=-1.0, shift=v)
            case "Mul", _:
                step = Scaling(what, factor=v)
            case "Div", True:
                step = Scaling(what, factor=1 / v)
            case _:
                raise NotPlainError("divides by what was computed")
        return self.behind(value, step, what)

    def _clipped(
        self, value: Computed, limits: list[Any], attributes: Attributes, what: str
    ) -> Computed:
        attributes.only(("min", "max"))  # once they were attributes
        given = [attributes.get(key) for key in ("min", "max")]
        for i, limit in enumerate(limits):
            given[i] = None if limit is None else scalar(limit, value.rank)
        expression = value.expression
        for op, limit in zip(("Max", "Min"), given, strict=True):
            if limit is not None and abs(limit) < NO_LIMIT:
                expression = self.expressions.op(op, expression, float(limit))
        return replace(value, expression=expression, node=what)

    def end_of(self, value: Computed) -> str:
        """Return the name of the function that comes last, identity where that is none."""
        steps = steps_of(self.expressions, value.expression, value.node)
        if steps is None:
            return "unknown"
        return steps[-1].kind if steps and isinstance(steps[-1], Activation) else "identity"

    def _is_halfway(self, value: Computed, threshold: Any) -> bool:
        """Whether no turns to yes there: at the probability 0.5, or the logit 0."""
        end = self.end_of(value)
        halfway = 0.5 if end == "sigmoid" else 0.0 if end in ACTIVATIONS else None
        fits = np.size(threshold) == 1 and np.ndim(threshold) <= value.rank
        return bool(fits and halfway is not None and np.all(threshold == halfway))

    def _normalized(self, value: Computed, attributes: Attributes) -> Computed:
        """Return probabilities that are divided by their sum of one."""
        end = self.end_of(value)
        sums_to_one = end == "softmax" or (value.two_columns and end == "sigmoid")
        if attributes.get("norm", "MAX") != "L1" or not sums_to_one:
            raise NotPlainError("divides each row by its own norm, which no layers compute")
        return value

    def _two_columns(
        self, computed: list[Computed], inputs: list[Any], attributes: Attributes
    ) -> Computed:
        yes = computed[-1].expression
        no = self.expressions.op("Sub", 1.0, yes)
        if (
            len(computed) != len(inputs)
            or [c.expression for c in computed] != [no, yes]
            or self.end_of(computed[-1]) != "sigmoid"
            or attributes.get("axis") not in (1, -1)
            or computed[0].n_out != 1
        ):
            raise NotPlainError("joins what are not the probabilities 1 − p and p")
        return replace(computed[1], two_columns=True)


def normalization_of(
    others: list[Any], attributes: Attributes, what: str, rank: int = 2
) -> Scaling:
    """Return the scaling that a BatchNormalization is of rows, with one number a channel.

    Raises
    ------
    NotPlainError
        If it learns, or its statistics are no constants of one length.
    """
    if attributes.get("training_mode", 0):
        raise NotPlainError("normalizes by the rows it is given")
    arrays = [v for v in others if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    shapes = {v.shape for v in arrays}
    if len(arrays) != 4 or len(others) != 4 or len(shapes) != 1 or arrays[0].ndim != 1:
        raise NotPlainError("normalizes by what are not four constants of one length")
    gamma, beta, mean, variance = arrays
    epsilon = attributes.get("epsilon", float(np.float32(1e-5)))
    name, factor, shift = batch_normalization(what, gamma, beta, mean, variance, epsilon)
    channels = (-1, *[1] * (rank - 2))
    return Scaling(name, factor.reshape(channels), shift.reshape(channels))
