"""A trained network as one C99 header: no allocation, and no library but the C compiler's own.

The header holds the weights as constants and functions that compute, for a row x,

    z_l = h_{l-1} @ W_l + b_l,    h_l = activation_l(z_l),    h_0 = x

in float32, with loops that a reader can follow. Every name in it begins with the network's, so that
several may be included in one program; C++ takes it too. The same network makes the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn._version import __version__
from fastnn.architecture import Architecture
from fastnn.exchange import c_functions
from fastnn.exchange.c_literals import array, float_literals, label_array
from fastnn.exchange.quantization import in_float32, quantize
from fastnn.files import write_whole
from fastnn.validation import check_choice

if TYPE_CHECKING:
    from fastnn.network import Network

WEIGHTS = ("float32", "int8")


def write(network: Network, path: Any, *, weights: str, name: str | None) -> None:
    """Write a network to the header `path`; see `fastnn.Network.to_c`."""
    text = header(network, name_for(path, name), weights=weights)
    with write_whole(path) as file:
        file.write(text.encode("ascii"))


def name_for(path: Any, name: str | None = None) -> str:
    """Return what the names in the header `path` begin with: `name`, or one from the file's.

    Raises
    ------
    TypeError, ValueError
        If `name` is not an identifier of C.
    """
    if name is None:
        derived = re.sub(r"[^A-Za-z0-9_]", "_", Path(path).stem)
        return derived if derived[:1].isalpha() else f"net_{derived.strip('_')}".rstrip("_")
    if not isinstance(name, str):
        raise TypeError(f"name must be a string such as 'digits', got {name!r}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            "name must be an identifier of C, a letter and then letters, digits or _ (those that "
            f"begin with _ belong to the compiler), got {name!r}"
        )
    return name


def header(network: Network, name: str, *, weights: str) -> str:
    """Return the header's text, in ASCII.

    Parameters
    ----------
    network : Network
    name : str
        An identifier of C.
    weights : {"float32", "int8"}

    Raises
    ------
    TypeError, ValueError
        If `weights` is something else, a parameter is not finite in float32, or a class label has
        no place in C.
    """
    check_choice("weights", weights, WEIGHTS)
    a, labels = network.architecture, network.class_labels
    scale = in_float32("input_scale", np.array([a.input_scale]))
    parts = [
        _introduction(a, name, weights),
        _sizes(a).replace("NAME_", f"{name}_"),
        *([] if labels is None else [label_array(f"{name}_class_labels", labels)]),
        "/* What inputs in bytes are multiplied by. */\n"
        f"static const float {name}_input_scale = {float_literals(scale)[0]};\n",
        *_parameters(network, name, weights),
        *(part.replace("NAME_", f"{name}_") for part in _functions(a, weights)),
        f"#endif /* {name}_H */\n",
    ]
    return "\n".join(parts)


def constant_bytes(architecture: Architecture, weights: str) -> int:
    """Return the size of the weights, their scales and the biases in the compiled program."""
    if weights == "float32":
        return 4 * architecture.n_parameters
    n_units = sum(architecture.sizes[1:])
    n_weights = architecture.n_parameters - architecture.bias * n_units
    return n_weights + 4 * n_units * (1 + architecture.bias)


def largest_weight_error(network: Network, weights: str) -> float:
    """Return how far a weight in the header lies from the network's at most.

    Raises
    ------
    ValueError
        If a weight is not finite in float32.
    """
    errors = []
    for i, weight in enumerate(network.weights, 1):
        stored = in_float32(f"the weights of layer {i}", weight)
        written = quantize(stored).dequantized() if weights == "int8" else stored
        errors.append(float(np.abs(written.astype(np.float64) - weight).max()))
    return max(errors)


def _scratch(architecture: Architecture) -> tuple[int, int]:
    """Return the widths of the two arrays that hold hidden layers, turn and turn about."""
    hidden = architecture.sizes[1:-1]
    return max(hidden[0::2], default=0), max(hidden[1::2], default=0)


# -- the parts of the header, in their order ------------------------------------------------------


def _introduction(a: Architecture, name: str, weights: str) -> str:
    layers = [
        (f"layer {i}", f"{n_in} -> {n_out}", activation)
        for i, (n_in, n_out, activation, *_) in enumerate(a.layers, 1)
    ]
    meaning = {
        "softmax": "the probability of each class",
        "sigmoid": "the probability of yes for each output, each on its own",
        "identity": "numbers",
        "exp": "counts to be expected",
    }[a.output]
    calls = [
        (f"float x[{name}_N_IN];", f"one row, {a.n_in} numbers"),
        (f"float out[{name}_N_OUT];", meaning),
        (f"{name}_predict(x, out);", "out must not overlap x"),
    ]
    if a.n_classes:
        calls.append((f"int c = {name}_classify(x);", f"the class, from 0 to {a.n_classes - 1}"))
    bias = "bias[j] + " if a.bias else ""
    scale = "scale[j] * " if weights == "int8" else ""
    stack = 4 * (sum(_scratch(a)) + (a.n_out if a.n_classes else 0))
    lines = [
        f"A dense neural network of {a.n_in} inputs and {a.n_out} outputs in C99 (or C++),",
        f"written by fastnn {__version__}.",
        "",
        *_table(layers),
        "",
        "A layer takes x, the inputs or the outputs of the layer before, and computes",
        "",
        f"    out[j] = f({bias}{scale}sum over i of x[i] * weight[i][j])",
        "",
        "where f is the function named above. Arithmetic is in float"
        + (", weights are from -127 to 127." if scale else "."),
        "",
        f"Memory: {constant_bytes(a, weights):,} bytes of constants, about {stack:,} of stack. "
        "Nothing is allocated",
        "and no state is kept: several threads may call the functions at once. They need <math.h>",
        "alone; link with -lm where that is a library of its own.",
        "",
        "How to call it:",
        "",
        *_table(calls),
        "",
        f"Inputs in bytes count as {a.input_scale:.9g} times their value: "
        f"{name}_predict_bytes(x, out)" + (" and" if a.n_classes else "."),
        *([f"{name}_classify_bytes(x)."] if a.n_classes else []),
    ]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of words as lines with the columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "    " + "   ".join(word.ljust(n) for word, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _sizes(a: Architecture) -> str:
    constants = {"NAME_N_IN": a.n_in, "NAME_N_OUT": a.n_out}
    if a.n_classes:
        constants["NAME_N_CLASSES"] = a.n_classes
    sizes = ", ".join(f"{constant} = {n}" for constant, n in constants.items())
    return (
        "#ifndef NAME_H\n#define NAME_H\n\n"
        "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n\n"
        f"enum {{ {sizes} }};\n"
    )


def _parameters(network: Network, name: str, weights: str) -> Iterator[str]:
    """Yield each layer's arrays: weights (n_in, n_out) row by row, scales, biases."""
    layers = zip(network.architecture.layers, network.weights, network.biases, strict=True)
    for i, (layer, weight, bias) in enumerate(layers, 1):
        n_in, n_out, *_ = layer
        weight = in_float32(f"the weights of layer {i}", weight)
        title = f"/* Layer {i}: a row of {n_out} weights for each of {n_in} inputs. */\n"
        size = f"{name}_weight_{i}[{n_in} * {n_out}]"
        if weights == "int8":
            integers, scale = quantize(weight)
            rows = [list(map(str, row)) for row in integers.tolist()]
            yield title + array(f"static const int8_t {size}", rows)
            yield array(f"static const float {name}_scale_{i}[{n_out}]", [float_literals(scale)])
        else:
            yield title + array(f"static const float {size}", map(float_literals, weight))
        if bias is not None:
            bias = in_float32(f"the biases of layer {i}", bias)
            yield array(f"static const float {name}_bias_{i}[{n_out}]", [float_literals(bias)])


def _functions(a: Architecture, weights: str) -> Iterator[str]:
    yield c_functions.dense(weights, a.bias)
    for function in dict.fromkeys((*a.activations, a.output)):
        if function != "identity":
            yield c_functions.ACTIVATIONS[function]
    yield from _predict(a, weights)
    if a.n_classes:
        yield c_functions.MOST_LIKELY if a.output == "softmax" else c_functions.YES_OR_NO
        yield c_functions.CLASSIFY


def _predict(a: Architecture, weights: str) -> Iterator[str]:
    """Yield the functions that go through the layers.

    Hidden layers live in two arrays, a and b, turn and turn about. What follows the first layer is
    a function of its own, shared by inputs in float and in bytes.
    """
    width_a, width_b = _scratch(a)

    def layer(i: int, function: str, source: str, target: str) -> list[str]:
        n_in, n_out, *_ = a.layers[i - 1]
        parameters = [f"NAME_weight_{i}"]
        parameters += [f"NAME_scale_{i}"] if weights == "int8" else []
        parameters += [f"NAME_bias_{i}"] if a.bias else []
        call, arguments = f"NAME_{function}(", f"{source}, {n_in}, {', '.join(parameters)}, "
        arguments += f"{n_out}, {target});"
        return [call + arguments] if len(arguments) < 70 else [call, f"    {arguments}"]

    def activation(i: int, target: str) -> list[str]:
        _, n_out, name, *_ = a.layers[i - 1]
        return [] if name == "identity" else [f"NAME_{name}({target}, {n_out});"]

    n_layers = len(a.layers)
    targets = [*("ab"[i % 2] for i in range(n_layers - 1)), "out"]
    if n_layers > 1:
        lines = [f"float b[{width_b}];"] if width_b else []
        lines += activation(1, "a")
        for i in range(2, n_layers + 1):
            lines += layer(i, "dense", targets[i - 2], targets[i - 1])
            lines += activation(i, targets[i - 1])
        yield _function(
            "From the first layer's sums in a, which is written over, to the network's outputs.",
            "void NAME_after_first(float *a, float *out)",
            lines,
        )
    for suffix, kind in (("", "float"), ("_bytes", "uint8_t")):
        lines = [f"float a[{width_a}];"] if width_a else []
        lines += layer(1, f"dense{suffix}", "x", targets[0])
        lines += ["NAME_after_first(a, out);"] if n_layers > 1 else activation(1, "out")
        words = "bytes, times NAME_input_scale" if suffix else "numbers"
        yield _function(
            f"The outputs for one row x of NAME_N_IN {words}.",
            f"void NAME_predict{suffix}(const {kind} *x, float *out)",
            lines,
        )


def _function(comment: str, declaration: str, lines: list[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"/* {comment} */\nstatic inline {declaration}\n{{\n{body}}}\n"
