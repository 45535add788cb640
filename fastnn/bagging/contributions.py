"""Contributions of inputs to an output: its derivative by each, times what the input differs by.

    c_i = (x_i − b_i) · ∂z_k(x) / ∂x_i,

with z_k the logit of class k or the predicted number, b the row of typical values
(`fastnn.tabular.Columns.typical_row`), and the derivative that of back-propagation, not an estimate
("gradient × input"; Shrikumar et al., 2016). A number at its median contributes nothing, nor does a
category that was not known; that a cell is missing contributes where training had such cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.ensemble import Ensemble

BLOCK = 1_024
"""Rows that are explained at a time: a trainer has room for so many."""


def contributions(
    ensemble: Ensemble,
    x: NDArray[np.float32],
    typical: NDArray[np.float32],
    outputs: NDArray[np.int64],
    sources: Sequence[int],
    n_columns: int,
) -> NDArray[np.float64]:
    """Return the contribution of each column to one output of each row, a mean over networks.

    Parameters
    ----------
    ensemble : Ensemble
    x : ndarray of shape (n_rows, n_in)
    typical : ndarray of shape (n_in,)
        b.
    outputs : ndarray of shape (n_rows,) int64
        The output that is explained, of each row.
    sources : sequence of int of length n_in
        The column that each input comes from.
    n_columns : int

    Returns
    -------
    ndarray of shape (n_rows, n_columns) float64
    """
    a = ensemble.architecture
    slopes = np.zeros(x.shape)
    for network in ensemble:
        trainer = network.trainer(max_rows=BLOCK)
        for first in range(0, len(x), BLOCK):
            rows = slice(first, first + BLOCK)
            trainer.forward(x[rows])
            delta = np.eye(a.n_out, dtype=a.dtype)[outputs[rows]]
            by_x = trainer.backward(delta, update=False, input_gradient=True)
            assert by_x is not None
            slopes[rows] += by_x
    by_input = slopes / len(ensemble) * (x - typical)
    by_column: NDArray[Any] = np.zeros((n_columns, len(x)))
    np.add.at(by_column, list(sources), by_input.T)
    return by_column.T
