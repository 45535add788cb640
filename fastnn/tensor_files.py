"""Safetensors files, taken apart from their bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from fastnn.architecture import Array
from fastnn.file_kinds import HEAD_BYTES
from fastnn.memory_budget import Budget
from fastnn.whole_files import read_whole

COPIES = 2
"""Of a file that are in memory while it is taken apart: its bytes, and the tensors."""
LARGEST_HEADER = 100_000_000  # bytes; safetensors reads no larger one


@dataclass(frozen=True)
class TensorFile:
    """What a safetensors file holds.

    Attributes
    ----------
    metadata : mapping of str to str
    described : mapping
        ``{"dtype": …, "shape": …}`` of each tensor by name, with the format's names of dtypes.
    tensors : mapping of str to ndarray
    """

    metadata: Mapping[str, str]
    described: Mapping[str, Any]
    tensors: Mapping[str, Array]


def parsed(data: bytes) -> TensorFile:
    """Take the bytes of a safetensors file apart.

    Raises
    ------
    SafetensorError, KeyError
        If they are not those of such a file, or a tensor is of a kind that NumPy has not.
    """
    from safetensors.numpy import load

    tensors = load(data)
    described = header_of(data)
    metadata = described.pop("__metadata__", {})
    return TensorFile(metadata, described, tensors)


def header_of(data: bytes) -> dict[str, Any]:
    """Return a safetensors file's header: its length in 8 bytes, then JSON."""
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def read_bytes(file: BinaryIO, budget: Budget) -> bytes:
    """Return all bytes of a safetensors file, or the first few of a file that begins otherwise.

    Raises
    ------
    OSError
        If the file is cut short while it is read.
    ValueError
        If it is larger than the budget allows.
    """
    head = file.read(HEAD_BYTES)
    if int.from_bytes(head[:8], "little") > LARGEST_HEADER or head[8:].lstrip()[:1] != b"{":
        return head
    return read_whole(file, budget, head=head, copies=COPIES)
