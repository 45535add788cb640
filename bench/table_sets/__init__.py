"""Public tables that come in Python packages: mixed columns, a class or a number to predict.

A set states its size, and a loaded table is compared with it, so that results of two machines are
of the same rows. Columns that would give the answer away are left out where the set is defined,
with the reason beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from table_sets.classification import CLASSIFICATION
from table_sets.regression import REGRESSION
from table_sets.table import Set, Table

__all__ = ["SETS", "Set", "Table", "select"]

SETS: tuple[Set, ...] = tuple(
    sorted((*CLASSIFICATION, *REGRESSION), key=lambda s: (s.n_rows * s.n_columns, s.name))
)
"""All sets, those with the fewest cells first: a run that is stopped has finished the most sets."""


def select(patterns: Sequence[str], at_least: int = 0, below: float = float("inf")) -> list[Set]:
    """Return the sets that match a pattern (all without one), of so many rows.

    Raises
    ------
    SystemExit
        If a pattern matches no set.
    """
    names = [known.name for known in SETS]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise SystemExit(f"no set matches {pattern!r}; there are: {', '.join(sorted(names))}")
    return [
        known
        for known in SETS
        if at_least <= known.n_rows < below
        and (not patterns or any(fnmatch(known.name, pattern) for pattern in patterns))
    ]
