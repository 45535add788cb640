"""``fastnn evaluate`` of a network that takes tables."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.backends import get_backend
from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.cli.reading import source_name
from fastnn.cli.saved_table import asked, classes_of, labelled, probabilities
from fastnn.cli.score_table import lines, rarer, scores_of, scores_of_guess, simplest_guess
from fastnn.cli.table_announcement import positive
from fastnn.system.printable import named


def run(options: argparse.Namespace, model: Any) -> int:
    """Read, predict, and print the scores beside those of the simplest guess."""
    source = source_name(options.data)
    rows = labelled(options, model)
    classes = classes_of(model)
    n_classes = 0 if classes is None else len(classes)
    predict = model.predict_proba if n_classes else model.predict
    predictions = asked(options, predict, rows.frame).reshape(len(rows.y), -1)
    predictions = probabilities(model, predictions)
    of = rarer(rows.y, n_classes)
    scores = scores_of(rows.y, predictions, n_classes, of)
    stored = _stored_guess(model, n_classes)
    of_rows = simplest_guess(rows.y, n_classes) if stored is None else stored
    guess = scores_of_guess(rows.y, of_rows, n_classes, of)
    if options.json:
        which = "test" if rows.n_others else "all"
        words.print_json(
            {
                "backend": get_backend(options.backend).name,
                "n_rows": len(rows.y),
                "target": rows.target,
                "learned": rows.all_learned,
                which: scores,
                "simplest_guess": guess,
                "simplest_guess_knows": "these rows" if stored is None else "training rows",
            }
        )
        return 0
    for note in rows.frame.notes:
        words.note(f"note: {note}", options)
    if rows.n_missing:
        words.note(f"{rows.n_missing:,} rows without a target are left out", options)
    if rows.n_others:
        words.note(
            f"{source} is the file that the network was trained on: it is evaluated "
            f"on the {len(rows.y):,} held-out test rows, not on the other {rows.n_others:,}",
            options,
        )
    if rows.all_learned:
        words.note(
            f"the network was trained on all rows of {source}, without test rows: "
            "scores of new rows are lower",
            options,
        )
    if stored is None:
        words.note(
            f"{named(options.model)} does not hold the "
            f"{'frequencies of classes' if n_classes else 'mean of targets'} in training: the "
            "simplest guess knows those of these rows",
            options,
        )
    header = "test rows" if rows.n_others else "all rows"
    columns = {header: scores, "simplest guess": guess}
    for line in lines(columns, [len(rows.y)] * 2, positive(classes, rows.y)):
        streams.say_verbatim(f"{line}\n")
    return 0


def _stored_guess(model: Any, n_classes: int) -> tuple[float, ...] | None:
    """Return what a network remembers of its training targets; None if it is not of these."""
    guess: tuple[float, ...] | None = model.trained_on.simplest_guess
    return guess if guess is not None and len(guess) == (n_classes or 1) else None
