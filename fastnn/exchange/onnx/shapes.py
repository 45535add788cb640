"""Shapes as graphs compute them: ``Shape(x)[0]`` put before -1, for a Reshape to take.

Exporters write ``x.view(x.size(0), -1)`` in four to eight nodes. Followed are vectors and numbers
of at most `MOST_DIMENSIONS` whole numbers, of which each is known or is the number of rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.exchange.onnx.nodes import Attributes, NotPlainError, axes_of
from fastnn.exchange.onnx.tensors import MOST_DIMENSIONS

ROWS = "the number of rows"

Dim = int | str | None
"""A known one, `ROWS`, or one that nothing says."""


@dataclass(frozen=True)
class Dims:
    """A vector of dimensions, or one of them by itself."""

    values: tuple[Dim, ...]
    is_vector: bool = True

    def reshape_to(self) -> list[Any]:
        """Return what a Reshape is asked for.

        Raises
        ------
        NotPlainError
            If it is a number, or depends on what nothing says.
        """
        if not self.is_vector or None in self.values:
            raise NotPlainError("reshapes to what is known only when it runs")
        return list(self.values)


def shape_of(others: list[Any], attributes: Attributes) -> list[Any]:
    """Return the shape that a Reshape, with these inputs behind its first, asks for.

    Raises
    ------
    NotPlainError
        If it is no constant list of whole numbers and no `Dims`, or its zeros mean an array without
        elements.
    """
    value = others[0] if others else None
    if isinstance(value, Dims):
        shape = value.reshape_to()
    elif isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind == "i":
        shape = value.tolist()
    else:
        raise NotPlainError("reshapes to what is no constant shape")
    if 0 in shape and attributes.get("allowzero", 0):
        raise NotPlainError("reshapes to an array without elements")
    return shape


def shape_taken(dims: tuple[Dim, ...], attributes: Attributes) -> Dims:
    """Return what a Shape node gives for rows with these dimensions."""
    attributes.only(("start", "end"))
    return Dims(dims[slice(attributes.get("start", 0), attributes.get("end"))])


def of_dims(op: str, inputs: list[Any], attributes: Attributes) -> Dims:
    """Return what a node makes of `Dims` and constants.

    Raises
    ------
    NotPlainError
        If it is none of the operators that pick dimensions, multiply them or put them together.
    """
    first, *others = [_dims(value) for value in inputs]
    match op:
        case "Identity":
            return first
        case "Cast" if attributes.element_type("to")[0] in ("INT64", "INT32"):
            return first
        case "Gather" if first.is_vector and attributes.get("axis", 0) == 0 and len(others) == 1:
            picked = tuple(first.values[_whole(i)] for i in others[0].values)
            return Dims(picked, others[0].is_vector)
        case "Slice" if first.is_vector and 2 <= len(others) <= 4:
            numbers = [[_whole(v) for v in other.values] for other in others]
            if all(len(n) == 1 for n in numbers) and numbers[2:3] in ([], [[0]]):
                step = numbers[3][0] if numbers[3:] else 1
                return Dims(first.values[slice(numbers[0][0], numbers[1][0], step)])
        case "Unsqueeze" if not first.is_vector:
            return Dims(first.values)
        case "Squeeze" if len(first.values) == 1:
            return Dims(first.values, is_vector=False)
        case "Reshape" if len(first.values) == 1:
            shape = others[0].values if others else None
            if shape in ((-1,), (1,), ()):
                return Dims(first.values, is_vector=shape != ())
        case "Concat" if attributes.get("axis") in (0, -1):
            joined = tuple(v for dims in (first, *others) for v in dims.values)
            if all(d.is_vector for d in (first, *others)) and len(joined) <= MOST_DIMENSIONS:
                return Dims(joined)
        case "Mul" if len(others) == 1 and len(first.values) == len(others[0].values) == 1:
            product = _whole(first.values[0]) * _whole(others[0].values[0])
            return Dims((product,), first.is_vector or others[0].is_vector)
        case "ReduceProd" if first.is_vector and axes_of(others, attributes) in (None, [0], [-1]):
            product = math.prod(map(_whole, first.values))
            return Dims((product,), is_vector=bool(attributes.get("keepdims", 1)))
    raise NotPlainError("computes with a shape what does not keep rows")


def _dims(value: Any) -> Dims:
    if isinstance(value, Dims):
        return value
    is_array = isinstance(value, np.ndarray) and value.ndim <= 1 and value.dtype.kind == "i"
    if not is_array or value.size > MOST_DIMENSIONS:
        raise NotPlainError("joins a shape with what is none")
    return Dims(tuple(value.ravel().tolist()), is_vector=value.ndim == 1)


def _whole(value: Dim) -> int:
    if not isinstance(value, int) or abs(value) > 2**63:
        raise NotPlainError("computes with a dimension that is known only when it runs")
    return value


def reshaped(dims: tuple[Dim, ...], shape: list[Any]) -> tuple[Dim, ...]:
    """Return the dimensions of rows in a shape that keeps each of them whole.

    Raises
    ------
    NotPlainError
        If the shape splits or joins rows, or might.
    """
    n_rows, *widths = dims
    width = product(widths)
    if len(shape) < 2:
        raise _not_whole(shape)
    first, *others = shape
    for i, n in enumerate(others, 1):
        if n == 0:  # copied
            others[i - 1] = dims[i] if i < len(dims) else None
    same_rows = first in (0, ROWS) or (first != -1 and first == n_rows)
    if any(not isinstance(n, int) for n in others):
        raise _not_whole(shape)
    known = math.prod(n for n in others if n != -1)
    if known <= 0 or others.count(-1) > 1:
        raise _not_whole(shape)
    if -1 in others:
        # a batch traced as constant runs with no other
        same_rows |= first != -1 and n_rows in (None, ROWS) and width is not None
        if not same_rows or (width is None and known > 1) or (width or 0) % known:
            raise _not_whole(shape)
        filled = None if width is None else width // known
        return (n_rows, *(filled if n == -1 else n for n in others))
    if not (same_rows or first == -1 or known == width) or width not in (None, known):
        raise _not_whole(shape)
    return (n_rows, *others)


def product(dims: Any) -> int | None:
    """Return how many numbers there are, if all dimensions are known and there are any."""
    dims = list(dims)
    return math.prod(dims) if dims and all(isinstance(n, int) for n in dims) else None


def _not_whole(shape: list[Any]) -> NotPlainError:
    said = ", ".join(str(n) for n in shape[:4])
    return NotPlainError(f"reshapes the input to [{said}], which does not keep its rows")


def squeezed(dims: tuple[Dim, ...], axes: list[int] | None) -> tuple[Dim, ...]:
    """Return dimensions without some of one number.

    Raises
    ------
    NotPlainError
        If one of them is the rows', or of more numbers.
    """
    if axes is None:
        raise NotPlainError("squeezes all dimensions, the rows' too where there is one row")
    which = _normalized(axes, len(dims))
    if any(dims[axis] not in (1, None) for axis in which):
        raise NotPlainError("squeezes a dimension of more than one number")
    return tuple(n for axis, n in enumerate(dims) if axis not in which)


def unsqueezed(dims: tuple[Dim, ...], axes: list[int] | None) -> tuple[Dim, ...]:
    """Return dimensions with more of one number each.

    Raises
    ------
    NotPlainError
        If one of them is before the rows.
    """
    axes = axes or []
    rank = len(dims) + len(axes)
    which = _normalized(axes, rank)
    if rank > MOST_DIMENSIONS:
        raise NotPlainError(f"gives the rows {rank} dimensions")
    others = iter(dims)
    return tuple(1 if axis in which else next(others) for axis in range(rank))


def transposed(dims: tuple[Dim, ...], perm: list[int]) -> tuple[Dim, ...]:
    """Return dimensions in another order that leaves the numbers theirs.

    Raises
    ------
    NotPlainError
        If it does not.
    """
    moved = [axis for axis in perm if dims[axis] != 1 or axis == 0]
    if sorted(perm) != list(range(len(dims))) or perm[0] != 0 or moved != sorted(moved):
        raise NotPlainError("transposes the input")
    return tuple(dims[axis] for axis in perm)


def _normalized(axes: list[int], rank: int) -> set[int]:
    which = {axis + rank if axis < 0 else axis for axis in axes}
    if len(which) != len(axes) or not which <= set(range(1, rank)):
        raise NotPlainError(f"has the axes {axes[:4]}, of which one is the rows'")
    return which
