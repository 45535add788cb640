"""The columns that a network was trained on, for matching a file's columns by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastnn.validation.frames import check_frame_names, some
from fastnn.validation.parameters import parameter

NUMBERED = re.compile(r"column (\d+)")
"""What a column is called that has no name."""


class Names(Protocol):
    """What a network remembers of the names in its training rows; `TrainedOn` does."""

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Those of the columns."""

    @property
    def label_name(self) -> str | None:
        """That of the label."""


@dataclass(frozen=True)
class KnownColumns:
    """Names that a file's header is compared with.

    Parameters
    ----------
    features : tuple of str, optional
        In the order in which they are wanted. None if they had no names: then the file's columns
        are taken in its order.
    label : str, optional
        The column of labels or targets; a file of inputs may have it, and it is left out.
    """

    features: tuple[str, ...] | None = None
    label: str | None = None

    def are_in(self, cells: Sequence[str], is_number: Callable[[str], bool]) -> bool:
        """Say whether a file's first line holds these names, some of which may be numbers."""
        names = {cell.strip() for cell in cells}
        known = {*(self.features or ()), *([] if self.label is None else [self.label])}
        if any(not is_number(name) for name in names & known):
            return True
        return bool(self.features) and names >= set(self.features or ())

    def label_of(
        self, label: str | int | None, names: Sequence[str] | None, source: str
    ) -> str | int | None:
        """Return which column of a file is the label, as `read_table` takes it.

        Parameters
        ----------
        label : str, int or None
            What was asked for: False for none, of which the known label is still told apart.
        names : sequence of str or None
            The file's columns, if they have names.
        source : str
            What errors call the file.

        Raises
        ------
        ValueError
            If a label is wanted, and the file has the features' names without the label's.
        """
        if not (label is None or label is False):
            return label
        if names is None:  # the label's place is known, of which False says that it is not there
            of_place = NUMBERED.fullmatch(self.label or "") if label is None else None
            return label if of_place is None else int(of_place[1]) - 1
        if self.label in names:
            return self.label
        if label is None and self.label is not None and self.features is not None:
            raise ValueError(
                f"{source} has no column {self.label!r}, the label that the network was trained "
                f"on; its columns are {some(names)}. Name the one that holds labels: "
                f"{parameter('label', 'COLUMN')}"
            )
        return label

    def order(self, names: Sequence[str], unnamed: Sequence[bool], source: str) -> list[int]:
        """Return where in a file's features each known one is; all in their order if none is known.

        `unnamed` says which of the names stand for an empty cell of the header.

        Raises
        ------
        ValueError
            If columns are missing, unknown, or there twice; it names them.
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
                    f"{error}. A column without a name may be an index: leave it out, with pandas "
                    "by to_csv(index=False)"
                ) from None
            raise
