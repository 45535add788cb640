"""`fit` of a network on a Dask cluster."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from fastnn import validation
from fastnn.architecture import Architecture
from fastnn.backends import get_backend, wanted
from fastnn.cluster import Cluster, Computing
from fastnn.dask.fitting import Outer, Rounds
from fastnn.dask.held import Partitions, Persist, check_persist
from fastnn.dask.partitions import NetworkChecks, joined, named
from fastnn.dask.rounds import Plan
from fastnn.dask.scaling import Scaling
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, Optimizer, checked_optimizer
from fastnn.rows.checked import checked_rows
from fastnn.rows.trained_on import TrainedOn
from fastnn.training.checkpoints import Checkpoint, Keeper, checked_checkpoint
from fastnn.training.fit_description import description
from fastnn.training.history import History, measurements
from fastnn.training.hooks import Hook, check_monitors, hooks
from fastnn.training.loop import fit as run
from fastnn.training.options import checked_options
from fastnn.training.sessions import begin, remembered, started, training
from fastnn.validation import check_count, check_instance
from fastnn.validation.frames import some
from fastnn.vocabulary import Reduction, Shuffle

BATCH_SIZE = 100
"""Rows per update on one machine, as in `Network.fit`."""


def fit(
    network: Network,
    x: Any,
    y: Any,
    *,
    client: Any = None,
    sample_weight: Any = None,
    validation_data: Iterable[Any] | None = None,
    epochs: int = 10,
    batch_size: int | Literal["auto"] = "auto",
    optimizer: Optimizer | None = None,
    rounds_per_epoch: int | Literal["auto"] = "auto",
    rate_factor: float | Literal["auto"] = "auto",
    outer: SGD | Literal["auto"] | None = "auto",
    reduction: Reduction = "mean",
    shuffle: Shuffle = True,
    l1: float = 0.0,
    l2: float = 0.0,
    max_norm: float | None = None,
    clip_norm: float | None = None,
    dropout: float | Sequence[float] = 0.0,
    callbacks: Any = (),
    checkpoint: Checkpoint | None = None,
    persist: Persist = "auto",
    progress: bool = True,
) -> History:
    """Train a network on rows that lie on a Dask cluster, in rounds of local training.

    In each round every partition trains a copy of the network on its own rows, and the results are
    averaged, weighted by rows. The result depends on the partitions, not on the workers: any number
    of them, and workers lost in the middle, give the same bits.

    Parameters
    ----------
    network : Network
        Trained in place, starting from its parameters and a fresh optimizer state.
    x : dask array (n_rows, n_in), dask dataframe, or list of delayed tables
        Cut by rows; blocks may be dense or CSR. The rows of a partition are what `Network.fit`
        takes, and are checked by the worker that holds them.
    y : dask array, series or dataframe, or list of delayed arrays
        Labels or targets as for `Network.fit`, cut at the same rows.
    client : distributed.Client, optional
        By default the current one.
    sample_weight : the same as y, optional
        Weight of each row in the loss, and in the mean over partitions.
    validation_data : tuple (x, y) or (x, y, sample_weight), optional
        Collections, evaluated after each round.
    epochs : int, default 10
        Passes over the rows.
    batch_size : int or "auto", default "auto"
        Rows per update of a partition; "auto" is 100 divided by the number of partitions, at least
        8.
    optimizer : Optimizer, default ``Adam()``
        Of the local training, with the learning rate of a fit on one machine; the vectors of its
        state are averaged like the parameters.
    rounds_per_epoch : int or "auto", default "auto"
        In how many rounds a pass is made. More rounds come closer to training on one machine, and
        cost more time on the network; "auto" is one for every two partitions, at most 16.
    rate_factor : float or "auto", default "auto"
        What the learning rate is multiplied by; "auto" is 1, or, where the smallest `batch_size`
        of 8 makes the rows per update of all partitions exceed 100, the square root of their ratio.
    outer : SGD, "auto" or None, default "auto"
        An optimizer that steps from the parameters of a round towards the mean of its results
        (DiLoCo); "auto" is ``SGD(1.0, momentum=1 - 1 / sqrt(n_partitions), nesterov=True)``. None
        takes the mean.
    reduction, shuffle, l1, l2, max_norm, clip_norm, dropout
        As for `Network.fit`, within each partition.
    callbacks : Callback, function or sequence of them
        Called after each round, on the client, with the network as it is then: ``epoch`` is the
        number of the round.
    checkpoint : Checkpoint, optional
        Written every so many rounds, on the client. A fit can be resumed on another cluster.
    persist : bool or "auto", default "auto"
        Whether workers hold the rows. If not, each partition is recomputed, such as read from its
        file, in each round; "auto" does that if the rows take more than 40 % of the workers'
        memory, and says so in the log.
    progress : bool, default True
        Whether to show a progress bar over rounds if they take over a second.

    Returns
    -------
    History
        Of the rounds.

    Raises
    ------
    ImportError
        If Dask is not installed: ``pip install "fastnn[dask]"``.
    TypeError, ValueError
        If an argument is invalid, or the rows of a partition are; the network is then unchanged.
    LostError
        If the scheduler is lost, or all workers and none comes back; the network keeps what the
        rounds before that have learned.
    TaskError
        If a partition cannot be made again, or kills workers by its size.
    RuntimeError
        If there is no client or no worker, if workers have other versions of fastnn or lack the
        backend, or if the network is already being fitted.
    OSError
        As for `Network.fit`.

    Warns
    -----
    RuntimeWarning
        If the fit was interrupted (Ctrl-C; the network keeps what the rounds before have learned),
        or stopped because the loss became infinite or NaN.
    UserWarning
        If half of the partitions or more lack some of the classes, or as for `Network.fit`.

    Notes
    -----
    Dataframes are paired with y by position within each partition, whatever their index. A round
    takes some milliseconds for each partition beside the training: partitions of less than a second
    of work, or far more of them than workers, cost more than they bring.

    Examples
    --------
    >>> import dask.array as da, fastnn, fastnn.dask
    >>> from distributed import Client
    >>> client = Client()  # doctest: +SKIP
    >>> x = da.random.random((1_000_000, 20), chunks=(100_000, 20)).astype("float32")
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> network = fastnn.Network((20, 32, 2), activation="relu", seed=0)
    >>> history = fastnn.dask.fit(network, x, y, epochs=3)  # doctest: +SKIP
    """
    checked_network(network)
    optimizer = Adam() if optimizer is None else checked_optimizer(optimizer)
    architecture = network.architecture
    options = checked_options(
        architecture, optimizer, 1, reduction, l1, l2, max_norm, clip_norm, dropout
    )
    scaling = Scaling(rounds_per_epoch, batch_size, rate_factor, outer)
    epochs = check_count("epochs", epochs, minimum=0)
    shuffle = validation.check_shuffle(shuffle)
    persist, progress = check_persist(persist), validation.check_flag("progress", progress)
    bound = hooks(callbacks, network)
    claim = object()
    try:
        begin(network, claim)
        with Cluster(client, backend=wanted(network._backend)) as cluster:
            classifies = architecture.one_class_a_row
            held = Partitions(
                cluster, x, y, sample_weight,
                classifies=classifies, sums=checkpoint is not None, persist=persist,
                known=network.trained_on,
            )  # fmt: skip
            a, trained_on = concluded(network, held)
            held.check(NetworkChecks(a, network.class_labels, trained_on))
            warn_of_few_classes(held)
            watched = None
            if validation_data is not None:
                with named("validation_data"):
                    watched = Partitions(
                        cluster, *validation.check_validation_data(validation_data),
                        classifies=False, sums=checkpoint is not None, persist=persist,
                        known=trained_on,
                    )  # fmt: skip
                    watched.check(NetworkChecks(a, network.class_labels, trained_on))
            measured = measurements(
                training=a.measures,
                validation=None if watched is None else a.measures,
                penalty=bool(options.l1 or options.l2),
            )
            check_monitors(bound, measured)
            n, stepping = len(held.numbers), Outer(scaling.outer_of(len(held.numbers)))
            batch_size = scaling.rows(BATCH_SIZE, n)
            n_rounds = scaling.rounds(n, max(held.sizes), batch_size)
            bound.append(Hook(stepping, network))
            optimizer = scaling.optimizer(optimizer, BATCH_SIZE, n)
            options = replace(options, optimizer=optimizer, batch_size=batch_size)
            keeper = None
            if checkpoint is not None:
                told = held.fingerprints() | {
                    "rounds_per_epoch": n_rounds,
                    "outer": stepping.constants(),
                }
                seen = None if watched is None else watched.fingerprints()
                keeper = Keeper(
                    checked_checkpoint(checkpoint),
                    description(network, a, options, told, seen, shuffle, bound),
                    as_computer(cluster.computing),
                    measured,
                )
            n_all = epochs * n_rounds
            keeping = (
                nullcontext() if keeper is None else keeper.held(network, optimizer.n_state, n_all)
            )
            with keeping as snapshot:
                running = started(network, optimizer)
                plan = Plan(a, options, cluster.computing.backend, shuffle, n_rounds)
                first = 0 if snapshot is None else snapshot.history.n_epochs
                passes = Rounds(cluster, held, watched, plan, stepping, first)
                with training(network, running, a, trained_on), passes.named():
                    return run(
                        network,
                        running,
                        get_backend("numpy"),
                        passes,
                        options,
                        epochs=n_all,
                        validation=None if watched is None else passes.data,
                        hooks=bound,
                        keeper=keeper,
                        snapshot=snapshot,
                        programs=passes,
                        progress=progress,
                    )
    finally:
        if network._current_fit is claim:
            del network._current_fit


def concluded(network: Network, held: Partitions) -> tuple[Architecture, TrainedOn]:
    """Return what the network is and remembers after training on these partitions.

    Raises
    ------
    TypeError, ValueError
        If they are not what it can be trained on, as far as their facts tell.
    """
    x, y = joined(held.facts)
    try:
        a, known = network.architecture, network.trained_on
        if known is not None:  # of tables the workers have made rows
            known = replace(known, columns=None)
        data = checked_rows(a, network.class_labels, known, x, y)
        a, trained_on = remembered(network, x, data.x, y)
    except (TypeError, ValueError):  # of few rows: say where it is among all
        held.check(NetworkChecks(network.architecture, network.class_labels, network.trained_on))
        raise
    classes = held.classes
    if a.one_class_a_row and len(classes) == 1:
        raise ValueError(
            f"all rows have the same label, {next(iter(classes))!r}: a classifier needs two"
        )
    return a, trained_on


def warn_of_few_classes(held: Partitions, stacklevel: int = 3) -> None:
    """Warn if partitions hold some of the classes only, whose mean learns badly."""
    n_classes = len(held.classes)
    few = {}
    for number in held.numbers:
        classes = held.facts[number].classes
        if classes is not None and len(classes) < n_classes:
            few[number] = classes
    if not few or 2 * len(few) < len(held.numbers):
        return
    number, classes = next(iter(few.items()))
    warnings.warn(
        f"{len(few)} of {len(held.numbers)} partitions lack some of the {n_classes} classes "
        f"(partition {number} has {some(classes.tolist())}): a mean of networks that know other "
        "classes learns badly. Shuffle the rows among partitions, or use more rounds_per_epoch",
        UserWarning,
        stacklevel=stacklevel,
    )


class Elsewhere(NamedTuple):
    """A backend of workers, as checkpoints record it."""

    name: str
    isa: str | None


def as_computer(computing: Computing) -> Elsewhere:
    """Return how workers compute, as checkpoints record it."""
    isa = computing.isa
    return Elsewhere(computing.backend, None if isa is None else isa.rpartition("/")[2])


def checked_network(network: Any) -> Network:
    """Return `network` if it is one, or raise a TypeError."""
    return check_instance("network", network, Network, "a fastnn.Network")
