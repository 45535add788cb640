"""Checks of what an ensemble is handed in beside rows: groups, and one value for each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.system.machine_memory import machine_memory
from fastnn.validation.data import check_rows
from fastnn.validation.values import as_array, check_count, describe, listed, shortened


def check_group_labels(labels: Any, n_models: int | None) -> tuple[Any, ...]:
    """Return the names of the groups, one for each model.

    Raises
    ------
    TypeError
        If they are not text or numbers.
    ValueError
        If they repeat, or are not as many as the models.
    """
    unordered = isinstance(labels, str | bytes | Set | Mapping)
    if unordered or not hasattr(labels, "__len__"):
        raise TypeError(f"group_labels must be a sequence of names, got {describe(labels)}")
    names = tuple(labels.tolist() if hasattr(labels, "tolist") else labels)
    names = tuple(name.item() if isinstance(name, np.generic) else name for name in names)
    kinds = {type(name) for name in names}
    if not names or not (kinds <= {str} or kinds <= {int}):
        found = listed(sorted(kind.__name__ for kind in kinds))
        raise TypeError(
            f"group_labels must be all text or all whole numbers, at least one, got {found}"
        )
    if len(set(names)) != len(names):
        seen: set[Any] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"group_labels must be distinct, got {shortened(repr(twice))} twice")
    if n_models is not None and len(names) != n_models:
        raise ValueError(f"group_labels must be as many as n_models, {n_models}, got {len(names)}")
    return names


def check_groups(
    groups: Any, n_rows: int, n_models: int, labels: Sequence[Any] | None
) -> NDArray[np.int64]:
    """Return the model of each row, (n_rows,) int64.

    Raises
    ------
    TypeError
        If groups are neither numbers of models nor, with labels, names.
    ValueError
        If they are not one for each row, or one is unknown.
    """
    array = as_array("groups", groups)
    _check_none_missing(groups, array)
    if array.ndim != 1:
        raise ValueError(f"groups must have shape (n_rows,), got {array.shape}")
    check_rows("groups", array, n_rows)
    if labels is not None:
        return _numbers_of(array, labels)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"groups must hold the number of each row's model, 0 to {n_models - 1}, got dtype "
            f"{array.dtype}; for names pass group_labels= to the ensemble"
        )
    if len(array) and not (array.min() >= 0 and array.max() < n_models):
        wrong = array[(array < 0) | (array >= n_models)][0]
        raise ValueError(
            f"groups must be numbers of models, 0 to {n_models - 1}, got {wrong}; for names of "
            "groups pass group_labels= to the ensemble"
        )
    return array.astype(np.int64)


def check_folds(folds: Any, n_rows: int, n_models: int) -> NDArray[np.int64]:
    """Return the model that leaves out each row, or -1, (n_rows,) int64.

    Raises
    ------
    TypeError
        If folds do not hold whole numbers.
    ValueError
        If they are not one for each row, one is not a model, or a model has no rows to learn from.
    """
    array = as_array("folds", folds)
    if array.ndim != 1:
        raise ValueError(f"folds must have shape (n_rows,), got {array.shape}")
    check_rows("folds", array, n_rows)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"folds must hold the number of the model that leaves out each row, 0 to "
            f"{n_models - 1}, or -1, got dtype {array.dtype}"
        )
    if len(array) and not (array.min() >= -1 and array.max() < n_models):
        wrong = array[(array < -1) | (array >= n_models)][0]
        raise ValueError(
            f"folds must be numbers of models, 0 to {n_models - 1}, or -1 for rows that all "
            f"models learn, got {wrong}"
        )
    array = array.astype(np.int64)
    if len(array) and (array == array[0]).all() and array[0] >= 0:
        raise ValueError(
            f"folds are all {array[0]}, so that model {array[0]} would have no rows to learn from"
        )
    return array


def _check_none_missing(groups: Any, array: NDArray[Any]) -> None:
    """Check that each row has a group; frames' columns mark missing ones in several ways."""
    if hasattr(groups, "isna"):
        missing = np.asarray(groups.isna())
    elif array.dtype.kind == "O":
        missing = np.array([one is None or one != one for one in array.ravel().tolist()], bool)
    else:
        missing = array != array
    if np.any(missing):
        raise ValueError(f"row {int(np.argmax(missing))} of groups is missing: drop it or name it")


def _numbers_of(groups: NDArray[Any], labels: Sequence[Any]) -> NDArray[np.int64]:
    index = {label: i for i, label in enumerate(labels)}
    try:
        found, inverse = np.unique(groups, return_inverse=True)
    except TypeError:  # they cannot be compared
        kinds = sorted({type(v).__name__ for v in groups.tolist()})
        raise TypeError(f"groups must hold labels of one kind, got {listed(kinds)}") from None
    numbers = [index.get(label, -1) for label in found.tolist()]
    if -1 in numbers:
        unknown = found[numbers.index(-1)].item()
        raise ValueError(
            f"groups holds {shortened(repr(unknown))}, which is not one of the {len(labels)} "
            "group labels"
        )
    return np.array(numbers, np.int64)[inverse.reshape(-1)]


def check_each(name: str, value: Any, n_models: int, check: Callable[[str, Any], Any]) -> list[Any]:
    """Return one checked value for each model, from a single one or one per model."""
    if hasattr(value, "tolist"):  # also a pandas Series
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [check(name, value)] * n_models
    if len(value) != n_models:
        raise ValueError(
            f"{name} must be a single value or one for each of the {n_models} models, got "
            f"{len(value)} values"
        )
    return [check(f"{name}[{i}]", v) for i, v in enumerate(value)]


def check_active(active: Any, n_models: int) -> NDArray[np.bool_]:
    """Return which models are trained, from flags (n_models,) or numbers of models."""
    if active is None:
        return np.ones(n_models, bool)
    array = as_array("active", active)
    if array.dtype == bool:
        if array.shape != (n_models,):
            raise ValueError(
                f"active must be one flag for each of the {n_models} models, got shape "
                f"{array.shape}"
            )
        return array.copy()
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise TypeError(
            f"active must be flags or numbers of models, got {array.dtype} of shape {array.shape}"
        )
    wrong = array[(array < -n_models) | (array >= n_models)] if len(array) else array
    if len(wrong):
        raise IndexError(f"active must hold numbers of models below {n_models}, got {wrong[0]}")
    flags = np.zeros(n_models, bool)
    flags[array.astype(np.int64)] = True
    return flags


def check_bootstrap(bootstrap: Any) -> bool | int | float:
    """Return how many rows are drawn for each model: none, all, a number, or a fraction."""
    if isinstance(bootstrap, bool | np.bool_):
        return bool(bootstrap)
    if isinstance(bootstrap, float | np.floating):
        if not 0 < bootstrap <= 1:
            raise ValueError(
                f"bootstrap must be True, False, a number of rows, or a fraction in (0, 1], got "
                f"{bootstrap}"
            )
        return float(bootstrap)
    return check_count("bootstrap", bootstrap)


def check_fits_in_memory(what: str, n_bytes: int, advice: str) -> None:
    """Check that an array takes at most half of the memory that this process may use."""
    most = machine_memory()
    if most is not None and n_bytes > most / 2:
        raise ValueError(
            f"{what} would take {n_bytes / 1e9:.3g} GB, more than half of this machine's memory, "
            f"{most / 1e9:.3g} GB: {advice}"
        )
