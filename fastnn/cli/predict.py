"""``fastnn predict``: prints the predictions of a saved network, one per line."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastnn.architecture import Array
from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.cli.data import prediction_rows
from fastnn.system.files import write_whole
from fastnn.system.printable import named, printable

ROWS_AT_A_TIME = 8192
"""Predictions that are converted to text at once."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "predict",
        help="predict with a saved network",
        description="Print the prediction of a saved network for each row of a file, one per line: "
        "as CSV without a header if the output is not a terminal, or with --json as objects that "
        "include the probabilities.",
    )
    words.add_model_argument(parser)
    parser.add_argument(
        "data",
        help=f"mnist, digits, or {words.TABLES}, or {words.ARRAYS}; named columns are matched by "
        "name, and the label column is ignored",
    )
    parser.add_argument(
        "--output",
        type=_output,
        metavar="FILE",
        help="write to FILE, as UTF-8 (default: -, standard output)",
    )
    parser.add_argument("--data-dir", metavar="DIR", help=words.DATA_DIR_HELP)
    words.add_header_option(parser)
    parser.set_defaults(label=None, targets=None)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def _output(text: str) -> Path | None:
    return None if text == words.STANDARD_OUTPUT else words.output_path(text)


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
    network = words.network(options.model, options.backend)
    x = prediction_rows(options, network)
    progress = words.shows_progress(options)
    predictions = network.predict(x, progress=progress)
    probabilities = None
    if options.json and network.architecture.classifies:
        probabilities = network.predict_proba(x, progress=progress)
    if options.json:
        pieces = _json_lines(predictions, probabilities)
    elif options.output is None and streams.is_terminal(sys.stdout):
        pieces = _readable_lines(predictions)
    else:
        pieces = _csv_lines(predictions)
    _write(pieces, options)
    if options.output is not None:
        name = named(options.output)
        words.note(f"{len(predictions):,} predictions written to {name}", options)
    return 0


def _write(pieces: Iterator[str], options: argparse.Namespace) -> None:
    try:
        if options.output is None:
            streams.write_results(pieces)
            return
        with write_whole(options.output) as file:
            file.writelines(piece.encode() for piece in pieces)
    except UnicodeEncodeError as error:
        label = error.object[error.start : error.end]
        raise ValueError(
            f"a predicted label holds {label!r}, which cannot be encoded as {error.encoding}: "
            "print JSON, with --json"
        ) from None


def _several(predictions: Array) -> Iterator[tuple[slice, list[Any]]]:
    """Yield a few rows at a time, so that few Python objects are in memory."""
    for start in range(0, len(predictions), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        yield rows, predictions[rows].tolist()


def _csv_lines(predictions: Array) -> Iterator[str]:
    """Yield lines for programs: CSV without a header, with labels quoted where needed."""
    import csv

    for _, several in _several(predictions):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(p if isinstance(p, list) else [p] for p in several)
        yield text.getvalue()


def _readable_lines(predictions: Array) -> Iterator[str]:
    """Yield lines for a terminal, with escaped labels."""
    for _, several in _several(predictions):
        for p in several:
            yield printable(",".join(map(str, p)) if isinstance(p, list) else str(p)) + "\n"


def _json_lines(predictions: Array, probabilities: Array | None) -> Iterator[str]:
    """Yield one object per line, for a classifier with its probabilities."""
    for rows, several in _several(predictions):
        records = [{"prediction": prediction} for prediction in several]
        if probabilities is not None:
            for record, row in zip(records, probabilities[rows].tolist(), strict=True):
                record["probabilities"] = row
        for record in records:
            yield f"{words.as_json(record)}\n"
