"""The comment at the top of a C header: what it computes, its columns, and how to call it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from fastnn.architecture import Architecture
from fastnn.exchange.c.eight_bits import QuantizedWeight
from fastnn.exchange.c.literals import WIDTH, comment_text
from fastnn.exchange.c.parameters import Parameters
from fastnn.model.model import Learner, Model
from fastnn.system.version import __version__

LONGEST_NAME = 40
"""Maximum number of characters of a name in the comment."""

MEANINGS = {
    "softmax": "the probability of each class",
    "sigmoid": "the probability of yes for each output, each on its own",
    "identity": "numbers",
    "exp": "counts to be expected",
    "tanh": "numbers from -1 to 1",
    "relu": "numbers of at least 0",
}
"""What the outputs are."""


def introduction(network: Model, name: str, parameters: Parameters) -> str:
    """Return the comment, in ASCII and 100 columns, of a header whose names begin with `name`."""
    a = network.architecture
    layers = [
        (f"layer {i}", f"{n_in} -> {n_out}", activation)
        for i, (n_in, n_out, activation, *_) in enumerate(a.layers, 1)
    ]
    eight_bits = isinstance(parameters.weights[0], QuantizedWeight)
    bias = "bias[j] + " if a.bias else ""
    scale = "scale[j] * " if eight_bits else ""
    stack = 4 * (sum(scratch(a)) + (a.n_out if a.n_classes else 0))
    lines = [
        f"A dense neural network of {a.n_in} inputs and {a.n_out} outputs in C99 (or C++),",
        f"written by fastnn {__version__}.",
        "",
        *aligned(layers),
        "",
        "A layer takes x, the inputs or the outputs of the layer before, and computes",
        "",
        f"    out[j] = f({bias}{scale}sum over i of x[i] * weight[i][j])",
        "",
        "where f is the function named above. Arithmetic is in float"
        + (", weights are from -127 to 127." if eight_bits else "."),
        *_first_layer(parameters),
        "",
        f"Memory: {parameters.n_bytes:,} bytes of constants, about {stack:,} of stack. "
        "Nothing is allocated",
        "and no state is kept: several threads may call the functions at once. They need <math.h>",
        "alone; link with -lm where that is a library of its own.",
        "",
        "How to call it:",
        "",
        *aligned(_calls(a, name)),
        "",
        f"Inputs in bytes count as {a.input_scale:.9g} times their value: "
        f"{name}_predict_bytes(x, out)" + (" and" if a.n_classes else "."),
        *([f"{name}_classify_bytes(x)."] if a.n_classes else []),
        *_names(network, parameters),
    ]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def scratch(architecture: Architecture) -> tuple[int, int]:
    """Return the widths of the two arrays that hold the hidden layers alternately."""
    hidden = architecture.sizes[1:-1]
    return max(hidden[0::2], default=0), max(hidden[1::2], default=0)


def _first_layer(parameters: Parameters) -> list[str]:
    """Describe how inputs are prepared for the first layer."""
    inputs = parameters.inputs
    if inputs is None:
        return []
    if inputs.mean is None:
        return [
            "The first layer takes x[i] * factor[i] instead of x[i], so that inputs of different",
            "scales keep the precision of their weights.",
        ]
    return [
        "The first layer takes (x[i] - mean[i]) * factor[i] instead of x[i]: float has too few",
        "digits for inputs far from zero.",
    ]


def _calls(a: Architecture, name: str) -> list[tuple[str, str]]:
    calls = [
        (f"float x[{name}_N_IN];", f"one row, {a.n_in} numbers"),
        (f"float out[{name}_N_OUT];", MEANINGS[a.output]),
        (f"{name}_predict(x, out);", "out must not overlap x"),
    ]
    if a.n_classes:
        calls.append((f"int c = {name}_classify(x);", f"the class, from 0 to {a.n_classes - 1}"))
    return calls


def _names(network: Model, parameters: Parameters) -> list[str]:
    """List the names of inputs, label and classes, if known."""
    trained_on = network.trained_on
    left_out = () if parameters.inputs is None else parameters.inputs.left_out
    used = np.any(network.weights[0] != 0, axis=1).tolist()
    lines = []
    if trained_on is not None and trained_on.feature_names is not None:
        remarks = [
            ", left out: too far from zero for float" * (i in left_out)
            or ", not used: its weights are zero" * (not used[i])
            for i in range(len(used))
        ]
        lines += ["", "The inputs, in their order:", ""]
        named = zip(trained_on.feature_names, remarks, strict=True)
        lines += aligned([(f"x[{i}]", shown(name) + more) for i, (name, more) in enumerate(named)])
    elif left_out:
        inputs = ", ".join(f"x[{i}]" for i in left_out)
        text = f"Left out, since float cannot tell them from their means: {inputs}."
        lines += ["", *textwrap.wrap(text, WIDTH - 3)]
    return lines + names_of_outputs(network)


def names_of_outputs(network: Learner) -> list[str]:
    """List the names of label and classes, if known."""
    trained_on, labels = network.trained_on, network.class_labels
    lines = []
    label_name = None if trained_on is None else trained_on.label_name
    if label_name is not None:
        lines += ["", f"What is predicted: {shown(label_name)}"]
    if labels is not None:
        lines += ["", "The classes:", ""]
        lines += aligned([(str(i), shown(str(label))) for i, label in enumerate(labels)])
    return lines


def shown(name: str) -> str:
    """Return a name for the comment, shortened if it is long."""
    text = comment_text(name)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of words as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "    " + "   ".join(word.ljust(n) for word, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
