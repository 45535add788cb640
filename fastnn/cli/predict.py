"""``fastnn predict``: a saved network's predictions, one a line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastnn.architecture import Array
from fastnn.cli import options as words
from fastnn.cli.data import prediction_rows
from fastnn.loading import load
from fastnn.system.files import write_whole

ROWS_AT_A_TIME = 8192
"""Predictions that are turned into text at once."""


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
        "data",
        help="a CSV, NPZ, NPY or IDX file of inputs, or mnist, digits; the columns of a CSV file "
        "with a header are found by their names, and that of the labels is left out",
    )
    parser.add_argument(
        "--output", type=words.output_path, metavar="FILE", help="write to FILE, not to the screen"
    )
    parser.add_argument("--data-dir", metavar="DIR", help=words.DATA_DIR_HELP)
    words.add_header_option(parser)
    parser.set_defaults(label=None, targets=None)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, predict and write."""
    words.apply_backend_options(options)
    words.check_distinct(
        {
            "the model": Path(options.model),
            "the data": words.data_file(options.data),
            "--output": options.output,
        }
    )
    network = load(options.model, backend=options.backend)
    x = prediction_rows(options, network)
    progress = words.shows_progress(options)
    predictions = network.predict(x, progress=progress)
    probabilities = None
    if options.json and network.architecture.classifies:
        probabilities = network.predict_proba(x, progress=progress)
    if options.output is None:
        sys.stdout.writelines(_lines(predictions, probabilities, options.json))
    else:
        with write_whole(options.output) as file:
            file.writelines(
                line.encode() for line in _lines(predictions, probabilities, options.json)
            )
        words.note(f"{len(predictions):,} predictions written to {options.output}", options)
    return 0


def _lines(predictions: Array, probabilities: Array | None, json: bool) -> Iterator[str]:
    """Yield a line of text, or of JSON, for each row; few at a time are held in memory."""
    for start in range(0, len(predictions), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        several = predictions[rows].tolist()
        if not json:
            for p in several:
                yield (",".join(map(str, p)) if isinstance(p, list) else str(p)) + "\n"
            continue
        records = [{"prediction": prediction} for prediction in several]
        if probabilities is not None:
            for record, row in zip(records, probabilities[rows].tolist(), strict=True):
                record["probabilities"] = row
        for record in records:
            yield f"{words.as_json(record)}\n"
