"""The network equivalent to a C header with int8 weights."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn.exchange.c.parameters import folded, known_columns, rounded
from fastnn.model.model import Model
from fastnn.rows.checked import checked_x

M = TypeVar("M", bound=Model)


def dequantized(network: M, x: Any = None) -> M:
    """Return the network equivalent to the C header with int8 weights.

    Evaluate it to measure the loss of accuracy: ``dequantized(net).evaluate(x, y)``.

    Parameters
    ----------
    network : Network
    x : array of shape (n_rows, n_in), optional
        The rows passed to `Network.to_c`, if any.

    Returns
    -------
    Network
        A new network in float64, where scales times integers are exact, with the same classes.

    Raises
    ------
    ValueError
        If a parameter is not finite in float32.
    """
    columns = None  # of a table they are prepared, and need no means
    if network.columns is None:
        if x is not None:
            x = checked_x(network.architecture, network.trained_on, x)
        columns = known_columns(network, x)
    exact = folded(network, rounded(network, "int8", columns))
    return type(network).from_model(exact, copy=False)
