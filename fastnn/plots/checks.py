"""Argument checks of all plots."""

from __future__ import annotations

from typing import Any

from fastnn.network import Network
from fastnn.validation import check_instance


def checked_network(network: Any) -> Network:
    """Return `network` if it is one, or raise a TypeError."""
    return check_instance("network", network, Network, "a fastnn.Network")


def of_checked_rows(network: Network) -> Network:
    """Return a network for rows as `fastnn.rows.checked_x` returns them.

    One that carries columns would make rows of them again.
    """
    if network.columns is None:
        return network
    twin = Network.from_model(network, backend=network._backend, copy=False)
    twin.columns = None
    return twin


def names_of_inputs(network: Network, given: Any) -> Any:
    """Return the names given for the inputs, by default those of the columns it carries."""
    if given is None and network.columns is not None:
        return network.columns.feature_names
    return given
