"""Numbers as a column, with a note where whole ones are too large for float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column

EXACT = 2.0**53
"""Below it float64 holds every whole number."""


def number_column(name: str, numbers: NDArray[np.float64], *, were_whole: bool) -> Column:
    """Return numbers (n_rows,), NaN where they are missing, as a column.

    Parameters
    ----------
    name : str
    numbers : ndarray of shape (n_rows,)
    were_whole : bool
        Whether they were integers before they were converted.
    """
    is_rounded = were_whole and bool((np.abs(numbers) >= EXACT).any())
    note = "whole numbers from 2⁵³ on are rounded" if is_rounded else None
    return Column(name, "number", numbers, note=note)
