"""What a tensor of an ONNX graph may be in a plain MLP, besides a constant or a shape.

The input rows, what some steps and an expression of the last one's z compute, or the classes chosen
from that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.assembly import Dense
from fastnn.exchange.folding import Scaling, Step, then
from fastnn.exchange.onnx.nodes import NotPlainError
from fastnn.exchange.onnx.shapes import ROWS, Dim, product, reshaped

UNSCALED = Scaling("the input")


@dataclass(frozen=True)
class Rows:
    """The input: its dimensions so far as they are known, and what it is scaled and shifted by."""

    is_bytes: bool
    dims: tuple[Dim, ...] | None
    """The number of rows first; None if not even how many dimensions there are is known."""
    scaling: Scaling = UNSCALED

    @property
    def rank(self) -> int | None:
        """How many dimensions, if that is known."""
        return None if self.dims is None else len(self.dims)

    @property
    def width(self) -> int | None:
        """How many numbers a row has, if that is known."""
        return None if self.dims is None else product(self.dims[1:])

    def with_rank(self) -> tuple[Dim, ...]:
        """Return the dimensions, at least two.

        Raises
        ------
        NotPlainError
            If there are no rows.
        """
        dims = (ROWS, None) if self.dims is None else self.dims
        if len(dims) < 2:
            raise NotPlainError(f"flattens an input of {len(dims)} dimensions")
        return dims

    def flattened(self) -> Rows:
        """Return all numbers of a row in one dimension."""
        return replace(self, dims=(self.with_rank()[0], self.width))

    def reshaped(self, shape: list[Any]) -> Rows:
        """Return the rows in a shape that keeps each of them whole."""
        return replace(self, dims=reshaped(self.with_rank(), shape))

    def then(
        self, name: str, take: Callable[[int], None], *, factor: Any = 1.0, shift: Any = 0.0
    ) -> Rows:
        """Return the rows scaled by one number or one a column, and shifted.

        Raises
        ------
        NotPlainError
            If that is not what an array of this shape does, or it is of whole numbers, which would
            round.
        """
        n = max(np.size(factor), np.size(shift), np.size(self.scaling.factor))
        take(40 * (self.width or n) if n > 1 else 0)
        (factor, rows), (shift, other) = self._columns(factor), self._columns(shift)
        dims, step = other if np.ndim(shift) else rows, Scaling(name, factor, shift)
        return replace(self, dims=dims, scaling=then(self.scaling, step))

    def _columns(self, value: Any) -> tuple[Array, tuple[Dim, ...] | None]:
        """Return a constant as () or (width,), and the dimensions that it makes known."""
        value = np.asarray(value)
        n = value.size
        if value.dtype.kind == "f" and n == 1 and value.ndim <= (self.rank or 2):
            return value.reshape(()).astype(np.float64), self.dims
        if value.dtype.kind == "f" and n and self.width is not None and self.rank is not None:
            shape = (1, *(n for n in self.with_rank()[1:] if isinstance(n, int)))
            padded = (1,) * (len(shape) - value.ndim) + value.shape
            fits = len(padded) == len(shape) and all(
                n in (1, m) for n, m in zip(padded, shape, strict=True)
            )
            if not fits and value.size != 1 and self.width == 1:
                raise NotPlainError(f"widens rows of one number to {n}")
            if fits:
                return np.broadcast_to(value.astype(np.float64), shape).ravel(), self.dims
        elif (
            value.dtype.kind == "f"
            and n
            and value.shape in ((n,), (1, n))
            and (self.rank in (None, 2))
        ):
            n_rows = ROWS if self.dims is None else self.dims[0]
            return value.astype(np.float64).ravel(), (n_rows, n)
        raise NotPlainError(
            f"scales or shifts the input by an array of shape {value.shape} and dtype {value.dtype}"
        )


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps, each with a link to those before it, so that long chains share them."""

    last: Step
    n_out: int
    """How many numbers the last one gives."""
    before: Steps | None = None

    def listed(self) -> list[Step]:
        """Return all from the first to the last."""
        steps, at = [self.last], self.before
        while at is not None:
            steps.append(at.last)
            at = at.before
        return steps[::-1]

    def then(self, steps: list[Step]) -> Steps:
        """Return these and more."""
        chain = self
        for step in steps:
            n_out = step.weight.shape[1] if isinstance(step, Dense) else chain.n_out
            chain = Steps(step, n_out, chain)
        return chain


@dataclass(frozen=True, eq=False)
class Computed:
    """An expression of z, which the last of these steps gives; `node` computed it."""

    rows: Rows
    steps: Steps
    expression: int
    node: str
    class_labels: tuple[Any, ...] | None = None
    two_columns: bool = False
    """Of one output p, 1 − p and p: probabilities, if it ends in a sigmoid."""
    flat: bool = False
    """Of one output, the shape (rows,) instead of (rows, 1)."""

    @property
    def n_out(self) -> int:
        """How many numbers a row has, before two columns are made of one."""
        return self.steps.n_out

    @property
    def rank(self) -> int:
        """How many dimensions it has."""
        return 1 if self.flat else 2

    @property
    def dims(self) -> tuple[Dim, ...]:
        """Its dimensions."""
        return (ROWS,) if self.flat else (ROWS, 2 if self.two_columns else self.n_out)

    def reshaped(self, shape: list[Any]) -> Computed:
        """Return it in a shape that keeps its rows.

        Raises
        ------
        NotPlainError
            If it does not.
        """
        width = 2 if self.two_columns else self.n_out
        if shape in ([-1, width], [ROWS, width]):
            return replace(self, flat=False)
        if (shape[:1] in ([0], [ROWS]) and shape[1:] in ([width], [-1])) and not self.flat:
            return self
        if width == 1 and shape in ([-1], [ROWS]):
            return replace(self, flat=True)
        said = ", ".join(map(str, shape[:4]))
        raise NotPlainError(
            f"reshapes {width} numbers a row to [{said}], which does not keep its rows"
        )


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
