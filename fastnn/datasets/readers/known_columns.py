"""The columns that a network was trained on, for matching the columns of a file by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastnn.validation.frames import check_frame_names, some
from fastnn.validation.parameters import parameter

NUMBERED = re.compile(r"column (\d+)")
"""Names of columns without a name."""


class Names(Protocol):
    """The names of a network's training columns, such as `TrainedOn`."""

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features."""

    @property
    def label_name(self) -> str | None:
        """Name of the label."""


@dataclass(frozen=True)
class KnownColumns:
    """Names to match with the header of a file.

    Parameters
    ----------
    features : tuple of str, optional
        In the network's order. None without names: then columns are matched by position.
    label : str, optional
        The column of labels or targets; it is ignored in a file of inputs.
    """

    features: tuple[str, ...] | None = None
    label: str | None = None

    def are_in(self, cells: Sequence[str], is_number: Callable[[str], bool]) -> bool:
        """Return whether the first line of a file holds these names, which may be numbers."""
        names = {cell.strip() for cell in cells}
        known = {*(self.features or ()), *([] if self.label is None else [self.label])}
        if any(not is_number(name) for name in names & known):
            return True
        return bool(self.features) and names >= set(self.features or ())

    def label_of(
        self, label: str | int | None, names: Sequence[str] | None, source: str
    ) -> str | int | None:
        """Return the label column of a file, as for `read_table`.

        Parameters
        ----------
        label : str, int or None
            The argument of `read_table`; with False the known label is still identified.
        names : sequence of str or None
            The columns of the file, if they have names.
        source : str
            Name of the file in errors.

        Raises
        ------
        ValueError
            If a label is needed, but the file with names does not have it.
        """
        if not (label is None or label is False):
            return label
        if names is None:  # only the position of the label is known, and with False it is absent
            of_place = NUMBERED.fullmatch(self.label or "") if label is None else None
            return label if of_place is None else int(of_place[1]) - 1
        if self.label in names:
            return self.label
        if label is None and self.label is not None and self.features is not None:
            raise ValueError(
                f"{source} has no column {self.label!r}, the label that the network was trained "
                f"on; its columns are {some(names)}. Select the label column with "
                f"{parameter('label', 'COLUMN')}"
            )
        return label

    def order(self, names: Sequence[str], unnamed: Sequence[bool], source: str) -> list[int]:
        """Return the position of each known feature in a file, or all in order without names.

        `unnamed` marks columns with an empty cell in the header.

        Raises
        ------
        ValueError
            If columns are missing, unknown, or duplicated; the message names them.
        """
        if self.features is None:
            return list(range(len(names)))
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"{source} has several columns called {some(twice)}")
        try:
            return check_frame_names(names, self.features, None, source)
        except ValueError as error:
            if any(unnamed):
                raise ValueError(
                    f"{error}. A column without a name may be an index: omit it, in pandas "
                    "with to_csv(index=False)"
                ) from None
            raise
