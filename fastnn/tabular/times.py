"""What times become: a number, and the parts of the calendar that vary in training.

The number is the seconds since the median, scaled and bounded as numbers are. A part of period P
becomes the point of a circle, sin 2πk/P and cos 2πk/P, so that December is next to January:

    month k = 0 … 11, P = 12;    day of week k = 0 (Monday) … 6, P = 7;    hour k = 0 … 23, P = 24
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.frame import Column, Kind
from fastnn.tabular.numbers import scaled
from fastnn.validation.values import check_choice, check_count, check_flag, check_positive

US_PER_S = 1e6


@dataclass(frozen=True)
class Time:
    """A time; `center` is its median in µs since 1970, UTC, `scale` is in seconds."""

    tag: ClassVar[str] = "time"
    kind: ClassVar[Kind] = "time"
    center: int
    scale: float
    parts: tuple[str, ...]
    indicator: bool

    def __post_init__(self) -> None:
        center = check_count("center", self.center, None)
        if abs(center) >= 2**63:
            raise ValueError("center must fit in 64 bits")
        check_positive("scale", self.scale)
        for part in self.parts:
            check_choice("parts", part, tuple(PARTS))
        if len(set(self.parts)) != len(self.parts):
            raise ValueError("parts must be distinct")
        check_flag("indicator", self.indicator)

    @property
    def words(self) -> str:
        """How it is encoded."""
        return ", ".join(["scaled", *self.parts])

    def outputs(self, name: str) -> list[str]:
        """Return the names of the outputs."""
        return [name] + [f"{name}: {part} {of}" for part in self.parts for of in ("sin", "cos")]

    def encode(self, column: Column, out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Write the outputs into zeros (n_rows, n_out); return which cells are missing."""
        missing = np.asarray(np.isnat(column.values))
        out[:, 0] = scaled(microseconds(column.values) - self.center, 0.0, self.scale * US_PER_S)
        for i, part in enumerate(self.parts):
            period, of = PARTS[part]
            angle = 2.0 * np.pi / period * np.arange(period)
            circle = np.array([np.sin(angle), np.cos(angle)], np.float32).T
            out[:, 1 + 2 * i : 3 + 2 * i] = circle[of(column.values) % period]
        out[missing] = 0.0
        return missing


def microseconds(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return times (n_rows,) as µs since 1970: exact from 1685 to 2255."""
    return times.astype(np.int64).astype(np.float64)


def varying_parts(times: NDArray[np.datetime64]) -> tuple[str, ...]:
    """Return the parts of the calendar in which times (n_rows,), none missing, differ."""
    return tuple(part for part, (_, of) in PARTS.items() if np.ptp(of(times)))


def _month(times: NDArray[Any]) -> NDArray[np.int64]:
    return times.astype("datetime64[M]").astype(np.int64) % 12


def _day_of_week(times: NDArray[Any]) -> NDArray[np.int64]:
    return (times.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970 began on a Thursday


def _hour(times: NDArray[Any]) -> NDArray[np.int64]:
    return times.astype("datetime64[h]").astype(np.int64) % 24


PARTS: dict[str, tuple[int, Callable[[NDArray[Any]], NDArray[np.int64]]]] = {
    "month": (12, _month),
    "day of week": (7, _day_of_week),
    "hour": (24, _hour),
}
