"""Tensors of the Open Inference Protocol, from and to JSON and bytes.

Each has a name, a datatype, a shape and its elements in row-major order:

    JSON     "data": a list, flat or nested as the shape says
    binary   the elements as little-endian numbers; a BOOL is one byte; an element of BYTES is its
             length, as a little-endian uint32, and so many bytes

BYTES is text here, in UTF-8.
"""

from __future__ import annotations

import math
import struct
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.serve.refused import RefusedError, shown

DATATYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"), "UINT16": np.dtype("<u2"), "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"), "INT16": np.dtype("<i2"), "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"), "FP32": np.dtype("<f4"), "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}  # fmt: skip
"""The protocol's datatypes, as NumPy has them; BYTES are objects, str or None."""

MOST_DIMENSIONS = 8

_PYTHON: dict[str, set[type]] = {
    "b": {bool}, "u": {int}, "i": {int}, "f": {int, float}, "O": {str},
}  # fmt: skip
_WORDS = {"b": "true or false", "u": "whole numbers", "i": "whole numbers", "f": "numbers",
          "O": "strings"}  # fmt: skip


class Tensor(NamedTuple):
    """A named array.

    Attributes
    ----------
    name : str
    datatype : str
        A key of `DATATYPES`.
    values : ndarray
        Of that dtype; float64 if cells are missing that it has no value for.
    """

    name: str
    datatype: str
    values: NDArray[Any]


class Description(NamedTuple):
    """What is known of a tensor before its elements: an input or output of a model.

    Attributes
    ----------
    name : str
    datatype : str
    shape : tuple of int
        −1 stands for the number of rows.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the entry of the model's metadata."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def checked_datatype(name: str, datatype: Any) -> str:
    """Return a datatype of the protocol, or refuse it."""
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise RefusedError(
            400,
            f"input {shown(name)} must have a datatype of {', '.join(DATATYPES)}; got "
            f"{shown(datatype)}",
        )
    return datatype


def checked_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Return a shape of non-negative whole numbers, or refuse it."""
    if not isinstance(shape, list) or not 1 <= len(shape) <= MOST_DIMENSIONS:
        raise RefusedError(
            400, f"input {shown(name)} must have a shape, such as [1, 4]; got {shown(shape)}"
        )
    if not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise RefusedError(
            400,
            f"the shape of input {shown(name)} must hold whole numbers of at least 0; got "
            f"{shown(shape)}",
        )
    return tuple(shape)


def from_json(
    name: str, datatype: str, shape: tuple[int, ...], data: Any, *, takes_null: bool
) -> Tensor:
    """Return the tensor of a list of elements.

    Parameters
    ----------
    name, datatype, shape
        Checked.
    data : list
        Flat, or nested as `shape` says.
    takes_null : bool
        Whether null is a missing element: NaN, and None in text.

    Raises
    ------
    RefusedError
        If the number or the types of the elements are wrong, or one is too large.
    """
    flat, dtype = _flat(name, shape, data), DATATYPES[datatype]
    kinds = set(map(type, flat))
    if dtype.kind == "f" and kinds <= _PYTHON["f"]:
        numbers = _numbers(flat, dtype)
        if numbers is not None:
            return Tensor(name, datatype, numbers.reshape(shape))
    has_null = takes_null and type(None) in kinds
    known = [v for v in flat if v is not None] if has_null else flat
    right = _PYTHON[dtype.kind]
    if kinds - ({type(None)} if has_null else set()) - right:
        wrong = next(v for v in known if type(v) not in right)
        null = ", or null" if takes_null else ""
        raise RefusedError(
            400,
            f"data of input {shown(name)} must be {_WORDS[dtype.kind]}{null}, as {datatype} is; "
            f"got {shown(wrong)}",
        )
    if dtype.kind in "ui" and known:
        allowed = np.iinfo(dtype)
        for extreme in (min(known), max(known)):
            if not allowed.min <= extreme <= allowed.max:
                raise _too_large(name, datatype, extreme)
    if dtype.kind == "O":
        values = np.empty(len(flat), object)
        values[:] = flat
        return Tensor(name, datatype, values.reshape(shape))
    if dtype.kind == "f":
        _check_fits(name, datatype, known)
    if has_null:
        dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
        flat = [math.nan if v is None else v for v in flat]
    return Tensor(name, datatype, np.array(flat, dtype).reshape(shape))


def _numbers(flat: list[int | float], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return numbers in a floating-point dtype; None if it cannot hold one."""
    try:
        wide = np.fromiter(flat, np.float64, len(flat))
    except OverflowError:
        return None
    if not (np.abs(wide) <= float(np.finfo(dtype).max)).all():
        return None
    return wide.astype(dtype, copy=False)


def _flat(name: str, shape: tuple[int, ...], data: Any) -> list[Any]:
    """Return the elements of a list that is flat, or nested as the shape says."""
    if not isinstance(data, list):
        raise RefusedError(400, f"data of input {shown(name)} must be a list, got {shown(data)}")
    parts = data
    if len(shape) > 1 and data and type(data[0]) is list:
        parts = [data]
        for n in shape:
            for part in parts:
                if type(part) is not list or len(part) != n:
                    got = f"a list of {len(part):,}" if type(part) is list else shown(part)
                    raise RefusedError(
                        400,
                        f"data of input {shown(name)} must be flat, or nested as its shape "
                        f"{list(shape)} says; got {got} where a list of {n:,} was expected",
                    )
            parts = list(chain.from_iterable(parts))
    if len(parts) != (n_elements := math.prod(shape)):
        raise RefusedError(
            400,
            f"data of input {shown(name)} must hold the {n_elements:,} elements of its shape "
            f"{list(shape)}, got {len(parts):,}",
        )
    return parts


def _check_fits(name: str, datatype: str, numbers: list[Any]) -> None:
    """Check that numbers are finite in a datatype."""
    if not numbers:
        return
    largest = float(np.finfo(DATATYPES[datatype]).max)
    for extreme in (min(numbers), max(numbers)):
        if not -largest <= extreme <= largest:
            raise _too_large(name, datatype, extreme)


def _too_large(name: str, datatype: str, value: Any) -> RefusedError:
    return RefusedError(
        400, f"data of input {shown(name)} holds {shown(value)}, which {datatype} cannot hold"
    )


def from_bytes(name: str, datatype: str, shape: tuple[int, ...], data: memoryview) -> Tensor:
    """Return the tensor of binary data.

    Parameters
    ----------
    name, datatype, shape
        Checked.
    data : memoryview
        Copied.

    Raises
    ------
    RefusedError
        If its size is wrong, or text is not UTF-8.
    """
    n_elements, dtype = math.prod(shape), DATATYPES[datatype]
    if dtype.kind == "O":
        return Tensor(name, datatype, _texts(name, n_elements, data).reshape(shape))
    expected = n_elements * dtype.itemsize
    if len(data) != expected:
        raise RefusedError(
            400,
            f"input {shown(name)} of datatype {datatype} and shape {list(shape)} must have a "
            f"binary_data_size of {expected:,}, got {len(data):,}",
        )
    if dtype.kind == "b":
        return Tensor(name, datatype, (np.frombuffer(data, np.uint8) != 0).reshape(shape))
    values = np.empty(shape, dtype)
    values.reshape(-1)[...] = np.frombuffer(data, dtype)
    return Tensor(name, datatype, values)


def _texts(name: str, n_elements: int, data: memoryview) -> NDArray[Any]:
    if len(data) < 4 * n_elements:
        raise RefusedError(
            400,
            f"input {shown(name)} must hold {n_elements:,} elements of BYTES, each with its length "
            f"in 4 bytes; got {len(data):,} bytes",
        )
    values, place = np.empty(n_elements, object), 0
    for i in range(n_elements):
        end = place + 4
        if end <= len(data):
            place, end = end, end + struct.unpack_from("<I", data, place)[0]
        if end > len(data):
            raise RefusedError(
                400, f"element {i} of input {shown(name)} ends behind its {len(data):,} bytes"
            )
        try:
            values[i] = str(data[place:end], "utf-8")
        except UnicodeDecodeError as error:
            raise RefusedError(
                400, f"element {i} of input {shown(name)} must be text in UTF-8: {error.reason}"
            ) from None
        place = end
    if place != len(data):
        raise RefusedError(
            400,
            f"input {shown(name)} must hold {n_elements:,} elements of BYTES: "
            f"{len(data) - place:,} bytes are left over",
        )
    return values


def as_bytes(tensor: Tensor) -> bytes:
    """Return the elements of a tensor as binary data."""
    dtype = DATATYPES[tensor.datatype]
    if dtype.kind != "O":
        return tensor.values.astype(dtype, copy=False).tobytes()
    parts = [str(text).encode() for text in tensor.values.reshape(-1).tolist()]
    return b"".join(chain.from_iterable((struct.pack("<I", len(p)), p) for p in parts))


def as_list(tensor: Tensor) -> list[Any]:
    """Return the elements of a tensor as a flat list for JSON.

    Raises
    ------
    RefusedError
        If a number is not finite, which JSON cannot express.
    """
    values = tensor.values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise RefusedError(
            500,
            f"output {shown(tensor.name)} holds a number that is not finite, which JSON does not "
            'have: ask for "binary_data": true',
        )
    found: list[Any] = values.reshape(-1).tolist()
    return found
