"""What numbers become: one robustly scaled output, or the shares of bins.

Scaled, as in RealMLP (Holzmüller, Grinsztajn and Steinwart 2024, "Better by Default", section 3):

    z = (x − q₅₀) / s      s = q₇₅ − q₂₅, or (max − min) / 2 where that is 0
    out = z / √(1 + (z/3)²)

which is z near 0 and never beyond ±3, so that an outlier cannot dominate.

In bins b₀ < b₁ < … < b_T, the quantiles 0, 1/T, …, 1 of the training rows: the piecewise linear
encoding of Gorishniy, Rubachev and Babenko 2022, "On Embeddings for Numerical Features in Tabular
Deep Learning", eq. 1:

    eₜ = 0 below bₜ₋₁, 1 above bₜ, (x − bₜ₋₁) / (bₜ − bₜ₋₁) between

The first and the last bin extend beyond the training rows, as there; by how much is bounded like z.
A missing number is encoded as the median.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column, Kind
from fastnn.validation.values import check_flag, check_number, check_positive, shortened

BOUND = 3.0
LARGEST = sys.float_info.max
FAR = 1e30
"""A scaled number beyond it is bounded to 3.0 to the last bit."""


@dataclass(frozen=True)
class Scaled:
    """A number, robustly scaled and bounded."""

    tag: ClassVar[str] = "scaled"
    kind: ClassVar[Kind] = "number"
    center: float
    scale: float
    indicator: bool

    def __post_init__(self) -> None:
        _finite("center", self.center)
        check_positive("scale", self.scale)
        check_flag("indicator", self.indicator)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return "scaled"

    def outputs(self, name: str) -> list[str]:
        """Return the names of the outputs."""
        return [name]

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the outputs into zeros (n_rows, 1); return which cells are missing."""
        missing = _missing(column)
        out[:, 0] = scaled(column.values, self.center, self.scale)
        out[missing, 0] = 0.0
        return missing


@dataclass(frozen=True)
class Binned:
    """A number as the shares of bins, the piecewise linear encoding."""

    tag: ClassVar[str] = "bins"
    kind: ClassVar[Kind] = "number"
    edges: tuple[float, ...]
    center: float
    indicator: bool

    def __post_init__(self) -> None:
        _finite("center", self.center)
        for edge in self.edges:
            _finite("edges", edge)
        if len(self.edges) < 2 or any(a >= b for a, b in pairwise(self.edges)):
            raise ValueError("edges must be at least two numbers, ascending")
        check_flag("indicator", self.indicator)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return f"{len(self.edges) - 1} bins"

    def outputs(self, name: str) -> list[str]:
        """Return the names of the outputs."""
        return [f"{name} from {low:.6g} to {high:.6g}" for low, high in pairwise(self.edges)]

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the outputs into zeros (n_rows, n_bins); return which cells are missing."""
        missing = _missing(column)
        x = np.where(missing, self.center, column.values)
        last = len(self.edges) - 2
        for t, (low, high) in enumerate(pairwise(self.edges)):
            with np.errstate(over="ignore"):
                share = np.clip((x - low) / min(high - low, LARGEST), -FAR, FAR)
            inside = np.clip(share, 0.0, 1.0)
            beyond = share - inside
            if t > 0:
                beyond = np.maximum(beyond, 0.0)
            if t < last:
                beyond = np.minimum(beyond, 0.0)
            out[:, t] = inside + bounded(beyond)
        return missing


def scaled(x: NDArray[np.float64], center: float, scale: float) -> NDArray[np.float64]:
    """Return numbers (n_rows,) scaled and bounded; NaN where they are NaN."""
    with np.errstate(over="ignore"):
        z = (x - center) / scale
    return bounded(np.clip(z, -FAR, FAR))


def bounded(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return z / √(1 + (z/3)²), within ±3."""
    return np.asarray(z / np.sqrt(1.0 + np.square(z / BOUND)))


def center_and_scale(x: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median and the robust scale of finite numbers (n_rows,), not all equal."""
    factor = 2.0**-8 if np.abs(x).max() > 2.0**1000 else 1.0  # so that no difference overflows
    low, q25, center, q75, high = np.quantile(x * factor, (0.0, 0.25, 0.5, 0.75, 1.0)).tolist()
    scale = (q75 - q25 or (high - low) / 2) / factor
    return center / factor, min(max(scale, sys.float_info.min), LARGEST)


def bin_edges(x: NDArray[np.float64], n_bins: int) -> tuple[float, ...]:
    """Return the edges of at most `n_bins` bins of finite numbers (n_rows,), not all equal."""
    shares = np.linspace(0.0, 1.0, n_bins + 1)
    return tuple(np.unique(np.quantile(x, shares, method="inverted_cdf")).tolist())


def check_finite(column: Column) -> None:
    """Check that a column has no infinite numbers.

    Raises
    ------
    ValueError
        If it has; the message has the row.
    """
    infinite = np.isinf(column.values)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(
            f"x must hold finite numbers, got {column.values[row]} in row {row} of its column "
            f"{shortened(repr(column.name))}: make it missing, or a large number"
        )


def _missing(column: Column) -> NDArray[np.bool_]:
    check_finite(column)
    return np.asarray(np.isnan(column.values))


def _finite(name: str, value: Any) -> None:
    if not np.isfinite(check_number(name, value)):
        raise ValueError(f"{name} must be finite, got {value}")
