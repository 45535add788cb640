"""Targets of a regression: standardized for training, and their range kept in predictions.

With t' = (t − m) / s a network learns numbers about 0 of deviation 1, and is converted into one for
t by W_L ← s W_L and b_L ← s b_L + m (`fastnn.model.standardization`). A prediction beyond the
targets is cut off at their least and largest, l and h, by two relu layers as wide as the output,

    u = relu(h − z),    v = relu((h − l) − u),    out = l + v        which is min(max(z, l), h)

so that the network remains an ordinary one wherever it is saved, exported or loaded.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture
from fastnn.ensemble import Ensemble
from fastnn.model.ensemble_model import EnsembleModel, room_for
from fastnn.model.standardization import SMALLEST, Standardization, fold
from fastnn.rows.generators import Generators

LARGEST = 1e100
"""Magnitude of targets: squares of larger ones overflow when they are added up."""


def for_targets(
    ensemble: Ensemble,
    targets: Standardization,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Ensemble:
    """Return networks for targets as they came, of networks for standardized ones.

    Parameters
    ----------
    ensemble : Ensemble
        Of identity output, with biases. Changed in place, too.
    targets : Standardization
    low, high : ndarray of shape (n_out,)
        The range of the targets.

    Returns
    -------
    Ensemble
        With two more layers; `Ensemble.columns` and the generators are those of `ensemble`.
    """
    for network in ensemble:
        fold(network, None, targets)
    a = ensemble.architecture
    bounded = _bounded(a)
    ensemble._take_generators()
    model = EnsembleModel(
        bounded,
        room_for(bounded, ensemble.n_models),
        ensemble._generators,
        class_labels=ensemble.class_labels,
        group_labels=ensemble.group_labels,
    )
    model.trained_on, model.chooses_scale = ensemble.trained_on, ensemble.chooses_scale
    model.seeds = ensemble.seeds
    for mine, theirs in zip(model.weights, ensemble.weights, strict=False):
        mine[...] = theirs
    biases = [bias for bias in model.biases if bias is not None]
    learned = [bias for bias in ensemble.biases if bias is not None]
    for bias, theirs in zip(biases, learned, strict=False):
        bias[...] = theirs
    last, identity = len(a.layers) - 1, np.eye(a.n_out)
    model.weights[last] *= -1
    biases[last][...] = high - biases[last]
    model.weights[last + 1][...] = -identity
    biases[last + 1][...] = high - low
    model.weights[last + 2][...] = identity
    biases[last + 2][...] = low
    return Ensemble.from_model(model, backend=ensemble._backend)


def without_bounds(ensemble: Ensemble) -> Ensemble:
    """Return copies of networks that `for_targets` made, without their last two layers.

    Their outputs are h − z: the derivative by an input has the other sign.
    """
    a = ensemble.architecture
    free = replace(a, sizes=a.sizes[:-2], activations=a.activations[:-2])
    model = EnsembleModel(
        free, room_for(free, ensemble.n_models), Generators.empty(ensemble.n_models)
    )
    for mine, theirs in zip(model.weights, ensemble.weights, strict=False):
        mine[...] = theirs
    for bias, its in zip(model.biases, ensemble.biases, strict=False):
        assert bias is not None
        bias[...] = its
    return Ensemble.from_model(model, backend=ensemble._backend)


def standardization_of(
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    numbers: NDArray[np.int64] | None = None,
) -> Standardization:
    """Return the standardization of targets (n_rows, n_out), weighted if there are weights.

    `numbers` are those of the rows in the user's table, for errors, if not 0, 1, …

    Raises
    ------
    ValueError
        If a target is too large to be squared and added up; or if they differ, but by less than
        1e-300.
    """
    largest = np.abs(y).max(axis=1)
    if largest.max() > LARGEST:
        row = int(largest.argmax())
        raise ValueError(
            f"targets must be within ±{LARGEST:g}, got {y[row][np.abs(y[row]).argmax()]:g} in row "
            f"{row if numbers is None else numbers[row]}: scale them down"
        )
    differ = (y != y[0]).any(axis=0) & (np.abs(y - y[0]).max(axis=0) < SMALLEST)
    if differ.any():
        raise ValueError(
            f"targets must differ by at least {SMALLEST:g}, got {y[0][differ][0]:g} and others as "
            "near: scale them up"
        )
    if weight is None:
        return Standardization.of(y)
    mean = np.average(y, axis=0, weights=weight)
    centred = y - mean
    unit = np.abs(centred).max(axis=0)  # squares of tiny numbers underflow
    unit[unit == 0] = 1.0
    mean_square = np.average(np.square(centred / unit), axis=0, weights=weight)
    return Standardization.of_moments(mean, unit * np.sqrt(mean_square))


def needs_float64(
    targets: Standardization, low: NDArray[np.float64], high: NDArray[np.float64]
) -> bool:
    """Say whether float32 would round predictions by more than 2⁻¹³ of the targets' deviation."""
    fineness = np.where(targets.varies, targets.deviation, 0.0) * 2.0**-13
    with np.errstate(over="ignore", invalid="ignore"):
        for edge in (low, high, high - low):
            rounding = np.abs(edge.astype(np.float32).astype(np.float64) - edge)
            if not (rounding <= fineness).all():
                return True
    return targets.needs_float64


def _bounded(a: Architecture) -> Architecture:
    return replace(
        a, sizes=(*a.sizes, a.n_out, a.n_out), activations=(*a.activations, "relu", "relu")
    )
