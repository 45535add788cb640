"""CRC-32 checksums, in hexadecimal.

They detect every flipped bit and every burst of up to 32 bits, but not intentional changes with an
updated checksum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def checksum(*arrays: NDArray[Any], text: str = "") -> str:
    """Return the CRC-32 of text and of the values in arrays, in hexadecimal."""
    crc = zlib.crc32(text.encode())
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def file_checksum(metadata: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the checksum of all meaningful contents of a safetensors file.

    It covers the metadata except ``"checksum"`` itself, and the name, dtype, shape and values of
    each tensor, in the order of names.
    """
    described = {name: value for name, value in metadata.items() if name != "checksum"}
    names = sorted(tensors)
    shapes = [[name, tensors[name].dtype.str, list(tensors[name].shape)] for name in names]
    text = json.dumps([described, shapes], sort_keys=True)
    return checksum(*(tensors[name] for name in names), text=text)
