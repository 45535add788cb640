"""The body of an inference request and of its response: JSON, with binary tensors behind it.

The request header ``Inference-Header-Content-Length`` is the size of the JSON, which binary data of
the inputs follows, in their order; 0 means that the body is the one input's data alone.

orjson reads and writes tensors several times as fast as Python's `json`, where it is installed.
What it refuses is read again by `json`, which decides: it also takes whole numbers of any size and
halves of surrogate pairs, and says in words what is wrong. What both take they read alike, but for
whole numbers of more than 64 bits, which orjson rounds to floats: no datatype holds such a one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from fastnn.serve.refused import RefusedError, shown
from fastnn.serve.tensors import (
    DATATYPES,
    Description,
    Tensor,
    as_bytes,
    as_list,
    checked_datatype,
    checked_shape,
    from_bytes,
    from_json,
)

JSON = (b"content-type", b"application/json")
OCTETS = (b"content-type", b"application/octet-stream")
HEADER_LENGTH = b"inference-header-content-length"

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))

orjson: Any
try:
    orjson = import_module("orjson")
except ImportError:
    orjson = None

_NOT_DONE = ("shared_memory_region", "classification")


class Request(NamedTuple):
    """An inference request.

    Attributes
    ----------
    id : str or None
    inputs : dict of str to Tensor
    outputs : dict of str to bool
        The names of the outputs that are asked for, and whether as binary data; empty for all.
    binary : bool
        Whether outputs are binary that the request does not name.
    """

    id: str | None
    inputs: dict[str, Tensor]
    outputs: dict[str, bool]
    binary: bool


def tensors_parsed(text: memoryview) -> dict[str, Any]:
    """Return the JSON object of a request of tensors, as `parsed` does."""
    if orjson is not None:
        try:
            found = orjson.loads(text)
        except ValueError:
            pass
        else:
            if isinstance(found, dict):
                return found
    return parsed(text, "the request")


def tensors_encoded(found: dict[str, Any]) -> bytes:
    """Return the JSON of a response of tensors, whose numbers are finite."""
    if orjson is not None:
        try:
            text: bytes = orjson.dumps(found)
            return text
        except TypeError:  # half of a surrogate pair, in an id
            pass
    return encoded(found)


def parsed(text: bytes | memoryview, what: str = "the body") -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    RefusedError
        If it is something else, or not JSON, as NaN is not.
    """
    try:
        found = _DECODER.decode(str(text, "utf-8"))
    except RecursionError:
        raise RefusedError(
            400, f"{what} must be JSON; got lists or objects nested too deeply"
        ) from None
    except ValueError as error:
        raise RefusedError(400, f"{what} must be JSON; got {len(text):,} bytes: {error}") from None
    if not isinstance(found, dict):
        raise RefusedError(400, f"{what} must be a JSON object, got {shown(found)}")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON; a missing cell of a table is null")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def request_of(
    body: bytes, header_length: bytes | None, described: Sequence[Description], takes_null: bool
) -> Request:
    """Return the request in a body.

    Parameters
    ----------
    body : bytes
    header_length : bytes or None
        The header ``Inference-Header-Content-Length``.
    described : sequence of Description
        The model's inputs, of which a body without JSON holds the only one.
    takes_null : bool
        As of `from_json`.

    Raises
    ------
    RefusedError
        If it is not as the protocol says.
    """
    view, size = memoryview(body), len(body)
    if header_length is not None:
        size = _size(header_length, len(body))
        if not size:
            return Request(None, _only_input(view, described), {}, True)
    found = tensors_parsed(view[:size])
    binary = _Binary(view[size:])
    parameters = _object("parameters of the request", found.get("parameters", {}))
    inputs: dict[str, Tensor] = {}
    given = found.get("inputs")
    if not isinstance(given, list) or not given:
        raise RefusedError(
            400, f'the request must have "inputs", a list of tensors; got {shown(given)}'
        )
    for entry in given:
        tensor = _input(_object("an input", entry), binary, takes_null)
        if tensor.name in inputs:
            raise RefusedError(400, f"the request has the input {shown(tensor.name)} twice")
        inputs[tensor.name] = tensor
    binary.check_end()
    is_binary = _flag("binary_data_output", parameters, default=False)
    key = found.get("id")
    if key is not None and not isinstance(key, str):
        raise RefusedError(400, f"the id of the request must be a string, got {shown(key)}")
    return Request(key, inputs, _wanted(found.get("outputs"), is_binary), is_binary)


def _size(text: bytes, n_bytes: int) -> int:
    size = int(text) if text.isdigit() and len(text) < 20 else -1
    if not 0 <= size <= n_bytes:
        raise RefusedError(
            400,
            f"Inference-Header-Content-Length must be the size of the JSON, at most the "
            f"{n_bytes:,} bytes of the body; got {shown(text.decode('latin-1'))}",
        )
    return size


def _only_input(data: memoryview, described: Sequence[Description]) -> dict[str, Tensor]:
    if len(described) != 1:
        raise RefusedError(
            400,
            "Inference-Header-Content-Length: 0 is for models of one input; this has "
            f"{len(described)}",
        )
    name, datatype, shape = described[0]
    row = math.prod(shape[1:]) * DATATYPES[datatype].itemsize
    if not data or datatype == "BYTES" or len(data) % row:
        raise RefusedError(
            400,
            f"the body must be rows of {shape[1]:,} numbers of datatype {datatype}, {row:,} bytes "
            f"each; got {len(data):,} bytes",
        )
    return {name: from_bytes(name, datatype, (len(data) // row, *shape[1:]), data)}


class _Binary:
    """The binary data behind the JSON, which the inputs take in turn."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._place = data, 0

    def take(self, name: str, size: Any) -> memoryview:
        left = len(self._data) - self._place
        if type(size) is not int or not 0 <= size <= left:
            raise RefusedError(
                400,
                f"binary_data_size of input {shown(name)} must be at most the {left:,} bytes that "
                f"are left behind the JSON, got {shown(size)}",
            )
        self._place += size
        return self._data[self._place - size : self._place]

    def check_end(self) -> None:
        left = len(self._data) - self._place
        if left:
            raise RefusedError(
                400,
                f"the inputs' binary_data_size must add up to the {len(self._data):,} bytes behind "
                f"the JSON: {left:,} are left over",
            )


def _input(entry: Mapping[str, Any], binary: _Binary, takes_null: bool) -> Tensor:
    name = entry.get("name")
    if not isinstance(name, str):
        raise RefusedError(400, f"an input must have a name, a string; got {shown(name)}")
    datatype = checked_datatype(name, entry.get("datatype"))
    shape = checked_shape(name, entry.get("shape"))
    parameters = _parameters(entry, f"input {shown(name)}")
    if "binary_data_size" in parameters:
        if "data" in entry:
            raise RefusedError(400, f"input {shown(name)} has both data and binary_data_size")
        return from_bytes(name, datatype, shape, binary.take(name, parameters["binary_data_size"]))
    if "data" not in entry:
        raise RefusedError(400, f"input {shown(name)} must have data, or a binary_data_size")
    return from_json(name, datatype, shape, entry["data"], takes_null=takes_null)


def _wanted(given: Any, is_binary: bool) -> dict[str, bool]:
    if given is None:
        return {}
    if not isinstance(given, list):
        raise RefusedError(
            400, f"outputs must be a list of objects with a name, got {shown(given)}"
        )
    wanted: dict[str, bool] = {}
    for entry in given:
        name = _object("an output", entry).get("name")
        if not isinstance(name, str):
            raise RefusedError(400, f"an output must have a name, a string; got {shown(name)}")
        parameters = _parameters(entry, f"output {shown(name)}")
        wanted[name] = _flag("binary_data", parameters, default=is_binary)
    return wanted


def _parameters(entry: Mapping[str, Any], what: str) -> dict[str, Any]:
    parameters = _object(f"parameters of {what}", entry.get("parameters", {}))
    for name in _NOT_DONE:
        if name in parameters:
            raise RefusedError(400, f"{what} has the parameter {name}, which is not supported here")
    return parameters


def _flag(name: str, parameters: Mapping[str, Any], default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RefusedError(400, f"{name} must be true or false, got {shown(value)}")
    return value


def _object(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError(400, f"{what} must be a JSON object, got {shown(value)}")
    return value


def response_of(
    model: str, version: str, request: Request, outputs: Sequence[Tensor], remark: str | None
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of the response.

    Parameters
    ----------
    model, version : str
    request : Request
    outputs : sequence of Tensor
        Those that the request asks for.
    remark : str or None
        What was guessed about the rows; it becomes the response's parameter ``warning``.
    """
    entries, binary = [], []
    for tensor in outputs:
        entry: dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.values.shape),
        }
        if request.outputs.get(tensor.name, request.binary):
            binary.append(as_bytes(tensor))
            entry["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            entry["data"] = as_list(tensor)
        entries.append(entry)
    found: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id is not None:
        found["id"] = request.id
    if remark is not None:
        found["parameters"] = {"warning": remark}
    found["outputs"] = entries
    text = tensors_encoded(found)
    if not binary:
        return [JSON], text
    return [OCTETS, (HEADER_LENGTH, b"%d" % len(text))], b"".join((text, *binary))


def encoded(found: Any) -> bytes:
    """Return JSON."""
    return _ENCODER.encode(found).encode()
