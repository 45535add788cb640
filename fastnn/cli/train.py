"""``fastnn train``: trains, evaluates and saves a network."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import optimizers
from fastnn.architecture import ACTIVATIONS
from fastnn.backends import get_backend
from fastnn.cli import long_runs
from fastnn.cli import options as words
from fastnn.cli.announcement import announce
from fastnn.cli.data import labelled, largest_class, remembered, training_data
from fastnn.cli.epochs import EpochLines
from fastnn.cli.report import add_report_option, check_report, write_report
from fastnn.cli.streams import say
from fastnn.datasets import Dataset, Split
from fastnn.datasets.readers.formats import format_by_name
from fastnn.datasets.readers.sources import PACKED
from fastnn.model.standardization import LEAST_STEPS, Standardization, fold
from fastnn.network import Network
from fastnn.schedules import Cosine
from fastnn.system.printable import named
from fastnn.validation.frames import some

# Learning rates that train MNIST and tables of standardized columns well without tuning.
LEARNING_RATES = {
    "sgd": 0.2,
    "momentum": 0.05,
    "nesterov": 0.05,
    "rmsprop": 0.001,
    "adam": 0.003,
    "adamw": 0.003,
}

LOSSES = ("squared_error", "absolute_error", "quantile")
"""Of a regression, whose targets are standardised: scaled targets have scaled predictions. Huber's
bend would lie elsewhere for each column."""

BATCH_SIZE, SMALLEST_BATCH = 100, 8
EPOCHS = 15
STEPS, STEPS_AN_EPOCH = 2000, 20
"""Minimum numbers of steps for small data sets: in 2,000 steps of a cosine schedule Adam, at the
rate above, can change a weight by 3, enough for standardized columns."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a network and save it",
        description="Train a network on a data set and save it. The learning rate follows a "
        "cosine schedule to zero at the last step.",
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
        "--layers",
        type=words.hidden_sizes,
        default=(100,),
        metavar="N[,N…]",
        help="widths of the hidden layers, or none (default: 100)",
    )
    for option, choices, default in (
        ("--activation", ACTIVATIONS, "relu"),
        ("--optimizer", LEARNING_RATES, "adam"),
    ):
        parser.add_argument(
            option,
            choices=choices,
            default=default,
            metavar="NAME",
            help=f"{', '.join(choices)} (default: {default})",
        )
    parser.add_argument(
        "--epochs",
        type=words.whole_number(1),
        metavar="N",
        help=f"default: {EPOCHS}, or more for at least {STEPS:,} steps",
    )
    parser.add_argument(
        "--batch-size",
        type=words.whole_number(1),
        metavar="ROWS",
        help=f"default: {BATCH_SIZE}, or fewer for at least {STEPS_AN_EPOCH} steps per epoch",
    )
    parser.add_argument(
        "--learning-rate",
        type=words.positive_number,
        metavar="RATE",
        help="initial learning rate (default: by optimizer, "
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
        help=f"of a regression: {', '.join(LOSSES)} (default: {LOSSES[0]})",
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
        default=0.0,
        metavar="SHARE",
        help="of a classification: the share of each label that is spread over all classes "
        "(default: 0)",
    )
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
    words.add_data_options(parser)
    words.add_backend_options(parser)
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, evaluate, save and report."""
    words.apply_backend_options(options)
    backend = get_backend(options.backend)  # before any work, an error if it cannot run here
    path = options.output or words.output_path(_default_name(options.data))
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
    _choose_steps(options, len(data.train))
    checkpoint = long_runs.checkpoint(options)
    callbacks = [
        EpochLines(options),
        *long_runs.callbacks(options, bool(data.validation)),
    ]
    prepared, inputs, targets = _standardised(data)
    if inputs is not None:
        _name_left_out(options, data, inputs)
    network = _network(options, prepared, targets)
    announce(options, network, prepared, backend.name)

    start = time.perf_counter()
    n_steps = options.epochs * -(-len(data.train) // options.batch_size)
    optimizer = _optimizer(options, n_steps)
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
    network.class_labels = _labels(data)
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
        _report(options, network, backend, told, seconds, path)
    finally:  # also if the results cannot be printed
        write_report(options, network, history, data, optimizer, measured)
    return 130 if history.stopped == "interrupted" else 0


def _choose_steps(options: argparse.Namespace, n_rows: int) -> None:
    """Set the batch size and the number of epochs if not given; many rows use the defaults."""
    batch_size = min(BATCH_SIZE, max(SMALLEST_BATCH, n_rows // STEPS_AN_EPOCH))
    if options.epochs is None:
        options.epochs = max(EPOCHS, -(-STEPS // -(-n_rows // batch_size)))
    if options.batch_size is None:
        options.batch_size = batch_size


def _default_name(data: str) -> str:
    path = Path("stdin" if data == words.STANDARD_INPUT else data)
    if path.suffix.lower() in PACKED.values():
        path = path.with_suffix("")
    has_suffix = format_by_name(path) is not None or path.suffix.lower() == ".zip"
    return f"{path.stem if has_suffix else path.name}.safetensors"


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
    _check_spread(data, inputs, targets)

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


def _check_spread(data: Dataset, inputs: Standardization | None, targets: Standardization) -> None:
    """Check that the squares of the columns' values do not overflow."""
    columns = [] if inputs is None else zip(inputs.deviation, _column_names(data), strict=True)
    for deviation, name in (
        *((deviation, f"column {name!r}") for deviation, name in columns),
        *((deviation, "the targets") for deviation in targets.deviation),
    ):
        if not np.isfinite(deviation):
            raise ValueError(
                f"the values of {name} in {data.name} are too large to be standardized, above "
                "1e150: scale them down"
            )


def _column_names(data: Dataset) -> list[str]:
    named = data.feature_names or range(1, data.train.x.shape[1] + 1)
    return list(map(str, named))


def _name_left_out(options: argparse.Namespace, data: Dataset, inputs: Standardization) -> None:
    """Report the columns that the network does not use, because they are constant."""
    x, names = data.train.x, _column_names(data)
    left_out = np.flatnonzero(~inputs.varies).tolist()
    same = {i for i in left_out if (x[:, i] == x[0, i]).all()}
    if same:
        shown = some([names[i] for i in sorted(same)])
        words.note(f"unused columns, constant in all training rows: {shown}", options)
    if len(same) < len(left_out):
        shown = some([names[i] for i in left_out if i not in same])
        warnings.warn(
            f"unused columns, since they vary by less than {LEAST_STEPS:g} steps of "
            f"float64: {shown}. Subtract a constant from them before converting them to "
            "floats",
            UserWarning,
            stacklevel=2,
        )


def _network(options: argparse.Namespace, data: Dataset, targets: Standardization) -> Network:
    x, y = data.train
    if targets.needs_float64 and x.dtype != np.float64:
        words.note("using float64, since the targets are too far from zero for float32", options)
    wide = x.dtype == np.float64 or targets.needs_float64
    regression = data.class_labels is None
    n_out = (y.shape[1] if y.ndim == 2 else 1) if regression else len(data.class_labels)  # type: ignore[arg-type]
    loss, quantiles = _loss(options, regression, n_out)
    return Network(
        (x.shape[1], *options.layers, max(n_out, len(quantiles or ()))),
        activation=options.activation,
        output="identity" if regression else "softmax",
        loss=loss,
        quantiles=quantiles,
        label_smoothing=options.label_smoothing,
        dtype="float64" if wide else "float32",
        backend=options.backend,
        seed=options.seed,
    )


def _loss(
    options: argparse.Namespace, regression: bool, n_targets: int
) -> tuple[Any, tuple[float, ...] | None]:
    """Return the loss, None for the output's own, and its quantiles, if they fit the data."""
    loss, quantiles = options.loss, options.quantiles
    if quantiles is not None and loss not in (None, "quantile"):
        raise ValueError(f"--quantiles are of --loss quantile, got --loss {loss}")
    if quantiles is not None:
        loss = "quantile"
    if loss is not None and not regression:
        option = "--loss" if options.loss else "--quantiles"
        raise ValueError(
            f"{option} is of a regression, and these labels are classes: leave it out, or say "
            "--task regression"
        )
    if options.label_smoothing and regression:
        raise ValueError(
            "--label-smoothing is of a classification, and these labels are numbers: leave it "
            "out, or say --task classification"
        )
    if quantiles is not None and len(quantiles) > 1 and n_targets > 1:
        raise ValueError(
            f"several --quantiles are of one target, and a row has {n_targets}: give one quantile"
        )
    return loss, quantiles


def _labels(data: Dataset) -> tuple[Any, ...] | None:
    """Return the names of the classes, or None if they are just 0, 1, 2 and so on."""
    labels = data.class_labels
    if labels is None or np.array_equal(labels, np.arange(len(labels))):
        return None
    return tuple(labels.tolist())


def _optimizer(options: argparse.Namespace, n_steps: int) -> optimizers.Optimizer:
    name = options.optimizer
    rate = Cosine(options.learning_rate or LEARNING_RATES[name], n_steps)
    match name:
        case "rmsprop":
            return optimizers.RMSprop(rate)
        case "adam":
            return optimizers.Adam(rate)
        case "adamw":
            return optimizers.AdamW(rate)
        case _:
            momentum = 0.0 if name == "sgd" else 0.9
            return optimizers.SGD(rate, momentum=momentum, nesterov=name == "nesterov")


def _report(
    options: argparse.Namespace,
    network: Network,
    backend: Any,
    measured: Mapping[str, Mapping[str, float]],
    seconds: float,
    path: Path,
) -> None:
    if options.json:
        words.print_json(
            {
                "event": "result",
                "backend": backend.name,
                "isa": getattr(backend, "isa", None),
                "seconds": seconds,
                **measured,
                "model": path,
            }
            | ({"report": options.report} if options.report else {})
        )
        return
    for name, values in measured.items():
        say(f"{name:<5}  {words.measures(values)}", indent=" " * 7)
    n_parameters = network.architecture.n_parameters
    say(f"trained in {seconds:.2f} s, saved {named(path)} ({n_parameters:,} parameters)")
