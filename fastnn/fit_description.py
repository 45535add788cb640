"""What makes a fit what it is: two fits of one description that start alike end alike.

A description is plain JSON: the architecture, every setting of the training, the kinds of
callbacks, and a fingerprint of the data. The number of epochs is no part of it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.architecture import Array
from fastnn.callbacks import Callback
from fastnn.validation.values import shortened

if TYPE_CHECKING:
    from fastnn.backends.base import TrainingOptions
    from fastnn.network import Network
    from fastnn.rows import Rows

_FINGERPRINT_ROWS = 64
"""Rows of x that its fingerprint is taken from: enough to tell data apart, few enough to read from
a file larger than memory."""


def description(
    network: Network,
    options: TrainingOptions,
    data: Rows,
    validation_data: Rows | None,
    shuffle: Any,
    callbacks: Sequence[Callback],
) -> dict[str, Any]:
    """Return all that makes a fit what it is, its number of epochs aside, as JSON holds it."""
    settings = asdict(options)
    settings.pop("dropout_seed")
    settings.pop("optimizer")
    return _through_json(
        {
            "architecture": asdict(network.architecture),
            "class_labels": network.class_labels,
            **settings,
            "shuffle": shuffle,
            "callbacks": [type(callback).__name__ for callback in callbacks],
            "random generator": type(network.rng.bit_generator).__name__,
            "optimizer": _named(options.optimizer),
            **_fingerprints(data),
            "validation_data": None if validation_data is None else _fingerprints(validation_data),
        }
    )


def check_same_fit(theirs: Any, ours: Any, name: str = "") -> None:
    """Raise ValueError that names the first thing in which two descriptions differ."""
    if theirs == ours:
        return
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*ours, *theirs]:
            check_same_fit(theirs.get(key), ours.get(key), f"{name}.{key}" if name else str(key))
    raise ValueError(
        f"{name or 'the fit'} was {_shown(theirs)} when it was written and is {_shown(ours)} now; "
        "resume a fit with the settings and data it was started with, or start one in another file"
    )


def _shown(value: Any) -> str:
    return shortened(json.dumps(value))


def _named(value: Any) -> dict[str, Any]:
    """Return an optimizer or schedule as its class's name and its parameters."""
    fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {"name": type(value).__name__} | {
        name: _named(v) if hasattr(v, "__dataclass_fields__") else v for name, v in fields.items()
    }


def _fingerprints(data: Rows) -> dict[str, Any]:
    x, y, sample_weight = data
    rows = np.linspace(0, len(y) - 1, min(len(y), _FINGERPRINT_ROWS)).astype(np.int64)
    some = x[rows]
    parts = [some] if isinstance(some, np.ndarray) else [some.data, some.indices, some.indptr]
    return {
        "x": [str(x.dtype), list(x.shape), _checksum(*parts)],
        "y": [str(y.dtype), list(y.shape), _checksum(y)],
        "sample_weight": None if sample_weight is None else _checksum(sample_weight),
    }


def _checksum(*arrays: Array) -> str:
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def _through_json(value: Any) -> dict[str, Any]:
    """Return what reading `value` back from JSON gives: tuples are lists then."""
    read_back: dict[str, Any] = json.loads(json.dumps(value))
    return read_back
