"""`predict`, `predict_proba` and `evaluate` of a network, for Dask collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.backends import wanted
from fastnn.cluster import Cluster
from fastnn.dask.collections import partitions
from fastnn.dask.network import checked_network
from fastnn.dask.partitions import NetworkChecks
from fastnn.dask.prediction import predicted
from fastnn.dask.reduction import reduced
from fastnn.dask.rounds import Plan, State, add_totals, measure_raw
from fastnn.model.evaluation import Totals
from fastnn.network import Network


def predict(network: Network, x: Any) -> Any:
    """Return predictions as a lazy collection, as `Network.predict` makes them.

    Parameters
    ----------
    network : Network
        Copied as it is now.
    x : dask array (n_rows, n_in), dask dataframe, or list of delayed tables

    Returns
    -------
    dask array, series or dataframe, or list of delayed arrays
        Of the kind of x: (n_rows,), or (n_rows, n_out) for several outputs.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError, ValueError
        If x is not such a collection, or cut along its columns; and, when it is computed, if its
        rows are invalid.
    """
    network = _copied(network)
    a, labels = network.architecture, network.class_labels
    dtype: Any = a.dtype
    if a.classifies:
        dtype = np.int64 if labels is None else np.asarray(labels).dtype
    single = a.output == "softmax" or a.n_out == 1
    return predicted(
        Network.predict,
        network,
        x,
        n_in=width_of(network),
        dtype=dtype,
        columns=None if single else range(a.n_out),
    )


def predict_proba(network: Network, x: Any) -> Any:
    """Return probabilities (n_rows, n_out) as a lazy collection; see `predict`.

    Columns of a dataframe are named by the classes.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `predict`, and if the outputs of the network are not probabilities.
    """
    network = _copied(network)
    a = network.architecture
    if not a.classifies:
        raise ValueError(
            f"the output {a.output!r} does not give probabilities; use fastnn.dask.predict"
        )
    columns: Sequence[Any] = range(a.n_out)
    if a.output == "softmax" and network.class_labels is not None:
        columns = network.class_labels
    n_in = width_of(network)
    return predicted(Network.predict_proba, network, x, n_in=n_in, dtype=a.dtype, columns=columns)


def evaluate(
    network: Network,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    client: Any = None,
) -> dict[str, float]:
    """Evaluate a network on rows that lie on a cluster, as `Network.evaluate` does.

    Parameters
    ----------
    network : Network
    x, y, sample_weight
        As for `fit`.
    client : distributed.Client, optional
        By default the current one.

    Returns
    -------
    dict
        As of `Network.evaluate`.

    Raises
    ------
    ImportError, TypeError, ValueError, LostError, TaskError, RuntimeError
        As `fit`.
    """
    a, backend = checked_network(network).architecture, wanted(network._backend)
    nodes = partitions(x, y, sample_weight)
    with Cluster(client, backend=backend) as cluster:
        checks = cluster.share(NetworkChecks(a, network.class_labels, network.trained_on))
        plan = cluster.share(Plan.of_measuring(a, cluster.computing.backend))
        no_slots = np.empty((0, a.n_slots), a.dtype)
        state = cluster.share(State(network.parameters.copy(), no_slots, 0, 0, 0))
        totals: Totals | None = reduced(
            cluster,
            add_totals,
            lambda i: cluster.call(measure_raw, nodes[i], i, checks, state, plan),
            len(nodes),
            lambda leaves: [checks, state, plan],
        )
    return checked_totals(totals, len(nodes)).measures(a)


def checked_totals(totals: Totals | None, n_partitions: int) -> Totals:
    """Return the totals of rows that have some weight, or raise ValueError."""
    if totals is None:
        raise ValueError(f"x has no rows: all of its {n_partitions} partitions are empty")
    if not totals.weight:
        raise ValueError("sample_weight is zero for every row: at least one must be positive")
    return totals


def width_of(network: Network) -> int:
    """Return how many columns x has: those of the table where the network carries columns."""
    return network.architecture.n_in if network.columns is None else len(network.columns.table)


def _copied(network: Any) -> Network:
    """Return a network with a copy of what predicts."""
    checked = checked_network(network)
    copy = Network.from_model(checked.blank(), backend=checked._backend, copy=False)
    copy.parameters = checked.parameters
    copy.chooses_scale = checked.chooses_scale
    return copy
