"""A column of a training table: how it is read, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column, Kind


class Encoding(Protocol):
    """What a column becomes: learned from training rows, the same for all later ones."""

    tag: ClassVar[str]

    @property
    def kind(self) -> Kind:
        """The kind of column it takes."""

    @property
    def indicator(self) -> bool:
        """Whether a further output says where cells are missing."""

    @property
    def words(self) -> str:
        """How it is encoded."""

    def outputs(self, name: str) -> list[str]:
        """Return the names of the outputs, but that of the indicator."""

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the outputs into zeros; return which cells are missing."""


@dataclass(frozen=True)
class ReadColumn:
    """A column of the training table: how it is read, and what it becomes.

    Attributes
    ----------
    name : str
    read_as : {"number", "flag", "category", "ordered", "text", "time"}
    encoding : Encoding or None
        None for a column that is left out; `note` then says why.
    had_missing : bool
        Whether cells were missing in training.
    note : str or None
        What was guessed.
    other_share : float, default 0.0
        Of the categories that are not missing, how many were "any other" in training.
    notation : str, optional
        Of the training file, as `Column.notation`.
    has_zone : bool, optional
        Of times, as `Column.has_zone`.
    """

    name: str
    read_as: str
    encoding: Encoding | None
    had_missing: bool = False
    note: str | None = None
    other_share: float = 0.0
    notation: str | None = None
    has_zone: bool | None = None

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs; none if the column is left out."""
        if self.encoding is None:
            return ()
        missing = [f"{self.name} is missing"] if self.encoding.indicator else []
        return (*self.encoding.outputs(self.name), *missing)
