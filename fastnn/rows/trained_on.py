"""Properties of a network's training data that later rows must match.

The number of inputs of a network does not tell whether rows are bytes 0 … 255 or numbers, nor
the order of its columns. `TrainedOn` stores this with the parameters, also in files, and
`fastnn.rows.checked` checks all rows against it.

The factor for bytes, `input_scale`, is inferred from the first training rows, unless
it was given:

    uint8 with values of 128 and more   images               1/255
    uint8 or bool, only 0 and 1         flags                1
    uint8 with values between           small whole numbers  1, with a warning
    numbers within 0 … 1, not all whole  images in numbers    1/255, for later bytes
    other numbers                                            1

so that the same values give the same results, whatever their dtype; if it is unclear whether
they are the same values, an error is raised (see `TrainedOn.inputs`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from fastnn.architecture import Array
from fastnn.system.memory_maps import walk
from fastnn.validation.values import (
    check_choice,
    check_count,
    check_in_range,
    check_instance,
    check_positive,
    describe,
)

if TYPE_CHECKING:
    from fastnn.tabular.columns import Columns  # imported when a network has some

Inputs = Literal["bytes", "fractions", "flags", "numbers"]

BYTES = np.dtype(np.uint8)
IMAGE_SCALE = 1.0 / 255.0
BRIGHT = 128
"""The smallest byte in the upper half of the range, which images use and codes do not."""

NEWER = ("columns", "n_rows", "temperature", "simplest_guess")
"""Fields that files of older versions do not have."""

LARGEST = np.finfo(np.float64).max.item()

LOOKED_AT = 4096
"""Number of rows of floats that are examined; bytes are examined until one is `BRIGHT`."""


@dataclass(frozen=True)
class TrainedOn:
    """Properties of a network's training rows.

    Attributes
    ----------
    inputs : {"bytes", "fractions", "flags", "numbers"}
        Bytes: uint8 scaled by `input_scale`. Such a network reads whole numbers 0 … 255 of any
        integer dtype as bytes, and refuses floats in that range. Fractions: numbers between 0 and
        1, such as bytes divided by 255. Bytes are then scaled by `input_scale`; integers 2 … 255
        are refused, since it is unclear whether they are bytes. Flags: only 0 and 1. Numbers: any
        others.
    feature_names : tuple of str, optional
        The column names, if any: frames are then matched by name.
    label_name : str, optional
        Name of the column of labels or targets; "column 1" and so on in a table without names.
    mean, deviation : tuple of float, optional
        Of each column, if the network was trained on standardized columns and the standardization
        was folded into its first layer.
    training_rows : str, optional
        A checksum of the training rows of a file split by `fastnn train`, so that evaluation on the
        same file uses only the other rows.
    columns : Columns, optional
        What the columns of a table become: all rows are then tables as they came, and are converted
        where they come in.
    n_rows : int, optional
        Number of training rows, where it is known.
    temperature : float, optional
        By which the logits of a classifier were divided after training, for its probabilities to
        be honest (see `fastnn.bagging.calibration`).
    simplest_guess : tuple of float, optional
        What the targets of the training rows say of any row: the frequency of each class, or the
        mean of each target. Scores are compared with those of it.
    """

    inputs: Inputs = "numbers"
    feature_names: tuple[str, ...] | None = None
    label_name: str | None = None
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None
    training_rows: str | None = None
    columns: Columns | None = None
    n_rows: int | None = None
    temperature: float | None = None
    simplest_guess: tuple[float, ...] | None = None

    @cached_property
    def same_kind(self) -> tuple[Any, ...] | None:
        """`inputs`, `feature_names` and `label_name`, if nothing else is known of the rows."""
        known = (
            *(self.mean, self.deviation, self.training_rows, self.columns),
            *(self.n_rows, self.temperature, self.simplest_guess),
        )
        if any(each is not None for each in known):
            return None
        return self.inputs, self.feature_names, self.label_name

    def to_fields(self) -> dict[str, Any]:
        """Return what `checked_trained_on` reads, for JSON; `NEWER` only where there are any.

        So the file of a network that an older fastnn can read is one that it reads.
        """
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found = {
            name: value for name, value in found.items() if name not in NEWER or value is not None
        }
        columns = found.get("columns")
        return found if columns is None else found | {"columns": columns.to_json()}


def chosen_scale(x: Any) -> float:
    """Return the factor for bytes in such rows; warn if it is a guess.

    x (n_rows, n_in), a checked array or CSR matrix, with at least one row.
    """
    values = x if isinstance(x, np.ndarray) else x.data.reshape(-1, 1)
    if values.dtype == np.uint8:
        largest = _largest_byte(values)
        if largest >= BRIGHT:
            return IMAGE_SCALE
        if largest > 1:
            warnings.warn(
                f"x is uint8 with values up to {largest}, too small for images: they are not "
                "scaled. Pass input_scale=1/255 to the network if they are pixels, or "
                "input_scale=1 to confirm that they are not",
                UserWarning,
                stacklevel=4,
            )
        return 1.0
    return IMAGE_SCALE if _kind_of_floats(values) == "fractions" else 1.0


def kind_of(x: Any, input_scale: float) -> Inputs:
    """Return the kind of the first training rows; x as for `chosen_scale`."""
    values = x if isinstance(x, np.ndarray) else x.data.reshape(-1, 1)
    if values.dtype == np.uint8:
        if input_scale != 1.0:
            return "bytes"
        return "flags" if _largest_byte(values) <= 1 else "numbers"
    kind = _kind_of_floats(values)
    if kind == "fractions" and input_scale == 1.0:
        return "numbers"
    if kind == "numbers" and input_scale != 1.0 and _may_be_bytes(values[:LOOKED_AT]):
        warnings.warn(
            f"input_scale={input_scale:.4g} is for uint8, but x holds whole numbers up to "
            f"{values[:LOOKED_AT].max():.0f} of another dtype: they are not scaled. If they are "
            "bytes, pass x.astype(numpy.uint8)",
            UserWarning,
            stacklevel=4,
        )
    return kind


def kind_after(before: Inputs, x: Any, input_scale: float) -> Inputs:
    """Return the kind of training rows after training on x as well as `before`."""
    values = x if isinstance(x, np.ndarray) else x.data.reshape(-1, 1)
    if values.dtype == BYTES and input_scale != 1.0:
        return "bytes"
    if before != "flags":
        return before
    largest = _largest_byte(values) if values.dtype == np.uint8 else 0
    if largest >= BRIGHT:
        warnings.warn(
            "the network was trained on columns of 0 and 1, but x is uint8 with larger values: "
            "they are not scaled. For images create a network with input_scale=1/255",
            UserWarning,
            stacklevel=4,
        )
    return kind_of(x, 1.0)


def takes_bytes(inputs: str, input_scale: float) -> bool:
    """Return whether numbers 0 … 255 differ from the same bytes for a network."""
    return inputs == "bytes" and input_scale != 1.0


def _largest_byte(values: Array) -> int:
    largest = 0
    for rows in walk(values, LOOKED_AT):
        largest = max(largest, int(values[rows].max(initial=0)))
        if largest >= BRIGHT:
            break
    return largest


def _kind_of_floats(values: Array) -> Literal["fractions", "flags", "numbers"]:
    few = values[:LOOKED_AT]
    if few.size and not (few.min() >= 0 and few.max() <= 1):
        return "numbers"
    return "flags" if _is_whole(few) else "fractions"


def _may_be_bytes(values: Array) -> bool:
    return bool(values.min() >= 0 and BRIGHT <= values.max() <= 255 and _is_whole(values))


def _is_whole(values: Array) -> bool:
    return bool((values == np.floor(values)).all())


def checked_columns(columns: Any, n_in: int) -> Columns:
    """Return columns if they make rows for a network with so many inputs."""
    from fastnn.tabular.columns import Columns

    such_as = "fastnn.tabular.Columns, as learn_columns returns them"
    checked = check_instance("columns", columns, Columns, such_as)
    if checked.n_out != n_in:
        raise ValueError(
            f"columns make rows of {checked.n_out} numbers, but the network has {n_in} inputs"
        )
    return checked


def checked_trained_on(found: Mapping[str, Any], n_in: int) -> TrainedOn:
    """Check the properties of training rows read from a file, and return them with tuples.

    Those that an older fastnn did not write are missing.
    """
    fields = {**TrainedOn().to_fields(), **dict.fromkeys(NEWER), **found}
    columns = fields["columns"]
    if columns is not None:
        from fastnn.tabular.columns import Columns

        columns = checked_columns(Columns.from_json(columns), n_in)
    inputs = check_choice("inputs", fields["inputs"], get_args(Inputs))
    label, training_rows = fields["label_name"], fields["training_rows"]
    for name, text in (("label_name", label), ("training_rows", training_rows)):
        if not isinstance(text, str | None):
            raise TypeError(f"{name} must be text, got {describe(text)}")
    lists: dict[str, tuple[Any, ...] | None] = {}
    for name, kind in (("feature_names", str), ("mean", float), ("deviation", float)):
        lists[name] = None
        if fields[name] is None:
            continue
        if not isinstance(fields[name], list | tuple):
            raise TypeError(f"{name} must be a list, got {describe(fields[name])}")
        values = lists[name] = tuple(fields[name])
        right = all(isinstance(value, kind) for value in values)
        if not right or len(values) != n_in or (kind is float and not np.isfinite(values).all()):
            raise ValueError(f"{name} must hold {n_in} values, finite ones if they are numbers")
    names, deviation = lists["feature_names"], lists["deviation"]
    if names is not None and len(set(names)) != len(names):
        raise ValueError("feature_names must be distinct")
    if deviation is not None and not all(value > 0 for value in deviation):
        raise ValueError("deviation must be above 0")
    n_rows, temperature = fields["n_rows"], fields["temperature"]
    if n_rows is not None:
        n_rows = check_count("n_rows", n_rows)
    if temperature is not None:
        temperature = check_positive("temperature", temperature)
    guess = fields["simplest_guess"]
    if guess is not None:
        if not isinstance(guess, list | tuple) or not guess:
            raise TypeError(f"simplest_guess must be a list of numbers, got {describe(guess)}")
        guess = tuple(check_in_range("simplest_guess", value, -LARGEST, LARGEST) for value in guess)
    return TrainedOn(
        inputs,  # type: ignore[arg-type]
        names,
        label,
        lists["mean"],
        deviation,
        training_rows,
        columns,
        n_rows,
        temperature,
        guess,
    )
