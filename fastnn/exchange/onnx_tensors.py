"""The constants of an ONNX model as arrays, checked before any memory is asked for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.memory_budget import Budget

FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
_ITEM_SIZES = {
    "FLOAT": 4,
    "DOUBLE": 8,
    "FLOAT16": 2,
    "BFLOAT16": 2,
    "INT64": 8,
    "INT32": 4,
    "BOOL": 1,
    "STRING": 0,
}
"""Bytes of the element types that plain networks need; text has no fixed size."""


MOST_DIMENSIONS = 8
"""Of a constant or an input; the product of thousands would take long."""

BASE, RATIO = 2**24, 64
"""How many bytes a model may take, and how many for each of its files', as in
`fastnn.memory_budget`: in half precision a layer of one unit is padded to 32 times what it takes
there."""


class Tensors:
    """Reads the constants of a model, and keeps account of the memory that it takes.

    Parameters
    ----------
    onnx : module
    folder : Path
        Where the model lies; its constants' data may be in other files there.
    budget : Budget
        The memory that it may take.
    """

    def __init__(self, onnx: Any, folder: Path, budget: Budget) -> None:
        self._onnx = onnx
        self._folder = folder
        self._budget = budget
        self._files: set[Path] = set()

    def take(self, n_bytes: int) -> None:
        """Count memory for arrays, before or after they are made.

        Raises
        ------
        ValueError
            If it is too much for the size of the files: those were made to exhaust memory.
        """
        self._budget.take(n_bytes, "it takes far more memory than files of its size account for")

    def array(self, tensor: Any) -> Array:
        """Return a TensorProto's values; half precision becomes float32, text objects.

        Raises
        ------
        OSError, ValueError
            If it is damaged, of another element type, or its data lie outside of the folder.
        """
        proto = self._onnx.TensorProto
        name = repr(tensor.name[:60])
        kinds = proto.DataType.items()
        kind = next((key for key, value in kinds if value == tensor.data_type), tensor.data_type)
        if kind not in _ITEM_SIZES:
            raise ValueError(
                f"its constant {name} has elements of type {kind}, expected {', '.join(FLOATS)}"
            )
        if len(tensor.dims) > MOST_DIMENSIONS:
            raise ValueError(f"its constant {name} has {len(tensor.dims)} dimensions")
        shape = tuple(tensor.dims)
        if any(n < 0 for n in shape):
            raise ValueError(f"its constant {name} has shape {shape}")
        n_bytes = math.prod(shape) * _ITEM_SIZES[kind]
        if tensor.data_location == proto.EXTERNAL:
            raw = self._external(tensor, name, n_bytes)
            tensor = proto(dims=shape, data_type=tensor.data_type, raw_data=raw)
        if tensor.HasField("raw_data"):
            held, expected = len(tensor.raw_data), n_bytes
        else:
            fields = ("float_data", "double_data", "int32_data", "int64_data", "string_data")
            held, expected = max(len(getattr(tensor, f)) for f in fields), math.prod(shape)
        if held != expected:
            raise ValueError(
                f"its constant {name} has shape {shape}, but holds "
                f"{held} {'bytes' if tensor.HasField('raw_data') else 'numbers'}"
            )
        widened = 2 if kind in ("FLOAT16", "BFLOAT16") else 1
        self.take(n_bytes * widened if kind != "STRING" else 100 * held)
        values: Array = self._onnx.numpy_helper.to_array(tensor)
        if kind == "STRING":
            return np.array([str(v) for v in values.ravel()], object).reshape(shape)
        if kind in ("FLOAT16", "BFLOAT16"):
            return values.astype(np.float32)
        return values

    def _external(self, tensor: Any, name: str, n_bytes: int) -> bytes:
        """Return data that lie in another file of the same folder."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        folder = self._folder.resolve()
        path = (folder / location).resolve()
        if not location or "\0" in location or not path.is_relative_to(folder):
            raise ValueError(f"the data of its constant {name} lie outside of its folder")
        if not path.is_file():
            raise ValueError(f"the file {location[:200]!r} with its constant {name} is missing")
        offset, length = (int(entries.get(k, v)) for k, v in (("offset", 0), ("length", n_bytes)))
        if offset < 0 or length != n_bytes or offset + length > path.stat().st_size:
            raise ValueError(
                f"its constant {name} takes {n_bytes} bytes, but the file {location[:200]!r} does "
                f"not hold {length} of them at {offset}"
            )
        if path not in self._files:
            self._files.add(path)
            self._budget.grow(path.stat().st_size)
        with path.open("rb") as file:
            file.seek(offset)
            data: bytes = file.read(length)
        return data
