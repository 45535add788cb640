"""A table in files, as Dask collections: what `fastnn.datasets.Table` is in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastnn.dask.collections import is_frame, partitions

PARTITIONS = 8
"""Partitions that a table is cut into if its files have fewer and it is large enough."""

SMALLEST, LARGEST = 1 << 20, 128 << 20
"""Bytes of a partition: where it pays to have another one, and what a worker should hold of one."""


class Table(NamedTuple):
    """Rows of features with one label each, in files.

    Attributes
    ----------
    name : str
        What errors call it.
    x : dask dataframe or array (n_rows, n_features)
    y : dask series or array (n_rows,) or (n_rows, n_out), or None
    feature_names : tuple of str
        From the file, or "column 1" and so on.
    label_name : str or None
    has_names : bool
        Whether the names are from the file, and distinct.
    label_reason : str or None
        Why this column was chosen as the label, if it was not given.
    notes : tuple of str
        What was left out, one sentence each.
    """

    name: str
    x: Any
    y: Any
    feature_names: tuple[str, ...]
    label_name: str | None = None
    has_names: bool = False
    label_reason: str | None = None
    notes: tuple[str, ...] = ()

    def nodes(self) -> list[Any]:
        """Return the partitions (x, y, None) as nodes of Dask graphs; each reads its file once."""
        x, y = self.x, self.y
        if is_frame(x):  # not optimized, which would read the file once for x and once for y
            x, y = (frame.to_delayed(optimize_graph=False) for frame in (x, y))
        return partitions(x, y)


def n_partitions(n_bytes: float, least: int | None) -> int:
    """Return into how many partitions to cut a table of that many bytes: of any cluster the same.

    Parameters
    ----------
    n_bytes : float
    least : int or None
        By default `PARTITIONS`, if each has `SMALLEST` bytes.
    """
    if least is None:
        least = min(PARTITIONS, int(n_bytes // SMALLEST))
    return max(1, least, -int(-n_bytes // LARGEST))
