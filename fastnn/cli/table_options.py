"""Options of ``fastnn train`` that only tables have."""

from __future__ import annotations

import argparse

from fastnn import validation
from fastnn.bagging.recipe import N_MODELS
from fastnn.cli import options as words
from fastnn.cli.class_weights import class_weight
from fastnn.cli.column_options import add_column_options
from fastnn.cli.reading import add_text_options
from fastnn.validation.values import shortened


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options in a group of their own."""
    group = parser.add_argument_group("of tables")
    add_column_options(group)
    group.add_argument(
        "--class-weight",
        type=class_weight,
        metavar="WEIGHTS",
        help="balanced, for classes to count alike, or a weight for each, as yes=2,no=1",
    )
    group.add_argument(
        "--cv",
        type=words.whole_number(2),
        metavar="FOLDS",
        help="cross-validate with so many folds, then learn all rows; no test rows are held out",
    )
    group.add_argument(
        "--estimators",
        type=words.whole_number(1),
        metavar="N",
        help=f"networks that answer together (default: {N_MODELS})",
    )
    group.add_argument(
        "--dropout",
        type=words.share,
        metavar="SHARE",
        help="of the hidden units that are left out of each update (default: 0)",
    )
    group.add_argument(
        "--l2",
        type=not_negative,
        metavar="DECAY",
        help="weight decay: in each update weights shrink by this share, times the learning rate "
        "(default: 0)",
    )
    group.add_argument(
        "--time-limit",
        type=words.positive_number,
        metavar="SECONDS",
        help="for training, about: there are then fewer epochs, or networks, and the result "
        "depends on the machine's speed",
    )
    add_text_options(group, header=False)


def not_negative(text: str) -> float:
    """Return an argument's value: a finite number of at least 0."""
    try:
        return validation.check_in_range("it", float(text), 0.0, float("inf"), open_high=True)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number of at least 0, got {shortened(repr(text))}"
        ) from None
