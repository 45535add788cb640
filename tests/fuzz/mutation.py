"""Random changes of bytes, of JSON values, and of what lies packed inside a file."""

import bz2
import gzip
import io
import lzma
import random
import warnings
import zipfile

ODD_NUMBERS = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
HOSTILE = (
    None, True, False, 0, 1, -1, 2, 3, 10, 2**31, 2**63, 2**64, -(2**63), 10**18, 10**400, 0.5,
    -0.0, 1e308, 5e-324, float("nan"), float("inf"), "", "a", "\0", "\ud800", "relu", "softmax",
    "float32", [], {}, [0], [[1]], ["a", "b", "c"], {"a": 1},
)  # fmt: skip
"""JSON values that a reader may not expect."""


class Mutator:
    """A source of random choices, and of changed bytes.

    Parameters
    ----------
    seed : int
    mutate_bytes : callable, optional
        Takes bytes and the largest size, and returns other bytes: libFuzzer's, which knows what
        led to new code. By default plain random changes.
    max_size : int
        Of an input.
    """

    def __init__(self, seed, mutate_bytes=None, max_size=4096):
        self.rng = random.Random(seed)
        self.max_size = max_size
        self._mutate_bytes = mutate_bytes

    def coin(self, p=0.5):
        return self.rng.random() < p

    def choice(self, options):
        return self.rng.choice(list(options))

    def bytes(self, data):
        """Return other bytes."""
        if self._mutate_bytes is not None:
            return self._mutate_bytes(data, max(len(data) + 64, 64))
        data = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            self._change(data)
        return bytes(data)

    def _change(self, data):
        rng, at = self.rng, self.rng.randrange(len(data) + 1)
        part = slice(at, at + rng.choice((1, 1, 2, 4, 16)))
        match rng.randrange(6):
            case 0:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
            case 1:
                del data[part]
            case 2:
                data[at:at] = data[part]
            case 3:
                number = rng.choice(ODD_NUMBERS)
                size = rng.choice((1, 2, 4, 8))
                data[at : at + size] = (number % 256**size).to_bytes(size, "little")
            case _ if at < len(data):
                data[at] ^= 1 << rng.randrange(8)

    def text(self, text, tokens=()):
        """Return other text; lone halves of UTF-8 are replaced."""
        if tokens and self.coin():
            at = self.rng.randrange(len(text) + 1)
            return text[:at] + self.choice(tokens) + text[at + self.rng.choice((0, 0, 1, 3)) :]
        return self.bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def json(self, value):
        """Return a JSON value of which one part, anywhere in it, is another."""
        inside = list(value) if isinstance(value, dict) else range(len(_listed(value)))
        if not inside or self.coin(0.15):
            return self._scalar(value)
        key = self.choice(inside)
        changed = value.copy()
        match self.rng.randrange(12):
            case 0:
                del changed[key]
            case 1 if isinstance(value, dict):
                changed[self.text(key)] = changed.pop(key)
            case 1:
                changed.insert(key, value[key])
            case _:
                changed[key] = self.json(value[key])
        return changed

    def _scalar(self, value):
        if self.coin(0.4) or isinstance(value, dict | list) or value is None:
            return self.choice(HOSTILE)
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool):
            return not value
        return self.choice((value + 1, value - 1, -value, value * 2, value // 2, str(value)))


def _listed(value):
    return value if isinstance(value, list) else ()


def repacked(data, mutator, change):
    """Return packed bytes with what is in them changed, and the checksums that this takes.

    None if they are not packed, or are damaged.
    """
    try:
        if data.startswith(b"\x1f\x8b"):
            return gzip.compress(change(gzip.decompress(data)), 1, mtime=0)
        if data.startswith(b"BZh"):
            return bz2.compress(change(bz2.decompress(data)), 1)
        if data.startswith(b"\xfd7zXZ"):
            return lzma.compress(change(lzma.decompress(data)), preset=0)
        if data.startswith(b"PK"):
            return _rezipped(data, mutator, change)
    except Exception:  # damage: whatever it does to the readers
        return None
    return None


def _rezipped(data, mutator, change):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(info.file_size for info in archive.infolist()) > 1 << 20:
            return None
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = mutator.rng.randrange(len(members))
    name, contents = members[at]
    match mutator.rng.randrange(10):
        case 0:
            members[at] = mutator.text(name), contents
        case 1:
            del members[at]
        case 2:
            members.append(members[at])
        case _:
            members[at] = name, change(contents)
    return zipped(members, mutator.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def zipped(members, packing=zipfile.ZIP_STORED):
    """Return a zip file of ``(name, contents)``, the same each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of one name
        for name, contents in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = packing
            archive.writestr(info, contents)
    return buffer.getvalue()
