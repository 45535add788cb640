"""What eight bits cost: the network that a C header with weights in int8 computes."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn.exchange.c.parameters import folded, known_columns, rounded
from fastnn.model.model import Model
from fastnn.rows.checked import checked_x

M = TypeVar("M", bound=Model)


def dequantized(network: M, x: Any = None) -> M:
    """Return the network that a C header of one with weights in eight bits computes.

    Measure it to see what eight bits cost: ``dequantized(net).evaluate(x, y)``.

    Parameters
    ----------
    network : Network
    x : array of shape (n_rows, n_in), optional
        The rows that `Network.to_c` was given, if it was.

    Returns
    -------
    Network
        A new one in float64, where scales times whole numbers are exact, with the same classes.

    Raises
    ------
    ValueError
        If a parameter is not finite in float32.
    """
    if x is not None:
        x = checked_x(network.architecture, network.trained_on, x)
    exact = folded(network, rounded(network, "int8", known_columns(network, x)))
    return type(network).from_model(exact, copy=False)
