"""What text of few values becomes.

    one-hot        an output of 0 and 1 for each frequent value, one for all others together
    two values     one output: 1 the first, −1 the second
    thermometer    of ordered categories c₀ < c₁ < …: 1 where the value is at least cₖ, else −1

The thermometer keeps the order and gives each step a weight of its own, where a rank would make all
steps equal, and one-hot outputs would lose the order. Where a value is missing, or is not one of
training's and there is no output for all others, every output is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column, Kind
from fastnn.tabular.kinds import factorized
from fastnn.validation.values import check_count, check_flag, describe


@dataclass(frozen=True)
class OneHot:
    """Categories, each an output of its own."""

    tag: ClassVar[str] = "one-hot"
    kind: ClassVar[Kind] = "text"
    values: tuple[str, ...]
    has_other: bool
    indicator: bool

    def __post_init__(self) -> None:
        _check_values(self.values, 1)
        check_flag("has_other", self.has_other)
        check_flag("indicator", self.indicator)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return "one-hot, rare ones together" if self.has_other else "one-hot"

    def outputs(self, name: str) -> list[str]:
        """Return the names of the outputs."""
        other = [f"{name}: any other"] if self.has_other else []
        return [f"{name} = {value}" for value in self.values] + other

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the outputs into zeros (n_rows, n_out); return which cells are missing."""
        codes, texts = factorized(column.values)
        place = _places(texts, self.values, len(self.values) if self.has_other else -1)[codes]
        rows = np.flatnonzero(place >= 0)
        out[rows, place[rows]] = 1.0
        return codes < 0


@dataclass(frozen=True)
class TwoValues:
    """One of two values, as 1 and −1."""

    tag: ClassVar[str] = "two values"
    kind: ClassVar[Kind] = "text"
    indicator: ClassVar[bool] = False
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_values(self.values, 2, 2)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return "±1"

    def outputs(self, name: str) -> list[str]:
        """Return the name of the output."""
        return [f"{name} = {self.values[0]}"]

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the output into zeros (n_rows, 1); return which cells are missing."""
        codes, texts = factorized(column.values)
        out[:, 0] = np.array([1.0, -1.0, 0.0], np.float32)[_places(texts, self.values, -1)[codes]]
        return codes < 0


@dataclass(frozen=True)
class Ordered:
    """Ordered categories as a thermometer; `steps` are the numbers of those that are outputs."""

    tag: ClassVar[str] = "ordered"
    kind: ClassVar[Kind] = "text"
    values: tuple[str, ...]
    steps: tuple[int, ...]
    indicator: bool

    def __post_init__(self) -> None:
        _check_values(self.values, 2)
        for step in self.steps:
            check_count("steps", step)
        if list(self.steps) != sorted({*self.steps}) or not self.steps:
            raise ValueError("steps must ascend, and be at least one")
        if self.steps[-1] >= len(self.values):
            raise ValueError(f"steps must be below {len(self.values)}, got {self.steps[-1]}")
        check_flag("indicator", self.indicator)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return "thermometer"

    def outputs(self, name: str) -> list[str]:
        """Return the names of the outputs."""
        return [f"{name} ≥ {self.values[step]}" for step in self.steps]

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the outputs into zeros (n_rows, n_steps); return which cells are missing."""
        codes, texts = factorized(column.values)
        rank = _places(texts, self.values, -1)
        table = np.where(rank[:, None] >= np.array(self.steps), 1.0, -1.0)
        table[rank < 0] = 0.0
        out[...] = table[codes]
        return codes < 0


def _places(texts: Sequence[str], values: Sequence[str], other: int) -> NDArray[np.int64]:
    """Return the place of each text among the values, or `other`; and behind them -1.

    Indexed with the code -1 of a missing cell, it is the last: -1.
    """
    place = {value: i for i, value in enumerate(values)}
    return np.array([*(place.get(text, other) for text in texts), -1], np.int64)


def _check_values(values: tuple[Any, ...], least: int, most: int | None = None) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"values must be text, got {describe(value)}")
    if len(set(values)) != len(values):
        raise ValueError("values must be distinct")
    if len(values) < least or len(values) > (most or len(values)):
        raise ValueError(f"values must be at least {least}, got {len(values)}")
