"""What is said of the columns that ``fastnn train`` standardizes."""

from __future__ import annotations

import argparse
import warnings

import numpy as np

from fastnn.cli import options as words
from fastnn.datasets import Dataset
from fastnn.model.standardization import LEAST_STEPS, Standardization
from fastnn.validation.frames import some


def check_spread(data: Dataset, inputs: Standardization | None, targets: Standardization) -> None:
    """Check that the squares of the columns' values do not overflow."""
    columns = [] if inputs is None else zip(inputs.deviation, column_names(data), strict=True)
    for deviation, name in (
        *((deviation, f"column {name!r}") for deviation, name in columns),
        *((deviation, "the targets") for deviation in targets.deviation),
    ):
        if not np.isfinite(deviation):
            raise ValueError(
                f"the values of {name} in {data.name} are too large to be standardized, above "
                "1e150: scale them down"
            )


def column_names(data: Dataset) -> list[str]:
    """Return the names of the columns, or their numbers from 1."""
    named = data.feature_names or range(1, data.train.x.shape[1] + 1)
    return list(map(str, named))


def name_left_out(
    options: argparse.Namespace, data: Dataset, inputs: Standardization, same: set[int]
) -> None:
    """Report the columns that the network does not use, since they are constant, `same` exactly."""
    names = column_names(data)
    left_out = np.flatnonzero(~inputs.varies).tolist()
    if same:
        shown = some([names[i] for i in sorted(same)])
        words.note(f"unused columns, constant in all training rows: {shown}", options)
    if len(same) < len(left_out):
        shown = some([names[i] for i in left_out if i not in same])
        warnings.warn(
            f"unused columns, since they vary by less than {LEAST_STEPS:g} steps of "
            f"float64: {shown}. Subtract a constant from them before converting them to "
            "floats",
            UserWarning,
            stacklevel=2,
        )
