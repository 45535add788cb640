"""What users hand in, as partitions: Dask arrays, Dask dataframes, and lists of delayed ones.

Rows are never moved here: partition i is block i of x, with the rows of y and the sample weights
that belong to it.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from typing import Any

from fastnn.system.packages import imported
from fastnn.validation.values import describe

LARGEST_RECIPE = 1 << 20
"""Bytes of a partition's graph from which on it is taken to hold the data themselves."""


def is_array(collection: Any) -> bool:
    """Return whether it is a Dask array."""
    array = imported("dask.array", "dask")
    return isinstance(collection, array.Array)


def is_frame(collection: Any) -> bool:
    """Return whether it is a Dask dataframe, series or index."""
    if not hasattr(collection, "npartitions") or is_array(collection):
        return False
    return hasattr(collection, "to_delayed") and hasattr(collection, "divisions")


def partitions(x: Any, y: Any, sample_weight: Any = None) -> list[Any]:
    """Return the partitions as nodes of Dask graphs, each of a tuple (x, y, sample_weight).

    Parameters
    ----------
    x : dask array (n_rows, n_in), dask dataframe, or list of delayed tables
    y : dask array (n_rows,) or (n_rows, n_out), dask series or dataframe, or list of delayed arrays
    sample_weight : the same, optional

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If one is not a collection.
    ValueError
        If x is cut along its columns, or they are not cut alike.
    """
    xs = _blocks("x", x)
    parts = [xs]
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is None and name == "sample_weight":
            parts.append([None] * len(xs))
            continue
        parts.append(_blocks(name, _cut_like(x, name, other)))
        if len(parts[-1]) != len(xs):
            raise ValueError(
                f"{name} has {len(parts[-1])} partitions, x has {len(xs)}: they must be cut at the "
                "same rows"
            )
    return [_as_tuple(part) for part in zip(*parts, strict=True)]


def n_bytes(x: Any, y: Any) -> float:
    """Return how many bytes all partitions have; NaN if nobody knows yet."""
    if not (is_array(x) and is_array(y)):
        return math.nan
    return float(x.nbytes + y.nbytes)  # NaN of unknown chunks


def recipe(partition: Any) -> bytes | None:
    """Return how a partition is made, for `made`; None if its graph holds the data themselves.

    That is where they are in the client's memory, or workers hold them. The graph then holds
    futures, or only names what it needs.
    """
    import cloudpickle
    from distributed import futures_of

    graph = dict(partition.__dask_graph__())
    if futures_of(partition) or any(
        not getattr(node, "dependencies", graph.keys()) <= graph.keys() for node in graph.values()
    ):
        return None
    data: bytes = cloudpickle.dumps((graph, partition.key))
    return data if len(data) <= LARGEST_RECIPE else None


def made(recipe: bytes) -> Any:
    """Return the partition that a recipe makes, computed by this thread alone."""
    from dask.local import get_sync

    graph, key = pickle.loads(recipe)
    return get_sync(graph, key)


def _as_tuple(parts: Sequence[Any]) -> Any:
    """Return the node of a tuple of nodes, of a graph without those of other partitions."""
    from dask.delayed import Delayed, delayed

    node = delayed(tuple, pure=False)(list(parts))
    graph = node.__dask_graph__()
    if hasattr(graph, "cull"):
        graph = graph.cull({node.key})
    return Delayed(node.key, dict(graph))


def is_list(collection: Any) -> bool:
    """Return whether it is a list of delayed partitions, or of futures."""
    if not isinstance(collection, list | tuple) or not collection:
        return False
    return all(hasattr(part, "__dask_graph__") or _is_future(part) for part in collection)


def _is_future(part: Any) -> bool:
    return isinstance(part, imported("distributed", "dask").Future)


def _blocks(name: str, collection: Any) -> list[Any]:
    """Return the partitions of one collection, as nodes or futures."""
    if is_array(collection):
        if collection.ndim not in (1, 2):
            raise ValueError(
                f"{name} must have one or two dimensions, got {collection.ndim}: {collection!r}"
            )
        if name == "x" and collection.ndim != 2:
            raise ValueError(f"x must have two dimensions, (n_rows, n_in), got {collection!r}")
        if collection.ndim == 2 and collection.numblocks[1] > 1:
            raise ValueError(
                f"{name} is cut along its columns, into {collection.numblocks[1]} blocks, but a "
                f"partition needs whole rows: use {name}.rechunk({{1: -1}})"
            )
        return list(collection.to_delayed().reshape(-1))
    if is_frame(collection):
        # optimized one by one, x and y of one table would be read twice, and perhaps cut otherwise
        return list(collection.to_delayed(optimize_graph=False))
    if is_list(collection):
        delayed = imported("dask", "dask").delayed
        return [delayed(part) if _is_future(part) else part for part in collection]
    raise TypeError(
        f"{name} must be a Dask array, a Dask dataframe or a list of delayed partitions, got "
        f"{describe(collection)}: see dask.array.from_array and dask.dataframe.from_pandas; data "
        "in memory are trained on without Dask, by fastnn.Network.fit or fastnn.sklearn"
    )


def _cut_like(x: Any, name: str, other: Any) -> Any:
    """Return an array cut at the rows of x."""
    if not (is_array(x) and is_array(other)):
        _check_divisions(x, name, other)
        return other
    ours, theirs = x.chunks[0], other.chunks[0]
    if ours == theirs or (_unknown(ours) and _unknown(theirs) and len(ours) == len(theirs)):
        return other  # where sizes are unknown, workers compare the rows of each partition
    if _unknown(ours) or _unknown(theirs):
        which = "x" if _unknown(ours) else name
        raise ValueError(
            f"the chunks of {which} along its rows are unknown, so that x and {name} cannot be cut "
            f"at the same rows: use {which}.compute_chunk_sizes() first"
        )
    if sum(ours) != sum(theirs):
        raise ValueError(f"x has {sum(ours)} rows, but {name} {sum(theirs)}")
    return other.rechunk({0: ours})


def _check_divisions(x: Any, name: str, other: Any) -> None:
    """Check that frames whose cuts are known are cut at the same rows."""
    if not (is_frame(x) and is_frame(other) and x.known_divisions and other.known_divisions):
        return
    if x.divisions != other.divisions:
        raise ValueError(
            f"x and {name} are frames cut at different rows: use "
            f"{name} = {name}.repartition(divisions=x.divisions)"
        )


def _unknown(chunks: Sequence[float]) -> bool:
    return any(math.isnan(size) for size in chunks)
