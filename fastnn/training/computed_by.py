"""Which backends computed the epochs of a fit, as recorded in its checkpoint.

Rounding differs between backends and instruction sets. A fit resumed with another one is
equally good, but not bit-identical to an uninterrupted run. The Cython backend
knows its instruction set; the others use libraries that select one by the processor.

The record is a list, in order of use, of ``{"backend": "cython", "isa": "avx512"}``, with
None for checkpoints without a record.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fastnn.system.processor import processor_features
from fastnn.training.fit_description import AnotherFitError

Computer = Mapping[str, str | None]


class Computes(Protocol):
    """What computes the epochs of a fit, such as a backend."""

    @property
    def name(self) -> str:
        """The name of the backend."""

    @property
    def isa(self) -> str | None:
        """The instruction set, if the backend chooses one."""


def computer(backend: Computes) -> Computer:
    """Return the list entry of this backend."""
    return {"backend": backend.name, "isa": backend.isa or processor_features()}


def check_computers(value: Any) -> list[Computer | None]:
    """Return a list read from a file, or raise ValueError if it is not valid."""
    if not isinstance(value, list) or not all(map(_is_computer, value)):
        raise ValueError("its computed_by does not list backends")
    return value


def compare(
    path: Path, theirs: Sequence[Computer | None], ours: Computer, *, exact: bool, stacklevel: int
) -> None:
    """Warn if another backend computed epochs of the checkpoint `path`; raise if `exact`.

    Unknown backends are ignored, unless `exact`.

    Raises
    ------
    AnotherFitError
        If `exact`, and not all of `theirs` are `ours`.
    """
    others = [entry for entry in theirs if entry != ours]
    if not (others if exact else any(others)):
        return
    was, is_now = ", then ".join(map(_named, theirs)), _named(ours)
    if exact:
        raise AnotherFitError(
            "backend",
            f"the checkpoint {path} was written by {was}, but this fit would continue with "
            f"{is_now}, whose results are not bit-identical: resume it with the original backend "
            "and instruction set, or without exact",
        )
    warnings.warn(
        f"the checkpoint {path} was written by {was}, but this fit continues with {is_now}: its "
        "results will not be bit-identical to an uninterrupted run, unless it is resumed with "
        "the original backend and instruction set",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def _is_computer(entry: Any) -> bool:
    if entry is None:
        return True
    return (
        isinstance(entry, dict)
        and entry.keys() == {"backend", "isa"}
        and isinstance(entry["backend"], str)
        and isinstance(entry["isa"], str | None)
    )


def _named(entry: Computer | None) -> str:
    if entry is None:
        return "an unknown backend"
    return f"{entry['backend']} ({entry['isa']})" if entry["isa"] else str(entry["backend"])
