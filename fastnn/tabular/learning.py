"""`learn_columns`: from the training table, what each of its columns becomes."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tabular.categories import OneHot, Ordered, TwoValues
from fastnn.tabular.cells import number_text
from fastnn.tabular.columns import Columns
from fastnn.tabular.flags import Flag, OnlyMissing
from fastnn.tabular.frame import Column, Kind
from fastnn.tabular.frames import as_frame
from fastnn.tabular.hints import hint_of
from fastnn.tabular.identifiers import why_number, why_text
from fastnn.tabular.kinds import as_kind, factorized, number_of
from fastnn.tabular.names import by_name, check_known, names_in
from fastnn.tabular.numbers import Binned, Scaled, bin_edges, center_and_scale, check_finite
from fastnn.tabular.read_column import Encoding, ReadColumn
from fastnn.tabular.times import Time, microseconds, varying_parts
from fastnn.validation.parameters import parameter
from fastnn.validation.values import check_choice, check_count, check_flag, describe, shortened

DROPPED = "dropped"
"""Why a column is left out that the caller does not want."""

MOST_SHOWN = 6
"""Columns that an error names."""

CHOICES = ("number", "category", "ordered", "flag", "time", "drop")


@dataclass(frozen=True)
class Options:
    """The options of `learn_columns` that every column has in common."""

    max_categories: int
    min_count: int
    n_bins: int
    missing_indicators: bool


def learn_columns(
    frame: Any,
    *,
    kinds: Mapping[str, str | Sequence[str]] | None = None,
    drop: Collection[str] | None = (),
    keep: Collection[str] | None = (),
    max_categories: int = 100,
    min_count: int = 3,
    n_bins: int = 0,
    missing_indicators: bool = True,
) -> Columns:
    """Decide what each column of a training table becomes.

    Parameters
    ----------
    frame : table
        Anything that `as_frame` takes, without the column of labels or targets.
    kinds : mapping of str to str, optional
        By name, how to read columns otherwise than is decided here: "number", "category",
        "ordered" (or the categories as a sequence, lowest first), "flag", "time", or "drop".
        Such a column is not left out because it looks like an identifier. Names that are not text
        count as the text of them: 2019 as "2019".
    drop : collection of str
        Columns to leave out.
    keep : collection of str
        Columns not to leave out because they look like identifiers or free text.
    max_categories : int, default 100
        Most categories of a column with an output of their own, by frequency; the others share one.
    min_count : int, default 3
        Rows that a category needs for an output of its own.
    n_bins : int, default 0
        Bins of the piecewise linear encoding of numbers; 0 scales them instead.
    missing_indicators : bool, default True
        Whether a column with missing cells has an output that says where.

    Returns
    -------
    Columns
        `Columns.left_out` has the columns that are not read and why: those with one value, numbers
        and text that identify rows, free text.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, names a column that there is not, or asks for a kind that a cell
        cannot be read as; or if no column is left.

    Warns
    -----
    UserWarning
        If text is left out that holds dates, or numbers with commas.

    Examples
    --------
    >>> from fastnn.tabular import learn_columns
    >>> table = {"size": ["S", "L", "M", "M"], "sold": [True, False, False, True]}
    >>> learn_columns(table, kinds={"size": ["S", "M", "L"]}).feature_names
    ('size ≥ M', 'size ≥ L', 'sold')
    """
    table = as_frame(frame)
    options = Options(
        check_count("max_categories", max_categories),
        check_count("min_count", min_count),
        check_count("n_bins", n_bins, 0),
        check_flag("missing_indicators", missing_indicators),
    )
    kinds = by_name("kinds", kinds)
    drop, keep = names_in("drop", drop), names_in("keep", keep)
    for argument, given in (("kinds", kinds), ("drop", drop), ("keep", keep)):
        check_known(argument, given, table.names)
    for name, choice in kinds.items():
        if isinstance(choice, str):
            check_choice(f"kinds[{shortened(repr(name))}]", choice, CHOICES)
    if not table.n_rows:
        raise ValueError("x has no rows to learn its columns from")
    found, hints = [], []
    for place, column in enumerate(table.columns):
        own = "drop" if column.name in drop else kinds.get(column.name)
        read = _read(column, own, place, options, keeps=column.name in keep)
        hint = hint_of(column) if own is None else None
        if hint is not None and read.encoding is None:
            hints.append(f"{shortened(repr(column.name))} ({hint})")
        notes = [note for note in (column.note, read.note, hint) if note]
        is_as_written = read.encoding is not None and read.encoding.kind == column.kind
        notation = column.notation if is_as_written else None
        found.append(replace(read, note="; ".join(notes) or None, notation=notation))
    if hints:
        warnings.warn(
            f"x has text that is left out, but may be more: {', '.join(hints[:MOST_SHOWN])}",
            UserWarning,
            stacklevel=2,
        )
    columns = Columns(tuple(found), table.has_names)
    if not columns.n_out:
        raise ValueError(_nothing_left(columns))
    return columns


def _nothing_left(columns: Columns) -> str:
    """Return the error of a table without a column to learn from."""
    if not columns.table:
        return "x has no columns; expected at least one to learn from"
    left_out = [f"{shortened(repr(n))} ({why})" for n, why in columns.left_out.items()]
    shown = ", ".join(left_out[:MOST_SHOWN])
    if len(left_out) > MOST_SHOWN:
        shown += f" and {len(left_out) - MOST_SHOWN} others"
    first = next((name for name, why in columns.left_out.items() if why != DROPPED), None)
    advice = "drop fewer"
    if first is not None:
        how = parameter("kinds", {first: "category"})
        advice = f"add a column that differs between rows, or say how to read one, as by {how}"
    return f"x has no column to learn from, as all are left out: {shown}; {advice}"


def _read(
    column: Column, choice: str | Sequence[str] | None, place: int, options: Options, *, keeps: bool
) -> ReadColumn:
    if choice == "drop":
        return ReadColumn(column.name, column.kind, None, note=DROPPED)
    if choice is None:
        if column.kind == "number":
            return _number(column, place, options, looks=not keeps)
        if column.kind == "text":
            return _text(column, place, options, keeps=keeps)
        return (_flag if column.kind == "flag" else _time)(column, options)
    if not isinstance(choice, str) or choice == "ordered":
        return _ordered(column, None if isinstance(choice, str) else choice, options)
    if choice == "category":
        return _category(_as_text(column), options)
    converted = as_kind(column, choice)  # type: ignore[arg-type]
    if choice == "number":
        return _number(converted, place, options, looks=False)
    return (_flag if choice == "flag" else _time)(converted, options)


def _one_value(
    column: Column, read_as: str, n_known: int, n_distinct: int, options: Options
) -> ReadColumn | None:
    """Return what becomes of a column with at most one value; None if it has more."""
    if n_known == 0:
        return ReadColumn(column.name, read_as, None, True, "all cells are missing")
    if n_distinct > 1:
        return None
    if n_known < len(column.values) and options.missing_indicators:
        note = "one value only: just whether it is missing"
        return ReadColumn(column.name, read_as, OnlyMissing(column.kind), True, note)
    return ReadColumn(column.name, read_as, None, n_known < len(column.values), "one value only")


def _number(column: Column, place: int, options: Options, *, looks: bool) -> ReadColumn:
    check_finite(column)
    missing = np.isnan(column.values)
    had_missing = bool(missing.any())
    x = column.values[~missing] if had_missing else column.values
    n_distinct = 1 + bool(len(x) and (x != x[0]).any())
    constant = _one_value(column, "number", len(x), n_distinct, options)
    if constant is not None:
        return constant
    if looks:
        reason = why_number(column.name, x, place, is_complete=not had_missing)
        if reason is not None:
            return ReadColumn(column.name, "number", None, note=reason)
    center, scale = center_and_scale(x)
    indicator = had_missing and options.missing_indicators
    encoding: Encoding = Scaled(center, scale, indicator)
    if options.n_bins and len(edges := bin_edges(x, options.n_bins)) > 1:
        encoding = Binned(edges, center, indicator)
    return ReadColumn(column.name, "number", encoding, had_missing)


def _flag(column: Column, options: Options) -> ReadColumn:
    known = column.values[~np.isnan(column.values)]
    constant = _one_value(column, "flag", len(known), len(np.unique(known)), options)
    if constant is not None:
        return constant
    had_missing = len(known) < len(column.values)
    encoding = Flag(had_missing and options.missing_indicators)
    return ReadColumn(column.name, "flag", encoding, had_missing)


def _time(column: Column, options: Options) -> ReadColumn:
    known = column.values[~np.isnat(column.values)]
    n_distinct = 1 + bool(len(known) and (known != known[0]).any())
    constant = _one_value(column, "time", len(known), n_distinct, options)
    if constant is not None:
        return constant
    had_missing = len(known) < len(column.values)
    center, scale = center_and_scale(microseconds(known))
    indicator = had_missing and options.missing_indicators
    encoding = Time(int(center), scale / 1e6, varying_parts(known), indicator)
    return ReadColumn(column.name, "time", encoding, had_missing, has_zone=column.has_zone)


def _text(column: Column, place: int, options: Options, *, keeps: bool) -> ReadColumn:
    """Return what becomes of text: categories, numbers, or nothing."""
    if column.categories is not None:
        return _ordered(column, None, options) if column.is_ordered else _category(column, options)
    codes, texts = factorized(column.values)
    n_known = int((codes >= 0).sum())
    reason = None if keeps else why_text(texts, n_known)
    are_numerals = bool(texts) and all(map(_is_numeral, texts))
    if are_numerals and (reason is not None or len(texts) > options.max_categories):
        read = _number(as_kind(column, "number"), place, options, looks=not keeps)
        how = parameter("kinds", {column.name: "category"})
        note = f"text that holds numbers: {how} reads it as text"
        return read if read.note else replace(read, note=note)
    if reason is not None:
        had_missing = n_known < len(codes)
        return ReadColumn(column.name, "text", None, had_missing, reason)
    read = _category(column, options, (codes, texts))
    if are_numerals and not read.note:
        how = parameter("kinds", {column.name: "number"})
        return replace(read, note=f"text that holds numbers: {how} reads it as such")
    return read


def _is_numeral(text: str) -> bool:
    """Return whether text is a number as one writes numbers, and not codes as 007."""
    text = text.strip().lstrip("+-")
    number = number_of(text)
    is_code = len(text) > 1 and text[0] == "0" and text[1].isdigit()
    return number is not None and bool(np.isfinite(number)) and not is_code


def _category(
    column: Column, options: Options, found: tuple[NDArray[np.int64], list[str]] | None = None
) -> ReadColumn:
    codes, texts = factorized(column.values) if found is None else found
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    n_known = int(counts.sum())
    constant = _one_value(column, "category", n_known, len(texts), options)
    if constant is not None:
        return constant
    had_missing = n_known < len(codes)
    indicator = had_missing and options.missing_indicators
    by_frequency = sorted(zip((-counts).tolist(), texts, strict=True))
    frequent = [text for count, text in by_frequency if -count >= options.min_count]
    frequent = frequent[: options.max_categories]
    n_rare = len(texts) - len(frequent)
    if n_rare == 1 or len(texts) == 2:  # together with no other
        frequent, n_rare = [text for _, text in by_frequency], 0
    if not frequent:
        reason = f"no value occurs {options.min_count} times"
        return ReadColumn(column.name, "category", None, had_missing, reason)
    if column.categories is not None:
        order = {text: i for i, text in enumerate(column.categories)}
        frequent.sort(key=lambda text: order.get(text, len(order)))
    note = f"{n_rare:,} rare values of {len(texts):,} are one" if n_rare else None
    if len(texts) == 2 and not indicator:
        encoding: Encoding = TwoValues(tuple(frequent))
    else:
        encoding = OneHot(tuple(frequent), n_rare > 0, indicator)
    kept = {*frequent}
    n_kept = sum(-count for count, text in by_frequency if text in kept)
    other_share = 1.0 - n_kept / n_known if n_rare else 0.0
    return ReadColumn(column.name, "category", encoding, had_missing, note, other_share)


def _ordered(column: Column, order: Sequence[str] | None, options: Options) -> ReadColumn:
    """Return ordered categories; the order is the caller's, the dtype's, or that of the text."""
    note: str | None = None
    was_numbers = column.kind in ("number", "flag")
    text = _as_text(column)
    codes, texts = factorized(text.values)
    constant = _one_value(text, "ordered", int((codes >= 0).sum()), len(texts), options)
    if constant is not None:
        return constant
    if order is not None:
        values = _given(column.name, order)
        unknown = [value for value in texts if value not in values]
        if unknown:
            raise ValueError(
                f"{parameter('kinds', {column.name: None})} must have all values of the column, "
                f"lowest first, it lacks {shortened(repr(unknown[0]))}"
            )
    elif text.categories is not None:
        values = list(text.categories)
    elif was_numbers or all(map(_is_numeral, texts)):
        values = sorted(texts, key=float)
    else:
        values = sorted(texts)
        note = f"in the order of the alphabet: {', '.join(values[:3])}, …"
    present = sorted(values.index(value) for value in texts)
    steps = _spread(np.array(present[1:]), options.max_categories)
    had_missing = bool((codes < 0).any())
    indicator = had_missing and options.missing_indicators
    encoding = Ordered(tuple(values), tuple(steps.tolist()), indicator)
    return ReadColumn(column.name, "ordered", encoding, had_missing, note)


def _given(name: str, order: Any) -> list[str]:
    """Return the categories that the caller gives, lowest first, as text."""
    such_as = f"{parameter('kinds', {name: None})} must be a kind or all categories, lowest first"
    if not isinstance(order, Sequence) or not all(isinstance(v, str | int | float) for v in order):
        raise TypeError(f"{such_as}, got {describe(order)}")
    values = [value if isinstance(value, str) else number_text(float(value)) for value in order]
    if len(set(values)) < len(values):
        raise ValueError(f"{such_as}, each once, got {describe(order)}")
    return values


def _spread(steps: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most so many of the steps, evenly spread."""
    if len(steps) <= most:
        return steps
    return steps[np.linspace(0, len(steps) - 1, most).round().astype(np.int64)]


def _as_text(column: Column) -> Column:
    kind: Kind = "text"
    return as_kind(column, kind)
