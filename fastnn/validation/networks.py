"""Checks of the parameters of a network and its training."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from fastnn.architecture import ACTIVATIONS, LOSS_NAMES, LOSSES, OUTPUTS, Architecture, Array
from fastnn.validation.frames import some
from fastnn.validation.values import (
    as_array,
    check_choice,
    check_count,
    check_flag,
    check_in_range,
    check_positive,
    describe,
    listed,
    shortened,
)

_MOST_PARAMETERS = 2**48
"""More than any machine's memory, and far enough below the largest array size to pad rows."""


def check_architecture(
    sizes: Any,
    activation: Any,
    output: Any,
    loss: Any,
    huber_delta: Any,
    bias: Any,
    dtype: Any,
    input_scale: Any,
    quantiles: Any = None,
    label_smoothing: Any = 0.0,
) -> Architecture:
    """Return the architecture that the arguments of `fastnn.Network` describe."""
    sizes = check_sizes(sizes)
    output = check_choice("output", output, OUTPUTS)
    losses = LOSSES[output]
    if loss is not None and check_choice("loss", loss, LOSS_NAMES) not in losses:
        raise ValueError(f"for the output {output!r}, loss must be {listed(losses)}, got {loss!r}")
    loss = losses[0] if loss is None else loss
    return Architecture(
        sizes=sizes,
        activations=check_per_layer(
            "activation",
            activation,
            len(sizes) - 2,
            lambda name, value: check_choice(name, value, ACTIVATIONS),
        ),
        output=output,
        loss=loss,
        bias=check_flag("bias", bias),
        dtype=check_dtype(dtype),
        input_scale=check_positive("input_scale", input_scale),
        huber_delta=check_positive("huber_delta", huber_delta),
        quantiles=check_quantiles(quantiles, loss, sizes[-1]),
        label_smoothing=check_label_smoothing(label_smoothing, output),
    )


def check_quantiles(quantiles: Any, loss: str, n_out: int | None = None) -> tuple[float, ...]:
    """Return the quantiles that the outputs estimate; none for a loss of another kind."""
    one = isinstance(quantiles, str) or not isinstance(quantiles, Iterable)
    values = () if quantiles is None else (quantiles,) if one else tuple(quantiles)
    if loss != "quantile":
        if values:
            raise ValueError(
                f'quantiles are of loss="quantile", got {describe(quantiles)} with loss={loss!r}'
            )
        return ()
    if quantiles is None:
        return (0.5,)
    checked = tuple(
        check_in_range(
            "quantiles" if one else f"quantiles[{i}]", q, 0.0, 1.0, open_low=True, open_high=True
        )
        for i, q in enumerate(values)
    )
    if len(checked) not in (1, n_out or len(checked)):
        raise ValueError(
            f"quantiles must be one number, or one for each output: got {len(checked)} of them for "
            f"{n_out} outputs; make the last of sizes {max(1, len(checked))}"
        )
    return checked


def check_label_smoothing(label_smoothing: Any, output: str) -> float:
    """Return the share of a target that is spread over all classes, 0 for outputs without any."""
    share = check_in_range("label_smoothing", label_smoothing, 0.0, 1.0, open_high=True)
    if share and output != "softmax":
        raise ValueError(
            f"label_smoothing is of a softmax output, got {label_smoothing!r} with "
            f"output={output!r}"
        )
    return share


def check_is_architecture(architecture: Any) -> None:
    """Check that an architecture is safe for compiled code; once per object."""
    if not isinstance(architecture, Architecture):
        raise TypeError(
            f"architecture must be a fastnn.architecture.Architecture, got {describe(architecture)}"
        )
    if "_is_checked" in vars(architecture):
        return
    a = architecture
    sizes = tuple(check_count(f"sizes[{i}]", n) for i, n in enumerate(a.sizes))
    if len(sizes) < 2 or len(a.activations) != len(sizes) - 2:
        raise ValueError(
            f"an architecture must have one activation per hidden layer, got sizes {a.sizes} "
            f"and activations {a.activations}"
        )
    for i, activation in enumerate(a.activations):
        check_choice(f"activations[{i}]", activation, ACTIVATIONS)
    check_choice("output", a.output, OUTPUTS)
    check_choice("loss", a.loss, LOSS_NAMES)
    check_flag("bias", a.bias)
    check_choice("dtype", a.dtype, ("float32", "float64"))
    check_in_range("input_scale", a.input_scale, 0.0, math.inf)
    check_in_range("huber_delta", a.huber_delta, 0.0, math.inf)
    check_quantiles(a.quantiles, a.loss, a.n_out)
    check_in_range("label_smoothing", a.label_smoothing, 0.0, 1.0)
    vars(architecture)["_is_checked"] = True


def check_loss_of_output(architecture: Architecture) -> None:
    """Check that the loss of an architecture belongs to its output."""
    losses = LOSSES[architecture.output]
    if architecture.loss not in losses:
        raise ValueError(
            f"for the output {architecture.output!r}, loss must be {listed(losses)}, got "
            f"{architecture.loss!r}"
        )


def check_parameters(values: Any, buffer: Array) -> Array:
    """Return finite values of the shape and dtype of the parameter `buffer`."""
    array = as_array("parameters", values)
    if array.shape != buffer.shape or array.dtype.kind not in "fiu":
        raise ValueError(
            f"parameters must be numbers of shape {buffer.shape}, got dtype {array.dtype} of shape "
            f"{array.shape}; to assign a single layer use network.weights[i][...] = values"
        )
    with np.errstate(over="ignore"):  # for float64 values that do not fit in float32
        cast_values = array.astype(buffer.dtype, copy=False)
    finite = np.isfinite(cast_values)
    if not finite.all():
        at = int(finite.argmin())
        raise ValueError(
            f"parameters must be finite {buffer.dtype} numbers, got {array[at]} at index {at} "
            f"({int((~finite).sum())} such values)"
        )
    return cast_values


def check_seed(seed: Any) -> np.random.Generator:
    """Return the random generator for `seed`."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"seed must be a whole number of at least 0, a SeedSequence, a Generator or None, "
            f"got {describe(seed)}"
        ) from None


def check_callback(callback: Any) -> Callable[..., Any]:
    """Return `callback` if it can be called after an epoch."""
    if not callable(callback) or isinstance(callback, type):
        raise TypeError(
            "a callback must be a fastnn.Callback or a function f(network, epoch, record), "
            f"got {describe(callback)}"
        )
    try:
        inspect.signature(callback).bind(None, 1, {})
    except ValueError:  # functions written in C may have no signature
        pass
    except TypeError as error:
        raise TypeError(
            f"a callback is called as f(network, epoch, record), but {describe(callback)} does not "
            f"accept these arguments: {error}"
        ) from None
    return cast("Callable[..., Any]", callback)


def check_validation_data(data: Any) -> tuple[Any, ...]:
    """Return ``(x, y)`` or ``(x, y, sample_weight)``."""
    plain = isinstance(data, Iterable) and not isinstance(data, str | np.ndarray | Mapping)
    parts = tuple(data) if plain else ()
    if len(parts) not in (2, 3):
        raise TypeError(
            f"validation_data must be a tuple (x, y) or (x, y, sample_weight), got {describe(data)}"
        )
    return parts


def check_sizes(sizes: object) -> tuple[int, ...]:
    """Return the layer sizes as a tuple: at least an input and an output, each at least 1."""
    if isinstance(sizes, str | bytes) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(
            "sizes must be a sequence of layer widths such as (784, 100, 10), "
            f"got {describe(sizes)}"
        )
    if len(sizes) < 2:
        raise ValueError(
            "sizes must hold at least the widths of input and output, such as (784, 10), "
            f"got {shortened(repr(tuple(sizes)))}"
        )
    widths = tuple(check_count(f"sizes[{i}]", n) for i, n in enumerate(sizes))
    n_parameters = sum(n_in * n_out for n_in, n_out in itertools.pairwise(widths))
    if n_parameters >= _MOST_PARAMETERS:
        raise ValueError(f"sizes {shortened(repr(widths))} need more parameters than fit in memory")
    return widths


def check_per_layer(
    name: str, value: Any, n_hidden: int, check: Callable[[str, Any], Any]
) -> tuple[Any, ...]:
    """Return one checked value per hidden layer, from a single value or a sequence."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        return (check(name, value),) * n_hidden
    if len(value) != n_hidden:
        raise ValueError(
            f"{name} must be a single value or one for each of the {n_hidden} hidden layers, "
            f"got {len(value)} values"
        )
    return tuple(check(f"{name}[{i}]", v) for i, v in enumerate(value))


def check_hidden_layer(layer: Any, n_hidden: int) -> int:
    """Return the number of a hidden layer from 0 on, from one that may count from the end."""
    if not n_hidden:
        raise ValueError("the network has no hidden layers, whose outputs could be returned")
    number = check_count("layer", layer, minimum=None)
    if not -n_hidden <= number < n_hidden:
        raise ValueError(
            f"layer must be one of the hidden layers, 0 to {n_hidden - 1} or, from the end, -1 to "
            f"-{n_hidden}, got {shortened(str(number))}"
        )
    return number % n_hidden


def check_initial_weights(weight: Any, shape: tuple[int, int]) -> Array:
    """Return the result of an ``init`` callable, if it is finite weights of that shape."""
    array = as_array("the weights that init returned", weight)
    if array.shape != shape:
        raise ValueError(f"init must return weights of shape {shape}, got {array.shape}")
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise ValueError(f"init must return finite real weights, got {describe(weight)}")
    return array


def check_class_labels(labels: Any, architecture: Architecture) -> tuple[Any, ...]:
    """Return distinct class labels, one per class, as Python ints, floats or strings."""
    expected = architecture.n_classes
    if not expected:
        raise ValueError(
            "class_labels requires a softmax output, or a sigmoid output of width 1; "
            f"the output is {architecture.output!r} of width {architecture.n_out}"
        )
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise TypeError(
            f"class_labels must be a sequence of labels such as ('no', 'yes'), got "
            f"{describe(labels)}"
        )
    values = tuple(v.item() if isinstance(v, np.generic) else v for v in labels)
    if not all(isinstance(v, str) for v in values) and not all(
        isinstance(v, int | float) for v in values
    ):
        raise TypeError(f"class labels must be all strings or all numbers, got {some(values)}")
    if any(isinstance(v, float) and not math.isfinite(v) for v in values):
        raise ValueError(f"class labels must be finite, got {some(values)}")
    if len(values) != expected:
        raise ValueError(f"class_labels must hold {expected} labels, got {len(values)}")
    if len(set(values)) != len(values):
        raise ValueError(f"class_labels must be distinct, got {some(values)}")
    return values


def check_dtype(dtype: Any) -> str:
    """Return the name of a network dtype."""
    try:
        name = "" if dtype is None else np.dtype(dtype).name  # NumPy treats None as float64
    except (TypeError, ValueError, SyntaxError):
        name = ""
    if name not in ("float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, got {describe(dtype)}")
    return str(name)
