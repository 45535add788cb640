"""Which backends computed the epochs of a fit, as its checkpoint remembers them.

Each backend, on each instruction set, rounds in its own way. A fit that goes on under another one
is as good a fit, but its bits are not those of a run that was never stopped. The Cython backend
knows its instruction set; the others leave it to libraries that choose by the processor.

A list holds, in the order in which they took part, ``{"backend": "cython", "isa": "avx512"}``, and
None for the unknown ones of a checkpoint that does not say.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.training.fit_description import AnotherFitError

if TYPE_CHECKING:
    from fastnn.backends.base import Backend

Computer = Mapping[str, str | None]


def computer(backend: Backend) -> Computer:
    """Return what a list holds of this backend."""
    return {"backend": backend.name, "isa": backend.isa or _processor_features()}


def check_computers(value: Any) -> list[Computer | None]:
    """Return a list that was read from a file, or raise ValueError if it is none."""
    if not isinstance(value, list) or not all(map(_is_computer, value)):
        raise ValueError("its computed_by does not list backends")
    return value


def compare(
    path: Path, theirs: Sequence[Computer | None], ours: Computer, *, exact: bool, stacklevel: int
) -> None:
    """Warn if some epochs in the checkpoint `path` were computed otherwise; raise if `exact`.

    Of unknown backends it is silent, unless `exact`.

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
            f"the checkpoint {path} was written under {was}, and this fit would go on under "
            f"{is_now}, whose bits differ: resume it under the backend and instruction set that it "
            "was started with, or without exact",
        )
    warnings.warn(
        f"the checkpoint {path} was written under {was}, and this fit goes on under {is_now}: its "
        "bits will differ from those of an uninterrupted run; for the same bits resume it under "
        "the backend and instruction set that it was started with",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def _processor_features() -> str | None:
    """Return the largest instruction set that NumPy found, such as ``"AVX2"``.

    It stands for what NumPy, its BLAS and LLVM choose on this processor.
    """
    found: Any = np.show_config(mode="dicts")
    simd = found.get("SIMD Extensions", {})
    names = [*simd.get("baseline", ()), *simd.get("found", ())]
    return str(names[-1]) if names else None


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
        return "a backend that it does not name"
    return f"{entry['backend']} ({entry['isa']})" if entry["isa"] else str(entry["backend"])
