"""What flags become: 1 for true, −1 for false, 0 where they are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column, Kind
from fastnn.tabular.kinds import missing_in
from fastnn.validation.values import check_flag


@dataclass(frozen=True)
class Flag:
    """A flag, as 1 and −1."""

    tag: ClassVar[str] = "flag"
    kind: ClassVar[Kind] = "flag"
    indicator: bool

    def __post_init__(self) -> None:
        check_flag("indicator", self.indicator)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return "±1"

    def outputs(self, name: str) -> list[str]:
        """Return the name of the output."""
        return [name]

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the output into zeros (n_rows, 1); return which cells are missing."""
        missing = np.asarray(np.isnan(column.values))
        out[:, 0] = 2.0 * column.values - 1.0
        out[missing, 0] = 0.0
        return missing


@dataclass(frozen=True)
class OnlyMissing:
    """A column that has one value where it has any: only whether it is missing says something."""

    tag: ClassVar[str] = "missing"
    indicator: ClassVar[bool] = True
    kind: Kind

    def __post_init__(self) -> None:
        if self.kind not in ("number", "flag", "text", "time"):
            raise ValueError(f"kind must be a kind of column, got {self.kind!r}")

    @property
    def words(self) -> str:
        """How it is encoded."""
        return "missing or not"

    def outputs(self, name: str) -> list[str]:
        """Return no names: the output is the indicator."""
        return []

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which cells are missing."""
        return missing_in(column)
