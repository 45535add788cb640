"""Argument checks of all plots."""

from __future__ import annotations

from typing import Any

from fastnn.network import Network
from fastnn.validation import check_instance


def checked_network(network: Any) -> Network:
    """Return `network` if it is one, or raise a TypeError."""
    return check_instance("network", network, Network, "a fastnn.Network")
