"""What eight bits cost: the network that a C header with weights in int8 computes."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn.exchange.c.parameters import folded, known_columns, rounded
from fastnn.model.model import Model
from fastnn.rows.checked import checked_x

M = TypeVar("M", bound=Model)


def dequantized(self) -> NDArray[np.float64]:
    """Return ``scale * integers`` (n_in, n_out), exact in float64."""
    return self.integers.astype(np.float64) * self.scale


def in_float32(what: str, values: Array) -> NDArray[np.float32]:
    """Return numbers in float32; `what` is what the error calls them.

    Raises
    ------
    ValueError
        If one of them is not finite there.
    """
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = values.astype(np.float32)
    if not np.isfinite(rounded).all():
        bad = values[~np.isfinite(rounded)][0]
        raise ValueError(
            f"{what} holds {bad:g}, and the numbers in a C header are finite float32 ones (up to "
            "3.4e38): train the network anew, or scale its inputs down"
        )
    return rounded


def quantize(weight: Array) -> QuantizedWeight:
    """Return float weights (n_in, n_out) in eight bits."""
    exact = weight.astype(np.float64)
    scale = (np.abs(exact).max(axis=0) / LARGEST).astype(np.float32)
    divisor = np.where(scale > 0, scale, np.inf).astype(np.float64)
    # a scale that is subnormal is rounded coarsely, so that the quotient may pass 127
    integers = np.clip(np.rint(exact / divisor), -LARGEST, LARGEST).astype(np.int8)
    return QuantizedWeight(integers, scale)


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
    return type(network).from_model(exact)
