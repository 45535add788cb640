"""From a float network and calibration rows to a network in integers.

The rows give the range of each input column and of each layer's activations. A range of ±r becomes
int16, one unit standing for s = `MARGIN` r / levels, so that values up to `MARGIN` times as large
as any in calibration are represented, and larger ones are bounded. That margin costs one of 15
bits, which is why activations are not int8. Weights take the scale of their inputs,
V_ij = s_i W_ij, and are quantized column by column:

    t_j = max_i |V_ij| / 127,    w_ij = V_ij / t_j rounded,    bias_j = b_j / t_j rounded

where t_j is larger if the bias needs it, so that |bias_j| ≤ `LARGEST_BIAS`. ``sum_j`` then stands
for ``t_j sum_j``. To b_j is added what rounding the weights takes from the mean of the sum,
Σ_i mean_i (V_ij − t_j w_ij), with the means of the calibration rows: the inputs of a layer are
often of one sign, so that the errors of its weights do not cancel (bias correction, Nagel et al.,
"Data-free quantization through weight equalization and bias correction", 2019).

The number of levels of the inputs of a layer is chosen so that

    levels · max_j Σ_i |w_ij|  ≤  `LARGEST_PRODUCTS`

whence no sum, nor a part of one, leaves int32: `LARGEST_BIAS`, `LARGEST_PRODUCTS` and what one
more level (−32,768) adds are below 2^31 together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.backends import get_backend
from fastnn.exchange.c.eight_bits import LARGEST, in_float32
from fastnn.exchange.c.integers.network import (
    CURVE_OFFSET,
    LEAKY_DIVISOR,
    LEVELS,
    FloatInputs,
    IntegerLayer,
    IntegerNetwork,
    blocks,
)
from fastnn.model.model import Model
from fastnn.validation.sparse import rows_of_csr

MARGIN = 2.0
"""Largest value represented, relative to the largest in the calibration rows."""

LARGEST_BIAS = 2**29
LARGEST_PRODUCTS = 2**30 - 1

LARGEST_OUTPUT = 2**30
OUTPUT_BITS = 20
"""The largest output in calibration takes so many bits; ten more are left for larger ones."""

LARGEST_RATIO = 2.0**22
"""From a larger multiplier on, a sum of 1 exceeds every limit of hidden activations as well."""

FEWEST_LEVELS = 127
"""Fewer than int8 has would be too coarse."""

FLAT = {"sigmoid": 12.0, "tanh": 6.0}
"""|z| from which on the function differs from its limit by less than half a unit of int16."""

LOGITS = ("softmax", "sigmoid", "exp", "identity")
"""Outputs of which the header gives z, before the function."""


class Ranges(NamedTuple):
    """What calibration rows give.

    Attributes
    ----------
    lowest, highest : ndarray of shape (n_in,) float32
        Of each input column; for bytes they are not used.
    z, h : list of float
        The largest magnitude of each layer's z and activations.
    means : list of ndarray (n_in,)
        The mean of each layer's inputs.
    """

    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    z: list[float]
    h: list[float]
    means: list[NDArray[np.float64]]


def calibrated(network: Model, x: Any) -> IntegerNetwork:
    """Return a network in integers.

    Parameters
    ----------
    network : Model
    x : ndarray or CSR matrix of shape (n_rows, n_in)
        Checked rows; uint8 if the header shall take bytes.

    Raises
    ------
    ValueError
        If parameters or activations are not finite, or a layer has so many inputs that its sums
        would not fit in int32.
    """
    weights, biases = _parameters(network)
    ranges = _ranges(network, weights, biases, x)
    functions = [layer.activation for layer in network.architecture.layers]
    levels = [_levels(weight, i) for i, weight in enumerate(weights[1:], 2)]
    inputs: FloatInputs | None = None
    if x.dtype == np.uint8:
        unit = np.full(len(weights[0]), network.architecture.input_scale)
        if _largest_sum(weights[0]) * 255 > LARGEST_PRODUCTS:
            raise _too_many_inputs(1, len(unit))
    else:
        inputs = _inputs(weights[0], ranges)
        offset, factor = inputs.offset.astype(np.float64), inputs.factor.astype(np.float64)
        unit = np.divide(1.0, factor, where=factor > 0, out=np.zeros_like(factor))
        biases[0] = biases[0] + offset @ weights[0]
        ranges.means[0] -= offset
    layers: list[IntegerLayer] = []
    for i, bias in enumerate(biases):
        columns = _columns(weights[i] * unit[:, None], bias, _in_units(ranges.means[i], unit))
        if i == len(levels):
            break
        layers.append(_hidden(columns, functions[i], levels[i], ranges.z[i], ranges.h[i]))
        unit = np.full(len(weights[i + 1]), layers[-1].unit)
    last, fraction_bits = _output(columns, functions[-1], ranges.z[-1])
    return IntegerNetwork(inputs, (*layers, last), fraction_bits)


def dense(x: Any) -> NDArray[Any]:
    """Return checked rows as an array."""
    return x if isinstance(x, np.ndarray) else np.asarray(rows_of_csr(x, slice(None)).toarray())


def _parameters(network: Model) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return weights and biases, zero where there are none, in float64."""
    weights, biases = [], []
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True), 1):
        weights.append(in_float32(f"the weights of layer {i}", weight).astype(np.float64))
        if bias is None:
            bias = np.zeros(weight.shape[1])
        biases.append(in_float32(f"the biases of layer {i}", bias).astype(np.float64))
    return weights, biases


def _ranges(
    network: Model, weights: list[NDArray[np.float64]], biases: list[NDArray[np.float64]], x: Any
) -> Ranges:
    a, n_layers = network.architecture, len(weights)
    lowest, highest = np.full(a.n_in, np.inf), np.full(a.n_in, -np.inf)
    largest = np.zeros((2, n_layers))
    sums = [np.zeros(len(weight)) for weight in weights]
    for rows in blocks(x.shape[0]):
        part = x[rows] if isinstance(x, np.ndarray) else rows_of_csr(x, rows).toarray()
        h = part.astype(np.float32).astype(np.float64)
        lowest, highest = np.minimum(lowest, h.min(axis=0)), np.maximum(highest, h.max(axis=0))
        if x.dtype == np.uint8:
            h *= a.input_scale
        for i, layer in enumerate(a.layers):
            sums[i] += h.sum(axis=0)
            with np.errstate(over="ignore", invalid="ignore"):
                z = h @ weights[i] + biases[i]
            h = z if i == n_layers - 1 else activated(layer.activation, z)
            found = np.abs(z).max(), np.abs(h).max()
            if not np.isfinite(found).all():
                raise ValueError(
                    f"layer {i + 1} gives numbers that are not finite for the calibration rows: "
                    "train the network anew, or scale its inputs down"
                )
            largest[:, i] = np.maximum(largest[:, i], found)
    return Ranges(
        lowest.astype(np.float32),
        highest.astype(np.float32),
        largest[0].tolist(),
        largest[1].tolist(),
        [each / x.shape[0] for each in sums],
    )


def _inputs(weight: NDArray[np.float64], ranges: Ranges) -> FloatInputs:
    lowest, highest = ranges.lowest.astype(np.float64), ranges.highest.astype(np.float64)
    half = MARGIN * (highest - lowest) / 2
    levels = _levels(weight * half[:, None], 1)
    with np.errstate(divide="ignore", over="ignore"):
        factor = (levels / half).astype(np.float32)
    varies = (half > 0) & np.isfinite(factor)
    constant = np.flatnonzero(~varies & (weight != 0).any(axis=1))
    offset = ((lowest + highest) / 2).astype(np.float32)
    return FloatInputs(offset, np.where(varies, factor, 0), levels, tuple(constant.tolist()))


def _largest_sum(weight: NDArray[np.float64]) -> int:
    """Return max_j Σ_i |w_ij| of weights in int8; a scale raised for a bias makes it smaller."""
    integers = _quantized(weight, np.abs(weight).max(axis=0) / LARGEST)
    return int(np.abs(integers.astype(np.int64)).sum(axis=0).max())


def _levels(weight: NDArray[np.float64], layer: int) -> int:
    """Return the largest magnitude of the inputs of a layer whose sums must fit in int32."""
    levels = min(LEVELS, LARGEST_PRODUCTS // max(_largest_sum(weight), 1))
    if levels < FEWEST_LEVELS:
        raise _too_many_inputs(layer, len(weight))
    return levels


def _too_many_inputs(layer: int, n_in: int) -> ValueError:
    return ValueError(
        f"layer {layer} has {n_in:,} inputs, and the sums of so many products would not fit in "
        'int32: use a narrower network, or arithmetic="float32"'
    )


def _quantized(weight: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.int8]:
    divisor = np.where(scale > 0, scale, np.inf)
    integers: NDArray[np.int8] = np.clip(np.rint(weight / divisor), -LARGEST, LARGEST).astype(
        np.int8
    )
    return integers


def _fraction(ratio: NDArray[np.float64]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return multipliers below 2^31 and shifts: ratio ≈ multiplier / 2^shift.

    A ratio below 2^-32 becomes 0, since it makes less than one half of every sum in int32.
    """
    part, exponent = np.frexp(np.minimum(ratio, LARGEST_RATIO))
    multiplier = np.rint(np.ldexp(part, 31)).astype(np.int64)
    carried = multiplier == 2**31
    multiplier, exponent = np.where(carried, 2**30, multiplier), exponent + carried
    nothing = (exponent < -31) | (multiplier == 0)
    shift = np.where(nothing, 8, 31 - exponent)
    return np.where(nothing, 0, multiplier).astype(np.uint32), shift.astype(np.uint8)


class _Columns(NamedTuple):
    """Weights (n_in, n_out), scale and bias (n_out,) of a layer."""

    weight: NDArray[np.int8]
    scale: NDArray[np.float64]
    bias: NDArray[np.int32]


def _in_units(values: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(values, unit, where=unit > 0, out=np.zeros_like(values))


def _columns(
    weight: NDArray[np.float64], bias: NDArray[np.float64], means: NDArray[np.float64]
) -> _Columns:
    """Quantize weights (n_in, n_out) of integers of such means (n_in,)."""
    scale = np.maximum(np.abs(weight).max(axis=0) / LARGEST, np.abs(bias) / LARGEST_BIAS)
    integers = _quantized(weight, scale)
    bias = bias + means @ (weight - integers * scale)
    divisor = np.where(scale > 0, scale, np.inf)
    whole = np.clip(np.rint(bias / divisor), -LARGEST_BIAS, LARGEST_BIAS).astype(np.int32)
    return _Columns(integers, scale, whole)


def _hidden(
    columns: _Columns,
    function: str,
    levels: int,
    largest_z: float,
    largest_h: float,
) -> IntegerLayer:
    """Return a hidden layer."""
    curve = None
    if function in ("identity", "relu", "leaky_relu"):
        unit = unit_of_z = MARGIN * (largest_h or largest_z or 1.0) / levels
        limit = levels * LEAKY_DIVISOR if function == "leaky_relu" else levels
    else:
        unit_of_z, values = _curve(function, largest_z)
        unit = (float(np.abs(values).max()) or 1.0) / levels
        curve = _stored(values / unit, levels)
        limit = LEVELS
    fraction = _fraction(columns.scale / unit_of_z)
    return IntegerLayer(*columns, *fraction, limit, function, levels, curve, unit)


def _output(columns: _Columns, function: str, largest_z: float) -> tuple[IntegerLayer, int]:
    """Return the last layer, and the fraction bits of its outputs."""
    curve, limit, levels = None, LARGEST_OUTPUT, LARGEST_OUTPUT
    if function == "tanh":
        unit_of_z, values = _curve(function, largest_z)
        fraction_bits, limit, levels = 15, LEVELS, LEVELS
        curve = _stored(np.ldexp(values, fraction_bits), levels)
    else:
        _, exponent = np.frexp(max(largest_z, float(columns.scale.max())) or 1.0)
        fraction_bits = OUTPUT_BITS - int(exponent)
        unit_of_z = float(np.ldexp(1.0, -fraction_bits))
        function = "identity" if function in LOGITS else function
    fraction = _fraction(columns.scale / unit_of_z)
    unit = float(np.ldexp(1.0, -fraction_bits))
    return IntegerLayer(*columns, *fraction, limit, function, levels, curve, unit), fraction_bits


def _curve(function: str, largest_z: float) -> tuple[float, NDArray[np.float64]]:
    """Return what one unit of z stands for, and the function at 257 places."""
    unit = min(MARGIN * largest_z or 1.0, FLAT.get(function, np.inf)) / LEVELS
    return unit, activated(function, unit * 256.0 * np.arange(-128.0, 129.0))


def activated(name: str, z: NDArray[Any]) -> NDArray[np.float64]:
    """Return an activation of z, as of a layer whose one input is 1 and whose weights are z."""
    out = np.empty((1, z.size))
    weights = z.reshape(1, -1).astype(np.float64)
    get_backend("numpy").dense_forward(np.ones((1, 1)), weights, None, name, out)
    return out.reshape(z.shape)


def _stored(values: NDArray[np.float64], levels: int) -> NDArray[np.uint16]:
    whole = np.clip(np.rint(values), -levels, levels)
    stored: NDArray[np.uint16] = (whole + CURVE_OFFSET).astype(np.uint16)
    return stored
