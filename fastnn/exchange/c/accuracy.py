"""Accuracy of a C header compared with its network, measured on rows.

The header's outputs are computed as in C: rows are rounded to float32 first, and so is
every product and sum; with int8 weights only the order of scaling differs.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn.backends import get_backend
from fastnn.exchange.c.parameters import Parameters, inner
from fastnn.model.evaluation import evaluate
from fastnn.model.model import Learner, Model
from fastnn.model.prediction import answers, outputs
from fastnn.model.standardization import Standardization
from fastnn.rows.checked import checked_rows, checked_x
from fastnn.validation.sparse import rows_of_csr

MOST_LOST = 0.01
"""Maximum loss of accuracy, R² or agreement without a warning."""

N_SYNTHETIC = 2000
"""Number of synthetic rows: enough for an agreement of 99 % to within 0.2 %."""


class Agreement(NamedTuple):
    """How a C header compares with the network it was made from.

    Attributes
    ----------
    agreement : float
        For classes: the fraction of rows on which all outputs are the same. For
        numbers: the R² of the header with the network's outputs as targets, averaged over outputs.
    n_rows : int
    synthetic : bool
        Whether the rows were drawn from normal distributions with the means and deviations of
        the columns, because none were given.
    classifies : bool
    network, header : float or None
        The accuracy, or R², of each, if labels or targets were given; None for quantiles.
    """

    agreement: float
    n_rows: int
    synthetic: bool
    classifies: bool
    network: float | None = None
    header: float | None = None

    @property
    def lost(self) -> float:
        """The loss of accuracy or R², or one minus the agreement."""
        if self.network is None or self.header is None:
            return 1.0 - self.agreement
        return self.network - self.header

    def __str__(self) -> str:
        rows = "rows"
        if self.synthetic:
            rows = "synthetic rows (normal, with the columns' means and deviations)"
        measure, form = ("accuracy", ".2%") if self.classifies else ("R²", ".4f")
        what = "the same answers on" if self.classifies else "numbers that agree to an R² of"
        text = f"{what} {self.agreement:{form}} {'of' if self.classifies else 'on'} "
        text += f"{self.n_rows:,} {rows}"
        if self.network is not None and self.header is not None:
            text += f", {measure} {self.header:{form}} instead of {self.network:{form}}"
        return text.replace("%", " %")


def checked_measured_rows(network: Model, rows: Any) -> tuple[Any, Any]:
    """Return checked inputs, and labels or targets or None, of ``x`` or ``(x, y)``.

    Raises
    ------
    TypeError, ValueError
        If they are not rows for the network, or do not fit into float.
    """
    x, y = rows if isinstance(rows, tuple) and len(rows) == 2 else (rows, None)
    x = checked_x(network.architecture, network.trained_on, x)
    validation.check_not_empty(x.shape[0])
    validation.check_rows_of_c(x)
    return x, y


def measured(
    network: Model, parameters: Parameters, columns: Standardization | None, x: Any, y: Any
) -> Agreement | None:
    """Compare a header with its network.

    Parameters
    ----------
    network : Model
    parameters : Parameters
        The parameters of the header.
    columns : Standardization or None
        Distribution of synthetic rows if `x` is None; if both are None, nothing is measured.
    x, y
        The result of `checked_measured_rows`, or None.

    Returns
    -------
    Agreement or None
    """
    a, synthetic = network.architecture, x is None
    if synthetic:
        if columns is None:
            return None
        x = np.random.default_rng(0).normal(columns.mean, columns.deviation, (N_SYNTHETIC, a.n_in))
    taken, header = _taken(parameters, x, a.input_scale), inner(network, parameters)
    both = ((network, x), (header, taken))
    exact, found = (
        outputs(get_backend(), model.architecture, model.parameters, rows, progress=False)
        for model, rows in both
    )
    result = compared(network, exact, found, synthetic)
    if y is None:
        return result
    measure = a.measures[0]
    if measure == "mae":  # of quantiles, which have no R²
        return result
    scores = [_measured(model, rows, y)[measure] for model, rows in both]
    return result._replace(network=scores[0], header=scores[1])


def compared(network: Learner, exact: Any, found: Any, synthetic: bool) -> Agreement:
    """Compare the outputs (n_rows, n_out) of a header with a network's own."""
    a = network.architecture
    if a.classifies:
        mine, its = (
            answers(a, network.class_labels, of).reshape(len(of), -1) for of in (exact, found)
        )
        agreement = float((mine == its).all(axis=1).mean())
    else:
        agreement = r2(exact, found)
    return Agreement(agreement, len(exact), synthetic, a.classifies)


def warn_of_loss(agreement: Agreement, weights: str, what: str = "C header") -> None:
    """Warn if a header, or another export `what`, loses more than `MOST_LOST`."""
    if agreement.lost <= MOST_LOST:
        return
    advice = (
        'Use weights="float32"'
        if weights != "float32"
        else "Subtract constants from columns that lie far from zero before they become float, and "
        "train the network anew"
    )
    if agreement.synthetic:
        advice += ", or give rows of your own to measure it on"
    warnings.warn(
        f"the {what} in {weights} loses accuracy: {agreement}. {advice}",
        UserWarning,
        stacklevel=4,
    )


def _measured(model: Model, x: Any, y: Any) -> dict[str, float]:
    a = model.architecture
    rows = checked_rows(a, model.class_labels, None, x, y)
    return evaluate(get_backend(), a, model.parameters, *rows, progress=False)


def _taken(parameters: Parameters, x: Any, input_scale: float) -> Any:
    """Return the inputs of the first layer."""
    if parameters.inputs is None:
        return x if x.dtype == np.uint8 else x.astype(np.float32)
    dense = x if isinstance(x, np.ndarray) else rows_of_csr(x, slice(None)).toarray()
    return parameters.inputs.apply(dense, input_scale)


def r2(exact: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the R² of outputs (n_rows, n_out); for one row, or constant targets, against 0."""
    exact = exact.astype(np.float64)
    error = np.square(found - exact).sum(axis=0)
    variation = np.square(exact - exact.mean(axis=0)).sum(axis=0)
    variation = np.where(variation > 0, variation, np.square(exact).sum(axis=0))
    unexplained = np.where(error > 0, error / np.where(variation > 0, variation, error), 0)
    return float(np.mean(1.0 - np.where(error > 0, unexplained, 0.0)))
