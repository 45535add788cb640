"""A trained network as one ES module, with its types beside it; no dependency.

The module computes, for rows x,

    z_l = h_{l-1} @ W_l + b_l,    h_l = activation_l(z_l),    h_0 = x

in float32: by the kernel of `fastnn.exchange.javascript.kernel` where the engine has WebAssembly
with vectors, else by that of `fastnn.exchange.javascript.functions`. Parameters have the form of
those of a C header (`fastnn.exchange.c.parameters`); they are stored in base64, first the numbers
in float32 (means and factors of inputs; scales and biases of each layer), then the weights
(n_in, n_out) of each layer, in little-endian order. The same network gives the same bytes.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import Array
from fastnn.exchange.c.accuracy import Agreement, checked_measured_rows, measured, warn_of_loss
from fastnn.exchange.c.eight_bits import QuantizedWeight, in_float32
from fastnn.exchange.c.header import largest_weight_error
from fastnn.exchange.c.parameters import Parameters, known_columns, rounded, warn_of_left_out
from fastnn.exchange.javascript import runtime
from fastnn.exchange.javascript.dense import WIDEST
from fastnn.exchange.javascript.functions import plain_kernel
from fastnn.exchange.javascript.introduction import introduction
from fastnn.exchange.javascript.kernel import kernel
from fastnn.exchange.javascript.types import types
from fastnn.model.model import Model
from fastnn.rows.trained_on import takes_bytes
from fastnn.system.files import write_whole
from fastnn.system.version import __version__
from fastnn.validation import check_choice

WEIGHTS = ("float32", "float16", "int8")

TYPES = {".js": ".d.ts", ".mjs": ".d.mts"}
"""The ending of a module to that of its types."""

LARGEST_HALF = float(np.finfo(np.float16).max)
LARGEST_WHOLE = 2**53  # of JavaScript's numbers, which are float64


class WrittenModule(NamedTuple):
    """An ES module that has been written.

    Attributes
    ----------
    types : Path
        The file with the module's types, beside it.
    n_bytes : int
        Size of the module.
    n_weight_bytes : int
        Size of its parameters before they are written in base64.
    largest_weight_error : float
        The largest difference between a weight of the module and of the network.
    agreement : Agreement or None
        The comparison with the network; None if there were no rows for it.
    """

    types: Path
    n_bytes: int
    n_weight_bytes: int
    largest_weight_error: float
    agreement: Agreement | None


def write(network: Model, path: Any, *, weights: str, rows: Any = None) -> WrittenModule:
    """Write a network to the module `path`; see `fastnn.Network.to_javascript`."""
    check_choice("weights", weights, WEIGHTS)
    types_path = path_of_types(path)
    _check_no_columns(network)
    x, y = (None, None) if rows is None else checked_measured_rows(network, rows)
    columns = known_columns(network, x)
    parameters = stored(network, weights, columns)
    text = module(network, weights=weights, parameters=parameters).encode("ascii")
    agreement = measured(network, parameters, columns, x, y)
    for name, data in ((types_path, types(network).encode("ascii")), (path, text)):
        with write_whole(name) as file:
            file.write(data)
    warn_of_left_out(network, parameters, "JavaScript module")
    if agreement is not None:
        warn_of_loss(agreement, weights, "JavaScript module")
    error = largest_weight_error(network, parameters)
    return WrittenModule(types_path, len(text), len(packed(parameters, weights)), error, agreement)


def path_of_types(path: Any) -> Path:
    """Return the path of the types of the module `path`.

    Raises
    ------
    ValueError
        If `path` does not end in .js or .mjs.
    """
    path = Path(path)
    if path.suffix not in TYPES:
        raise ValueError(
            f"a JavaScript module is a file such as digits.js or digits.mjs, got {str(path)!r}"
        )
    types_path: Path = path.with_suffix(TYPES[path.suffix])
    return types_path


def module(network: Model, *, weights: str, parameters: Parameters | None = None) -> str:
    """Return the module's text, in ASCII.

    Parameters
    ----------
    network : Model
        One that takes rows of numbers.
    weights : {"float32", "float16", "int8"}
    parameters : Parameters, optional
        The result of `stored`; by default that of the network alone.

    Raises
    ------
    TypeError, ValueError
        If `weights` is not a valid choice, a parameter is not finite in float32, or a weight in
        float16, or a class label has no exact place in JavaScript.
    """
    check_choice("weights", weights, WEIGHTS)
    _check_no_columns(network)
    if parameters is None:
        parameters = stored(network, weights, known_columns(network))
    a = network.architecture
    functions = [layer.activation for layer in a.layers]
    code = kernel([(layer.n_out, layer.activation) for layer in a.layers])
    return "".join([
        introduction(network, parameters),
        _constants(network, parameters),
        short(runtime.PLACES),
        short(plain_kernel(functions)),
        short(runtime.PREDICT),
        *([short(runtime.DECIDE[a.output] + runtime.CLASSES)] if a.n_classes else []),
        short(runtime.UNPACK + runtime.WEIGHT_AT[weights] + runtime.LOAD),
        "// The kernel in WebAssembly, and the parameters: numbers in float32, then weights.\n"
        f'const KERNEL = "{_base64(code)}";\n'
        f'const DATA = "{_base64(packed(parameters, weights))}";\n',
        short(runtime.START),
    ])  # fmt: skip


def stored(network: Model, weights: str, columns: Any) -> Parameters:
    """Return the parameters of a module; those in float16 as the float32 that they become.

    Raises
    ------
    ValueError
        If a number is not finite in float32, or a weight in float16.
    """
    parameters = rounded(network, "int8" if weights == "int8" else "float32", columns)
    if weights != "float16":
        return parameters
    halves = []
    for i, weight in enumerate(parameters.weights, 1):
        largest = 0.0 if isinstance(weight, QuantizedWeight) else float(np.abs(weight).max())
        if largest > LARGEST_HALF:
            raise ValueError(
                f"the weights of layer {i} reach {largest:g}, and float16 holds numbers up to "
                f'{LARGEST_HALF:g}: use weights="float32"'
            )
        halves.append(np.asarray(weight).astype(np.float16).astype(np.float32))
    return parameters._replace(weights=tuple(halves))


def packed(parameters: Parameters, weights: str) -> bytes:
    """Return the parameters' bytes, in their order."""
    inputs, matrices = parameters.inputs, parameters.weights
    numbers: list[Array] = []
    if inputs is not None:
        numbers += [part for part in (inputs.mean, inputs.factor) if part is not None]
    for weight, bias in zip(matrices, parameters.biases, strict=True):
        numbers += [weight.scale] if isinstance(weight, QuantizedWeight) else []
        numbers += [bias] if bias is not None else []
    # a sum that starts from -0 would not be the same without the inputs that are 0
    result = b"".join((part.astype("<f4") + np.float32(0)).tobytes() for part in numbers)
    for weight in matrices:
        if isinstance(weight, QuantizedWeight):
            result += weight.integers.tobytes()
        else:
            result += weight.astype("<f2" if weights == "float16" else "<f4").tobytes()
    return result


# -- the parts of the module ----------------------------------------------------------------------


def short(code: str) -> str:
    """Return JavaScript without the comments, the indentation and the empty lines of its source.

    Comments for those who call the module, between /** and */, stay. No text in the code may hold
    ``//``.
    """
    lines = (re.sub(r"(^|\s+)//.*", "", line).strip() for line in code.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _constants(network: Model, parameters: Parameters) -> str:
    """Return the constants that the functions of `fastnn.exchange.javascript.runtime` name."""
    a, trained_on, inputs = network.architecture, network.trained_on, parameters.inputs
    scale = in_float32("input_scale", np.array([a.input_scale]))
    layers = [
        {"nIn": layer.n_in, "nOut": layer.n_out, "activation": layer.activation}
        for layer in a.layers
    ]
    of_bytes = trained_on is not None and takes_bytes(trained_on.inputs, a.input_scale)
    info: dict[str, Any] = {
        "nIn": a.n_in,
        "nOut": a.n_out,
        "layers": layers,
        "output": a.output,
        "classes": classes(network),
        "inputs": None if trained_on is None else trained_on.inputs,
        "inputScale": float(scale[0]),
        "columns": trained_on and trained_on.feature_names,
        "label": trained_on and trained_on.label_name,
        "engine": None,
        "version": __version__,
    }
    return (
        "/** What the network takes and returns, and what computes it: wasm or plain. */\n"
        f"export const info = {written(info)};\n\n"
        "const { nIn: N_IN, nOut: N_OUT, layers: LAYERS, inputScale: INPUT_SCALE } = info;\n"
        f"const BIAS = {written(a.bias)}, TAKES_BYTES = {written(of_bytes)};\n"
        f"const MEAN = {written(inputs is not None and inputs.mean is not None)}, "
        f"FACTOR = {written(inputs is not None)}; // of each input, in the first layer\n"
        f"const WIDEST = {WIDEST}; // vectors of four columns in a panel of weights\n"
    )


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def classes(network: Model) -> list[Any] | None:
    """Return the classes as JavaScript shows them: labels, or numbers from 0; None without any.

    Raises
    ------
    ValueError
        If a label is a whole number that JavaScript cannot hold exactly.
    """
    a, labels = network.architecture, network.class_labels
    if not a.n_classes:
        return None
    if labels is None:
        return list(range(a.n_classes))
    for label in labels:
        if isinstance(label, int) and abs(label) > LARGEST_WHOLE:
            raise ValueError(
                f"the class label {label} is beyond 2^53, up to which JavaScript's numbers are "
                "exact; choose a smaller one, or text"
            )
    return list(labels)


def written(value: Any) -> str:
    """Return a value as JavaScript, in ASCII, that may also stand in a page's script element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _check_no_columns(network: Model) -> None:
    if network.columns is not None:
        raise ValueError(
            "a JavaScript module takes rows of numbers, and the network takes tables: to_onnx "
            "writes it with the preparation of its columns, and to_c one of numbers and flags"
        )
