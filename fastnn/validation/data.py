"""Checks of rows and targets for training, evaluation and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Array
from fastnn.system.memory_maps import walk
from fastnn.validation.frames import some
from fastnn.validation.sparse import is_sparse, sound_csr
from fastnn.validation.targets import target_values
from fastnn.validation.values import as_array, describe, listed, shortened

INPUT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))
"""Dtypes that backends read directly; other real dtypes are converted."""

CHECK_ROWS = 4096
"""Rows checked at a time, so that a memory map is not loaded as a whole."""


def check_x(x: Any, n_in: int, dtype: str, names: Sequence[str] | None = None) -> Any:
    """Return x in a form that backends read: a dense float32, float64 or uint8 array, or CSR.

    bool becomes uint8, other real dtypes the network's. Errors refer to columns by `names`.

    Raises
    ------
    TypeError
        If x does not hold real numbers.
    ValueError
        If x is not two-dimensional, not `n_in` wide, or not finite.
    """
    if is_sparse(x):
        return _check_sparse(x, n_in, dtype)
    array = as_array("x", x)
    check_is_array("x", x, array, f"an array of shape (n_rows, {n_in})")
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
        for rows in walk(array, CHECK_ROWS):
            check_finite("x", array[rows], rows.start, names)
            _check_range("x", array[rows], dtype)
    return array


def check_whole_bytes(x: Any) -> Any:
    """Return integers 0 … 255 (an array or CSR matrix) as uint8, and anything else unchanged.

    Raises
    ------
    ValueError
        If there are integers outside that range.
    """
    if is_sparse(x):
        if x.dtype.kind not in "iu" or x.dtype == np.uint8:
            return x
        x = sound_csr(x)
        x.data = _bytes(x.data)  # of x's own arrays, not the caller's
        return x
    array = as_array("x", x)
    if array.dtype.kind not in "iu" or array.dtype == np.uint8:
        return x
    return _bytes(array)


def _bytes(values: Array) -> Array:
    if values.size:
        low, high = values.min(), values.max()
        if low < 0 or high > 255:
            raise ValueError(
                "the network was trained on bytes, and reads whole numbers 0 to 255 as bytes, but "
                f"x holds {low if low < 0 else high}. Pass bytes, or floats in the range of bytes "
                "times its input_scale"
            )
    return values.astype(np.uint8)


def check_not_bytes_or_numbers(x: Any) -> Any:
    """Return x for a network that was trained on numbers between 0 and 1; bool becomes numbers.

    Raises
    ------
    ValueError
        If x holds integers above 1 and up to 255 of another dtype than uint8: it is unclear whether
        they are bytes.
    """
    array: Any = sound_csr(x) if is_sparse(x) else as_array("x", x)
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.float32)
    if kind in "iu" and array.dtype != np.uint8:
        values = array.data if is_sparse(x) else array
        if values.size and values.min() >= 0 and 1 < values.max() <= 255:
            raise ValueError(
                "the network was trained on numbers between 0 and 1, but x holds integers up to "
                f"{values.max()}: pass bytes as x.astype(numpy.uint8), which are scaled, or "
                "numbers as x.astype(float)"
            )
    return x


def check_not_bytes_as_floats(x: Any, input_scale: float) -> None:
    """Check that floats are not converted bytes 0 … 255; x as `check_x` returns it.

    Floats within twice the range of bytes times `input_scale` are accepted, and so are floats with
    negative values.
    """
    values = x if isinstance(x, np.ndarray) else x.data.reshape(-1, 1)
    if values.dtype == np.uint8 or not values.size:
        return
    extremes = [(values[rows].min(), values[rows].max()) for rows in walk(values, CHECK_ROWS)]
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    if low >= 0 and 2 * 255 * input_scale < high <= 255:
        raise ValueError(
            f"x holds floats from {low:g} to {high:g}, but the network was trained on bytes, which "
            f"it multiplies by {input_scale:.4g}. Pass bytes, x.astype(numpy.uint8), or numbers "
            f"in the range of these products, up to {255 * input_scale:g}"
        )


def check_rows(name: str, array: Any, n_rows: int) -> None:
    """Check that `array` has as many rows as x."""
    if array.shape[0] != n_rows:
        raise ValueError(
            f"x has {n_rows} rows, but {name} has {array.shape[0]}: there must be one for each row"
        )


def check_rows_of_c(x: Any) -> None:
    """Check that rows returned by `check_x` fit the float inputs of a C header."""
    values = x if isinstance(x, np.ndarray) else x.data
    largest = float(np.finfo(np.float32).max)
    if values.dtype != np.float64 or not values.size:
        return
    for value in (values.max(), values.min()):
        if abs(value) > largest:
            raise ValueError(
                f"rows hold {value:g}, which does not fit in a C float ({largest:.3g}), the input "
                "type of a C header: train on numbers that are scaled down"
            )


def check_not_empty(n_rows: int) -> None:
    """Check that there are rows."""
    if n_rows == 0:
        raise ValueError("x has no rows: training and evaluation need at least one")


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
    array, called, _ = target_values(y)
    check_is_array("y", y, array, f"labels (n_rows,) or one-hot rows (n_rows, {n_classes})")
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
    if array.dtype.kind == "f":
        check_finite(called, array, 0)
    if class_labels is not None:
        return _encode(array, class_labels)
    if array.dtype.kind not in "iub":
        if array.dtype.kind != "f":
            raise TypeError(
                f"y must hold class indices 0 to {n_classes - 1}, got dtype {array.dtype}; for "
                "other labels pass class_labels= to the network"
            )
        if not np.all(array == np.floor(array)):
            raise ValueError(
                f"y must hold class indices 0 to {n_classes - 1}, got numbers that are not whole; "
                'for regression use output="identity"'
            )
    _check_bounds(array, n_classes)
    return array.astype(np.int64)


def check_two_classes(y: Array, class_labels: Sequence[Any] | None = None) -> None:
    """Check that there are at least two classes; y (n_rows,) labels, or one column of targets."""
    if np.all(y == y.flat[0]) and y.flat[0] == int(y.flat[0]):
        label = int(y.flat[0]) if class_labels is None else class_labels[int(y.flat[0])]
        raise ValueError(
            f"y holds only one class, {label!r}: a classifier needs at least two for training "
            "(partial_fit accepts any rows)"
        )


def check_targets(y: Any, n_rows: int, n_out: int, output: str, dtype: str) -> Array:
    """Return targets ``(n_rows, n_out)`` of the network's dtype.

    Raises
    ------
    TypeError
        If y does not hold real numbers.
    ValueError
        If y has the wrong shape, is not finite, or lies outside the range of the output.
    """
    array, called, names = target_values(y)
    expected = "(n_rows,) or (n_rows, 1)" if n_out == 1 else f"(n_rows, {n_out})"
    check_is_array("y", y, array, f"an array of shape {expected}")
    if array.ndim == 1 and n_out == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != n_out:
        raise ValueError(f"y must have shape {expected}, got {np.shape(y)}")
    check_rows("y", array, n_rows)
    if array.dtype.kind not in "fiub":
        hint = "; class names need class_labels=" if output == "sigmoid" else ""
        raise TypeError(f"y must hold real numbers, got dtype {array.dtype}{hint}")
    _check_range("y", array, dtype)
    targets = np.ascontiguousarray(array, dtype)
    check_finite(called, targets[:, 0] if np.ndim(y) == 1 else targets, 0, names)
    if output == "sigmoid" and len(targets) and not (0 <= targets.min() <= targets.max() <= 1):
        raise ValueError(
            "y must lie in [0, 1] for a sigmoid output, got values from "
            f"{targets.min()!s} to {targets.max()!s}"
        )
    if output == "tanh" and len(targets) and np.abs(targets).max() > 1:
        raise ValueError(
            "y must lie in [-1, 1] for a tanh output, got values from "
            f'{targets.min():g} to {targets.max():g}: scale the targets, or use output="identity"'
        )
    if output == "exp" and len(targets) and targets.min() < 0:
        raise ValueError(f"y must not be negative for an exp output, got {targets.min():g}")
    return targets


def check_is_array(name: str, value: Any, array: Array, expected: str) -> None:
    """Check that NumPy did not wrap a non-array (None, text, a mapping) as a scalar object."""
    if array.ndim == 0 and array.dtype.kind not in "fiubc":
        raise TypeError(f"{name} must be {expected}, got {describe(value)}")


def _as_input_dtype(name: str, array: Array, dtype: str) -> Array:
    if array.dtype in INPUT_DTYPES and array.flags.aligned:  # in this machine's byte order
        return array
    if array.dtype == np.bool_:
        return _flags_as_bytes(array)
    if array.dtype.kind not in "fiub":
        hint = "; convert text to numbers first" if array.dtype.kind in "OSU" else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}{hint}")
    return array.astype(dtype)


def _flags_as_bytes(flags: Array) -> Array:
    """Return bool as bytes 0 and 1, without a copy if memory holds only these.

    NumPy writes no other bytes, but treats any non-zero byte, from a file or `view`, as True.
    """
    as_bytes: Array = flags.view(np.uint8)
    rows = as_bytes if as_bytes.ndim == 2 else as_bytes[:, None]
    if any(rows[part].max(initial=0) > 1 for part in walk(rows, CHECK_ROWS)):
        return flags.astype(np.uint8)
    return as_bytes


def check_finite(
    name: str, rows: Array, first_row: int, names: Sequence[str] | None = None
) -> None:
    """Check that rows are finite; errors count them from `first_row`, and use columns' names."""
    if not _is_finite(rows):
        bad = ~np.isfinite(rows)
        row, *column = at = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"row {first_row + row}" + "".join(f", column {i}" for i in column)
        if names is not None:
            where += f" ({names[column[0]]!r})"
        raise ValueError(
            f"{name} must be finite, got {rows[at]} in {where} ({int(bad.sum())} such values in "
            "nearby rows); drop or fill them first"
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
                f"{name} holds {value:g}, which does not fit in float32 ({largest:.3g}): "
                'scale it down, or use dtype="float64"'
            )


def _check_sparse(x: Any, n_in: int, dtype: str) -> Any:
    if x.ndim != 2 or x.shape[1] != n_in:
        raise ValueError(f"x must have shape (n_rows, {n_in}), got {x.shape}")
    x = sound_csr(x)
    data = _as_input_dtype("x", x.data, dtype)
    if data.dtype != np.uint8 and not _is_finite(data):
        at = int(np.isfinite(data).argmin())
        row = int(np.searchsorted(x.indptr, at, side="right")) - 1
        raise ValueError(
            f"x must be finite, got {data[at]} in row {row}, column {x.indices[at]}; drop or fill "
            "such values first"
        )
    _check_range("x", data, dtype)
    x.data = data  # of x's own arrays, not the caller's
    return x


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
            f'{rows[row]}; for several labels per row use output="sigmoid"'
        )
    return np.asarray(rows.argmax(axis=1), np.int64)


def _encode(y: Array, class_labels: Sequence[Any]) -> NDArray[np.int64]:
    index = {label: i for i, label in enumerate(class_labels)}
    try:
        found, inverse = np.unique(y, return_inverse=True)
    except TypeError:  # they cannot be compared
        kinds = sorted({type(v).__name__ for v in y.tolist()})
        raise TypeError(f"y must hold labels of one kind, got {listed(kinds)}") from None
    unknown = [v for v in found.tolist() if v not in index]
    if unknown:
        raise ValueError(
            f"y holds {shortened(repr(unknown[0]))}, which is not one of the network's class "
            f"labels {some(class_labels)}"
        )
    codes = np.array([index[v] for v in found.tolist()], np.int64)
    return codes[inverse]
