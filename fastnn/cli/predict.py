"""``fastnn predict``: a saved network's predictions, one a line."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from fastnn.cli import options as words
from fastnn.cli.data import prediction_rows
from fastnn.files import write_whole
from fastnn.persistence import load


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "predict",
        help="predict with a saved network",
        description="Print a saved network's prediction for each row of a file: a line each, or "
        "with --json an object with the probabilities too.",
    )
    parser.add_argument("model", help="a file that fastnn train or Network.save wrote")
    parser.add_argument(
        "data", help="a CSV, NPZ, NPY or IDX file of inputs without labels; or mnist, digits"
    )
    parser.add_argument(
        "--output", type=words.output_path, metavar="FILE", help="write to FILE, not to the screen"
    )
    parser.add_argument("--data-dir", metavar="DIR", help=words.DATA_DIR_HELP)
    parser.set_defaults(label=None, targets=None)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, predict and write."""
    words.apply_backend_options(options)
    network = load(options.model, backend=options.backend)
    x = prediction_rows(options, network.architecture.n_in)
    progress = words.shows_progress(options)
    predictions = network.predict(x, progress=progress).tolist()
    if options.json:
        records = [{"prediction": prediction} for prediction in predictions]
        if network.architecture.classifies:
            for record, row in zip(
                records, network.predict_proba(x, progress=progress).tolist(), strict=True
            ):
                record["probabilities"] = row
        lines = [words.as_json(record) for record in records]
    else:
        lines = [",".join(map(str, p)) if isinstance(p, list) else str(p) for p in predictions]
    text = "".join(f"{line}\n" for line in lines)
    if options.output is None:
        sys.stdout.write(text)
    else:
        with write_whole(options.output) as file:
            file.write(text.encode())
        words.note(f"{len(lines):,} predictions written to {options.output}", options)
    return 0
