"""Checks of single values, and formatting for error messages."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from fastnn.architecture import Array
from fastnn.vocabulary import Shuffle

T = TypeVar("T")
MOST_THREADS = 2**31 - 1
"""The largest C int, the type in which libraries count threads."""


def check_number(name: str, value: object) -> float:
    """Return `value` as a float if it is a real number."""
    if type(value) is float:
        return value
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {describe(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(
            f"{name} must be a number that fits in a float, got {describe(value)}"
        ) from None


def check_flag(name: str, value: object) -> bool:
    """Return `value` if it is True or False."""
    if value is True or value is False:
        return value
    if not isinstance(value, np.bool_):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    return bool(value)


def check_shuffle(value: object) -> Shuffle:
    """Return `value` if it is True, False or "blocks"."""
    if value is True or value is False:
        return value
    if isinstance(value, str) and value == "blocks":
        return "blocks"
    if not isinstance(value, np.bool_):
        raise TypeError(f'shuffle must be True, False or "blocks", got {describe(value)}')
    return bool(value)


def check_positive(name: str, value: object) -> float:
    """Return `value` if it is a finite number above 0."""
    number = check_number(name, value)
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name} must be above 0 and finite, got {shortened(repr(value))}")
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
        got = shortened(repr(value))
        raise ValueError(f"{name} must be in {left}{low:g}, {high:g}{right}, got {got}")
    return number


def check_count(name: str, value: object, minimum: int | None = 1) -> int:
    """Return `value` as an int if it is a whole number, of at least `minimum` if there is one."""
    if type(value) is int and (minimum is None or value >= minimum):
        return value
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {describe(value)}")
    if minimum is not None and value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {shortened(str(value))}")
    return int(value)


def check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {listed(choices)}, got {describe(value)}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {listed(choices)}, got {shortened(repr(value))}")
    return value


def check_path(name: str, value: object) -> None:
    """Check that `value` names a file: text or a path."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be the path of a file, got {describe(value)}")


def check_backend_name(value: object, names: Sequence[str], source: str) -> str:
    """Return `value` if it names a backend; `source` is where the name was given."""
    return check_choice(f"the backend given by {source}", value, names)


def check_threads(name: str, value: object) -> int:
    """Return `value` if it is a number of threads that fits in a C int."""
    n_threads = check_count(name, value)
    if n_threads > MOST_THREADS:
        raise ValueError(f"{name} must be at most {MOST_THREADS:,}, got {shortened(repr(value))}")
    return n_threads


def check_thread_variable(name: str, text: str) -> int:
    """Return the thread count in the environment variable `name`."""
    digits = text.strip().lstrip("0")
    if not digits.isdecimal():
        raise ValueError(
            f"the environment variable {name} must be a whole number of threads, at least 1, "
            f"got {shortened(repr(text))}"
        )
    if len(digits) > len(str(MOST_THREADS)) or int(digits) > MOST_THREADS:
        raise ValueError(
            f"the environment variable {name} must be at most {MOST_THREADS:,} threads, got "
            f"{shortened(text.strip())}"
        )
    return int(digits)


def check_instance(name: str, value: object, kind: type[T], such_as: str) -> T:
    """Return `value` if it is a `kind`; errors say that it must be `such_as`."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {such_as}, got {describe(value)}")
    return value


def describe(value: object) -> str:
    """Return a value with its type for an error message; only the type if repr fails."""
    try:
        text = repr(value)
    except Exception:  # raised by the caller's classes, and by NumPy for invalid text
        return type(value).__name__
    return f"{shortened(text)} ({type(value).__name__})"


def shortened(text: str) -> str:
    """Return text shortened to at most 60 characters."""
    return text if len(text) <= 60 else text[:57] + "..."


def words_of(error: BaseException) -> str:
    """Return another library's error message as one line of at most 200 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."


def listed(choices: Sequence[object]) -> str:
    """Return the reprs of values, separated by commas, each at most 60 characters."""
    return ", ".join(shortened(repr(choice)) for choice in choices)


def as_array(name: str, value: Any) -> Array:
    """Return `value` as an array, if its rows have the same length."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        n_masked = int(np.ma.getmaskarray(value).sum())
        raise ValueError(
            f"{name} is a masked array with {n_masked} masked values: drop their rows, or fill "
            "them with x.filled(value)"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array with rows of equal length: {error}") from None
