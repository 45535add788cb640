"""Updates of groups of parameters, each with its own learning rate, and learned feature scales.

The groups are the weights and the biases of each layer; `fastnn.optimizers.RateFactors` says by
what the rate of each is multiplied.

With feature scales the first layer computes ``(x ∘ s) W = x V``, where V = diag(s) W. The network's
parameters hold V, so that passes through it, and whatever is done with it, know nothing of scales;
the optimizer's state holds W (n_in, n_1) and s (n_in,), and the rule's vectors for s. From the
gradient ∂V of the first layer, with penalty and limit, follow

    ∂W_ij = s_i ∂V_ij          ∂s_i = Σ_j W_ij ∂V_ij

and by the rule W and s, each at its group's rate, then V. The penalty is one on V; `clip_norm` is
a limit of the gradient's norm by V, and `max_norm` one of V's columns: W's are scaled with them.

In the state, the two vectors after those of the rule hold

    W, where the first layer's weights lie in the layout of the parameters
    s, then the rule's vectors for s, one after the other at the vector's beginning

Before a pass, a row of W whose V is not s_i W_i becomes V's row, and its s_i 1. So a state of zeros
is that of a fit that begins; and weights that were assigned from outside, such as those of the
best epoch, or averages of several networks, are what training goes on from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.architecture import Architecture, Array
from fastnn.backends.minibatch import TrainingOptions, limit_column_norms
from fastnn.optimizers import VECTORS, Optimizer

Update = Callable[[Optimizer, int, Array, Array, Array], None]
"""The kernel ``update`` of a backend."""


@dataclass(frozen=True)
class OfGroup(Optimizer):
    """An optimizer for one group of parameters: with another rate, and decay of weights.

    Parameters
    ----------
    of : Optimizer
    factor, decay : float
        By which its learning rate and its weight decay are multiplied.
    """

    of: Optimizer
    factor: float
    decay: float

    def __post_init__(self) -> None:
        """Skip the checks, which `of` has passed."""

    @property
    def rule(self) -> str:
        """The same rule."""
        return self.of.rule

    @property
    def coefficients(self) -> tuple[float, float, float, float]:
        """The same, but for the weight decay."""
        *others, weight_decay = self.of.coefficients
        first, second, epsilon = others
        return (first, second, epsilon, weight_decay * self.decay)

    def learning_rates(self, step: int, n_steps: int) -> NDArray[np.float64]:
        """Return the rates of the group's `n_steps` updates after the first `step` ones."""
        return self.of.learning_rates(step, n_steps) * self.factor


class Scaling(NamedTuple):
    """Views of what scaled features need.

    Attributes
    ----------
    seen : ndarray of shape (n_in, stride)
        V, padding included, as the other matrices.
    raw : ndarray of shape (n_in, stride)
        W.
    scales : ndarray of shape (1 + n_vectors, n_in)
        s, and the rule's vectors for it.
    """

    seen: Array
    raw: Array
    scales: Array


def scaling_of(
    optimizer: Optimizer, architecture: Architecture, params: Array, slots: Array
) -> Scaling:
    """Return the views of parameters and state of an optimizer that scales features."""
    layer, n = architecture.layers[0], VECTORS[optimizer.rule]
    part = slice(layer.weight_offset, layer.weight_offset + layer.n_in * layer.stride)
    shape = layer.n_in, layer.stride
    scales = slots[n + 1][: (1 + n) * layer.n_in].reshape(1 + n, layer.n_in)
    return Scaling(params[part].reshape(shape), slots[n][part].reshape(shape), scales)


def begin_scaling(
    optimizer: Optimizer, architecture: Architecture, params: Array, slots: Array
) -> None:
    """Let rows whose weights are not the scaled ones start again, before a pass."""
    if not optimizer.scales_features:
        return
    seen, raw, scales = scaling_of(optimizer, architecture, params, slots)
    limits = np.finfo(seen.dtype)
    with np.errstate(all="ignore"):
        off = np.abs(seen - scales[0][:, None] * raw)
        # not larger than what rounding makes, and subnormal numbers, which some backends make zero
        agrees = (off <= 4 * limits.eps * np.abs(seen) + limits.tiny).all(axis=1)
    starts = ~agrees | ((scales[0] == 0) & (raw == 0).all(axis=1))
    raw[starts], scales[0, starts] = seen[starts], 1


def apply_gradient(
    update: Update,
    architecture: Architecture,
    options: TrainingOptions,
    step: int,
    params: Array,
    grads: Array,
    slots: Array,
) -> None:
    """Do update `step`, counted from 1, of all groups in place, and restore the limit of norms.

    The gradient is used as scratch.
    """
    optimizer = options.optimizer
    factors = None if optimizer.rate_factors is None else optimizer.rate_factors.of(architecture)
    if factors is None:
        update(optimizer, step, params, grads, slots)
    else:
        vectors = slots[: VECTORS[optimizer.rule]]
        for part, number in parts_of(architecture):
            of_group = _of_group(optimizer, factors[number])
            if number == 0 and optimizer.scales_features:
                of_scales = _of_group(optimizer, factors[-1])
                scaling = scaling_of(optimizer, architecture, params, slots)
                _update_scaled(
                    update, of_group, of_scales, step, scaling, grads[part], vectors[:, part]
                )
            else:
                update(of_group, step, params[part], grads[part], vectors[:, part])
    if options.max_norm:
        for i, (_, weight, _) in enumerate(architecture.views(params)):
            norms = limit_column_norms(weight, options.max_norm)
            if i == 0 and optimizer.scales_features:
                scaling = scaling_of(optimizer, architecture, params, slots)
                scaling.raw[:, : len(norms)] *= norms
                _write_product(scaling)


@lru_cache(maxsize=64)
def parts_of(architecture: Architecture) -> tuple[tuple[slice, int], ...]:
    """Return where the groups lie in the parameters, and which row of the factors is theirs."""
    parts = []
    for i, layer in enumerate(architecture.layers):
        end = layer.weight_offset + layer.n_in * layer.stride
        parts.append((slice(layer.weight_offset, end), 2 * i))
        if layer.bias_offset is not None:
            parts.append((slice(layer.bias_offset, layer.bias_offset + layer.stride), 2 * i + 1))
    return tuple(parts)


def _of_group(optimizer: Optimizer, factors: NDArray[np.float64]) -> OfGroup:
    return OfGroup(optimizer.learning_rate, optimizer, float(factors[0]), float(factors[1]))


def _update_scaled(
    update: Update,
    of_weights: Optimizer,
    of_scales: Optimizer,
    step: int,
    scaling: Scaling,
    grads: Array,
    vectors: Array,
) -> None:
    """Update the weights and the scales of the first layer from the gradient by their product."""
    seen, raw, scales = scaling
    by_seen = grads.reshape(seen.shape)
    by_scales = (raw * by_seen).sum(axis=1)
    by_seen *= scales[0][:, None]
    update(of_weights, step, raw.reshape(-1), grads, vectors)
    update(of_scales, step, scales[0], by_scales, scales[1:])
    _write_product(scaling)


def _write_product(scaling: Scaling) -> None:
    """``V = diag(s) W``, whose padding is never -0."""
    np.multiply(scaling.scales[0][:, None], scaling.raw, out=scaling.seen)
    np.add(scaling.seen, 0, out=scaling.seen)
