"""``fastnn train`` on a table as it comes: a few networks, bagged by folds, saved as one."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends import get_backend
from fastnn.bagging.recipe import CLASSES, N_MODELS, NUMBERS, Recipe
from fastnn.bagging.tables import Preparation, TableFit, fit_table
from fastnn.cli import options as words
from fastnn.cli import table_announcement
from fastnn.cli.class_weights import weights_of
from fastnn.cli.column_options import dropped, kinds_of, kinds_read, learned, preparation
from fastnn.cli.cross_validation import cross_validated, folds_of
from fastnn.cli.report import check_report
from fastnn.cli.score_table import Scores, rarer, scores_of, scores_of_guess, simplest_guess
from fastnn.cli.settings import class_names, default_name
from fastnn.cli.table_report import write_report
from fastnn.cli.target import Problem, problem
from fastnn.training.fit_description import rows_checksum

LEAST_ROWS = 10


def run(options: argparse.Namespace) -> int:
    """Train, evaluate, save and report."""
    words.apply_backend_options(options)
    backend = get_backend(options.backend)  # before any work, an error if it cannot run here
    path = options.output or words.output_path(default_name(options.data))
    words.check_distinct(
        {
            "the data": words.data_file(options.data),
            "the network": path,
            "--report": options.report,
        }
    )
    check_report(options)
    whole = problem(options, kinds_read(kinds_of(options)), dropped(options))
    if len(whole.labels) < LEAST_ROWS:
        raise ValueError(
            f"{whole.name} has {len(whole.labels)} rows with a target, too few to learn from: "
            f"expected at least {LEAST_ROWS}"
        )
    how = preparation(options, whole.frame.names, whole.target)
    train, test = (whole, None) if options.cv else whole.held_out()
    learner = _Learner(options, how)
    learner.check(train)
    columns = learned(options, how, train.frame)
    table_announcement.announce(options, whole, train, test, columns)
    table_announcement.say_networks(options, learner.n_models(train), learner.recipe(train),
                                    columns.n_out, train.n_classes, backend.name)  # fmt: skip

    start = time.perf_counter()
    folds = _cross_validated(options, learner, whole) if options.cv else None
    fit = learner.fit(train)
    seconds = time.perf_counter() - start
    ensemble = fit.ensemble
    _note_cut_short(options, fit)
    ensemble.class_labels = class_names(whole.classes)
    ensemble.trained_on = replace(
        ensemble.trained_on,
        label_name=whole.target.name,
        training_rows=rows_checksum(fit.columns.rows(train.frame), train.y),
        n_rows=len(train.labels),
        temperature=fit.temperature if train.n_classes else None,
        simplest_guess=tuple(simplest_guess(train.y, train.n_classes).tolist()),
    )
    ensemble.save(path)  # first of all, so that nothing is lost if a later step fails

    results = measured(fit, train, test, rarer(whole.y, whole.n_classes))
    try:
        table_announcement.say_results(options, whole, fit, results, folds, backend, seconds, path)
    finally:  # also if the results cannot be printed
        asked = _asked(fit, train, test)
        write_report(options, whole, asked, fit, results, folds, learner.recipe(train))
    return 130 if any(history.stopped == "interrupted" for history in fit.histories) else 0


def _note_cut_short(options: argparse.Namespace, fit: TableFit) -> None:
    """Note that training was interrupted, or diverged after its best epoch."""
    reasons = [history.stopped for history in fit.histories]
    if "interrupted" in reasons:
        words.note("interrupted: the networks keep the best of what they have learned", options)
    n = reasons.count("diverged")
    if n:
        words.note(
            f"{n} of {len(reasons)} networks diverged after their best epoch, whose weights they "
            "keep: try a smaller --learning-rate",
            options,
        )


class _Learner:
    """Trains as the options say.

    Parameters
    ----------
    options : argparse.Namespace
    how : Preparation
    """

    def __init__(self, options: argparse.Namespace, how: Preparation) -> None:
        self._options, self._how = options, how

    def check(self, of: Problem) -> None:
        """Check that the options fit the task, before any work."""
        weights_of(of, self._options.class_weight)
        if self._options.label_smoothing and not of.n_classes:
            raise ValueError(
                "--label-smoothing is of a classification, and the target "
                f"{of.target.name!r} holds numbers: leave it out, or say --task classification"
            )
        if of.n_classes and (of.y == of.y[0]).all():
            assert of.classes is not None
            raise ValueError(
                f"the training rows of {of.name} have only one class, "
                f"{of.classes[of.y[0]].item()!r}: there must be at least two rows of another"
            )

    def n_models(self, of: Problem) -> int:
        """Return how many networks are trained: at most one for each row."""
        return min(self._options.estimators or N_MODELS, len(of.labels))

    def recipe(self, of: Problem) -> Recipe:
        """Return the settings of training."""
        options = self._options
        given = {
            "hidden_layer_sizes": options.layers,
            "activation": options.activation,
            "epochs": options.epochs,
            "batch_size": options.batch_size,
            "learning_rate": options.learning_rate,
            "weight_decay": options.l2,
            "dropout": options.dropout,
            "label_smoothing": options.label_smoothing,
        }
        defaults = CLASSES if of.n_classes else NUMBERS
        return replace(defaults, **{k: value for k, value in given.items() if value is not None})

    def fit(self, of: Problem) -> TableFit:
        """Train on the rows of a problem."""
        options = self._options
        limit = options.time_limit
        with warnings.catch_warnings():  # `_note_cut_short` says it with the words of options
            warnings.filterwarnings("ignore", r"\d+ of \d+ models", RuntimeWarning)
            return self._fit(of, None if limit is None else limit / ((options.cv or 0) + 1))

    def _fit(self, of: Problem, time_limit: float | None) -> TableFit:
        options = self._options
        return fit_table(
            of.frame,
            of.y,
            n_classes=of.n_classes,
            recipe=self.recipe(of),
            preparation=self._how,
            n_models=self.n_models(of),
            seed=options.seed,
            sample_weight=weights_of(of, options.class_weight),
            time_limit=time_limit,
            backend=options.backend,
            progress=words.shows_progress(options),
        )

    def score(
        self, whole: Problem, learned: NDArray[np.int64], asked: NDArray[np.int64]
    ) -> tuple[Scores, Scores]:
        """Return the scores of networks that learn some rows on others, and of the simplest guess.

        Raises
        ------
        KeyboardInterrupt
            If the training was interrupted.
        """
        train, test = whole.rows(learned), whole.rows(asked)
        fit = self.fit(train)
        if any(history.stopped == "interrupted" for history in fit.histories):
            raise KeyboardInterrupt
        guess = simplest_guess(train.y, whole.n_classes)
        of = rarer(whole.y, whole.n_classes)
        return (
            scores_of(test.y, outputs(fit.ensemble, test), whole.n_classes, of),
            scores_of_guess(test.y, guess, whole.n_classes, of),
        )


def _cross_validated(
    options: argparse.Namespace, learner: _Learner, whole: Problem
) -> tuple[list[Scores], list[Scores]]:
    """Return the scores of each fold, and those of the simplest guess."""
    return cross_validated(
        folds_of(whole.y, whole.n_classes, options.cv),
        options.cv,
        lambda learned, asked: learner.score(whole, learned, asked),
        lambda fold, of_fold: table_announcement.say_fold(options, fold, of_fold),
    )


def outputs(model: Any, of: Problem) -> NDArray[Any]:
    """Return probabilities (n_rows, n_classes), or numbers (n_rows, 1), of a problem's rows."""
    if of.n_classes:
        return np.asarray(model.predict_proba(of.frame, progress=False))
    return np.asarray(model.predict(of.frame, progress=False)).reshape(len(of.labels), -1)


def _asked(fit: TableFit, train: Problem, test: Problem | None) -> tuple[str, Any, Any]:
    """Return the rows whose errors a report shows: their name, targets, and predictions."""
    if test is None:
        return "out-of-fold", train.y[fit.left_out], fit.predictions
    return "test", test.y, outputs(fit.ensemble, test)


def measured(
    fit: TableFit, train: Problem, test: Problem | None, positive: int
) -> Mapping[str, Any]:
    """Return the scores by what they are of, and how many rows: ``"test": (scores, n_rows)``.

    `positive` is the class of two that F1 is of.
    """
    found = {}
    n_classes = train.n_classes

    guess = simplest_guess(train.y, n_classes)

    def score(y: NDArray[Any], predictions: NDArray[Any]) -> tuple[Scores, int]:
        return scores_of(y, predictions, n_classes, positive), len(y)

    def score_guess(y: NDArray[Any]) -> tuple[Scores, int]:
        return scores_of_guess(y, guess, n_classes, positive), len(y)

    if test is not None and len(test.labels):
        found["test"] = score(test.y, outputs(fit.ensemble, test))
        found["simplest_guess"] = score_guess(test.y)
    rows = fit.left_out
    found["left_out"] = score(train.y[rows], fit.predictions)
    if test is None:
        found["simplest_guess"] = score_guess(train.y[rows])
    return found
