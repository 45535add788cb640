"""A network in integers as one C99 header without floats.

Weights lie unit by unit, so that a unit's sum stays in a register: the only memory besides the
constants is two arrays of int16 for the hidden layers. Every row takes the same time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn.architecture import Architecture, Array
from fastnn.exchange.c.accuracy import checked_measured_rows
from fastnn.exchange.c.header import Written, function, name_for
from fastnn.exchange.c.integers import functions as c_functions
from fastnn.exchange.c.integers.accuracy import measured, warn_of_loss
from fastnn.exchange.c.integers.calibration import calibrated
from fastnn.exchange.c.integers.network import LEVELS, FloatInputs, IntegerLayer, IntegerNetwork
from fastnn.exchange.c.introduction import aligned, names_of_outputs, scratch, shown
from fastnn.exchange.c.literals import array, float_literals, label_array
from fastnn.exchange.c.parameters import column_name
from fastnn.model.model import Model
from fastnn.system.files import write_whole
from fastnn.system.version import __version__
from fastnn.validation.frames import some

MEANINGS = {
    "softmax": "the logit of each class",
    "sigmoid": "the logit of yes for each output: above zero is yes",
    "identity": "numbers",
    "exp": "logarithms of the counts to be expected",
    "tanh": "numbers from -1 to 1",
    "relu": "numbers of at least 0",
}
"""What the outputs are, in units of 2^-fraction_bits."""


def write_integers(
    network: Model, path: Any, *, name: str | None, calibration: Any, rows: Any = None
) -> Written:
    """Write a network in integers to the header `path`; see `fastnn.Network.to_c`."""
    name = name_for(path, name)
    if calibration is None:
        raise ValueError(
            'arithmetic="int32" needs calibration=: some hundred rows such as the network will '
            "meet, which give the ranges of its inputs and activations"
        )
    x, y = checked_measured_rows(network, calibration)
    measured_on = (x, y) if rows is None else checked_measured_rows(network, rows)
    if (measured_on[0].dtype == np.uint8) != (x.dtype == np.uint8):
        raise ValueError(
            "calibration= and rows= must be of one kind, since the header takes one kind: one of "
            "them holds bytes (uint8) and the other numbers"
        )
    integers = calibrated(network, x)
    text = integer_header(network, integers, name)
    agreement, largest_logit_error = measured(network, integers, *measured_on)
    with write_whole(path) as file:
        file.write(text.encode("ascii"))
    if integers.inputs is not None:
        _warn_of_constant(network, integers.inputs)
    warn_of_loss(agreement)
    error = _largest_weight_error(network, integers)
    return Written(name, integers.n_bytes, error, agreement, largest_logit_error)


def integer_header(network: Model, integers: IntegerNetwork, name: str) -> str:
    """Return the header's text, in ASCII.

    Raises
    ------
    ValueError
        If a class label cannot be written in C.
    """
    a, labels, inputs = network.architecture, network.class_labels, integers.inputs
    parts = [
        _introduction(network, integers, name),
        _sizes(a, integers.fraction_bits),
        *([] if labels is None else [label_array(f"{name}_class_labels", labels)]),
        *(part for i, layer in enumerate(integers.layers, 1) for part in _arrays(layer, i)),
        *_functions(a, integers),
        *([] if inputs is None else [_conversion(inputs)]),
        f"#endif /* {name}_H */\n",
    ]
    return "\n".join(
        part if part.startswith(("/*\n", "/* The label")) else part.replace("NAME_", f"{name}_")
        for part in parts
    )


# -- the parts of the header, in their order ------------------------------------------------------


def _introduction(network: Model, integers: IntegerNetwork, name: str) -> str:
    """Return the comment at the top, in ASCII and 100 columns."""
    a, in_bytes = network.architecture, integers.inputs is None
    layers = [
        (f"layer {i}", f"{n_in} -> {n_out}", activation)
        for i, (n_in, n_out, activation, *_) in enumerate(a.layers, 1)
    ]
    stack = 2 * sum(scratch(a)) + 4 * a.n_out * bool(a.n_classes)
    suffix, kind = ("_bytes", "uint8_t") if in_bytes else ("", "int16_t")
    row = "bytes" if in_bytes else "integers"
    calls = [
        (f"{kind} x[{name}_N_IN];", f"one row, {a.n_in} {row}"),
        (f"int32_t out[{name}_N_OUT];", MEANINGS[a.output]),
        (f"{name}_predict{suffix}(x, out);", "out must not overlap x"),
    ]
    if a.n_classes:
        call = f"int c = {name}_classify{suffix}(x);"
        calls.append((call, f"the class, from 0 to {a.n_classes - 1}"))
    lines = [
        f"A dense neural network of {a.n_in} inputs and {a.n_out} outputs in C99 (or C++),",
        f"written by fastnn {__version__}. It computes in integers of 32 bits, with weights of 8",
        "bits and activations of 16; there are no floats.",
        "",
        *aligned(layers),
        "",
        "A layer takes x, the inputs or the outputs of the layer before, and computes",
        "",
        "    h[j] = f((bias[j] + sum over i of x[i] * weight[j][i]) * multiplier[j] / 2^shift[j])",
        "",
        "where f is the function named above. No sum overflows, whatever the row.",
        "",
        f"Memory: {integers.n_bytes:,} bytes of constants, about {stack:,} of stack. "
        "Nothing is allocated",
        "and no state is kept: several threads may call the functions at once.",
        "",
        "How to call it:",
        "",
        *aligned(calls),
        "",
        f"An output of k stands for k / 2^{name}_FRACTION_BITS.",
        *_row_words(integers.inputs, name),
        *_columns(network, integers.inputs),
        *names_of_outputs(network),
    ]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _row_words(inputs: FloatInputs | None, name: str) -> list[str]:
    if inputs is None:
        return ["Inputs are bytes, as in training."]
    return [
        f"Inputs are integers from -{inputs.limit} to {inputs.limit}. Where floats are at hand, "
        "define",
        f"{name}_FLOAT before the header is included: {name}_quantize(x, q) then makes such",
        "integers q of a row x of floats, and is the only function with floats.",
    ]


def _columns(network: Model, inputs: FloatInputs | None) -> list[str]:
    trained_on = network.trained_on
    if trained_on is None or trained_on.feature_names is None:
        return []
    constant = () if inputs is None else inputs.constant
    remark = ", counts as a constant: it is one in the calibration rows"
    return [
        "",
        "The inputs, in their order:",
        "",
        *aligned(
            [
                (f"x[{i}]", shown(name) + remark * (i in constant))
                for i, name in enumerate(trained_on.feature_names)
            ]
        ),
    ]


def _sizes(a: Architecture, fraction_bits: int) -> str:
    constants = {"NAME_N_IN": a.n_in, "NAME_N_OUT": a.n_out}
    if a.n_classes:
        constants["NAME_N_CLASSES"] = a.n_classes
    constants["NAME_FRACTION_BITS"] = fraction_bits
    sizes = ", ".join(f"{constant} = {n}" for constant, n in constants.items())
    return (
        "#ifndef NAME_H\n#define NAME_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
        f"enum {{ {sizes} }};\n"
    )


def _arrays(layer: IntegerLayer, i: int) -> Iterator[str]:
    """Yield the arrays of layer i; the weights unit by unit."""
    n_in, n_out = layer.weight.shape
    yield f"/* Layer {i}: {n_in} weights for each of {n_out} units. */\n" + array(
        f"static const int8_t NAME_weight_{i}[{n_out} * {n_in}]",
        [list(map(str, row)) for row in layer.weight.T.tolist()],
    )
    vectors: dict[str, Array] = {
        "int32_t NAME_bias": layer.bias,
        "uint32_t NAME_multiplier": layer.multiplier,
        "uint8_t NAME_shift": layer.shift,
    }
    for declaration, vector in vectors.items():
        literals = [f"{n}u" if n >= 2**15 and n.dtype.kind == "u" else str(n) for n in vector]
        yield array(f"static const {declaration}_{i}[{n_out}]", [literals])
    if layer.curve is not None:
        yield f"/* {layer.activation} of layer {i}. */\n" + array(
            f"static const uint16_t NAME_curve_{i}[{len(layer.curve)}]",
            [[f"{n}u" for n in layer.curve]],
        )


def _functions(a: Architecture, integers: IntegerNetwork) -> Iterator[str]:
    inputs, layers = integers.inputs, integers.layers
    first, suffix, kind, words = "_bytes", "_bytes", "uint8_t", "bytes"
    if inputs is not None:
        first, suffix, kind, words = "", "", "int16_t", "integers"
        if inputs.limit < LEVELS:
            first = "_first"
            yield c_functions.BOUNDED.replace("LIMIT", str(inputs.limit))
    if first or len(layers) == 1:
        entry = "NAME_bounded(x[i])" if first == "_first" else "x[i]"
        yield _dot(first, kind, entry)
    if len(layers) > 1:
        yield _dot("", "int16_t", "x[i]")
    yield c_functions.SCALED
    used = {layer.activation for layer in layers if layer.curve is None}
    if "relu" in used:
        yield c_functions.RELU
    if "leaky_relu" in used:
        yield c_functions.LEAKY_RELU
    if any(layer.curve is not None for layer in layers):
        yield c_functions.ON_CURVE
    for i, layer in enumerate(layers, 1):
        yield _layer(layer, i, first if i == 1 else "", kind if i == 1 else "int16_t", len(layers))
    yield _predict(a, suffix, kind, words)
    if a.n_classes:
        yield c_functions.MOST_LIKELY if a.output == "softmax" else c_functions.YES_OR_NO
        yield _filled(c_functions.CLASSIFY, {"SUFFIX": suffix, "KIND": kind, "WORDS": words})


def _dot(suffix: str, kind: str, entry: str) -> str:
    return _filled(c_functions.DOT, {"SUFFIX": suffix, "KIND": kind, "INPUT": entry})


def _layer(layer: IntegerLayer, i: int, suffix: str, kind: str, n_layers: int) -> str:
    n_in, n_out = layer.weight.shape
    if layer.curve is not None:
        value = f"NAME_on_curve(NAME_curve_{i}, z)"
    elif layer.activation == "leaky_relu":
        value = f"NAME_leaky_relu(z, {layer.levels})"
    else:
        value = "NAME_relu(z)" if layer.activation == "relu" else "z"
    target = "int32_t" if i == n_layers else "int16_t"
    if target == "int16_t":
        value = f"(int16_t){value}"
    words = {"N_IN": str(n_in), "N_OUT": str(n_out), "NUMBER": str(i), "SUFFIX": suffix}
    words |= {"KIND": kind, "TARGET": target, "LIMIT": str(layer.limit), "VALUE": value}
    return _filled(c_functions.LAYER, words)


def _predict(a: Architecture, suffix: str, kind: str, words: str) -> str:
    """Return the function from a row to outputs; hidden layers alternate between two arrays."""
    n_layers = len(a.layers)
    lines = [f"int16_t {x}[{width}];" for x, width in zip("ab", scratch(a), strict=True) if width]
    source = "x"
    for i, target in enumerate([*("ab"[i % 2] for i in range(n_layers - 1)), "out"], 1):
        lines.append(f"NAME_layer_{i}({source}, {target});")
        source = target
    return function(
        f"The outputs for one row x of NAME_N_IN {words}, in units of 2^-NAME_FRACTION_BITS.",
        f"void NAME_predict{suffix}(const {kind} *x, int32_t *out)",
        lines,
    )


def _conversion(inputs: FloatInputs) -> str:
    n_in = len(inputs.offset)
    return "\n".join(
        [
            "#ifdef NAME_FLOAT\n",
            array(f"static const float NAME_offset[{n_in}]", [float_literals(inputs.offset)]),
            array(f"static const float NAME_factor[{n_in}]", [float_literals(inputs.factor)]),
            c_functions.QUANTIZE.replace("LIMIT", str(inputs.limit)),
            "#endif /* NAME_FLOAT */\n",
        ]
    )


def _filled(text: str, words: dict[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


# -- what is told at export -----------------------------------------------------------------------


def _largest_weight_error(network: Model, integers: IntegerNetwork) -> float:
    """Return the largest rounding of a weight; inputs in integers have scales of their own."""
    largest = 0.0
    unit: Any = network.architecture.input_scale
    if integers.inputs is not None:
        factor = integers.inputs.factor.astype(np.float64)[:, None]
        unit = np.divide(1.0, factor, where=factor > 0, out=np.zeros_like(factor))
    for layer, weight in zip(integers.layers, network.weights, strict=True):
        exact = weight.astype(np.float64) * unit
        found = layer.weight.astype(np.float64) * layer.scale
        error = np.divide(
            np.abs(found - exact), unit, where=np.broadcast_to(unit, exact.shape) > 0,
            out=np.zeros_like(exact),
        )  # fmt: skip
        largest = max(largest, float(error.max()))
        unit = layer.unit
    return largest


def _warn_of_constant(network: Model, inputs: FloatInputs) -> None:
    if inputs.constant:
        names = some([column_name(network, i) for i in inputs.constant])
        warnings.warn(
            f"the C header counts {names} as constant, since float32 holds one value of each in "
            "the calibration rows: calibrate it on rows of the whole range that it will meet",
            UserWarning,
            stacklevel=4,
        )
