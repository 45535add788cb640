"""Validation rows as a caller passes them: ``eval_set=(X, y)``, or ``X_val=X, y_val=y``.

The second form is for pipelines, which can transform an argument only as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fastnn.validation.values import describe


class ValidationRows(NamedTuple):
    """Unchecked rows and labels, and the name of the argument that they were passed as."""

    name: str
    x: Any
    y: Any

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Begin the message of an error with the name."""
        try:
            yield
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{self.name}: {error}") from None


def validation_rows(eval_set: Any, x_val: Any = None, y_val: Any = None) -> ValidationRows | None:
    """Return the validation rows of a fit, or None if there are none.

    Raises
    ------
    ValueError
        If they are passed in both forms, or one of X_val and y_val without the other, or if
        eval_set is not a pair.
    """
    if x_val is None and y_val is None:
        return None if eval_set is None else ValidationRows("eval_set", *_as_pair(eval_set))
    if eval_set is not None:
        raise ValueError(
            "validation rows were passed both as eval_set and as X_val and y_val: pass one of them"
        )
    if x_val is None or y_val is None:
        came, missing = ("y_val", "X_val") if x_val is None else ("X_val", "y_val")
        raise ValueError(f"X_val and y_val belong together, got {came} without {missing}")
    return ValidationRows("X_val and y_val", x_val, y_val)


def _as_pair(eval_set: Any) -> tuple[Any, Any]:
    if isinstance(eval_set, tuple | list) and len(eval_set) == 2:
        return eval_set[0], eval_set[1]
    got = describe(eval_set)
    if isinstance(eval_set, tuple | list):
        got = f"{len(eval_set)} values ({type(eval_set).__name__})"
    elif hasattr(eval_set, "shape"):
        got = f"an array of shape {eval_set.shape} ({type(eval_set).__name__})"
    raise ValueError(f"eval_set must be a tuple (X, y), got {got}")
