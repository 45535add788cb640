"""``--drop`` and ``--kind``: which columns of a table are read, and how."""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from fastnn.bagging.tables import Preparation
from fastnn.cli.reading import source_name
from fastnn.cli.target import Target
from fastnn.tabular import Columns, Frame
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
        help="columns to leave out, whatever they hold; may be repeated. A comma may be part of a "
        "column's name, in quotes if there are several: '\"Price, old\",age'",
    )
    parser.add_argument(
        "--kind",
        type=kind,
        action="append",
        metavar="NAME=KIND",
        help=f"how to read a column otherwise than is guessed: {', '.join(CHOICES)}, or its "
        "categories in their order, as 'size=S<M<L'; may be repeated",
    )


def names(text: str) -> str:
    """Return names of columns as they came: only the table tells whether a comma is in a name."""
    return text


def quoted(name: str) -> str:
    """Return a name as the only one in an argument, whatever it contains."""
    return '"{}"'.format(name.replace('"', '""'))


def resolved(given: Sequence[str] | None, known: Collection[str]) -> tuple[str, ...]:
    """Return the names in arguments such as ``"age,sex"``, each once.

    An argument that is the name of a column is that, also with commas. Others are read as a line of
    CSV, in which a name with commas stands in quotes.

    >>> resolved(["age,sex", "Price, old", '"a,b",c'], ["age", "Price, old"])
    ('age', 'sex', 'Price, old', 'a,b', 'c')
    """
    found: list[str] = []
    for text in given or ():
        if text in known:
            found.append(text)
            continue
        parts = chain.from_iterable(csv.reader(io.StringIO(text, ""), skipinitialspace=True))
        found += [part.strip() for part in parts if part.strip()]
    return tuple(dict.fromkeys(found))


def dropped(options: argparse.Namespace) -> Callable[[Sequence[str]], Collection[str]]:
    """Return the function that returns which of a table's columns are left out by the options."""
    of_kind = [name for name, kind in kinds_of(options).items() if kind == "drop"]
    return lambda known: {*resolved(options.drop, known), *of_kind}


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


def learned(options: argparse.Namespace, how: Preparation, frame: Frame) -> Columns:
    """Return what the columns of a training table become; an error names the file."""
    try:
        return how.learn(frame)
    except ValueError as error:
        said = re.sub("^x ", f"{source_name(options.data)} ", str(error))
        raise ValueError(said) from None


def preparation(options: argparse.Namespace, columns: Sequence[str], target: Target) -> Preparation:
    """Return how columns are read, for a table with so named ones beside the target.

    Raises
    ------
    ValueError
        If an option names a column that there is not, or the target.
    """
    kinds = kinds_of(options)
    drop = resolved(options.drop, columns)
    if target.name in kinds:
        raise ValueError(
            f"--kind names {target.name!r}, which is the target: --task says whether it holds "
            "classes or numbers, and --target selects another"
        )
    for option, given in (("--drop", drop), ("--kind", list(kinds))):
        check_known(option, given, columns)
    return Preparation(kinds, drop)
