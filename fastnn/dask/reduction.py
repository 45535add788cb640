"""Sums over partitions, in a fixed tree whatever workers compute them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastnn.cluster import Cluster, Shared, Task
from fastnn.dask.held import Partitions
from fastnn.dask.rounds import tree


def over(
    cluster: Cluster,
    partitions: Partitions,
    add: Callable[..., Any],
    function: Callable[..., Any],
    *shared: Shared,
    done: Callable[[Sequence[int]], None] | None = None,
) -> Any:
    """Return the sum of ``function(rows, number, *shared)`` over partitions.

    Parameters
    ----------
    cluster : Cluster
    partitions : Partitions
        Checked.
    add : callable
        Returns the sum of several results, in their order.
    function : callable
        Of the rows of a partition, its number, and the values of `shared`.
    *shared : Shared
    done : callable, optional
        As for `reduced`.
    """
    numbers = partitions.numbers
    return reduced(
        cluster,
        add,
        lambda i: partitions.node(numbers[i], function, numbers[i], *shared),
        len(numbers),
        lambda leaves: [*shared, *partitions.needs([numbers[i] for i in leaves])],
        done,
    )


def reduced(
    cluster: Cluster,
    add: Callable[..., Any],
    leaf: Callable[[int], Any],
    n_leaves: int,
    needs: Callable[[Sequence[int]], Sequence[Task | Shared]],
    done: Callable[[Sequence[int]], None] | None = None,
) -> Any:
    """Return the sum over leaves, in a fixed tree whatever workers compute it.

    Parameters
    ----------
    cluster : Cluster
    add : callable
        Returns the sum of several results, in their order.
    leaf : callable
        ``leaf(i)`` returns the node of a leaf, such as of a partition.
    n_leaves : int
    needs : callable
        ``needs(leaves)`` returns what their nodes need.
    done : callable, optional
        Called with the leaves of each group that is added.
    """
    lowest, *levels = tree(n_leaves)

    def group(leaves: Sequence[int]) -> Any:
        return cluster.call(add, *map(leaf, leaves))

    def top() -> Any:
        nodes: list[Any] = list(groups)
        for level in levels:
            nodes = [cluster.call(add, *(nodes[i] for i in which)) for which in level]
        return nodes[0]

    groups = {cluster.submit(partial(group, leaves), needs(leaves)): leaves for leaves in lowest}
    result = cluster.submit(top, list(groups)) if levels else next(iter(groups))
    if done is not None:
        for task in cluster.done(groups):
            done(groups[task])
    (found,) = cluster.results([result])
    return found
