"""A trained network as one C99 header: no allocation, only the C standard library.

The header holds the weights as constants and functions that compute, for a row x,

    z_l = h_{l-1} @ W_l + b_l,    h_l = activation_l(z_l),    h_0 = x

in float32, with readable loops; `fastnn.exchange.c.parameters` describes the form of the first
layer. Every name begins with that of the network, so that several
may be included in one program; it is valid C++ too. The same network gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import Architecture
from fastnn.exchange.c import functions as c_functions
from fastnn.exchange.c.accuracy import Agreement, checked_measured_rows, measured, warn_of_loss
from fastnn.exchange.c.eight_bits import QuantizedWeight, in_float32
from fastnn.exchange.c.introduction import introduction, scratch
from fastnn.exchange.c.literals import array, float_literals, label_array
from fastnn.exchange.c.parameters import (
    Inputs,
    Parameters,
    folded,
    known_columns,
    rounded,
    warn_of_left_out,
)
from fastnn.model.model import Model
from fastnn.system.files import write_whole
from fastnn.validation import check_choice

WEIGHTS = ("float32", "int8")


class Written(NamedTuple):
    """A header that has been written.

    Attributes
    ----------
    name : str
        The prefix of its names.
    n_bytes : int
        Size of its constants: weights, their scales, biases, means and factors of inputs.
    largest_weight_error : float
        The largest difference between a weight of the header and of the network.
    agreement : Agreement or None
        The comparison with the network; None if there were no rows for it.
    largest_logit_error : float or None
        With arithmetic in integers, the largest difference of an output from the network's, before
        softmax, sigmoid or exp.
    """

    name: str
    n_bytes: int
    largest_weight_error: float
    agreement: Agreement | None
    largest_logit_error: float | None = None


def write(
    network: Model, path: Any, *, weights: str, name: str | None, rows: Any = None
) -> Written:
    """Write a network to the header `path`; see `fastnn.Network.to_c`."""
    name = name_for(path, name)
    check_choice("weights", weights, WEIGHTS)
    x, y = (None, None) if rows is None else checked_measured_rows(network, rows)
    columns = known_columns(network, x)
    parameters = rounded(network, weights, columns)
    text = header(network, name, weights=weights, parameters=parameters)
    agreement = measured(network, parameters, columns, x, y)
    with write_whole(path) as file:
        file.write(text.encode("ascii"))
    warn_of_left_out(network, parameters, "C header")
    if agreement is not None:
        warn_of_loss(agreement, weights)
    error = largest_weight_error(network, parameters)
    return Written(name, parameters.n_bytes, error, agreement)


def name_for(path: Any, name: str | None = None) -> str:
    """Return the prefix of the names in the header `path`: `name`, or one made from the file name.

    Raises
    ------
    TypeError, ValueError
        If `name` is not a C identifier.
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


def header(network: Model, name: str, *, weights: str, parameters: Parameters | None = None) -> str:
    """Return the header's text, in ASCII.

    Parameters
    ----------
    network : Model
    name : str
        A C identifier.
    weights : {"float32", "int8"}
    parameters : Parameters, optional
        The parameters of the header; by default derived from the network alone.

    Raises
    ------
    TypeError, ValueError
        If `weights` is not a valid choice, a parameter is not finite in float32, or a class label
        cannot be written in C.
    """
    check_choice("weights", weights, WEIGHTS)
    if parameters is None:
        parameters = rounded(network, weights, known_columns(network))
    a, labels, inputs = network.architecture, network.class_labels, parameters.inputs
    scale = in_float32("input_scale", np.array([a.input_scale]))
    parts = [
        introduction(network, name, parameters),
        _sizes(a).replace("NAME_", f"{name}_"),
        *([] if labels is None else [label_array(f"{name}_class_labels", labels)]),
        "/* What inputs in bytes are multiplied by. */\n"
        f"static const float {name}_input_scale = {float_literals(scale)[0]};\n",
        *([] if inputs is None else _inputs(inputs, name)),
        *layers(a, [parameters], name),
        *(part.replace("NAME_", f"{name}_") for part in _functions(a, weights, inputs)),
        f"#endif /* {name}_H */\n",
    ]
    return "\n".join(parts)


def largest_weight_error(network: Model, parameters: Parameters) -> float:
    """Return the largest difference between a weight of the header and of the network."""
    written = folded(network, parameters).weights
    return max(
        float(np.abs(mine - weight).max())
        for mine, weight in zip(written, network.weights, strict=True)
    )


# -- the parts of the header, in their order ------------------------------------------------------


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


def _inputs(inputs: Inputs, name: str) -> Iterator[str]:
    """Yield the arrays for the inputs of the first layer."""
    if inputs.mean is not None:
        yield (
            "/* What is subtracted from each input: its mean in training, or in the rows that the\n"
            " * header was made with. */\n"
            + array(
                f"static const float {name}_mean[{len(inputs.mean)}]", [float_literals(inputs.mean)]
            )
        )
    yield "/* What each input is then multiplied by. */\n" + array(
        f"static const float {name}_factor[{len(inputs.factor)}]", [float_literals(inputs.factor)]
    )


def layers(a: Architecture, networks: Sequence[Parameters], name: str) -> Iterator[str]:
    """Yield the arrays of each layer: weights (n_in, n_out) row by row, scales, biases.

    Those of several networks stand one after the other.
    """
    k = len(networks)
    times, each = (f"{k} * ", f", for each of {k} networks") if k > 1 else ("", "")
    for i, (n_in, n_out, *_) in enumerate(a.layers, 1):
        title = f"/* Layer {i}: a row of {n_out} weights for each of {n_in} inputs{each}. */\n"
        size = f"{name}_weight_{i}[{times}{n_in} * {n_out}]"
        stored = [parameters.weights[i - 1] for parameters in networks]
        scales = [weight.scale for weight in stored if isinstance(weight, QuantizedWeight)]
        if scales:
            rows = [
                list(map(str, row))
                for weight in stored
                if isinstance(weight, QuantizedWeight)
                for row in weight.integers.tolist()
            ]
            yield title + array(f"static const int8_t {size}", rows)
            yield _vectors(f"{name}_scale_{i}[{times}{n_out}]", scales)
        else:
            rows = [float_literals(row) for weight in stored for row in weight]
            yield title + array(f"static const float {size}", rows)
        biases = [bias for p in networks if (bias := p.biases[i - 1]) is not None]
        if biases:
            yield _vectors(f"{name}_bias_{i}[{times}{n_out}]", biases)


def _vectors(declaration: str, vectors: Sequence[Any]) -> str:
    return array(f"static const float {declaration}", map(float_literals, vectors))


def _functions(a: Architecture, weights: str, inputs: Inputs | None) -> Iterator[str]:
    form = "INPUT"
    if inputs is not None:
        centred = "INPUT" if inputs.mean is None else "(INPUT - NAME_mean[i])"
        form = f"{centred} * NAME_factor[i]"
    yield c_functions.dense(weights, a.bias, form, deep=len(a.layers) > 1)
    for function in dict.fromkeys((*a.activations, a.output)):
        if function != "identity":
            yield c_functions.ACTIVATIONS[function]
    yield from _predict(a, weights, "dense" if inputs is None else "dense_first")
    if a.n_classes:
        yield c_functions.MOST_LIKELY if a.output == "softmax" else c_functions.YES_OR_NO
        yield c_functions.CLASSIFY


def _predict(a: Architecture, weights: str, first: str) -> Iterator[str]:
    """Yield the functions that compute the layers.

    Hidden layers alternate between two arrays, a and b. The layers after the first are in a
    separate function, shared by float and byte inputs.
    """
    width_a, width_b = scratch(a)
    n_layers = len(a.layers)
    targets = [*("ab"[i % 2] for i in range(n_layers - 1)), "out"]
    if n_layers > 1:
        lines = [f"float b[{width_b}];"] if width_b else []
        lines += activation(a, 1, "a")
        for i in range(2, n_layers + 1):
            lines += layer(a, i, weights, "dense", targets[i - 2], targets[i - 1])
            lines += activation(a, i, targets[i - 1])
        yield function(
            "From the first layer's sums in a, which is written over, to the network's outputs.",
            "void NAME_after_first(float *a, float *out)",
            lines,
        )
    for suffix, kind in (("", "float"), ("_bytes", "uint8_t")):
        lines = [f"float a[{width_a}];"] if width_a else []
        lines += layer(a, 1, weights, f"{first}{suffix}", "x", targets[0])
        lines += ["NAME_after_first(a, out);"] if n_layers > 1 else activation(a, 1, "out")
        words = "bytes, times NAME_input_scale" if suffix else "numbers"
        yield function(
            f"The outputs for one row x of NAME_N_IN {words}.",
            f"void NAME_predict{suffix}(const {kind} *x, float *out)",
            lines,
        )


def layer(
    a: Architecture, i: int, weights: str, function: str, source: str, target: str, at: str = ""
) -> list[str]:
    """Return the call that computes layer i, counted from 1, as lines.

    Parameters
    ----------
    at : str, default ""
        The number of the network, where the arrays hold several.
    """
    n_in, n_out, *_ = a.layers[i - 1]
    sizes = {"weight": n_in * n_out}
    sizes |= {"scale": n_out} if weights == "int8" else {}
    sizes |= {"bias": n_out} if a.bias else {}
    parameters = [
        f"NAME_{part}_{i} + {at} * {size}" if at else f"NAME_{part}_{i}"
        for part, size in sizes.items()
    ]
    call, arguments = f"NAME_{function}(", f"{source}, {n_in}, {', '.join(parameters)}, "
    arguments += f"{n_out}, {target});"
    return [call + arguments] if len(arguments) < 70 else [call, f"    {arguments}"]


def activation(a: Architecture, i: int, target: str) -> list[str]:
    """Return the call of the activation of layer i, as lines; none of the identity."""
    _, n_out, name, *_ = a.layers[i - 1]
    return [] if name == "identity" else [f"NAME_{name}({target}, {n_out});"]


def function(comment: str, declaration: str, lines: Sequence[str]) -> str:
    """Return a function of such lines."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"/* {comment} */\nstatic inline {declaration}\n{{\n{body}}}\n"
