"""``fastnn train``: trains, evaluates and saves a network."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.architecture import ACTIVATIONS
from fastnn.backends import get_backend
from fastnn.bagging.recipe import CLASSES, NUMBERS
from fastnn.cli import long_runs, train_dask
from fastnn.cli import options as words
from fastnn.cli.announcement import announce, say_results
from fastnn.cli.config import add_config_option
from fastnn.cli.data import labelled, largest_class, remembered, training_data
from fastnn.cli.epochs import EpochLines
from fastnn.cli.reading import read_again
from fastnn.cli.report import add_report_option, check_report, write_report
from fastnn.cli.settings import (
    ACTIVATION,
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATES,
    LOSSES,
    OPTIMIZER,
    STEPS,
    STEPS_AN_EPOCH,
    choose_steps,
    class_names,
    default_name,
    new_network,
    new_optimizer,
    set_defaults,
)
from fastnn.cli.standardized import check_spread, name_left_out
from fastnn.cli.table_options import add_table_options
from fastnn.cli.way import WAYS, way
from fastnn.datasets import Dataset, Split
from fastnn.model.standardization import Standardization, fold


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "train",
        help="train on a table, or on images, and save what was learned",
        description="Learn a table as it comes, with numbers, text, dates and missing values, or "
        "images and other arrays, and save what was learned. A table is learned by a few networks "
        "that are bagged by folds, anything else by one.",
    )
    parser.add_argument(
        "data",
        nargs="?",
        default="digits",
        help=f"mnist, digits (the default, synthetic), or {words.TABLES}, or {words.ARRAYS} "
        "with --targets, which is memory-mapped if larger than 64 MB: its columns are then not "
        "standardized, those of all other files are (except bytes)",
    )
    parser.add_argument(
        "--model",
        choices=WAYS,
        default="auto",
        help="what is trained: table, a few networks on columns of any kind; network, one network "
        "on columns of numbers; auto (the default), table for CSV and Parquet files, except pixels "
        "and with options that only network has",
    )
    add_config_option(parser)
    parser.add_argument(
        "--layers",
        type=words.hidden_sizes,
        metavar="N[,N…]",
        help="widths of the hidden layers, or none (default: "
        f"{','.join(map(str, CLASSES.hidden_layer_sizes))} for a table, else 100)",
    )
    parser.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(ACTIVATIONS)} (default: {CLASSES.activation} for "
        f"classes of a table, {NUMBERS.activation} for its numbers, else {ACTIVATION})",
    )
    parser.add_argument(
        "--optimizer",
        choices=LEARNING_RATES,
        metavar="NAME",
        help=f"of one network: {', '.join(LEARNING_RATES)} (default: {OPTIMIZER})",
    )
    parser.add_argument(
        "--epochs",
        type=words.whole_number(1),
        metavar="N",
        help=f"passes over the training rows (default: {CLASSES.epochs} for a table, fewer for a "
        f"large one; else {EPOCHS}, or more for at least {STEPS:,} steps)",
    )
    parser.add_argument(
        "--batch-size",
        type=words.whole_number(1),
        metavar="ROWS",
        help=f"rows per update (default: {CLASSES.batch_size} for a table; else {BATCH_SIZE}, or "
        f"fewer for at least {STEPS_AN_EPOCH} steps per epoch)",
    )
    parser.add_argument(
        "--learning-rate",
        type=words.positive_number,
        metavar="RATE",
        help=f"highest learning rate (default: {CLASSES.learning_rate:g} for classes of a table, "
        f"{NUMBERS.learning_rate:g} for its numbers, divided by the root of a layer's inputs; else "
        "by optimizer, "
        + ", ".join(f"{name} {rate:g}" for name, rate in LEARNING_RATES.items())
        + ")",
    )
    parser.add_argument(
        "--task",
        choices=("classification", "regression"),
        help="how to interpret the labels of a file (default: text and a few different whole "
        "numbers are classes, other numbers a regression)",
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        metavar="NAME",
        help=f"of a regression by one network: {', '.join(LOSSES)} (default: {LOSSES[0]})",
    )
    parser.add_argument(
        "--quantiles",
        type=words.quantiles,
        metavar="Q[,Q…]",
        help="of --loss quantile, which they imply: between 0 and 1; with several, such as "
        "0.1,0.5,0.9, the network predicts each of them for the one target (default: 0.5)",
    )
    parser.add_argument(
        "--label-smoothing",
        type=words.share,
        metavar="SHARE",
        help="of a classification: the share of each label that is spread over all classes "
        f"(default: {CLASSES.label_smoothing:g} for a table, else 0)",
    )
    add_table_options(parser)
    parser.add_argument("--seed", type=words.whole_number(0), default=0, help="default: 0")
    parser.add_argument(
        "--output",
        type=words.output_path,
        metavar="FILE",
        help="file for the network (default: the name of the data with .safetensors, in the "
        "current folder)",
    )
    long_runs.add_options(parser)
    add_report_option(parser)
    train_dask.add_option(parser)
    words.add_data_options(parser)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, evaluate, save and report."""
    with read_again("" if options.dask is not None else options.data):
        if way(options) == "network":
            set_defaults(options)
            return _train_one(options)
        from fastnn.cli import train_table

        return train_table.run(options)


def _train_one(options: argparse.Namespace) -> int:
    if options.dask is not None:
        return train_dask.run(options)
    words.apply_backend_options(options)
    backend = get_backend(options.backend)  # before any work, an error if it cannot run here
    path = options.output or words.output_path(default_name(options.data))
    words.check_distinct(
        {
            "the data": words.data_file(options.data),
            "--targets": None if options.targets is None else Path(options.targets),
            "the network": path,
            "--report": options.report,
            "--checkpoint": options.checkpoint,
            "--log": None if options.log is None else options.log.path,
        }
    )
    long_runs.check_checkpoint(options)
    check_report(options)
    data = training_data(options)
    choose_steps(options, len(data.train))
    checkpoint = long_runs.checkpoint(options)
    callbacks = [
        EpochLines(options),
        *long_runs.callbacks(options, bool(data.validation)),
    ]
    prepared, inputs, targets = _standardised(data)
    if inputs is not None:
        x = data.train.x
        left_out = np.flatnonzero(~inputs.varies).tolist()
        name_left_out(options, data, inputs, {i for i in left_out if (x[:, i] == x[0, i]).all()})
    x, y = prepared.train
    regression = data.class_labels is None
    network = new_network(
        options,
        x.shape[1],
        (y.shape[1] if y.ndim == 2 else 1) if regression else len(data.class_labels),  # type: ignore[arg-type]
        regression=regression,
        targets=targets,
        of_float64=x.dtype == np.float64,
    )
    announce(options, network, prepared, backend.name)

    start = time.perf_counter()
    n_steps = options.epochs * -(-len(data.train) // options.batch_size)
    optimizer = new_optimizer(options, n_steps)
    with long_runs.named_options():
        history = network.fit(
            *prepared.train,
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer=optimizer,
            validation_data=prepared.validation or None,
            sample_weight=data.train_weight,
            shuffle=True if data.train_weight is None else "blocks",
            callbacks=callbacks,
            checkpoint=checkpoint,
            progress=words.shows_progress(options),
        )
    seconds = time.perf_counter() - start
    if history.stopped == "diverged" or not np.isfinite(network.parameters).all():
        write_report(options, network, history, data, optimizer)
        raise ValueError(
            "the training diverged and nothing was saved: try a smaller --learning-rate"
        )
    fold(network, inputs, targets)
    network.class_labels = class_names(data.class_labels)
    assert network.trained_on is not None
    network.trained_on = replace(network.trained_on, **remembered(data))
    network.save(path)  # first of all, so that nothing is lost if a later step fails

    measured = {
        name: network.evaluate(
            *labelled(split, network.class_labels), weight, progress=words.shows_progress(options)
        )
        for name, split, weight in (
            ("train", data.train, data.train_weight),
            ("test", data.test, None),
        )
        if split
    }
    told = {
        name: {**values, **largest_class(network, split.y, weight)}
        for (name, values), (split, weight) in zip(
            measured.items(), ((data.train, data.train_weight), (data.test, None)), strict=False
        )
    }
    try:
        say_results(options, network, backend, told, seconds, path)
    finally:  # also if the results cannot be printed
        write_report(options, network, history, data, optimizer, measured)
    return 130 if history.stopped == "interrupted" else 0


def _standardised(data: Dataset) -> tuple[Dataset, Standardization | None, Standardization]:
    """Return the training data: standardized columns, except for bytes and large files."""
    y = data.train.y.reshape(len(data.train), -1)
    targets = Standardization.none(y.shape[1])
    if data.class_labels is None:
        targets = Standardization.of(y)
    as_they_are = data.train.x.dtype == np.uint8 or data.train_weight is not None
    if as_they_are and data.class_labels is not None:
        return data, None, targets
    inputs = None if as_they_are else Standardization.of(data.train.x)
    check_spread(data, inputs, targets)

    def prepare(split: Split) -> Split:
        x = split.x if inputs is None else inputs.apply(split.x, np.float64)
        y = split.y
        if data.class_labels is None and len(split):
            y = targets.apply(split.y.reshape(len(split), -1), np.float64)
        return Split(x, y, split.seed)

    prepared = replace(
        data,
        train=prepare(data.train),
        validation=prepare(data.validation),
        test=prepare(data.test),
    )
    return prepared, inputs, targets
