"""Checks of the state of a NumPy bit generator read from JSON.

NumPy does not check it: a position past the end of a generator's buffer reads other memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.random import BitGenerator

_LARGEST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}
"""Upper limits of positions and flags: numpy/random/src/{mt19937,philox}."""

_MOST = 2**128 - 1  # the state and the increment of PCG64


def from_json(value: Any, kind: type[BitGenerator]) -> Mapping[str, Any]:
    """Return a valid state for a generator of that kind.

    Raises
    ------
    TypeError, ValueError
        If `value` is not valid.
    """
    return _like("its generator", value, kind(0).state)


def _like(name: str, value: Any, model: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping) or set(value) != set(model):
        raise ValueError(f"{name} must hold {', '.join(map(str, model))}")
    return {key: _part(f"{name}'s {key}", value[key], model[key], key) for key in model}


def _part(name: str, value: Any, model: Any, key: str) -> Any:
    if isinstance(model, Mapping):
        return _like(name, value, model)
    if isinstance(model, str):
        if value != model:
            raise ValueError(f"{name} is {value!r}, expected {model!r}")
        return model
    if isinstance(model, np.ndarray):
        most = int(np.iinfo(model.dtype).max)
        if not isinstance(value, list) or len(value) != len(model):
            raise ValueError(f"{name} must be a list of {len(model)} numbers")
        return np.array([_number(name, v, most) for v in value], model.dtype)
    return _number(name, value, _LARGEST.get(key, _MOST))


def _number(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a whole number from 0 to {most}")
    return value
