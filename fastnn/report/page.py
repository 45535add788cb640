"""The HTML page, rendered from a template."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from fastnn import validation
from fastnn.datasets import Dataset
from fastnn.network import Network
from fastnn.optimizers import Optimizer, checked_optimizer
from fastnn.plots.checks import checked_network
from fastnn.report import facts, findings, parts
from fastnn.system.files import write_whole
from fastnn.training.history import History


def write(
    path: Any,
    network: Network,
    history: History,
    data: Dataset,
    *,
    optimizer: Optimizer | None = None,
    options: Mapping[str, object] | None = None,
    measured: Mapping[str, Mapping[str, float]] | None = None,
    image_shape: tuple[int, int] | None = None,
    note: str | None = None,
) -> None:
    """Write a training report as one HTML file, atomically.

    Parameters
    ----------
    path : path-like
    network : Network
        As trained.
    history : History
        Of the fit.
    data : Dataset
        The rows as passed to the network; validation and test may be empty.
    optimizer : Optimizer, optional
        The optimizer used for training.
    options : mapping, optional
        Names and values of other settings, in display order.
    measured : mapping, optional
        ``{"train": network.evaluate(…), "test": …}`` if already known; the other
        parts are evaluated.
    image_shape : (int, int), optional
        Height and width, if rows are images. By default rows are images if their width is a square
        of at least 64 and all values lie in 0 to 255.
    note : str, optional
        A sentence shown below the curves.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or the data do not match the network.
    OSError
        If the file cannot be written; an existing file is then unchanged.

    Examples
    --------
    >>> import os, tempfile, fastnn
    >>> data = fastnn.datasets.digits(600)
    >>> net = fastnn.Network((784, 20, 10), seed=0)
    >>> history = net.fit(*data.train, epochs=2, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fastnn.report.write(os.path.join(folder, "report.html"), net, history, data)
    """
    _check(network, history, data, optimizer)
    if image_shape is not None:
        shape = validation.check_image_shape(image_shape, network.architecture.n_in)
    else:
        shape = parts.image_shape(network, data)
    environment = Environment(
        loader=PackageLoader("fastnn.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = _nothing_found()
    if history.stopped != "diverged" and np.isfinite(network.parameters).all():
        shown = _found(network, data, shape, measured or {})
    page = environment.get_template("report.html.j2").render(
        shown,
        date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        name=data.name,
        headline=facts.headline(network),
        state=facts.state(history),
        tiles=facts.tiles(network, history, data, shown["results"]),
        measure=facts.measure,
        spoken=facts.spoken,
        curves=findings.curves(history),
        note=note,
        data=facts.data_facts(data, shape),
        classes=facts.classes(data),
        targets=facts.targets(data),
        layers=facts.layers(network),
        network=facts.network_facts(network),
        training=facts.training(optimizer, options or {}),
        timing=facts.timing(history, data),
        epochs=facts.epochs(history),
        machine=facts.machine_facts(network),
    )
    with write_whole(path) as file:
        file.write(page.encode("utf-8", errors="replace"))


def _nothing_found() -> dict[str, Any]:
    names = ("which", "confusion", "predictions", "mistakes", "weights")
    return {"results": [], **dict.fromkeys(names)}


def _found(
    network: Network,
    data: Dataset,
    shape: tuple[int, int] | None,
    measured: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    part = parts.parts(data)[-1]
    classified = findings.classified(network, data, part)
    return {
        "results": parts.results(network, data, measured),
        "which": part.name,
        "confusion": findings.confusion(classified),
        "predictions": findings.predictions(network, part),
        "mistakes": findings.mistakes(classified, data, part, shape),
        "weights": findings.weights(network, data, shape),
    }


def _check(network: Any, history: Any, data: Any, optimizer: Any) -> None:
    check = validation.check_instance
    checked_network(network)
    check("history", history, History, "what Network.fit returns")
    check("data", data, Dataset, "a fastnn.datasets.Dataset")
    validation.check_not_empty(parts.n_rows(data, "train"))
    if optimizer is not None:
        checked_optimizer(optimizer)
