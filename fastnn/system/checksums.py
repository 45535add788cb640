"""One number that changes when a bit of what it was taken from does: CRC-32, in hexadecimal.

It finds every single flipped bit and every burst of up to 32; what somebody changes on purpose and
gives a new checksum it does not.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def checksum(*arrays: NDArray[Any], text: str = "") -> str:
    """Return the CRC-32 of a text and of the numbers in arrays, in hexadecimal."""
    crc = zlib.crc32(text.encode())
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def file_checksum(metadata: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the checksum of all that has a meaning in a safetensors file.

    Taken of the metadata but their own ``"checksum"``, and of each tensor's name, dtype, shape and
    numbers, in the order of names.
    """
    described = {name: value for name, value in metadata.items() if name != "checksum"}
    names = sorted(tensors)
    shapes = [[name, tensors[name].dtype.str, list(tensors[name].shape)] for name in names]
    text = json.dumps([described, shapes], sort_keys=True)
    return checksum(*(tensors[name] for name in names), text=text)
