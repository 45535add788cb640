"""``fastnn train --dask``: trains on files that the workers of a Dask cluster read.

As ``fastnn train`` does on one machine, it holds out rows, infers the task, standardizes columns
and folds the standardization into the network; but rows stay on the workers, which train in rounds
(`fastnn.dask.fit`). The saved network depends on the files and options, not on the workers.
"""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.backends import wanted
from fastnn.backends.threads import available_processors
from fastnn.callbacks.base import Callback
from fastnn.cli import long_runs
from fastnn.cli import options as words
from fastnn.cli.announcement import announce, said_of_column, say_results
from fastnn.cli.data import remembered_names
from fastnn.cli.epochs import EpochLines
from fastnn.cli.settings import (
    choose_steps,
    class_names,
    default_name,
    new_network,
    new_optimizer,
)
from fastnn.cli.standardized import check_spread, name_left_out
from fastnn.datasets import Dataset, Split
from fastnn.model.standardization import Standardization, fold
from fastnn.network import Network
from fastnn.system.packages import imported
from fastnn.system.printable import named

if TYPE_CHECKING:
    from fastnn.dask.splits import Preparation, Which
    from fastnn.dask.survey import Survey
    from fastnn.dask.tables import Table

LOCAL = "local"
"""The address that stands for a cluster of this machine's processors."""

WORKER = "fastnn.cli.dask_worker"
"""What the workers of such a cluster load first."""

CONNECTING = 10
"""Seconds to wait for a scheduler."""

SPLIT_SEED = 0
"""The same rows of the same files are held out, whatever the seed of the network."""

REFUSED = {
    "report": "the page is drawn from rows on this machine",
    "threads": "each worker trains one partition per thread",
    "data_dir": "it is for mnist, which is trained on without a cluster",
}
"""Options that do not go with a cluster, and why."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--dask``."""
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="train on the workers of a Dask cluster, such as tcp://host:8786, or local for a "
        "process per processor of this machine; the data are then Parquet, CSV, NPY or Zarr files, "
        "a folder of them or a quoted pattern, which all workers must see",
    )


def run(options: argparse.Namespace) -> int:
    """Train on a cluster, evaluate, save and report."""
    for name, why in REFUSED.items():
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} does not go with --dask: {why}")
    if options.data in (*words.DATA_SETS, words.STANDARD_INPUT):
        what = "standard input" if options.data == words.STANDARD_INPUT else options.data
        raise ValueError(
            f"--dask trains on files that its workers read, and {what} is none: give a Parquet, "
            "CSV, NPY or Zarr file, or leave --dask out"
        )
    path = options.output or words.output_path(default_name(options.data))
    words.check_distinct(
        {
            "the data": None if "://" in options.data else Path(options.data),
            "--targets": None if options.targets is None else Path(options.targets),
            "the network": path,
            "--checkpoint": options.checkpoint,
            "--log": None if options.log is None else options.log.path,
        }
    )
    long_runs.check_checkpoint(options)
    imported("dask.dataframe", "dask")
    with connected(options) as client, _errors_of_clusters():
        return _train(options, client, path)


@contextmanager
def connected(options: argparse.Namespace) -> Iterator[Any]:
    """Connect to the scheduler, or start a cluster that ends with the block."""
    distributed = imported("distributed", "dask")
    for name in ("distributed", "tornado", "asyncio"):  # what concerns the user is raised
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if options.dask != LOCAL:
        with _client(options.dask) as client:
            words.note(f"connected to {named(options.dask)}", options)
            yield client
        return
    n_workers = available_processors()
    words.note(f"starting {n_workers} worker processes …", options)
    with ExitStack() as stack:
        stack.enter_context(
            imported("dask", "dask").config.set({"distributed.worker.preload": [WORKER]})
        )
        with _ctrl_c_ignored():  # a cluster that is half started cannot be ended
            cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=n_workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                )
            )
            client = stack.enter_context(distributed.Client(cluster))
            client.wait_for_workers(n_workers)
        yield client


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Ignore Ctrl-C in the block, and in processes that are started in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _client(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=CONNECTING)
    except (OSError, ValueError, TypeError) as error:
        raise ConnectionError(
            f"--dask: there is no scheduler at {named(address)}, expected an address such as "
            f"tcp://host:8786, or local ({error})"
        ) from None


@contextmanager
def _errors_of_clusters() -> Iterator[None]:
    """Make what `fastnn.cluster` raises of a cluster an error of the command."""
    from fastnn.cluster import TaskError

    try:
        yield
    except RuntimeError as error:
        if type(error) in (RuntimeError, TaskError):
            raise ConnectionError(str(error)) from error
        raise


def _train(options: argparse.Namespace, client: Any, path: Path) -> int:
    from fastnn.cluster import Cluster
    from fastnn.dask.inference import evaluate
    from fastnn.dask.network import as_computer, fit
    from fastnn.dask.reading import read_table
    from fastnn.dask.scaling import Scaling
    from fastnn.dask.splits import Preparation
    from fastnn.dask.survey import survey

    cluster = Cluster(client, backend=wanted(options.backend))
    computer = as_computer(cluster.computing)
    table = read_table(
        options.data, label=options.label, targets=options.targets, header=options.header,
        client=client,
    )  # fmt: skip
    if table.y is None:
        raise ValueError(
            f"{table.name} holds rows without labels; give the files with labels as --targets FILE"
        )
    nodes = table.nodes()
    found = survey(cluster, nodes, table.feature_names, options.task, SPLIT_SEED, table.name)
    data = _described(table, found)
    _check_classes(data, found)
    inputs, targets = _standardizations(data, found)
    if inputs is not None:
        assert found.inputs is not None
        same = set(np.flatnonzero(found.inputs.low == found.inputs.high).tolist())
        name_left_out(options, data, inputs, same)
    scaling = Scaling(batch_size=options.batch_size or "auto")
    choose_steps(options, found.n_rows["train"])
    factor = scaling.factor(options.batch_size, found.n_filled)
    options.batch_size = scaling.rows(options.batch_size, found.n_filled)
    rounds = scaling.rounds(found.n_filled, found.largest, options.batch_size)
    network = new_network(
        options,
        len(table.feature_names),
        found.n_out,
        regression=data.class_labels is None,
        targets=targets,
        of_float64=inputs is not None,
    )
    announce(options, network, data, computer.name, found.n_rows)

    how = Preparation(SPLIT_SEED, inputs, targets, data.class_labels, found.one_hot)
    training, watched = (_parts(nodes, how, which) for which in ("train", "validation"))
    start = time.perf_counter()
    n_steps = options.epochs * -(-found.largest // options.batch_size)
    callbacks = [EpochLines(options), *long_runs.callbacks(options, found.n_rows["validation"] > 0)]
    with long_runs.named_options():
        history = fit(
            network,
            *training,
            client=client,
            validation_data=watched if found.n_rows["validation"] else None,
            epochs=options.epochs,
            rounds_per_epoch=rounds,
            batch_size=options.batch_size,
            rate_factor=factor,
            optimizer=new_optimizer(options, n_steps),
            callbacks=[EpochsOfRounds(callback, rounds) for callback in callbacks],
            checkpoint=long_runs.checkpoint(options, rounds),
            progress=words.shows_progress(options),
        )
    seconds = time.perf_counter() - start
    if history.stopped == "diverged" or not np.isfinite(network.parameters).all():
        raise ValueError(
            "the training diverged and nothing was saved: try a smaller --learning-rate"
        )
    fold(network, inputs, targets)
    network.class_labels = class_names(data.class_labels)
    assert network.trained_on is not None
    network.trained_on = replace(network.trained_on, **remembered_names(data))
    network.save(path)

    raw = how._replace(inputs=None, targets=None, names=network.class_labels is not None)
    measured = {
        part: {
            **evaluate(network, *_parts(nodes, raw, part), client=client),
            **_largest_class(found, part),
        }
        for part in ("train", "test")
        if found.n_rows[part]
    }
    say_results(options, network, computer, measured, seconds, path)
    return 130 if history.stopped == "interrupted" else 0


class EpochsOfRounds(Callback):
    """Calls a callback once per epoch, with the record of its last round.

    Parameters
    ----------
    callback : Callback
    n_rounds : int
        Rounds per epoch.
    """

    def __init__(self, callback: Callback, n_rounds: int) -> None:
        self._callback, self._n_rounds = callback, n_rounds

    def on_fit_start(self, network: Network) -> None:
        """Start the callback."""
        self._callback.on_fit_start(network)

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Call it if the round, which a fit on a cluster calls epoch, is the last of its epoch."""
        number, rest = divmod(epoch, self._n_rounds)
        return None if rest else self._callback.on_epoch_end(network, number, record)

    def on_fit_end(self, network: Network) -> None:
        """End the callback."""
        self._callback.on_fit_end(network)

    def settings(self) -> dict[str, Any]:
        """Return the settings of the callback, and its name."""
        return self._callback.settings() | {"callback": type(self._callback).__name__}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the callback."""
        return self._callback.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of the callback."""
        self._callback.load_state_dict(state)


def _parts(nodes: Sequence[Any], how: Preparation, which: Which) -> tuple[list[Any], list[Any]]:
    """Return the rows of a part of the split as delayed partitions x and y."""
    from dask import delayed

    from fastnn.dask.splits import prepared

    call = delayed(prepared, nout=2, pure=False)
    parts = [call(node, number, how, which) for number, node in enumerate(nodes)]
    return [x for x, _ in parts], [y for _, y in parts]


def _described(table: Table, found: Survey) -> Dataset:
    """Return what was found as a data set whose rows are elsewhere."""
    nothing = Split(np.empty((0, len(table.feature_names))), np.empty(0))
    return Dataset(
        Path(default_name(table.name)).stem,
        nothing,
        nothing,
        nothing,
        found.class_labels,
        feature_names=table.feature_names,
        label_name=table.label_name,
        has_names=table.has_names,
        label_reason=table.label_reason,
        choice=found.choice,
        notes=table.notes,
    )


def _check_classes(data: Dataset, found: Survey) -> None:
    labels = data.class_labels
    if labels is None or np.count_nonzero(found.counts["train"]) > 1:
        return
    only = labels[int(np.argmax(found.counts["train"]))].item()
    reason = "" if data.label_reason is None else f". The label is {said_of_column(data)}"
    raise ValueError(
        f"the training rows of {data.name} have only one class, {only!r}: there must be at least "
        f"two{reason}"
    )


def _standardizations(
    data: Dataset, found: Survey
) -> tuple[Standardization | None, Standardization]:
    """Return those of the columns, None of bytes, and of the targets."""
    targets = Standardization.none(found.n_out)
    if data.class_labels is None:
        assert found.targets is not None
        targets = found.targets.standardization
    inputs = None if found.inputs is None else found.inputs.standardization
    check_spread(data, inputs, targets)
    return inputs, targets


def _largest_class(found: Survey, part: str) -> dict[str, float]:
    if not found.counts:
        return {}
    counts = found.counts[part]
    return {"largest_class": float(counts.max() / counts.sum())}
