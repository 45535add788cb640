"""Comparison of a module's forward with the network imported from its children.

On random rows in float64, in evaluation mode, on a copy of the module. Rows are drawn at
several scales and, if the model scales its input first, also in the range of the first layer.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numpy as np

from fastnn.architecture import Array
from fastnn.backends import get_backend
from fastnn.exchange.folding import Step, scaling_of_input
from fastnn.exchange.torch_steps import Chain, resting_copy, unwrapped
from fastnn.model.model import Model
from fastnn.model.prediction import outputs

SCALES = (0.1, 1.0, 10.0, 1000.0)
ROWS_PER_SCALE = 8

TOLERANCES = {"float64": 1e-6, "float32": 1e-3}
"""Relative to the largest output: far above rounding and the error of PyTorch's softplus."""

WITHIN_FLOAT32 = (1e-30, 1e30)
"""Range of the logarithms of exp outputs that are compared."""


def check_forward(torch: Any, model: Any, chain: Chain, network: Model) -> None:
    """Check that a model's forward agrees with the network.

    Parameters
    ----------
    network : Model
        float64, with the output of the model.

    Raises
    ------
    ValueError
        If it does not, or cannot be run.
    """
    name, n_in = chain.in_question, network.architecture.n_in
    advice = (
        "Children are read in the order in which they were assigned, functions called in forward "
        "are not seen: build an nn.Sequential of the same layers and activations"
    )
    x = _rows(chain.steps, n_in)
    try:
        found, tolerance = _run(torch, unwrapped(torch, model), x)
    except Exception as error:
        words = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise ValueError(
            f"{name} has a forward that cannot be compared on rows of {n_in} numbers "
            f"({words}). {advice}"
        ) from error
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"{name} gives a {type(found).__name__}, expected one tensor. {advice}")
    given = found.detach().to(torch.float64).numpy()
    with np.errstate(all="ignore"):  # an output exp is infinite far from zero
        a = network.architecture
        expected = outputs(get_backend("numpy"), a, network.parameters, x, progress=False)
    n_out = expected.shape[1]
    if given.shape == (len(x),) and n_out == 1:
        given = given[:, None]  # squeezed
    if given.shape != expected.shape:
        raise ValueError(
            f"{name} gives an array of shape {given.shape} for {len(x)} rows, but its children "
            f"in order give {expected.shape}. {advice}"
        )
    if chain.end == "log_softmax":
        given = np.exp(given)
    if chain.end == "exp":
        given, expected = (np.log(np.clip(v, *WITHIN_FLOAT32)) for v in (given, expected))
    groups = (len(x) // ROWS_PER_SCALE, ROWS_PER_SCALE, n_out)
    differences = np.abs(given - expected).reshape(groups)
    # probabilities have one scale, numbers one per column
    axes = (1, 2) if chain.end in ("softmax", "log_softmax", "sigmoid") else (1,)
    largest = np.abs(expected).reshape(groups).max(axis=axes, keepdims=True)
    if not (differences <= tolerance * largest).all():  # nor where they are NaN
        raise ValueError(
            f"{name} computes something else than its children in order: on random rows the "
            f"outputs differ by up to {differences.max():.3g}. {advice}"
        )


def _rows(steps: list[Step], n_in: int) -> Array:
    rng = np.random.default_rng(0)
    shape = (len(SCALES), ROWS_PER_SCALE, n_in)
    scales = np.array(SCALES)[:, None, None]
    rows = (scales * rng.normal(size=shape)).reshape(-1, n_in)
    scaling = scaling_of_input(steps)
    factor = np.asarray(scaling.factor, np.float64)
    if np.all(factor == 1) and not np.any(scaling.shift):
        return rows
    scaled = (scales * rng.normal(size=shape)).reshape(-1, n_in) - scaling.shift
    return np.concatenate([rows, scaled / np.where(factor == 0, 1.0, factor)])


def _run(torch: Any, model: Any, x: Array) -> tuple[Any, float]:
    """Return the results of forward, in float32 if it requires that, and the tolerance."""
    error: Exception | None = None
    eager = getattr(torch.compiler, "set_stance", None)  # since PyTorch 2.6
    with (
        torch.no_grad(),
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(),
        eager("force_eager") if eager else contextlib.nullcontext(),
    ):
        warnings.simplefilter("ignore")
        for dtype, tolerance in TOLERANCES.items():
            real = getattr(torch, dtype)
            copied = resting_copy(torch, model).to("cpu", real)
            try:
                return copied(torch.from_numpy(x.copy()).to(real)), tolerance
            except Exception as raised:  # user code may raise anything
                error = error or raised
    assert error is not None
    raise error
