"""Initial weights: uniform in [−r, r], with r from the layer's sizes or given.

    glorot   r = √(6 / (n_in + n_out))     Glorot and Bengio (2010), equation 16
    he       r = √(6 / n_in)               He et al. (2015), for relu and similar activations
    lecun    r = √(3 / n_in)               LeCun et al. (1998), section 4.6; for selu

Weights are drawn in float64, layer by layer from input to output, and rounded to the network's
dtype, so that float32 and float64 networks with the same seed start from the same weights. Biases
start at zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from fastnn.architecture import Architecture, Array, Layer
from fastnn.validation import check_choice, check_initial_weights, check_positive
from fastnn.vocabulary import Initial

if TYPE_CHECKING:
    from numpy.random import Generator  # costs 7 ms, not needed to import fastnn

Initializer: TypeAlias = "Initial | float | Callable[[Generator, tuple[int, int]], Any]"

_RADIUS: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda n_in, n_out: math.sqrt(6.0 / (n_in + n_out)),
    "he": lambda n_in, n_out: math.sqrt(6.0 / n_in),
    "lecun": lambda n_in, n_out: math.sqrt(3.0 / n_in),
}


def initialize(
    architecture: Architecture, init: Initializer, rng: Generator, params: Array
) -> None:
    """Draw initial weights into the buffer `params`.

    Parameters
    ----------
    architecture : Architecture
    init : {"glorot", "he", "lecun"}, float or callable
        A number r means uniform in [−r, r]; a callable gets ``(rng, (n_in, n_out))`` and returns
        the weights of one layer.
    rng : numpy.random.Generator
    params : ndarray of shape (architecture.n_slots,)
    """
    for layer, weight, _ in architecture.views(params):
        weight[...] = draw_of(layer, init)(rng)


def draw_of(layer: Layer, init: Initializer) -> Callable[[Generator], Any]:
    """Return what draws the weights (n_in, n_out) of a layer from a generator.

    Raises
    ------
    TypeError, ValueError
        If `init` is not valid.
    """
    shape = (layer.n_in, layer.n_out)
    if callable(init):
        return lambda rng: check_initial_weights(init(rng, shape), shape)
    if isinstance(init, str):
        radius = _RADIUS[check_choice("init", init, tuple(_RADIUS))](*shape)
    else:
        radius = check_positive("init", init)
    return lambda rng: rng.uniform(-radius, radius, shape)
