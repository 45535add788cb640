"""Every check of what a user hands in, and the words of every error.

Checked once, here, at the door: inside, code trusts. An error says what came, what was expected and
what to do. A value of the wrong kind is a TypeError, a wrong value of the right kind a ValueError.
"""

from __future__ import annotations

import itertools
import math
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import ACTIVATIONS, LOSSES, OUTPUTS, Architecture, Array

if TYPE_CHECKING:
    from fastnn.optimizers import Optimizer

INPUT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))
"""What backends read as it is; other real dtypes are converted."""

_MOST_PARAMETERS = 2**48
"""Past every machine's memory, and far enough below what an array's size can be to pad rows."""

_CHECK_ROWS = 4096
"""Rows looked through at a time, so that a check of a memory map does not load it whole."""

# -- single values --------------------------------------------------------------------------------


def check_number(name: str, value: object) -> float:
    """Return `value` as a float if it is a real number."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {_describe(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(
            f"{name} must be a number that a float can hold, got {_describe(value)}"
        ) from None


def check_flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_describe(value)}")
    return bool(value)


def check_positive(name: str, value: object) -> float:
    """Return `value` if it is a finite number above 0."""
    number = check_number(name, value)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name} must be above 0 and finite, got {value!r}")
    return number


def check_in_range(
    name: str,
    value: object,
    low: float,
    high: float,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return `value` if it lies between `low` and `high` and is finite."""
    number = check_number(name, value)
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (above and below and math.isfinite(number)):
        left = "(" if open_low else "["
        right = ")" if open_high or math.isinf(high) else "]"
        raise ValueError(f"{name} must be in {left}{low:g}, {high:g}{right}, got {value!r}")
    return number


def check_count(name: str, value: object, minimum: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `minimum`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {_describe(value)}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")
    return int(value)


def check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {_listed(choices)}, got {_describe(value)}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {_listed(choices)}, got {value!r}")
    return value


def check_backend_name(value: object, names: Sequence[str], source: str) -> str:
    """Return `value` if it names a backend; `source` is where the name was given."""
    return check_choice(f"the backend given by {source}", value, names)


def check_thread_variable(name: str, text: str) -> int:
    """Return the thread count in the environment variable `name`."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(
            f"the environment variable {name} must be a whole number of threads, at least 1, "
            f"got {text!r}"
        )
    return int(text)


def check_learning_rate(value: object) -> None:
    """Check that `value` is a positive number or a schedule."""
    from fastnn.schedules import Schedule

    if isinstance(value, Schedule):
        return
    if isinstance(value, str) or not isinstance(value, numbers.Real):
        raise TypeError(
            "learning_rate must be a number or a fastnn.schedules.Schedule, such as "
            f"Cosine(0.1, n_steps=1000), got {_describe(value)}"
        )
    check_positive("learning_rate", value)


# -- the network ----------------------------------------------------------------------------------


def check_architecture(
    sizes: Any,
    activation: Any,
    output: Any,
    loss: Any,
    huber_delta: Any,
    bias: Any,
    dtype: Any,
    input_scale: Any,
) -> Architecture:
    """Return the architecture that the arguments of `fastnn.Network` describe."""
    sizes = check_sizes(sizes)
    output = check_choice("output", output, OUTPUTS)
    losses = LOSSES[output]
    if loss is not None and check_choice("loss", loss, sum(LOSSES.values(), ())) not in losses:
        raise ValueError(
            f"the output {output!r} is trained with {_listed(losses)}, got loss={loss!r}"
        )
    return Architecture(
        sizes=sizes,
        activations=check_per_layer(
            "activation",
            activation,
            len(sizes) - 2,
            lambda name, value: check_choice(name, value, ACTIVATIONS),
        ),
        output=output,
        loss=losses[0] if loss is None else loss,
        bias=check_flag("bias", bias),
        dtype=_check_dtype(dtype),
        input_scale=check_positive("input_scale", input_scale),
        huber_delta=check_positive("huber_delta", huber_delta),
    )


def check_parameters(values: Any, buffer: Array) -> Array:
    """Return values that fit the parameters' `buffer`."""
    array = _as_array("parameters", values)
    if array.shape != buffer.shape or array.dtype.kind not in "fiu":
        raise ValueError(
            f"parameters must be numbers of shape {buffer.shape}, got dtype {array.dtype} of shape "
            f"{array.shape}; a single layer is assigned by network.weights[i][...] = values"
        )
    return array


def check_seed(seed: Any) -> np.random.Generator:
    """Return the generator that `seed` stands for."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"seed must be a whole number of at least 0, a SeedSequence, a Generator or None, "
            f"got {_describe(seed)}"
        ) from None


def check_optimizer(optimizer: Any) -> Optimizer:
    """Return `optimizer` if it is one."""
    from fastnn.optimizers import Optimizer

    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            "optimizer must be a fastnn.SGD, RMSprop, Adam or AdamW, such as fastnn.SGD(0.5), "
            f"got {_describe(optimizer)}"
        )
    return optimizer


def check_callback(callback: Any) -> Callable[..., Any]:
    """Return `callback` if it can be called after an epoch."""
    if not callable(callback) or isinstance(callback, type):
        raise TypeError(
            "a callback must be a fastnn.Callback or a function f(network, epoch, record), "
            f"got {_describe(callback)}"
        )
    return cast("Callable[..., Any]", callback)


def check_validation_data(data: Any) -> tuple[Any, ...]:
    """Return ``(x, y)`` or ``(x, y, sample_weight)``."""
    plain = isinstance(data, Iterable) and not isinstance(data, str | np.ndarray | Mapping)
    parts = tuple(data) if plain else ()
    if len(parts) not in (2, 3):
        raise TypeError(
            "validation_data must be a tuple (x, y) or (x, y, sample_weight), "
            f"got {_describe(data)}"
        )
    return parts


def check_sizes(sizes: object) -> tuple[int, ...]:
    """Return the layer sizes as a tuple: at least an input and an output, each at least 1."""
    if isinstance(sizes, str | bytes) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(
            "sizes must be a sequence of layer widths such as (784, 100, 10), "
            f"got {_describe(sizes)}"
        )
    if len(sizes) < 2:
        raise ValueError(
            "sizes must hold at least the widths of input and output, such as (784, 10), "
            f"got {tuple(sizes)!r}"
        )
    widths = tuple(check_count(f"sizes[{i}]", n) for i, n in enumerate(sizes))
    n_parameters = sum(n_in * n_out for n_in, n_out in itertools.pairwise(widths))
    if n_parameters >= _MOST_PARAMETERS:
        raise ValueError(
            f"sizes {_shortened(repr(widths))} make more parameters than any memory can hold"
        )
    return widths


def check_per_layer(
    name: str, value: Any, n_hidden: int, check: Callable[[str, Any], Any]
) -> tuple[Any, ...]:
    """Return one checked value for each hidden layer, from one for all or a sequence of them."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        return (check(name, value),) * n_hidden
    if len(value) != n_hidden:
        raise ValueError(
            f"{name} must be one value or one for each of the {n_hidden} hidden layers, "
            f"got {len(value)} values"
        )
    return tuple(check(f"{name}[{i}]", v) for i, v in enumerate(value))


def check_initial_weights(weight: Any, shape: tuple[int, int]) -> Array:
    """Return what an ``init`` callable made, if it is finite weights of that shape."""
    array = _as_array("the weights that init returned", weight)
    if array.shape != shape:
        raise ValueError(f"init must return weights of shape {shape}, got {array.shape}")
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise ValueError(f"init must return finite real weights, got {_describe(weight)}")
    return array


def check_monitored(monitor: str, record: Mapping[str, float]) -> float:
    """Return the measurement that early stopping watches."""
    if monitor not in record:
        hint = "; give fit validation_data=" if monitor.startswith("val_") else ""
        raise ValueError(
            f"early stopping watches {monitor!r}, but this fit measures only "
            f"{_listed([name for name in record if name != 'time'])}{hint}"
        )
    return record[monitor]


def check_class_labels(labels: Any, n_classes: int, output: str) -> tuple[Any, ...]:
    """Return distinct class labels, one a class, as Python ints, floats or strings."""
    if output != "softmax" and not (output == "sigmoid" and n_classes == 1):
        raise ValueError(
            "class_labels needs a softmax output, or a sigmoid output of width 1; "
            f"the output is {output!r} of width {n_classes}"
        )
    expected = n_classes if output == "softmax" else 2
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise TypeError(
            f"class_labels must be a sequence of labels such as ('no', 'yes'), got "
            f"{_describe(labels)}"
        )
    values = tuple(v.item() if isinstance(v, np.generic) else v for v in labels)
    if not all(isinstance(v, str) for v in values) and not all(
        isinstance(v, int | float) for v in values
    ):
        raise TypeError(f"class labels must be all strings or all numbers, got {list(values)!r}")
    if any(isinstance(v, float) and not math.isfinite(v) for v in values):
        raise ValueError(f"class labels must be finite, got {list(values)!r}")
    if len(values) != expected:
        raise ValueError(f"class_labels must hold {expected} labels, got {len(values)}")
    if len(set(values)) != len(values):
        raise ValueError(f"class_labels must be distinct, got {list(values)!r}")
    return values


# -- data -----------------------------------------------------------------------------------------


def check_x(x: Any, n_in: int, dtype: str) -> Any:
    """Return x as backends read it: a dense float32, float64 or uint8 array, or CSR of these.

    Raises
    ------
    TypeError
        If x does not hold real numbers.
    ValueError
        If x is not two-dimensional, not `n_in` wide, or not finite.
    """
    if _is_sparse(x):
        return _check_sparse(x, n_in, dtype)
    array = _as_array("x", x)
    if array.ndim != 2:
        hint = {
            1: "one row is x.reshape(1, -1)",
            0: "one row of one feature is [[value]]",
        }.get(array.ndim, "flatten each row first: x.reshape(len(x), -1)")
        raise ValueError(f"x must have shape (n_rows, {n_in}), got {array.shape}; {hint}")
    if array.shape[1] != n_in:
        raise ValueError(
            f"x has {array.shape[1]} columns, but the network takes {n_in}: x must have shape "
            f"(n_rows, {n_in})"
        )
    array = _as_input_dtype("x", array, dtype)
    if array.dtype != np.uint8:
        for start in range(0, len(array), _CHECK_ROWS):
            _check_finite("x", array[start : start + _CHECK_ROWS], start)
            _check_range("x", array[start : start + _CHECK_ROWS], dtype)
    return array


def check_rows(name: str, array: Any, n_rows: int) -> None:
    """Check that `array` has as many rows as x."""
    if array.shape[0] != n_rows:
        raise ValueError(
            f"x has {n_rows} rows, but {name} has {array.shape[0]}: there must be one for each row"
        )


def check_not_empty(n_rows: int) -> None:
    """Check that there is something to learn from."""
    if n_rows == 0:
        raise ValueError("x has no rows: there is nothing to learn from or to measure")


def check_labels(
    y: Any, n_rows: int, n_classes: int, class_labels: Sequence[Any] | None = None
) -> NDArray[np.int64]:
    """Return class indices ``(n_rows,)`` from labels or one-hot rows.

    Raises
    ------
    TypeError
        If y holds neither integers nor, with `class_labels`, labels.
    ValueError
        If y has the wrong shape, or a label that is not a class.
    """
    array = _as_array("y", y)
    if array.ndim == 2 and array.shape[1] == 1 and n_classes != 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != n_classes):
        raise ValueError(
            f"y must be class labels of shape (n_rows,) or one-hot rows of shape (n_rows, "
            f"{n_classes}), got shape {array.shape}"
        )
    check_rows("y", array, n_rows)
    if array.ndim == 2:
        return _from_one_hot(array)
    if class_labels is not None:
        return _encode(array, class_labels)
    if array.dtype.kind not in "iub":
        if array.dtype.kind != "f":
            raise TypeError(
                f"y must hold class indices 0 to {n_classes - 1}, got dtype {array.dtype}; for "
                "other labels give the network class_labels="
            )
        if not np.all(np.isfinite(array) & (array == np.floor(array))):
            raise ValueError(
                f"y must hold class indices 0 to {n_classes - 1}, got numbers that are not whole; "
                'for regression use output="identity"'
            )
    _check_bounds(array, n_classes)
    return array.astype(np.int64)


def check_two_classes(y: Array, class_labels: Sequence[Any] | None = None) -> None:
    """Check that a fit sees at least two classes; y (n_rows,) labels, or one column of targets."""
    if np.all(y == y.flat[0]) and y.flat[0] == int(y.flat[0]):
        label = int(y.flat[0]) if class_labels is None else class_labels[int(y.flat[0])]
        raise ValueError(
            f"y holds only one class, {label!r}: a classifier needs rows of at least two to learn "
            "from (partial_fit takes any rows)"
        )


def check_targets(y: Any, n_rows: int, n_out: int, output: str, dtype: str) -> Array:
    """Return targets ``(n_rows, n_out)`` of the network's dtype.

    Raises
    ------
    TypeError
        If y does not hold real numbers.
    ValueError
        If y has the wrong shape, is not finite, or lies outside what the output can predict.
    """
    array = _as_array("y", y)
    if array.ndim == 1 and n_out == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != n_out:
        expected = "(n_rows,) or (n_rows, 1)" if n_out == 1 else f"(n_rows, {n_out})"
        raise ValueError(f"y must have shape {expected}, got {np.shape(y)}")
    check_rows("y", array, n_rows)
    if array.dtype.kind not in "fiub":
        hint = "; names of classes need class_labels=" if output == "sigmoid" else ""
        raise TypeError(f"y must hold real numbers, got dtype {array.dtype}{hint}")
    _check_range("y", array, dtype)
    targets = np.ascontiguousarray(array, dtype)
    _check_finite("y", targets, 0)
    if output == "sigmoid" and len(targets) and not (0 <= targets.min() <= targets.max() <= 1):
        raise ValueError(
            "y must lie in [0, 1] for a sigmoid output, got values from "
            f"{targets.min():g} to {targets.max():g}"
        )
    if output == "exp" and len(targets) and targets.min() < 0:
        raise ValueError(f"y must not be negative for an exp output, got {targets.min():g}")
    return targets


def check_sample_weight(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Return sample weights ``(n_rows,)`` as float64: finite, not negative, not all zero."""
    array = _as_array("sample_weight", sample_weight)
    if array.ndim != 1:
        raise ValueError(f"sample_weight must have shape (n_rows,), got {array.shape}")
    check_rows("sample_weight", array, n_rows)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"sample_weight must hold real numbers, got dtype {array.dtype}")
    weights = array.astype(np.float64)
    _check_finite("sample_weight", weights[:, None], 0)
    if n_rows and weights.min() < 0:
        raise ValueError(f"sample_weight must not be negative, got {weights.min():g}")
    if n_rows and not weights.any():
        raise ValueError("sample_weight is zero for every row: there is nothing to learn from")
    return weights


# -- the words ------------------------------------------------------------------------------------


def _check_dtype(dtype: Any) -> str:
    try:
        name = "" if dtype is None else np.dtype(dtype).name  # NumPy takes None for float64
    except (TypeError, ValueError, SyntaxError):
        name = ""
    if name not in ("float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, got {_describe(dtype)}")
    return str(name)


def _describe(value: object) -> str:
    return f"{_shortened(repr(value))} ({type(value).__name__})"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(choices: Sequence[str]) -> str:
    return ", ".join(repr(choice) for choice in choices)


def _as_array(name: str, value: Any) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array with rows of one length: {error}") from None


def _as_input_dtype(name: str, array: Array, dtype: str) -> Array:
    if array.dtype in INPUT_DTYPES and array.flags.aligned:  # in this machine's byte order
        return array
    if array.dtype.kind not in "fiub":
        hint = "; convert text to numbers first" if array.dtype.kind in "OSU" else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}{hint}")
    return array.astype(dtype)


def _check_finite(name: str, rows: Array, first_row: int) -> None:
    if not _is_finite(rows):
        bad = ~np.isfinite(rows)
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} must be finite, got {rows[row, column]} in row {first_row + row}, column "
            f"{column} ({int(bad.sum())} such values near there); drop or fill them first"
        )


def _is_finite(values: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(values)):  # one pass; only a sum that overflows needs a second look
            return True
    return bool(np.isfinite(values).all())


def _check_range(name: str, rows: Array, dtype: str) -> None:
    """Check that float64 numbers fit a float32 network."""
    if rows.dtype != np.float64 or dtype != "float32" or not rows.size:
        return
    largest = float(np.finfo(np.float32).max)
    for value in (rows.max(), rows.min()):
        if abs(value) > largest and np.isfinite(value):
            raise ValueError(
                f"{name} holds {value:g}, beyond what a float32 network can take ({largest:.3g}): "
                'scale it down, or use dtype="float64"'
            )


def _is_sparse(x: Any) -> bool:
    sparse = sys.modules.get("scipy.sparse")  # whoever holds a sparse matrix has imported it
    return sparse is not None and bool(sparse.issparse(x))


def _check_sparse(x: Any, n_in: int, dtype: str) -> Any:
    if x.ndim != 2 or x.shape[1] != n_in:
        raise ValueError(f"x must have shape (n_rows, {n_in}), got {x.shape}")
    x = x.tocsr()
    try:
        x.check_format(full_check=True)  # compiled kernels trust the indices
    except ValueError as error:
        raise ValueError(f"x is not a valid CSR matrix: {error}") from None
    data = _as_input_dtype("x", x.data, dtype)
    if data.dtype != np.uint8 and not _is_finite(data):
        at = int(np.isfinite(data).argmin())
        row = int(np.searchsorted(x.indptr, at, side="right")) - 1
        raise ValueError(
            f"x must be finite, got {data[at]} in row {row}, column {x.indices[at]}; drop or fill "
            "such values first"
        )
    _check_range("x", data, dtype)
    if data is x.data:
        return x
    return type(x)((data, x.indices, x.indptr), shape=x.shape)


def _check_bounds(labels: Array, n_classes: int) -> None:
    wrong = (labels < 0) | (labels >= n_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"y must hold class indices 0 to {n_classes - 1}, got {labels[row]} in row {row} "
            f"({int(wrong.sum())} out of range)"
        )


def _from_one_hot(rows: Array) -> NDArray[np.int64]:
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"one-hot rows of y must hold numbers, got dtype {rows.dtype}")
    right = ((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1)
    if not right.all():
        row = int((~right).argmax())
        raise ValueError(
            f"each row of a two-dimensional y must hold a single 1 among zeros, row {row} is "
            f'{rows[row]}; for several labels a row use output="sigmoid"'
        )
    return np.asarray(rows.argmax(axis=1), np.int64)


def _encode(y: Array, class_labels: Sequence[Any]) -> NDArray[np.int64]:
    index = {label: i for i, label in enumerate(class_labels)}
    try:
        found, inverse = np.unique(y, return_inverse=True)
    except TypeError:  # no order between them
        kinds = sorted({type(v).__name__ for v in y.tolist()})
        raise TypeError(f"y must hold labels of one kind, got {_listed(kinds)}") from None
    unknown = [v for v in found.tolist() if v not in index]
    if unknown:
        raise ValueError(
            f"y holds {unknown[0]!r}, which is not one of the network's class labels "
            f"{list(class_labels)!r}"
        )
    codes = np.array([index[v] for v in found.tolist()], np.int64)
    return codes[inverse]
