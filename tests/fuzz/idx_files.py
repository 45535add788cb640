"""IDX files, compressed or not: refused in words, or read to what the file format says.

The first byte of an input says whether the file is to be mapped, the others are the file.
"""

import gzip
import math
import struct

import numpy as np

from fastnn.datasets import read_idx, write_idx
from fuzz.mutation import repacked
from fuzz.target import Target, read_or_refused

LETTERS = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}


def seeds():
    files = [
        _file(0x08, (2, 3), range(6)),
        _file(0x0E, (2, 1, 2), (0.5, -1.5, 2.5, math.nan)),
        _file(0x0B, (0, 3), ()),
        _file(0x09, (), (-5,)),
        _file(0x0D, (3,), (1, 2, 3)),
    ]
    files += [gzip.compress(files[i], mtime=0) for i in (0, 1)]
    return [bytes([i % 2]) + data for i, data in enumerate(files)]


def _file(code, shape, values):
    values = list(values)
    header = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)
    return header + struct.pack(f">{len(values)}{LETTERS[code]}", *values)


def check(data, folder):
    if not data:
        return False
    path, mapped = folder / "array.idx", data[0] % 2 == 1
    path.write_bytes(data[1:])
    array = read_or_refused(lambda: read_idx(path, mmap=mapped), path)
    if array is None:
        return False
    plain = gzip.decompress(data[1:]) if data[1:].startswith(b"\x1f\x8b") else data[1:]
    code, n_dims = plain[2:4]
    shape = struct.unpack_from(f">{n_dims}I", plain, 4)
    values = struct.unpack_from(f">{math.prod(shape)}{LETTERS[code]}", plain, 4 + 4 * n_dims)
    assert array.shape == shape
    np.testing.assert_array_equal(array.ravel(), np.array(values, array.dtype.newbyteorder("=")))
    written = folder / "written.idx"
    write_idx(written, array)
    assert written.read_bytes() == plain
    return True


def mutate(data, mutator):
    if not data or mutator.coin(0.1):
        data = bytes([mutator.rng.randrange(2)]) + data[1:]
    contents = repacked(data[1:], mutator, lambda d: _changed(d, mutator))
    if contents is None or mutator.coin(0.2):
        contents = _changed(data[1:], mutator)
    return data[:1] + contents


def _changed(data, mutator):
    """Return another array's file, of the right size in half of the cases; or other bytes."""
    if mutator.coin():
        return mutator.bytes(data)
    sizes = (0, 1, 1, 2, 3) if mutator.coin(0.9) else (1,)
    n_dims = mutator.choice((0, 1, 2, 3, 4) if len(sizes) > 1 else (31, 32, 33))
    shape = [mutator.choice(sizes) for _ in range(n_dims)]
    n_bytes = 4 + 4 * len(shape) + 8 * math.prod(shape)
    header = struct.pack(f">HBB{len(shape)}I", 0, mutator.choice(LETTERS), len(shape), *shape)
    return (header + data[4:])[:n_bytes].ljust(n_bytes if mutator.coin() else 0, b"\0")


TARGET = Target("idx_files", seeds, check, mutate)
