"""A network that carries columns, or an ensemble of such, as one C99 header.

It is that of `fastnn.exchange.c.header`, with the preparation of the columns in front: a row is an
array of double, one for each column that is read, NAN where a cell is missing. The networks of an
ensemble have the same functions, which take their weights from one array after the other; the
outputs are the mean, summed in double.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.backends import get_backend
from fastnn.exchange.c import functions as c_functions
from fastnn.exchange.c.accuracy import Agreement, compared, warn_of_loss
from fastnn.exchange.c.eight_bits import QuantizedWeight
from fastnn.exchange.c.header import (
    WEIGHTS,
    Written,
    activation,
    function,
    largest_weight_error,
    layer,
    layers,
    name_for,
)
from fastnn.exchange.c.introduction import MEANINGS, aligned, names_of_outputs, scratch, shown
from fastnn.exchange.c.literals import WIDTH, array, float_literals, label_array
from fastnn.exchange.c.parameters import Inputs, Parameters, inner, rounded
from fastnn.exchange.c.preparation import n_bytes, preparation, read_columns
from fastnn.model.ensemble_evaluation import evaluate_outputs
from fastnn.model.ensemble_model import EnsembleModel
from fastnn.model.ensemble_prediction import outputs_together
from fastnn.model.model import Model
from fastnn.rows.checked import checked_rows, checked_x
from fastnn.system.files import write_whole
from fastnn.system.version import __version__
from fastnn.tabular import Columns
from fastnn.validation import check_choice, check_not_empty

LARGE = 2**20
"""Bytes of constants from which on an ensemble's header is a warning."""

CLASSIFY = """\
/* The class of one row x of NAME_N_IN columns: an index from 0 to NAME_N_CLASSES - 1. */
static inline int NAME_classify(const double *x)
{
    float out[NAME_N_OUT];
    NAME_predict(x, out);
    return NAME_decide(out);
}
"""


def write_table(
    model: Model | EnsembleModel, path: Any, *, weights: str, name: str | None, rows: Any = None
) -> Written:
    """Write a model with columns to the header `path`; see `fastnn.Network.to_c`."""
    name = name_for(path, name)
    check_choice("weights", weights, WEIGHTS)
    networks = _networks(model)
    read_columns(_columns(model))  # before the weights are rounded, which takes longer
    parameters = _parameters(networks, weights)
    text = _header(model, name, weights, parameters)
    agreement = None if rows is None else measured_on_table(model, parameters, rows)
    with write_whole(path) as file:
        file.write(text.encode("ascii"))
    size = sum(each.n_bytes for each in parameters) + n_bytes(_columns(model))
    if len(networks) > 1 and size > LARGE:
        _warn_of_size(size, len(text), len(networks), weights)
    if agreement is not None:
        warn_of_loss(agreement, weights)
    error = max(map(largest_weight_error, networks, parameters))
    return Written(name, size, error, agreement)


def table_header(model: Model | EnsembleModel, name: str, *, weights: str) -> str:
    """Return the header's text, in ASCII.

    Parameters
    ----------
    model : Model or EnsembleModel
        With columns.
    name : str
        A C identifier.
    weights : {"float32", "int8"}

    Raises
    ------
    ValueError
        If a column holds text or times, a parameter is not finite in float32, or a class label
        cannot be written in C.
    """
    return _header(model, name, weights, _parameters(_networks(model), weights))


def _networks(model: Model | EnsembleModel) -> list[Model]:
    if isinstance(model, Model):
        return [model]
    return [model.model(i) for i in range(model.n_models)]


def _parameters(networks: Sequence[Model], weights: str) -> list[Parameters]:
    """Return what is stored of each network; if one needs factors of inputs, all have some."""
    found = [rounded(network, weights, None) for network in networks]
    if all(each.inputs is None for each in found):
        return found
    none = Inputs(None, np.ones(networks[0].architecture.n_in, np.float32))
    return [each if each.inputs is not None else each._replace(inputs=none) for each in found]


def _columns(model: Model | EnsembleModel) -> Columns:
    columns = model.columns
    if columns is None:
        raise ValueError(
            "a C header of an ensemble takes the columns of a table, and this one takes rows of "
            "numbers: ensemble[0].to_c writes one of its networks"
        )
    return columns


def _header(
    model: Model | EnsembleModel, name: str, weights: str, parameters: Sequence[Parameters]
) -> str:
    a, labels, columns = model.architecture, model.class_labels, _columns(model)
    factors = [each.inputs.factor for each in parameters if each.inputs is not None]
    parts = [
        _introduction(model, name, parameters, bool(factors)),
        _sizes(model, columns).replace("NAME_", f"{name}_"),
        *([] if labels is None else [label_array(f"{name}_class_labels", labels)]),
        *([_factors(factors, name)] if factors else []),
        *layers(a, parameters, name),
    ]
    parts += preparation(columns, name)
    functions = _functions(model, weights, bool(factors))
    parts += [text.replace("NAME_", f"{name}_") for text in functions]
    return "\n".join([*parts, f"#endif /* {name}_H */\n"])


def _sizes(model: Model | EnsembleModel, columns: Columns) -> str:
    a = model.architecture
    constants = {"N_IN": len(columns.names), "N_ROW": a.n_in}
    if isinstance(model, EnsembleModel):
        constants["N_MODELS"] = model.n_models
    constants["N_OUT"] = a.n_out
    if a.n_classes:
        constants["N_CLASSES"] = a.n_classes
    sizes = ", ".join(f"NAME_{constant} = {n}" for constant, n in constants.items())
    return (
        "#ifndef NAME_H\n#define NAME_H\n\n"
        "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n\n"
        f"enum {{ {sizes} }};\n"
    )


def _factors(factors: Sequence[Array], name: str) -> str:
    size = f"{len(factors)} * {len(factors[0])}" if len(factors) > 1 else str(len(factors[0]))
    each = ", for each network" if len(factors) > 1 else ""
    return f"/* What each input of the first layer is multiplied by{each}. */\n" + array(
        f"static const float {name}_factor[{size}]", map(float_literals, factors)
    )


def _functions(model: Model | EnsembleModel, weights: str, has_factors: bool) -> Iterator[str]:
    a = model.architecture
    yield c_functions.dense(weights, a.bias, in_bytes=False)
    for one in dict.fromkeys((*a.activations, a.output)):
        if one != "identity":
            yield c_functions.ACTIVATIONS[one]
    yield from _predict(model, weights, has_factors)
    if a.n_classes:
        yield c_functions.MOST_LIKELY if a.output == "softmax" else c_functions.YES_OR_NO
        yield CLASSIFY


def _predict(model: Model | EnsembleModel, weights: str, has_factors: bool) -> Iterator[str]:
    """Yield the functions from prepared inputs to outputs, and from columns to outputs."""
    a, several = model.architecture, isinstance(model, EnsembleModel) and model.n_models > 1
    at = "m" if several else ""
    lines = [f"float {x}[{width}];" for x, width in zip("ab", scratch(a), strict=True) if width]
    source = "row"
    if has_factors:
        factor = f"NAME_factor[m * {a.n_in} + i]" if several else "NAME_factor[i]"
        lines += [
            "float x[NAME_N_ROW];",
            "for (size_t i = 0; i < NAME_N_ROW; i++) {",
            f"    x[i] = row[i] * {factor};",
            "}",
        ]
        source = "x"
    n_layers = len(a.layers)
    for i, target in enumerate([*("ab"[i % 2] for i in range(n_layers - 1)), "out"], 1):
        lines += layer(a, i, weights, "dense", source, target, at)
        lines += activation(a, i, target)
        source = target
    which = "network m of NAME_N_MODELS" if several else "the network"
    number = "size_t m, " if several else ""
    yield function(
        f"The outputs of {which} for one row that NAME_prepare has made.",
        f"void NAME_after_preparation({number}const float *row, float *out)",
        lines,
    )
    lines = ["float row[NAME_N_ROW];"]
    if several:
        lines += ["double sum[NAME_N_OUT] = {0.0};"]
    lines += ["NAME_prepare(x, row);"]
    if several:
        lines += [
            "for (size_t m = 0; m < NAME_N_MODELS; m++) {",
            "    NAME_after_preparation(m, row, out);",
            "    for (size_t j = 0; j < NAME_N_OUT; j++) {",
            "        sum[j] += (double)out[j];",
            "    }",
            "}",
            "for (size_t j = 0; j < NAME_N_OUT; j++) {",
            "    out[j] = (float)(sum[j] / NAME_N_MODELS);",
            "}",
        ]
    else:
        lines += ["NAME_after_preparation(row, out);"]
    yield function(
        "The outputs for one row x of NAME_N_IN columns, NAN where a cell is missing.",
        "void NAME_predict(const double *x, float *out)",
        lines,
    )


def _introduction(
    model: Model | EnsembleModel, name: str, parameters: Sequence[Parameters], has_factors: bool
) -> str:
    """Return the comment at the top, in ASCII and 100 columns."""
    a, columns = model.architecture, _columns(model)
    k = len(parameters)
    what = f"{k} dense neural networks" if k > 1 else "A dense neural network"
    eight_bits = isinstance(parameters[0].weights[0], QuantizedWeight)
    bias, scale = "bias[j] + " if a.bias else "", "scale[j] * " if eight_bits else ""
    constants = sum(each.n_bytes for each in parameters) + n_bytes(columns)
    floats = sum(scratch(a)) + a.n_in * (1 + has_factors) + (a.n_out if a.n_classes else 0)
    stack = 4 * floats + 8 * a.n_out * (k > 1)
    n_columns = len(columns.names)
    calls = [
        (f"double x[{name}_N_IN];", f"one row, {n_columns} columns, NAN where a cell is missing"),
        (f"float out[{name}_N_OUT];", MEANINGS[a.output]),
        (f"{name}_predict(x, out);", ""),
    ]
    if a.n_classes:
        calls.append((f"int c = {name}_classify(x);", f"the class, from 0 to {a.n_classes - 1}"))
    kinds = {"number": "a number", "flag": "1 for true, 0 for false"}
    taken = [
        (f"x[{i}]", shown(column.name), kinds[column.encoding.kind])
        for i, column in enumerate(read_columns(columns))
        if column.encoding is not None
    ]
    left_out = [shown(column) for column in columns.left_out]
    lines = [
        f"{what} of {n_columns} columns and {a.n_out} outputs in C99 (or C++),",
        f"written by fastnn {__version__}.",
        "",
        *aligned(
            [
                (f"layer {i}", f"{n_in} -> {n_out}", function_name)
                for i, (n_in, n_out, function_name, *_) in enumerate(a.layers, 1)
            ]
        ),
        "",
        f"First {name}_prepare makes the {a.n_in} inputs of the first layer of the columns, in "
        "double.",
        "A layer takes x, these inputs or the outputs of the layer before, and computes",
        "",
        f"    out[j] = f({bias}{scale}sum over i of x[i] * weight[i][j])",
        "",
        "where f is the function named above. Arithmetic is in float"
        + (", weights are from -127 to 127." if eight_bits else "."),
        *(["The outputs are the mean of those of all networks."] if k > 1 else []),
        "",
        f"Memory: {constants:,} bytes of constants, about {stack:,} of stack. Nothing is allocated",
        "and no state is kept: several threads may call the functions at once. They need <math.h>",
        "alone; link with -lm where that is a library of its own. A compiler that takes NAN for",
        "impossible, as with -ffast-math, does not see that cells are missing.",
        "",
        "How to call it:",
        "",
        *aligned(calls),
        "",
        "The columns, in their order:",
        "",
        *aligned(taken),
    ]
    if left_out:
        lines += ["", *textwrap.wrap(f"Not among them: {', '.join(left_out)}.", WIDTH - 3)]
    lines += names_of_outputs(model)
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def measured_on_table(
    model: Model | EnsembleModel, parameters: Sequence[Parameters], rows: Any
) -> Agreement:
    """Compare an export with its model on a table, or on a table and its labels or targets."""
    table, y = rows if isinstance(rows, tuple) and len(rows) == 2 else (rows, None)
    a, backend, networks = model.architecture, get_backend(), _networks(model)
    x = checked_x(a, model.trained_on, table)
    check_not_empty(x.shape[0])
    mine = np.stack([network.parameters for network in networks])
    exact = outputs_together(backend, a, mine, x, progress=False)
    its = []
    for network, each in zip(networks, parameters, strict=True):
        of_c = inner(network, each)
        taken = x if each.inputs is None else each.inputs.apply(x, a.input_scale)
        own = of_c.parameters[None]
        its.append(outputs_together(backend, of_c.architecture, own, taken, progress=False))
    found = np.mean(its, axis=0, dtype=np.float64).astype(a.dtype)
    result = compared(model, exact, found, synthetic=False)
    measure = a.measures[0]
    if y is None or measure == "mae":  # of quantiles, which have no R²
        return result
    data = checked_rows(a, model.class_labels, model.trained_on, table, y)
    scores = [evaluate_outputs(backend, a, of, data)[measure] for of in (exact, found)]
    return result._replace(network=scores[0], header=scores[1])


def _warn_of_size(size: int, n_characters: int, n_models: int, weights: str) -> None:
    less = "" if weights == "int8" else '; weights="int8" takes a quarter'
    warnings.warn(
        f"the C header of {n_models} networks is large: {size:,} bytes of constants, in "
        f"{n_characters:,} characters. n_estimators=1 trains one network instead, and narrower "
        f"hidden layers take less{less}",
        UserWarning,
        stacklevel=4,
    )
