"""The columns that a network was trained on, for matching a file's columns by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastnn.validation.frames import check_frame_names, some


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

    def label_among(self, names: Sequence[str], wanted: bool, path: Path) -> str | None:
        """Return the label's name if the file has it; None if another rule has to find it.

        Raises
        ------
        ValueError
            If the labels are wanted, and the file has the features' names without the label's.
        """
        if self.label in names:
            return self.label
        if wanted and self.label is not None and self.features is not None:
            raise ValueError(
                f"{path} has no column {self.label!r}, the label that the network was trained on; "
                f"its columns are {some(names)}. Name the one that holds labels: label='COLUMN'"
            )
        return None

    def order(self, names: Sequence[str], unnamed: Sequence[bool], path: Path) -> list[int]:
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
            raise ValueError(f"{path} has several columns called {some(twice)}")
        try:
            return check_frame_names(names, self.features, None, str(path))
        except ValueError as error:
            if any(unnamed):
                raise ValueError(
                    f"{error}. A column without a name may be an index: leave it out, with pandas "
                    "by to_csv(index=False)"
                ) from None
            raise
