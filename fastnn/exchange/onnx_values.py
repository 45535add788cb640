"""What a tensor of an ONNX graph may be in a plain MLP, besides a constant.

The input rows, what some dense layers and an expression of the last one's z compute, or the classes
chosen from that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.onnx_nodes import NotPlainError


@dataclass(frozen=True)
class Rows:
    """The input: its rank, number of rows, and numbers a row, so far as they are known."""

    is_bytes: bool
    rank: int | None
    n_rows: int | None
    width: int | None
    scale: Array | None = None
    """What it is multiplied by: one number (1,) or one a column (width,)."""

    def flattened(self) -> Rows:
        """Return all numbers of a row in one dimension.

        Raises
        ------
        NotPlainError
            If there are no rows.
        """
        if self.rank is not None and self.rank < 2:
            raise NotPlainError(f"flattens an input of {self.rank} dimensions")
        return replace(self, rank=2)

    def reshaped(self, shape: list[int]) -> Rows:
        """Return the rows in a shape that keeps each of them whole.

        Raises
        ------
        NotPlainError
            If the shape splits or joins rows, or might.
        """
        rows = self.flattened()
        if len(shape) == 2:
            n_rows, width = shape
            same_rows = n_rows == 0 or (n_rows > 0 and n_rows == self.n_rows)
            if width == -1 and same_rows:
                return rows
            same_rows |= n_rows == -1 or width == self.width
            if same_rows and width > 0 and self.width in (None, width):
                return replace(rows, width=width)
        raise NotPlainError(f"reshapes the input to {shape[:4]}, which does not keep its rows")

    def scaled(self, factor: Array) -> Rows:
        """Return the rows times one number or one a column.

        Raises
        ------
        NotPlainError
            If `factor` has another shape, or is of whole numbers, which would round.
        """
        n = factor.size
        of_columns = self.rank in (None, 2) and factor.shape in ((n,), (1, n))
        of_one = n == 1 and factor.ndim <= (self.rank or 2)
        known = {self.width, None if self.scale is None else self.scale.size} - {None, 1}
        if factor.dtype.kind != "f" or not (of_one or (of_columns and known <= {n} and n)):
            raise NotPlainError(
                f"scales the input by an array of shape {factor.shape} and dtype {factor.dtype}"
            )
        if not of_one and self.width == 1:
            raise NotPlainError(f"widens rows of one number to {n}")
        exact = factor.astype(np.float64).ravel()
        scale = exact if self.scale is None else self.scale * exact
        return replace(self, scale=scale) if of_one else replace(self, scale=scale, rank=2, width=n)


@dataclass(frozen=True, eq=False)
class Layers:
    """Dense layers, each with a link to those before it, so that long chains share them."""

    last: Dense
    before: Layers | None = None
    activation: str | None = None
    """What follows those before."""

    @property
    def n_out(self) -> int:
        """How many numbers the last one gives."""
        return int(self.last.weight.shape[1])

    def listed(self) -> tuple[list[Dense], list[str]]:
        """Return all from the first to the last, and the activations between them."""
        dense, activations = [self.last], []
        layers = self
        while layers.before is not None and layers.activation is not None:
            activations.append(layers.activation)
            layers = layers.before
            dense.append(layers.last)
        return dense[::-1], activations[::-1]


@dataclass(frozen=True, eq=False)
class Computed:
    """An expression of z, which the last of these layers gives; `node` computed it."""

    rows: Rows
    layers: Layers
    expression: int
    node: str
    class_labels: tuple[Any, ...] | None = None
    two_columns: bool = False
    """Of one sigmoid output p, the probabilities 1 − p and p."""
    flat: bool = False
    """Of one output, the shape (rows,) instead of (rows, 1)."""

    @property
    def n_out(self) -> int:
        """How many numbers a row has, before two columns are made of one."""
        return self.layers.n_out

    def reshaped(self, shape: list[int]) -> Computed:
        """Return it in a shape that keeps its rows.

        Raises
        ------
        NotPlainError
            If it does not.
        """
        width = 2 if self.two_columns else self.n_out
        if shape == [-1, width] or (not self.flat and shape in ([0, width], [0, -1])):
            return replace(self, flat=False)
        if width == 1 and shape == [-1]:
            return replace(self, flat=True)
        raise NotPlainError(f"reshapes to {shape[:4]}")


@dataclass(frozen=True, eq=False)
class Label:
    """The class of the largest output, or for each output whether it is past a threshold."""

    of: Computed
    rule: str
    class_labels: tuple[Any, ...] | None = None

    def cast(self, dtype: Any) -> Label:
        """Return the same classes as numbers of another dtype.

        Raises
        ------
        NotPlainError
            If they do not stay what they are.
        """
        n_classes = self.of.n_out if self.rule == "argmax" and not self.of.two_columns else 2
        labels = np.array(self.class_labels or range(n_classes))
        texts = [kind in "OUS" for kind in (labels.dtype.kind, np.dtype(dtype).kind)]
        if any(texts) and not all(texts):
            raise NotPlainError("turns classes from numbers to text, or back")
        if not all(texts) and not np.array_equal(labels.astype(dtype), labels):
            raise NotPlainError(f"casts the classes to {np.dtype(dtype)}, which changes them")
        return self
