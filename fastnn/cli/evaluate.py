"""``fastnn evaluate``: how good a saved network is on a data set."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.backends import get_backend
from fastnn.cli import options as words
from fastnn.cli.data import test_data
from fastnn.persistence import load


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "evaluate",
        help="measure a saved network",
        description="Measure a saved network on the test rows of a data set, or on a file's rows.",
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
    rows = test_data(options, network.architecture.n_in)
    measured = network.evaluate(rows.x, rows.y, progress=words.shows_progress(options))
    if options.json:
        backend = get_backend(options.backend).name
        which = "test" if rows.set_apart else "all"
        words.print_json({"backend": backend, "n_rows": len(rows.x), which: measured})
    else:
        what = "test rows" if rows.set_apart else "rows, all there are"
        print(f"{len(rows.x):,} {what}  {words.measures(measured)}")
    return 0
