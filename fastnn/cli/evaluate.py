"""``fastnn evaluate``: how good a saved network is on a data set."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.backends import get_backend
from fastnn.cli import options as words
from fastnn.cli.data import largest_class, test_data
from fastnn.loading import load


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a saved network",
        description="Measure a saved network on the test rows of a data set, or on a file's rows; "
        "of the file that it was trained on, on those that the training held out. Columns of a CSV "
        "file with a header are found by their names.",
    )
    parser.add_argument("model", help="a file that fastnn train or Network.save wrote")
    parser.add_argument("data", nargs="?", default="digits", help="mnist, digits, or a file")
    words.add_data_options(parser)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, measure and report."""
    words.apply_backend_options(options)
    network = load(options.model, backend=options.backend)
    rows = test_data(options, network)
    measured = network.evaluate(rows.x, rows.y, progress=words.shows_progress(options))
    measured |= largest_class(network, rows.y)
    if options.json:
        backend = get_backend(options.backend).name
        words.print_json({"backend": backend, "n_rows": len(rows.x), rows.which: measured})
    else:
        if rows.n_others:
            words.note(
                f"{options.data} is the file that the network was trained on: it is measured on "
                f"the {len(rows.x):,} rows that were held out for a test, not on the other "
                f"{rows.n_others:,}",
                options,
            )
        what = "test rows" if rows.which == "test" else "rows, all there are"
        print(f"{len(rows.x):,} {what}  {words.measures(measured)}")
    return 0
