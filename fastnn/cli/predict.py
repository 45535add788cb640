"""``fastnn predict``: prints the predictions of a saved network, one per line."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.cli.column_options import names
from fastnn.cli.data import prediction_rows
from fastnn.cli.reading import add_text_options, check_text_options
from fastnn.cli.saved_table import asked, classes_of, probabilities, takes_tables
from fastnn.cli.saved_table import rows as table_rows
from fastnn.ensemble import Ensemble
from fastnn.network import Network
from fastnn.system.files import write_whole
from fastnn.system.printable import named, printable
from fastnn.system.terminal import is_terminal

ROWS_AT_A_TIME = 8192
"""Predictions that are converted to text at once."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "predict",
        help="predict with a saved network",
        description="Print the prediction of a saved network for each row of a file, one per line: "
        "as CSV without a header if the output is not a terminal, or with --json as objects that "
        "include the probabilities. With --keep and --proba it is a table whose first line names "
        "its columns.",
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
    parser.add_argument(
        "--proba",
        action="store_true",
        help="also write the probability of each class; the first line then names the columns",
    )
    parser.add_argument("--data-dir", metavar="DIR", help=words.DATA_DIR_HELP)
    group = parser.add_argument_group("of a network that takes tables")
    group.add_argument(
        "--keep",
        type=names,
        action="append",
        metavar="NAME[,NAME…]",
        help="columns of the file to copy beside the prediction; the first line then names the "
        "columns",
    )
    add_text_options(group)
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
    model = words.model(options.model, options.backend)
    classifies = model.architecture.classifies
    if options.proba and not classifies:
        raise ValueError(
            f"--proba is for classes, and {named(options.model)} predicts numbers: omit it"
        )
    predictions, p, kept = _predicted(options, model)
    if options.json:
        pieces = _json_lines(predictions, p, kept)
    elif options.proba or kept:
        outputs = _output_names(predictions, model, with_p=p is not None)
        kept = _renamed(options, kept, outputs)
        pieces = _table_lines(predictions, p, kept, model)
    elif options.output is None and is_terminal(sys.stdout):
        pieces = _readable_lines(predictions)
    else:
        pieces = _csv_lines(predictions)
    _write(pieces, options)
    if options.output is not None:
        name = named(options.output)
        words.note(f"{len(predictions):,} predictions written to {name}", options)
    return 0


def _predicted(
    options: argparse.Namespace, model: Network | Ensemble
) -> tuple[Array, Array | None, dict[str, list[Any]]]:
    """Return predictions, probabilities if they are asked for, and the columns that are kept."""
    wants_p = model.architecture.classifies and (options.json or options.proba)
    if takes_tables(model):
        found = table_rows(options, model, keep=options.keep)
        kept = {c.name: c.values.tolist() for c in found.kept}
        for text in found.frame.notes:
            words.note_at_the_end(f"note: {text}", options)
        p = asked(options, model.predict_proba, found.frame) if wants_p else None
        return asked(options, model.predict, found.frame), p, kept
    if options.keep is not None:
        raise ValueError(
            f"--keep is for a network that takes tables, and {named(options.model)} takes rows of "
            "numbers: omit it"
        )
    check_text_options(options, options.model)
    x, progress = prediction_rows(options, model), words.shows_progress(options)
    predictions = model.predict(x, progress=progress)
    p = model.predict_proba(x, progress=progress) if wants_p else None
    return predictions, p, {}


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
        yield rows, shortest(predictions[rows])


def shortest(values: Array) -> list[Any]:
    """Return values as a list; float32 as the floats of fewest digits that round to them.

    >>> shortest(np.array([0.1, 0.25], np.float32))
    [0.1, 0.25]
    """
    if values.dtype == np.float32:
        values = values.astype(str).astype(np.float64)  # the text is the shortest
    return list(values.tolist())


def _csv_lines(predictions: Array) -> Iterator[str]:
    """Yield lines for programs: CSV without a header, with labels quoted where needed."""
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


def _table_lines(
    predictions: Array, p_of_rows: Array | None, kept: Mapping[str, list[Any]], model: Any
) -> Iterator[str]:
    """Yield CSV with a header: kept columns, the prediction, the probability of each class."""
    header = _output_names(predictions, model, with_p=p_of_rows is not None)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([*kept, *header])
    yield text.getvalue()
    for rows, several in _several(predictions):
        cells = [values[rows] for values in kept.values()]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        p = None if p_of_rows is None else shortest(probabilities(model, p_of_rows[rows]))
        for i, prediction in enumerate(several):
            own = prediction if isinstance(prediction, list) else [prediction]
            writer.writerow([*(values[i] for values in cells), *own, *(() if p is None else p[i])])
        yield text.getvalue()


def _output_names(predictions: Array, model: Any, *, with_p: bool) -> list[str]:
    """Return the names of the columns that are written beside those that are kept."""
    n_out = predictions.shape[1] if predictions.ndim == 2 else 1
    names = ["prediction"] if n_out == 1 else [f"prediction {k + 1}" for k in range(n_out)]
    return names + [f"probability of {name}" for name in class_names(model)] * with_p


def _renamed(
    options: argparse.Namespace, kept: Mapping[str, list[Any]], outputs: Sequence[str]
) -> dict[str, list[Any]]:
    """Return the kept columns, under other names those that are called as an output is."""
    found: dict[str, list[Any]] = {}
    for name, values in kept.items():
        new = name
        while new in outputs or (new != name and (new in kept or new in found)):
            new += " (kept)"
        if new != name:
            words.note_at_the_end(
                f"note: the column {name!r} of the file is written as {new!r}, beside that of the "
                "predictions",
                options,
            )
        found[new] = values
    return found


def class_names(model: Any) -> list[str]:
    """Return the names of the classes, or the numbers of labels of which a row has several."""
    labels = classes_of(model) or range(1, model.architecture.n_out + 1)
    return [str(label) for label in labels]


def _json_lines(
    predictions: Array, p_of_rows: Array | None, kept: Mapping[str, list[Any]]
) -> Iterator[str]:
    """Yield one object per line, for a classifier with its probabilities."""
    for rows, several in _several(predictions):
        records = [{"prediction": prediction} for prediction in several]
        if p_of_rows is not None:
            for record, row in zip(records, shortest(p_of_rows[rows]), strict=True):
                record["probabilities"] = row
        for name, values in kept.items():
            for record, value in zip(records, values[rows], strict=True):
                record.setdefault("kept", {})[name] = value
        for record in records:
            yield f"{words.as_json(record)}\n"
