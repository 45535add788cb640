"""The description of a fit: fits with equal descriptions and initial weights give equal results.

A description is plain JSON: the architecture, the seed, every training setting, the classes of
callbacks with their `settings`, and a fingerprint of the data. It does not include the number of
epochs, the initial weights and, for memory-mapped files, all but a few rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.model.model import Model
from fastnn.model.persistence import architecture_fields
from fastnn.system.checksums import checksum
from fastnn.system.memory_maps import file_map, walk
from fastnn.validation.values import shortened

if TYPE_CHECKING:
    from fastnn.backends.minibatch import TrainingOptions
    from fastnn.rows.checked import Rows
    from fastnn.training.hooks import Hook

_FINGERPRINT_ROWS = 64
"""Number of rows of a memory-mapped file used for its fingerprint, to avoid reading it all."""


class AnotherFitError(ValueError):
    """A fit differs from the one it should resume.

    Attributes
    ----------
    name : str
        The part that differs, such as ``"optimizer.learning_rate"``.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name, self._message = name, message

    def __str__(self) -> str:
        return self._message


def description(
    model: Model,
    architecture: Architecture,
    options: TrainingOptions,
    data: Rows | Mapping[str, Any],
    validation_data: Rows | Mapping[str, Any] | None,
    shuffle: Any,
    hooks: Sequence[Hook],
    own_loss: str | None = None,
) -> dict[str, Any]:
    """Return the description of a fit, without its number of epochs, as JSON values.

    `architecture` is the model's, with the `input_scale` inferred from its data. Of rows that are
    not here, a fingerprint takes their place.
    """
    settings = asdict(options)
    settings.pop("dropout_seed")
    settings.pop("optimizer")
    if own_loss is not None:  # its name: what it computes cannot be compared
        settings["loss"] = own_loss
    return _through_json(
        {
            "architecture": architecture_fields(architecture),
            "class_labels": model.class_labels,
            **settings,
            "shuffle": shuffle,
            "callbacks": [hook.name for hook in hooks],
            "settings of callbacks": [hook.settings() for hook in hooks],
            "random generator": type(model.rng.bit_generator).__name__,
            "seed": model.seed,
            "optimizer": _named(options.optimizer),
            **_fingerprints(data),
            "validation_data": None if validation_data is None else _fingerprints(validation_data),
        }
    )


def check_same_fit(theirs: Any, ours: Any, name: str = "") -> None:
    """Compare two descriptions; AnotherFitError names the first difference."""
    if theirs == ours:
        return
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*ours, *theirs]:
            check_same_fit(theirs.get(key), ours.get(key), f"{name}.{key}" if name else str(key))
    raise AnotherFitError(
        name,
        f"{name or 'the fit'} was {_shown(theirs)} when it was written and is {_shown(ours)} now; "
        "resume a fit with its original settings and data, or start a new one in another file",
    )


def _shown(value: Any) -> str:
    return shortened(json.dumps(value))


def _named(value: Any) -> dict[str, Any]:
    """Return an optimizer or schedule as its class name and parameters."""
    fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if fields.get("rate_factors", True) is None:  # as where none could be given
        del fields["rate_factors"]
    return {"name": type(value).__name__} | {
        name: _named(v) if hasattr(v, "__dataclass_fields__") else v for name, v in fields.items()
    }


def _fingerprints(data: Rows | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(data, Mapping):
        return data
    x, y, sample_weight = data
    return {
        "x": [str(x.dtype), list(x.shape), checksum(*_parts(x))],
        "y": [str(y.dtype), list(y.shape), checksum(y)],
        "sample_weight": None if sample_weight is None else checksum(sample_weight),
    }


def rows_checksum(x: Any, y: Array) -> str:
    """Return a checksum of rows and their labels, using only some rows of a memory map."""
    return checksum(*_parts(x), y, text=f"{x.dtype} {x.shape} {y.dtype} {y.shape}")


def _parts(x: Any) -> list[Array]:
    """Return the arrays whose bytes represent x; for a memory map, some of its rows."""
    if not isinstance(x, np.ndarray):
        return [x.data, x.indices, x.indptr]
    if file_map(x) is not None:
        rows = np.linspace(0, len(x) - 1, min(len(x), _FINGERPRINT_ROWS)).astype(np.int64)
        return [x[rows]]
    return [x[rows] for rows in walk(x, len(x))]


def _through_json(value: Any) -> dict[str, Any]:
    """Return `value` after a round trip through JSON, with tuples as lists."""
    read_back: dict[str, Any] = json.loads(json.dumps(value, default=as_plain))
    return read_back


def as_plain(value: Any) -> Any:
    """Convert NumPy numbers and arrays for JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(
        "a checkpoint can hold arrays, numbers, text, and lists and dictionaries of these, "
        f"not {value!r}"
    )
