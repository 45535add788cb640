"""The parameters in a C header, in a form that loses little precision in float.

A first layer that takes the raw columns of a table needs float64. In float, a column far
from zero has too few digits for its variation, and with int8 weights the single scale of a unit is
unsuitable for columns of very different scales. The header then computes the same first layer as

    z = x @ W + b = ((x − m) ∘ f) @ V + c,    V = W / f (row by row),    c = b + m @ W

with V and c from float64. m (n_in,) is each column's mean in float32, so that ``x − m`` is exact
for x within a factor of two of it (Sterbenz), and f (n_in,)

    float32 weights   1 / deviation: V is the layer of the standardized columns
    int8 weights      f_i = max_j |W_ij|: the largest of each row of V is 1, so that one scale per
                      unit suits inputs of all scales

Means and deviations are from `Network.trained_on`, or are measured on rows. A column that varies by
less than one step of float at its mean cannot be represented in float: f_i is 0, and
the column counts as its mean.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.subnormals import flushed
from fastnn.exchange.c.eight_bits import QuantizedWeight, in_float32, quantize
from fastnn.model.model import Model
from fastnn.model.standardization import Standardization
from fastnn.rows.trained_on import takes_bytes
from fastnn.validation.frames import some

FAR = 8.0
"""Ratio of a measured mean to its deviation from which it is subtracted, saving three bits."""

UNEQUAL = 8.0
"""Of the largest weight of one input to that of another: from there on, in eight bits, three of the
seven bits of the other would be lost, and each input has a factor of its own."""


class Inputs(NamedTuple):
    """The transformation of inputs before the first layer: ``(x − mean) * factor``, in float.

    Attributes
    ----------
    mean : ndarray of shape (n_in,) float32, or None
        None if nothing is subtracted.
    factor : ndarray of shape (n_in,) float32
    left_out : tuple of int
        The columns whose variation float cannot represent; their factor is 0.
    """

    mean: NDArray[np.float32] | None
    factor: NDArray[np.float32]
    left_out: tuple[int, ...] = ()

    def apply(self, x: NDArray[Any], input_scale: float) -> NDArray[np.float32]:
        """Return the first layer's inputs for rows (n_rows, n_in) in float or bytes, as in C."""
        rows = x.astype(np.float32)
        if x.dtype == np.uint8:
            rows *= np.float32(input_scale)
        if self.mean is not None:
            rows -= self.mean
        rows *= self.factor
        return rows


class Parameters(NamedTuple):
    """All parameters of a header, layer by layer.

    Attributes
    ----------
    inputs : Inputs or None
        None if the first layer takes raw rows.
    weights : tuple of ndarray (n_in, n_out) float32, or QuantizedWeight
    biases : tuple of ndarray (n_out,) float32, or None
    """

    inputs: Inputs | None
    weights: tuple[NDArray[np.float32] | QuantizedWeight, ...]
    biases: tuple[NDArray[np.float32] | None, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of constants in the compiled program, without labels and the scale of bytes."""
        arrays: list[Any] = [bias for bias in self.biases if bias is not None]
        for weight in self.weights:
            arrays += weight if isinstance(weight, QuantizedWeight) else [weight]
        if self.inputs is not None:
            arrays += [part for part in self.inputs[:2] if part is not None]
        return sum(array.nbytes for array in arrays)


def known_columns(network: Model, x: Any = None) -> Standardization | None:
    """Return the known means and deviations of the columns.

    Parameters
    ----------
    network : Model
    x : ndarray or CSR matrix of shape (n_rows, n_in), optional
        Checked rows. If the network has no means and deviations of its training rows, they are
        measured on these, and used if a column is far from zero.

    Returns
    -------
    Standardization or None
        None if it is not needed, or the network has no biases to absorb the means.
    """
    trained_on = network.trained_on
    if not network.architecture.bias:
        return None
    if trained_on is not None and trained_on.mean and trained_on.deviation:
        used = (network.weights[0] != 0).any(axis=1)
        return Standardization(np.array(trained_on.mean), np.array(trained_on.deviation), used)
    if not isinstance(x, np.ndarray) or x.dtype == np.uint8 or not len(x):
        return None
    measured = Standardization.of(x)
    spread = np.where(measured.varies, measured.deviation, 0)
    return measured if (np.abs(measured.mean) > FAR * spread).any() else None


def column_name(network: Model, i: int) -> str:
    """Return the name of column i, or its number, counted from 1."""
    names = network.trained_on and network.trained_on.feature_names
    return names[i] if names else f"column {i + 1}"


def rounded(network: Model, weights: str, columns: Standardization | None) -> Parameters:
    """Return the parameters of a header for a network; those subnormal in float32 are zero.

    Parameters
    ----------
    network : Model
    weights : {"float32", "int8"}
    columns : Standardization or None
        The result of `known_columns`.

    Raises
    ------
    ValueError
        If a number is not finite in float32.
    """
    first, bias = network.weights[0].astype(np.float64), network.biases[0]
    inputs = _inputs(network, weights, columns)
    if inputs is not None:
        if inputs.mean is not None and bias is not None and columns is not None:
            mean = inputs.mean.astype(np.float64)
            left_out = list(inputs.left_out)
            mean[left_out] = columns.mean[left_out]
            bias = bias + mean @ first
        factor = inputs.factor.astype(np.float64)[:, None]
        first = np.divide(first, factor, where=factor > 0, out=np.zeros_like(first))
    stored: list[NDArray[np.float32] | QuantizedWeight] = []
    for i, weight in enumerate([first, *network.weights[1:]], 1):
        weight = in_float32(f"the weights of layer {i}", weight)
        stored.append(quantize(weight) if weights == "int8" else flushed(weight))
    biases = [
        None if bias is None else flushed(in_float32(f"the biases of layer {i}", bias))
        for i, bias in enumerate([bias, *network.biases[1:]], 1)
    ]
    return Parameters(inputs, tuple(stored), tuple(biases))


def folded(network: Model, parameters: Parameters) -> Model:
    """Return the equivalent network that takes raw rows.

    It is in float64, where folding, and scales times integers, lose no precision of float.
    """
    result = network.blank(dtype="float64")
    inputs = parameters.inputs
    for i, (weight, stored) in enumerate(zip(result.weights, parameters.weights, strict=True)):
        weight[...] = stored.dequantized() if isinstance(stored, QuantizedWeight) else stored
        if i == 0 and inputs is not None:
            weight *= inputs.factor.astype(np.float64)[:, None]
    for i, (bias, constant) in enumerate(zip(result.biases, parameters.biases, strict=True)):
        if bias is not None and constant is not None:
            bias[...] = constant
            if i == 0 and inputs is not None and inputs.mean is not None:
                bias -= inputs.mean.astype(np.float64) @ result.weights[0]
    return result


def inner(network: Model, parameters: Parameters) -> Model:
    """Return the equivalent float32 network that takes the result of `Inputs.apply`."""
    result = network.blank(dtype="float32")
    result.trained_on = None  # its rows are others
    for weight, stored in zip(result.weights, parameters.weights, strict=True):
        weight[...] = stored.dequantized() if isinstance(stored, QuantizedWeight) else stored
    for bias, constant in zip(result.biases, parameters.biases, strict=True):
        if bias is not None:
            bias[...] = constant
    return result


def warn_of_left_out(network: Model, parameters: Parameters, what: str) -> None:
    """Warn if an export, such as `what` "C header", leaves out columns."""
    left_out = () if parameters.inputs is None else parameters.inputs.left_out
    if left_out:
        names = some([column_name(network, i) for i in left_out])
        warnings.warn(
            f"the {what} leaves out {names}: the numbers vary by less than float can tell at "
            "their mean. Subtract a constant from them before they become float, and train the "
            "network anew",
            UserWarning,
            stacklevel=4,
        )


def _inputs(network: Model, weights: str, columns: Standardization | None) -> Inputs | None:
    eight_bits = weights == "int8"
    largest = np.abs(network.weights[0]).max(axis=1)
    if eight_bits:
        largest = in_float32("the weights of layer 1", largest)
    if columns is None:
        return Inputs(None, largest) if eight_bits and _unequal(network, largest) else None
    mean = in_float32("the means of the columns", columns.mean)
    deviation = in_float32("the deviations of the columns", columns.deviation)
    step = np.maximum(np.spacing(np.abs(mean)), np.finfo(np.float32).tiny)
    left_out = columns.varies & (columns.deviation < step)
    factor = largest if eight_bits else 1 / np.where(columns.varies & ~left_out, deviation, 1)
    return Inputs(mean, np.where(left_out, 0, factor), tuple(np.flatnonzero(left_out).tolist()))


def _unequal(network: Model, largest: NDArray[np.float32]) -> bool:
    """Return whether one scale in int8 would lose too much precision of some input's weights."""
    trained_on, used = network.trained_on, largest[largest > 0]
    if trained_on is not None and takes_bytes(trained_on.inputs, network.architecture.input_scale):
        return False  # bytes are all of one size
    return bool(used.size and used.max() > UNEQUAL * used.min())
