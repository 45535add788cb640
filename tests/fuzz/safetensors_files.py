"""Safetensors files taken apart, changed and put together again, with a checksum that fits."""

import json

import numpy as np

from fastnn.system.checksums import file_checksum

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8}


def parts(data):
    """Return a file's header and the bytes behind it; None if there is no header."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
    except (ValueError, RecursionError):
        return None
    is_header = isinstance(header, dict) and all(isinstance(v, dict) for v in header.values())
    return (header, data[8 + size :]) if is_header else None


def joined(header, body):
    """Return the file."""
    text = json.dumps(header).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text + body


def repaired(header, body):
    """Return the header with the checksum of what is there; as it is, if that is no network."""
    metadata = header.get("__metadata__", {})
    try:
        tensors = {
            name: _tensor(described, body)
            for name, described in header.items()
            if name != "__metadata__"
        }
        checksum = file_checksum(metadata, tensors)
    except Exception:  # whatever a changed header makes of it
        return header
    return header | {"__metadata__": metadata | {"checksum": checksum}}


def _tensor(described, body):
    first, last = described["data_offsets"]
    return np.frombuffer(body[first:last], DTYPES[described["dtype"]]).reshape(described["shape"])


def mutated(data, mutator):
    """Return another file; its checksum is right in half of the cases."""
    found = parts(data)
    if found is None or mutator.coin(0.1):
        return mutator.bytes(data)
    header, body = found
    metadata = header.get("__metadata__", {})
    match mutator.rng.randrange(8):
        case 0:
            body = mutator.bytes(body)
        case 1:
            header = mutator.json(header)
        case 2 if body:  # numbers no others than they are allowed to be
            at = mutator.rng.randrange(len(body))
            body = body[:at] + bytes([body[at] ^ 1 << mutator.rng.randrange(8)]) + body[at + 1 :]
        case _ if metadata:
            key = mutator.choice(metadata)
            header = header | {"__metadata__": metadata | {key: _text(metadata[key], mutator)}}
    if mutator.coin() and isinstance(header, dict):
        header = repaired(header, body)
    return joined(header, body)


def _text(text, mutator):
    """Return another text; most of the time, one of JSON that differs in one value."""
    if not isinstance(text, str) or mutator.coin(0.1):
        return mutator.text(str(text))
    try:
        return json.dumps(mutator.json(json.loads(text)))
    except (ValueError, RecursionError):
        return mutator.text(text)
