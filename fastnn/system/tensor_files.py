"""Parsing of safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from numpy.typing import NDArray

from fastnn.system.file_kinds import HEAD_BYTES
from fastnn.system.memory_budget import Budget
from fastnn.system.whole_files import read_whole

COPIES = 2
"""Copies of a file in memory while it is parsed: its bytes, and the tensors."""
LARGEST_HEADER = 100_000_000  # bytes; safetensors reads no larger one


@dataclass(frozen=True)
class TensorFile:
    """The contents of a safetensors file.

    Attributes
    ----------
    metadata : mapping of str to str
    described : mapping
        ``{"dtype": …, "shape": …}`` of each tensor by name, with safetensors' dtype names.
    tensors : mapping of str to ndarray
    """

    metadata: Mapping[str, str]
    described: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]


def parsed(data: bytes) -> TensorFile:
    """Parse the bytes of a safetensors file.

    Raises
    ------
    SafetensorError, KeyError
        If they are not such a file, or a tensor has a dtype that NumPy does not have.
    """
    from safetensors.numpy import load

    tensors = load(data)
    described = header_of(data)
    metadata = described.pop("__metadata__", {})
    return TensorFile(metadata, described, tensors)


def header_of(data: bytes) -> dict[str, Any]:
    """Return the header of a safetensors file: its length in 8 bytes, then JSON."""
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def read_bytes(file: BinaryIO, budget: Budget) -> bytes:
    """Return all bytes of a safetensors file, or the first few of a file in another format.

    Raises
    ------
    OSError
        If the file is truncated while it is read.
    ValueError
        If it is larger than the budget allows.
    """
    head = file.read(HEAD_BYTES)
    if int.from_bytes(head[:8], "little") > LARGEST_HEADER or head[8:].lstrip()[:1] != b"{":
        return head
    return read_whole(file, budget, head=head, copies=COPIES)
