"""``--class-weight``: how much the rows of each class count."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.cli.target import Problem
from fastnn.tabular.names import near
from fastnn.validation.frames import some

BALANCED = "balanced"


def class_weight(text: str) -> str | dict[str, float]:
    """Return the weights in ``"balanced"`` or ``"yes=2,no=1"``."""
    if text == BALANCED:
        return text
    found = {}
    for part in text.split(","):
        name, sign, number = part.rpartition("=")
        try:
            if not sign or not name:
                raise ValueError
            found[name.strip()] = validation.check_positive("it", float(number))
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be balanced, or weights above 0 such as yes=2,no=1, got {text!r}"
            ) from None
    return found


def weights_of(
    problem: Problem, asked: str | dict[str, float] | None
) -> NDArray[np.float64] | None:
    """Return the weight of each row (n_rows,), or None if all are 1.

    Balanced, that is n_rows / (n_classes · rows of its class); classes that are not named weigh 1.

    Raises
    ------
    ValueError
        If it is a regression, or there is no such class.
    """
    if asked is None:
        return None
    if problem.classes is None:
        raise ValueError(
            f"--class-weight is of a classification, and the target {problem.target.name!r} holds "
            "numbers: leave it out, or say --task classification"
        )
    y: NDArray[Any] = problem.y
    if asked == BALANCED:
        counts = np.bincount(y, minlength=problem.n_classes)
        of_class = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1.0))
        return np.asarray(of_class[y])
    assert not isinstance(asked, str)
    names = [str(label) for label in problem.classes.tolist()]
    weights = np.ones(len(names))
    for name, weight in asked.items():
        if name not in names:
            like = near(name, names)
            raise ValueError(
                f"--class-weight names {name!r}, which is not one of the classes, {some(names)}"
                + (f"; did you mean {like!r}?" if like is not None else "")
            )
        weights[names.index(name)] = weight
    return np.asarray(weights[y])
