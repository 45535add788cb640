"""A network in integers, and the arithmetic of its C header in NumPy, bit for bit.

A layer takes integers q (n, n_in) and computes, with int8 weights w (n_in, n_out),

    sum_j = bias_j + Σ_i q_i w_ij             exact in int32
    z_j   = sum_j · multiplier_j / 2^shift_j  rounded, halves away from zero, at most ±limit
    h_j   = f(z_j)                            int16

where multiplier and shift of a column express its scale as a fraction of the scale of z. f is the
identity, relu, leaky relu, or a curve: 257 values, between which it is interpolated linearly. The
last layer's h are the network's outputs, int32, in units of 2^-fraction_bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096
"""Rows computed at a time."""

LEVELS = 32_767
"""Largest magnitude of an activation, int16."""

CURVE_OFFSET = 32_768
"""Added to z for the place on a curve, and to the values of a curve, so that none is negative."""

LEAKY_DIVISOR = 100
"""One over the slope of leaky relu below zero."""


class FloatInputs(NamedTuple):
    """How floats become the integers of the first layer: ``(x − offset) * factor``, rounded.

    Attributes
    ----------
    offset, factor : ndarray of shape (n_in,) float32
    limit : int
        Largest magnitude of an integer; others are bounded by it.
    constant : tuple of int
        Columns with one value in the calibration rows; their factor is 0.
    """

    offset: NDArray[np.float32]
    factor: NDArray[np.float32]
    limit: int
    constant: tuple[int, ...]

    def quantized(self, x: NDArray[Any]) -> NDArray[np.int16]:
        """Return rows (n, n_in) as integers, computed in float32 as in C."""
        with np.errstate(over="ignore", invalid="ignore"):
            steps = (x.astype(np.float32) - self.offset) * self.factor
            half = np.float32(0.5)
            nearest = np.trunc(np.where(steps < 0, steps - half, steps + half))
        inside = np.where(steps > -self.limit, nearest, -self.limit)
        return np.where(steps >= self.limit, self.limit, inside).astype(np.int16)


class IntegerLayer(NamedTuple):
    """One layer in integers.

    Attributes
    ----------
    weight : ndarray of shape (n_in, n_out) int8
    scale : ndarray of shape (n_out,) float64
        What one unit of a column's sum stands for; it is not in the header.
    bias : ndarray of shape (n_out,) int32
    multiplier : ndarray of shape (n_out,) uint32
        Below 2^31.
    shift : ndarray of shape (n_out,) uint8
        From 8 to 62.
    limit : int
        Largest magnitude of z.
    activation : str
    levels : int
        Largest magnitude of h.
    curve : ndarray of shape (257,) uint16, or None
        The function at z = 256 (k − 128), plus `CURVE_OFFSET`.
    unit : float
        What one unit of h stands for; it is not in the header.
    """

    weight: NDArray[np.int8]
    scale: NDArray[np.float64]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.uint32]
    shift: NDArray[np.uint8]
    limit: int
    activation: str
    levels: int
    curve: NDArray[np.uint16] | None
    unit: float

    @property
    def n_bytes(self) -> int:
        """Bytes of constants in the compiled program."""
        arrays: list[Any] = [self.weight, self.bias, self.multiplier, self.shift]
        return sum(array.nbytes for array in arrays + [self.curve] * (self.curve is not None))

    def forward(self, q: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return h (n, n_out) for q (n, n_in)."""
        # exact: the sums of magnitudes are below 2^31, and float64 has whole numbers up to 2^53
        products = q.astype(np.float64) @ self.weight.astype(np.float64)
        return self._activated(self._scaled(products.astype(np.int64) + self.bias))

    def _scaled(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        shift = self.shift.astype(np.uint64)
        half = np.uint64(1) << (shift - np.uint64(1))
        size = np.abs(sums).astype(np.uint64) * self.multiplier.astype(np.uint64)
        rounded = np.minimum((size + half) >> shift, np.uint64(self.limit)).astype(np.int64)
        return np.asarray(np.where(sums < 0, -rounded, rounded))

    def _activated(self, z: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.curve is not None:
            curve, place = self.curve.astype(np.int64), z + CURVE_OFFSET
            k, part = place >> 8, place & 255
            between = curve[k] * (256 - part) + curve[k + 1] * part
            return np.asarray(((between + 128) >> 8) - CURVE_OFFSET)
        if self.activation == "relu":
            return np.asarray(np.maximum(z, 0))
        if self.activation == "leaky_relu":
            below = -((LEAKY_DIVISOR // 2 - np.minimum(z, 0)) // LEAKY_DIVISOR)
            return np.where(z < 0, below, np.minimum(z, self.levels))
        return z


class IntegerNetwork(NamedTuple):
    """A network in integers.

    Attributes
    ----------
    inputs : FloatInputs or None
        None if rows are bytes.
    layers : tuple of IntegerLayer
    fraction_bits : int
        An output of ``k`` stands for ``k / 2**fraction_bits``.
    """

    inputs: FloatInputs | None
    layers: tuple[IntegerLayer, ...]
    fraction_bits: int

    @property
    def n_bytes(self) -> int:
        """Bytes of constants in the compiled program, without labels and conversion of floats."""
        return sum(layer.n_bytes for layer in self.layers)

    def quantized(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return rows (n, n_in) as the header takes them: int16, or the bytes that they are."""
        return x if self.inputs is None else self.inputs.quantized(x)

    def predict(self, q: NDArray[Any]) -> NDArray[np.int32]:
        """Return outputs (n, n_out) for rows (n, n_in) of int16 or bytes, as the header does."""
        out = np.empty((len(q), self.layers[-1].weight.shape[1]), np.int32)
        for rows in blocks(len(q)):
            h = q[rows].astype(np.int64)
            if self.inputs is not None and self.inputs.limit < LEVELS:
                h = np.clip(h, -self.inputs.limit, self.inputs.limit)
            for layer in self.layers:
                h = layer.forward(h)
            out[rows] = h
        return out

    def values(self, out: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the numbers that outputs stand for."""
        return np.ldexp(out.astype(np.float64), -self.fraction_bits)


def blocks(n_rows: int) -> Iterator[slice]:
    """Yield the slices of so many rows to compute at a time."""
    for start in range(0, n_rows, BLOCK):
        yield slice(start, start + BLOCK)
