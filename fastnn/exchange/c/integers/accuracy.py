"""Accuracy of a network in integers compared with its float network, measured on rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends import get_backend
from fastnn.exchange.c.accuracy import MOST_LOST, Agreement, r2
from fastnn.exchange.c.integers.calibration import LOGITS, activated, dense
from fastnn.exchange.c.integers.network import IntegerNetwork, blocks
from fastnn.model.ensemble_evaluation import evaluate_outputs
from fastnn.model.model import Model
from fastnn.model.prediction import outputs
from fastnn.rows.checked import checked_rows


def measured(
    network: Model, integers: IntegerNetwork, x: Any, y: Any = None
) -> tuple[Agreement, float]:
    """Compare a network in integers with the float network.

    Parameters
    ----------
    network : Model
    integers : IntegerNetwork
    x : ndarray or CSR matrix of shape (n_rows, n_in)
        Checked rows.
    y : array, optional
        Labels or targets.

    Returns
    -------
    agreement : Agreement
    largest_logit_error : float
        The largest difference of an output, before softmax, sigmoid or exp.
    """
    a, backend = network.architecture, get_backend()
    compared = a.to_logits if a.output in LOGITS else a
    exact = outputs(backend, compared, network.parameters, x, progress=False).astype(np.float64)
    found = np.concatenate(
        [
            integers.values(integers.predict(integers.quantized(dense(x[rows]))))
            for rows in blocks(x.shape[0])
        ]
    )
    error = float(np.abs(found - exact).max())
    both = [_predictions(a.output, each) for each in (exact, found)]
    agreement = float((both[0] == both[1]).all(axis=1).mean()) if a.classifies else r2(*both)
    result = Agreement(agreement, len(found), False, a.classifies)
    measure = a.measures[0]
    if y is None or measure == "mae":  # of quantiles, which have no R²
        return result, error
    data = checked_rows(a, network.class_labels, network.trained_on, x, y)
    scores = [evaluate_outputs(backend, a, of.astype(a.dtype), data)[measure] for of in both]
    return result._replace(network=scores[0], header=scores[1]), error


def warn_of_loss(agreement: Agreement) -> None:
    """Warn if the network in integers loses more than `MOST_LOST`."""
    if agreement.lost > MOST_LOST:
        warnings.warn(
            f"the C header in integers loses accuracy: {agreement}. Calibrate it on more rows, of "
            'the whole range that it will meet, or use arithmetic="float32"',
            UserWarning,
            stacklevel=5,
        )


def _predictions(output: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return predictions for logits (n, n_out): 1 for the class, or a yes, else 0; or numbers."""
    if output == "softmax":
        return np.asarray(np.eye(values.shape[1])[values.argmax(axis=1)])
    if output == "sigmoid":
        return (values > 0).astype(np.float64)
    with np.errstate(over="ignore"):
        return activated("exp", values) if output == "exp" else values
