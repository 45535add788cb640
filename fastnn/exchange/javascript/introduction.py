"""The comment at the top of a JavaScript module: what it computes, and how to call it."""

from __future__ import annotations

from fastnn.exchange.c.introduction import MEANINGS, aligned
from fastnn.exchange.c.parameters import Parameters
from fastnn.model.model import Model
from fastnn.system.version import __version__


def introduction(network: Model, parameters: Parameters) -> str:
    """Return the comment, in ASCII."""
    a = network.architecture
    layers = [
        (f"layer {i}", f"{n_in} -> {n_out}", activation)
        for i, (n_in, n_out, activation, *_) in enumerate(a.layers, 1)
    ]
    calls = [("const out = predict(x);", MEANINGS[a.output])]
    if a.n_classes:
        calls.append(("const c = predictClass(x);", "the class of one row"))
        calls.append(("const cs = predictClasses(x);", "the class of each row"))
    imported = ", ".join(["info", "predict", *["predictClass", "predictClasses"][: len(calls) - 1]])
    lines = [
        f"A dense neural network of {a.n_in} inputs and {a.n_out} outputs, written by fastnn "
        f"{__version__}.",
        "",
        *aligned(layers),
        "",
        f"    import {{ {imported} }} from ...",
        "",
        *aligned(calls),
        "",
        f"x is a Float32Array, a Float64Array or an array of {a.n_in} numbers, or of several rows",
        "of them, one after the other; or a Uint8Array or Uint8ClampedArray, whose bytes count as",
        "info.inputScale times their value. out is a Float32Array; predict(x, out) writes into it.",
        *(
            ["The first layer takes inputs that are centred or scaled: float has few digits."]
            * (parameters.inputs is not None)
        ),
    ]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"
