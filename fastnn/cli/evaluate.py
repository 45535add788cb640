"""``fastnn evaluate``: evaluates a saved network on a data set."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.backends import get_backend
from fastnn.cli import evaluate_table
from fastnn.cli import options as words
from fastnn.cli.data import largest_class, measured_on, test_data
from fastnn.cli.reading import add_text_options, check_text_options, source_name
from fastnn.cli.saved_table import takes_tables
from fastnn.cli.streams import say


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="evaluate a saved network",
        description="Evaluate a saved network on the test rows of a data set, or on the rows of a "
        "file; if it is the training file, only on the held-out test rows. Columns of a CSV "
        "file with a header are matched by name.",
    )
    words.add_model_argument(parser)
    parser.add_argument(
        "data",
        nargs="?",
        default="digits",
        help=f"mnist, digits (the default), or {words.TABLES}, or {words.ARRAYS} with --targets",
    )
    words.add_data_options(parser)
    add_text_options(parser.add_argument_group("of a network that takes tables"), header=False)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, evaluate and report."""
    words.apply_backend_options(options)
    network = words.model(options.model, options.backend)
    if takes_tables(network):
        return evaluate_table.run(options, network)
    check_text_options(options, options.model)
    rows = test_data(options, network)
    measured = measured_on(rows, network, options)
    measured |= largest_class(network, rows.y)
    if options.json:
        backend = get_backend(options.backend).name
        words.print_json({"backend": backend, "n_rows": len(rows.x), rows.which: measured})
    else:
        if rows.n_others:
            words.note(
                f"{source_name(options.data)} is the file that the network was trained on: it is "
                f"evaluated on the {len(rows.x):,} held-out test rows, not on the other "
                f"{rows.n_others:,}",
                options,
            )
        what = "test rows" if rows.which == "test" else "rows (all)"
        say(f"{len(rows.x):,} {what}  {words.measures(measured)}")
    return 0
