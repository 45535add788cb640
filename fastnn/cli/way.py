"""Which way ``fastnn train`` goes: networks on a table as it comes, or one network on numbers.

table     columns of any kind; a few networks, bagged by folds        (`train_table`)
network   columns of numbers, arrays, images, clusters; one network    (`train`)
"""

from __future__ import annotations

import argparse
from typing import Literal

from fastnn.cli import options as words
from fastnn.cli import reading
from fastnn.system.printable import named

Way = Literal["table", "network"]

WAYS = ("auto", "table", "network")

OF_NETWORK = (
    *("optimizer", "loss", "quantiles", "checkpoint", "checkpoint_every", "resume", "exact"),
    *("early_stopping", "log", "targets", "data_dir", "dask"),
)
"""Options that only the way of one network has."""

OF_TABLE = (
    *("drop", "kind", *reading.TEXT_ONLY, "class_weight", "cv", "estimators", "dropout", "l2"),
    "time_limit",
)
"""Options that only the way of tables has."""


def way(options: argparse.Namespace) -> Way:
    """Return the way that options and data ask for; note it where it is a guess.

    Raises
    ------
    ValueError
        If options of both were given, or some that the chosen one has not.
    """
    ours, theirs = _given(options, OF_TABLE), _given(options, OF_NETWORK)
    chosen = _chosen(options, ours, theirs)
    if chosen == "network" and ours:
        raise ValueError(f"{ours[0]} is for tables, {_because(options, theirs)}: omit it")
    if chosen == "table" and theirs:
        raise ValueError(
            f"{theirs[0]} is for a single network on a table of numbers: say --model network, or "
            "omit it"
        )
    return chosen


def _chosen(options: argparse.Namespace, ours: list[str], theirs: list[str]) -> Way:
    data = options.data
    if not reading.is_table_file(data) or (options.dask is not None and options.model != "table"):
        if options.model == "table":
            raise ValueError(
                "--model table is for a table as CSV or Parquet, but the data are "
                f"{named(data)}: omit it"
            )
        return "network"
    if options.model != "auto":
        return options.model  # type: ignore[no-any-return]
    if theirs:
        if not ours:
            words.note(
                f"one network on columns of numbers, since {theirs[0]} is for that (--model table, "
                "without it, learns columns of any kind)",
                options,
            )
        return "network"
    words.check_file(data)
    if not ours and reading.looks_like_pixels(data):
        words.note(
            "one network on columns of numbers, since the columns look like pixels, whole numbers "
            "from 0 to 255 (--model table if not)",
            options,
        )
        return "network"
    return "table"


def _because(options: argparse.Namespace, theirs: list[str]) -> str:
    if theirs and options.model == "auto":
        return f"and {theirs[0]} for a single network"
    if options.model == "network":
        return "not for --model network"
    return f"but the data are {named(options.data)}"


def _given(options: argparse.Namespace, of: tuple[str, ...]) -> list[str]:
    return [
        f"--{name.replace('_', '-')}"
        for name in of
        if getattr(options, name, None) not in (None, False)
    ]
