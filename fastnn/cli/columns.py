"""``fastnn columns``: how the columns of a table would be read, and the target; trains nothing."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.cli.column_options import (
    add_column_options,
    dropped,
    kinds_of,
    kinds_read,
    learned,
    preparation,
)
from fastnn.cli.reading import add_text_options, is_table_file, read_again
from fastnn.cli.table_announcement import described, notes_of, said_of_target
from fastnn.cli.target import problem
from fastnn.system.printable import named


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "columns",
        help="show how a table would be read",
        description="Show what fastnn train would make of a table: which column is predicted and "
        "whether it holds classes or numbers, how each other column is read and encoded, and which "
        "are left out and why. Nothing is trained.",
    )
    parser.add_argument("data", help=f"{words.TABLES}, except NPZ")
    parser.add_argument(
        "--target",
        "--label",
        dest="label",
        metavar="COLUMN",
        help="column that is predicted, by name or index (default: one with a usual name, else the "
        "last)",
    )
    parser.add_argument(
        "--task",
        choices=("classification", "regression"),
        help="how to interpret the target (default: by its cells)",
    )
    add_column_options(parser)
    add_text_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read and print."""
    if not is_table_file(options.data):
        raise ValueError(
            f"{named(options.data)} is no table of columns: expected a CSV or Parquet file"
        )
    with read_again(options.data):
        whole = problem(options, kinds_read(kinds_of(options)), dropped(options))
    how = preparation(options, whole.frame.names, whole.target)
    columns = learned(options, how, whole.frame)
    if options.json:
        rows = {"known": len(whole.labels), "without_target": whole.n_missing}
        words.print_json({**described(whole, columns), "rows": rows})
        return 0
    streams.say(f"{whole.name}: {whole.n_columns:,} columns, {len(whole.labels):,} rows")
    for text in (*said_of_target(whole), *(f"note: {note}" for note in notes_of(whole))):
        streams.say(text)
    streams.say_verbatim(f"\n{columns}\n")
    return 0
