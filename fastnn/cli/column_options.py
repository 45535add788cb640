"""``--drop`` and ``--kind``: which columns of a table are read, and how."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from fastnn.bagging.tables import Preparation
from fastnn.cli.target import Target
from fastnn.tabular.learning import CHOICES
from fastnn.tabular.names import check_known, near

READ_AS = {"number": "number", "category": "text", "flag": "flag", "time": "time"}
"""The kind that cells are read as from a file, for each choice where it matters."""


def add_column_options(parser: Any) -> None:
    """Add ``--drop`` and ``--kind``."""
    parser.add_argument(
        "--drop",
        type=names,
        action="append",
        metavar="NAME[,NAME…]",
        help="columns to leave out; may be repeated",
    )
    parser.add_argument(
        "--kind",
        type=kind,
        action="append",
        metavar="NAME=KIND",
        help=f"how to read a column otherwise than is guessed: {', '.join(CHOICES)}, or its "
        "categories in their order, as 'size=S<M<L'; may be repeated",
    )


def names(text: str) -> tuple[str, ...]:
    """Return the names in ``"age,sex"``."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def kind(text: str) -> tuple[str, str | tuple[str, ...]]:
    """Return the name and the kind in ``"zip=category"``."""
    name, sign, choice = text.rpartition("=")
    if not sign or not name or not choice:
        raise argparse.ArgumentTypeError(f"must be NAME=KIND such as zip=category, got {text!r}")
    if "<" in choice:
        return name, tuple(category.strip() for category in choice.split("<"))
    if choice not in CHOICES:
        like = near(choice, CHOICES)
        raise argparse.ArgumentTypeError(
            f"{text!r}: the kind must be one of {', '.join(CHOICES)}"
            + (f"; did you mean {like}?" if like else "")
        )
    return name, choice


def kinds_of(options: argparse.Namespace) -> dict[str, str | Sequence[str]]:
    """Return the kinds that were given, the last one of each column."""
    return dict(options.kind or ())


def kinds_read(kinds: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    """Return as what `read_frame` should read the columns whose kinds were given."""
    found = {
        name: "text" if not isinstance(k, str) else READ_AS.get(k) for name, k in kinds.items()
    }
    return {name: kind for name, kind in found.items() if kind is not None}


def preparation(options: argparse.Namespace, columns: Sequence[str], target: Target) -> Preparation:
    """Return how columns are read, for a table with so named ones beside the target.

    Raises
    ------
    ValueError
        If an option names a column that there is not, or the target.
    """
    kinds = kinds_of(options)
    dropped = [name for several in options.drop or () for name in several]
    for option, given in (("--drop", dropped), ("--kind", list(kinds))):
        if target.name in given:
            advice = "--target selects another"
            if option == "--kind":
                advice = "--task says whether it holds classes or numbers, and " + advice
            raise ValueError(f"{option} names {target.name!r}, which is the target: {advice}")
        check_known(option, given, columns)
    return Preparation(kinds, dropped)
