"""Predictions for Dask collections: blocks of the same kind, computed when they are asked for.

The network is one node of the graph, which every block needs: it travels to each worker once. The
graph stands for itself: it needs no client of fastnn's, and runs on any scheduler of Dask's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnn.dask.collections import is_array, is_frame, is_list
from fastnn.system.packages import imported
from fastnn.validation.values import describe

Function = Callable[[Any, Any], Any]
"""Of a network or estimator and a table (n_rows, n_in), to an array (n_rows,) or (n_rows, n)."""


def predicted(
    function: Function,
    model: Any,
    x: Any,
    *,
    n_in: int,
    dtype: Any,
    columns: Sequence[Any] | None = None,
) -> Any:
    """Return a lazy collection of predictions.

    Parameters
    ----------
    function : callable
        ``function(model, table)``, called by workers for each partition.
    model : Network or estimator
        A copy of its own, which nobody changes.
    x : dask array (n_rows, n_in), dask dataframe, or list of delayed tables
    n_in : int
        Columns of x.
    dtype : dtype
        Of the predictions.
    columns : sequence, optional
        Names of several columns; None for a single one, (n_rows,).

    Returns
    -------
    dask array, series or dataframe, or list of delayed arrays
        Of a dataframe with its index.

    Raises
    ------
    TypeError, ValueError
        If x is not such a collection, or cut along its columns.
    """
    delayed = imported("dask", "dask").delayed
    sent = delayed(_Sent(model), pure=True, traverse=False)
    if is_array(x):
        if x.ndim != 2:
            raise ValueError(f"x must have two dimensions, (n_rows, n_in), got {x!r}")
        if x.numblocks[1] > 1:
            raise ValueError(
                f"x is cut along its columns, into {x.numblocks[1]} blocks, but a prediction needs "
                "whole rows: use x.rechunk({1: -1})"
            )
        if x.shape[1] != n_in:
            raise ValueError(
                f"x has {x.shape[1]} columns, but the network takes {n_in}: x must have shape "
                f"(n_rows, {n_in})"
            )
        shape: dict[str, Any] = {"drop_axis": 1}
        if columns is not None:
            shape = {"chunks": (x.chunks[0], (len(columns),))}
        empty = np.empty((0,) * (1 if columns is None else 2), dtype)
        return x.map_blocks(_of_block, sent, function, dtype, columns, meta=empty, **shape)
    if is_frame(x):
        meta = _framed(np.empty((0,) if columns is None else (0, len(columns)), dtype),
                       x._meta.index, columns)  # fmt: skip
        return x.map_partitions(_of_frame, sent, function, dtype, columns, meta=meta)
    if is_list(x):
        call = delayed(_of_block, pure=True)
        return [call(part, sent, function, dtype, columns) for part in x]
    raise TypeError(
        f"x must be a Dask array, a Dask dataframe or a list of delayed partitions, got "
        f"{describe(x)}: data in memory are predicted by the network itself, or to_local()"
    )


class _Sent:
    """A model on its way, which Dask does not look into."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __dask_tokenize__(self) -> Any:
        import hashlib

        import cloudpickle

        return hashlib.sha256(cloudpickle.dumps(self.model)).hexdigest()


def _of_block(
    block: Any, sent: _Sent, function: Function, dtype: Any, columns: Sequence[Any] | None
) -> Any:
    """Return the predictions for a block, which may have no rows."""
    if not len(block) if isinstance(block, list) else not block.shape[0]:
        return np.empty((0,) if columns is None else (0, len(columns)), dtype)
    return np.asarray(function(sent.model, block)).astype(dtype, copy=False)


def _of_frame(
    frame: Any,
    sent: _Sent,
    function: Function,
    dtype: Any,
    columns: Sequence[Any] | None,
) -> Any:
    """Return the predictions for a frame, with its index."""
    values = _of_block(frame, sent, function, dtype, columns)
    return _framed(values, frame.index, columns)


def _framed(values: Any, index: Any, columns: Sequence[Any] | None) -> Any:
    import pandas as pd

    if columns is None:
        return pd.Series(values, index=index, name="prediction")
    return pd.DataFrame(values, index=index, columns=list(columns))
