"""A network as one HTML file: a page to ask it, with the network inside.

Each network is a JavaScript module (`fastnn.exchange.javascript.module`) in a function of its own;
columns of a table are prepared by the page, in float64 and rounded to float32 as in
`fastnn.tabular.Columns.rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastnn.exchange.c.accuracy import Agreement, checked_measured_rows, measured, warn_of_loss
from fastnn.exchange.c.header import largest_weight_error
from fastnn.exchange.c.parameters import Parameters, known_columns, warn_of_left_out
from fastnn.exchange.c.table_header import measured_on_table
from fastnn.exchange.javascript.module import WEIGHTS, module, packed, stored, written
from fastnn.exchange.page.description import description
from fastnn.exchange.page.sources import page, without_exports
from fastnn.model.ensemble_model import EnsembleModel
from fastnn.model.model import Model
from fastnn.system.files import write_whole
from fastnn.system.version import __version__
from fastnn.validation import check_choice

SUFFIXES = (".html", ".htm")


class WrittenPage(NamedTuple):
    """A page that has been written.

    Attributes
    ----------
    n_bytes : int
        Size of the page.
    n_weight_bytes : int
        Size of the parameters before they are written in base64.
    largest_weight_error : float
        The largest difference between a weight of the page and of the network.
    agreement : Agreement or None
        The comparison with the network; None if there were no rows for it.
    """

    n_bytes: int
    n_weight_bytes: int
    largest_weight_error: float
    agreement: Agreement | None


def write(
    model: Model | EnsembleModel, path: Any, *, weights: str, rows: Any = None
) -> WrittenPage:
    """Write a network, or an ensemble, to the page `path`; see `fastnn.Network.to_html`."""
    check_choice("weights", weights, WEIGHTS)
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a page is a file such as digits.html, got {str(path)!r}")
    networks = _networks(model)
    parameters, agreement = _stored(model, networks, weights, rows)
    text = _page(model, networks, parameters, agreement, weights, path.stem).encode()
    with write_whole(path) as file:
        file.write(text)
    for network, each in zip(networks, parameters, strict=True):
        warn_of_left_out(network, each, "page")
    if agreement is not None:
        warn_of_loss(agreement, weights, "page")
    size = sum(len(packed(each, weights)) for each in parameters)
    error = max(map(largest_weight_error, networks, parameters))
    return WrittenPage(len(text), size, error, agreement)


def _networks(model: Model | EnsembleModel) -> list[Model]:
    """Return the networks, each taking rows of numbers."""
    if isinstance(model, Model):
        networks = [Model.from_model(model, copy=False)]
    else:
        if getattr(model, "group_labels", None) is not None:
            raise ValueError(
                "a page asks one network, or several whose outputs are averaged, and this ensemble "
                "has a network for each group of rows: ensemble.group(label).to_html writes one"
            )
        networks = [model.model(i) for i in range(model.n_models)]
    for network in networks:
        network.class_labels = None  # which the page has as text
        if model.columns is not None:
            network.trained_on = None  # rows that are prepared are numbers of no kind
    return networks


def _stored(
    model: Model | EnsembleModel, networks: Sequence[Model], weights: str, rows: Any
) -> tuple[list[Parameters], Agreement | None]:
    """Return the parameters of each network, and how they compare with it."""
    if isinstance(model, Model) and model.columns is None:
        x, y = (None, None) if rows is None else checked_measured_rows(model, rows)
        known = known_columns(model, x)
        parameters = stored(model, weights, known)
        return [parameters], measured(model, parameters, known, x, y)
    found = [stored(network, weights, known_columns(network)) for network in networks]
    return found, None if rows is None else measured_on_table(model, found, rows)


def _page(
    model: Model | EnsembleModel,
    networks: Sequence[Model],
    parameters: Sequence[Parameters],
    agreement: Agreement | None,
    weights: str,
    title: str,
) -> str:
    about = description(model, len(networks), _accuracy(agreement))
    about["facts"] += [("In this page", f"weights in {weights}, by fastnn {__version__}")]
    modules = [
        f"(() => {{\n{without_exports(module(network, weights=weights, parameters=each))}"
        "return { info, predict };\n})(),\n"
        for network, each in zip(networks, parameters, strict=True)
    ]
    constants = f"const ABOUT = {written(about)};\n\nconst NETWORKS = [\n{''.join(modules)}];\n"
    return page(title, "file", constants=constants).text


def _accuracy(agreement: Agreement | None) -> str | None:
    """Return the accuracy, or R², that was measured on the rows given."""
    if agreement is None or agreement.header is None:
        return None
    rows = f"of the {agreement.n_rows:,} rows given when the page was written"
    if agreement.classifies:
        return f"{100 * agreement.header:.2f} % {rows}"
    return f"R² {agreement.header:.4f} {rows}"
