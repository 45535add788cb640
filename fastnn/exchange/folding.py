"""Folding other operations into dense layers and fastnn's activations.

Models of other libraries are chains of steps on rows ``h (n, n_units)``:

    Dense          h @ W + b                   W (n_units, n_out), b (n_out,) or None
    Scaling        factor · h + shift          each () or (n_units,)
    Kink           value + above · (h − at) where h > at, value + below · (h − at) elsewhere
    an activation  by its name in `fastnn.architecture.ACTIVATIONS`

and `fold` converts such a chain to dense layers with one activation between each two. With
``f, s = factor, shift``, exactly up to rounding (computed in float64):

    after a layer     f · (h @ W + b) + s   =  h @ (W · f) + (f · b + s)             W · f[None, :]
    before a layer    (f · h + s) @ W + b   =  h @ (f[:, None] · W) + (s @ W + b)
    between two activations, and after the last, it is a separate layer: W = diag(f), b = s

A Kink is two relus, one of which is always zero, so that nothing cancels, and an affine map:

    u = relu(h − at),  v = relu(at − h),    value + above · u − below · v

The layer before it computes both, ``h @ [W, −W] + [b − at, at − b]``, twice as wide, and the layer
``h @ V + c`` after it has the rows ``[above · V; −below · V]`` and the bias ``c + value @ V``.
If `above` or `below` is all zero, the width stays; if below is 0.01 · above it is leaky_relu.

So any LeakyReLU, PReLU or absolute value is a layer of twice the width; max(h, c), min(h, c) have
the width of h; clip(h, low, high) is a max, then a min, with a diagonal layer in between. An elu
with another α is elu, then a Kink with below = α: their signs agree, and above zero both are h. A
final tanh, softplus, relu or other activation is followed by a diagonal layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn.architecture import LEAKY_SLOPE, Array
from fastnn.exchange.assembly import Dense


class Scaling(NamedTuple):
    """``factor · h + shift``: its name in errors, and its two arrays () or (n_units,)."""

    name: str
    factor: Any = 1.0
    shift: Any = 0.0


class Kink(NamedTuple):
    """A function of two linear pieces that meet at ``(at, value)``; each () or (n_units,)."""

    name: str
    below: Any
    above: Any = 1.0
    at: Any = 0.0
    value: Any = 0.0


class Activation(NamedTuple):
    """One of fastnn's activations: its name in errors, and its name."""

    name: str
    kind: str


Step = Dense | Scaling | Kink | Activation

FARTHEST_SHIFT = 2.0**8
"""Maximum ratio mean / spread of an input (x - mean) / spread: folding a larger one into float32
weights would lose more than eight of 24 bits."""


def leaky(name: str, slope: Any) -> Kink:
    """Return ``h where h > 0, slope · h elsewhere``."""
    return Kink(name, below=slope)


def largest(name: str, bound: Any) -> Kink:
    """Return ``max(h, bound)``."""
    return Kink(name, below=0.0, above=1.0, at=bound, value=bound)


def smallest(name: str, bound: Any) -> Kink:
    """Return ``min(h, bound)``."""
    return Kink(name, below=1.0, above=0.0, at=bound, value=bound)


def batch_normalization(
    name: str, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float
) -> Scaling:
    """Return ``gamma · (h − mean) / √(variance + epsilon) + beta``; arrays are () or (n_units,)."""
    gamma, beta, mean, variance = (_float64(v) for v in (gamma, beta, mean, variance))
    factor = gamma / np.sqrt(variance + epsilon)
    return Scaling(name, factor, beta - factor * mean)


def then(first: Scaling, second: Scaling) -> Scaling:
    """Return both in one: ``f₂ · (f₁ · h + s₁) + s₂``."""
    factor = _float64(second.factor)
    return Scaling(
        second.name, factor * first.factor, factor * _float64(first.shift) + second.shift
    )


def scaling_of_input(steps: Iterable[Step]) -> Scaling:
    """Return the scaling that a chain applies to its rows first."""
    scaling = Scaling("the input")
    for step in steps:
        if not isinstance(step, Scaling):
            break
        scaling = then(scaling, step)
    return scaling


def folded_dtype(steps: Sequence[Step]) -> str:
    """Return float64 if weights are, or if the shift of the input is too large for float32."""
    weights = [step.weight for step in steps if isinstance(step, Dense)]
    far = np.abs(scaling_of_input(steps).shift).max(initial=0) > FARTHEST_SHIFT
    return "float64" if far or any(w.dtype == np.float64 for w in weights) else "float32"


class _Inputs(NamedTuple):
    """Input of the next layer: ``Σ_k factors[k] · u_k + shift`` for the last layer's blocks u_k."""

    name: str
    factors: tuple[Array, ...]
    shift: Array

    def scaled(self, step: Scaling) -> _Inputs:
        factor = _float64(step.factor)
        factors = tuple(factor * f for f in self.factors)
        return _Inputs(step.name, factors, factor * self.shift + step.shift)

    @property
    def changes_nothing(self) -> bool:
        ones = len(self.factors) == 1 and bool(np.all(self.factors[0] == 1))
        return ones and not np.any(self.shift)


def fold(
    steps: Iterable[Step],
    *,
    n_in: int | None = None,
    take: Callable[[int], None] = lambda n_bytes: None,
) -> tuple[list[Dense], list[str]]:
    """Return the dense layers equivalent to a chain of steps, and the activations between them.

    Unchanged layers keep their arrays and dtypes, folded ones become float64: the caller selects
    the network's dtype.

    Parameters
    ----------
    steps : iterable of Dense, Scaling, Kink and Activation
        In order of computation, without the output function (softmax, …).
    n_in : int, optional
        Width of the rows; without it, an activation before the first layer is refused.
    take : callable
        Called with the size in bytes of each array before it is created; may raise.

    Returns
    -------
    layers : list of Dense
    activations : list of str
        One fewer than layers.

    Raises
    ------
    ValueError
        If widths do not match, or the chain has no layer.
    """
    chain = _Chain(n_in, take)
    for step in steps:
        match step:
            case Dense():
                chain.dense(step)
            case Scaling():
                chain.scaling(step)
            case Kink():
                chain.kink(step)
            case Activation():
                chain.activation(step)
    return chain.finished()


class _Chain:
    """Layers built step by step."""

    def __init__(self, n_in: int | None, take: Callable[[int], None]) -> None:
        self.layers: list[Dense] = []
        self.activations: list[str] = []  # of each layer except the open one
        self.inputs = _Inputs("the input", (np.ones(()),), np.zeros(()))
        self.behind = Scaling("")  # the open layer
        self.width = n_in  # of the output of the last step
        self.take = take

    @property
    def is_open(self) -> bool:
        """Whether the last step is a layer, with what was folded into it."""
        return len(self.layers) > len(self.activations)

    def dense(self, step: Dense) -> None:
        """Append a layer, folding pending steps into it."""
        if self.is_open:
            self.close("identity", "")
        n_in, n_out = step.weight.shape
        if self.width not in (None, n_in):
            raise ValueError(
                f"{step.name} takes {n_in} numbers, but what is before it gives {self.width}"
            )
        self.check(self.inputs.name, n_in, *self.inputs.factors, self.inputs.shift)
        if not self.inputs.changes_nothing:
            step = self.behind_inputs(step)
        self.layers.append(step)
        self.width = n_out

    def behind_inputs(self, step: Dense) -> Dense:
        """Return a layer of the last layer's blocks: ``factors[k][:, None] · W`` stacked."""
        (n_in, n_out), factors = step.weight.shape, self.inputs.factors
        self.take(8 * (len(factors) + 1) * n_in * n_out + 8 * n_out)
        original = _float64(step.weight)
        weight = np.empty((len(factors) * n_in, n_out))
        for k, factor in enumerate(factors):
            np.multiply(original, _column(factor), out=weight[k * n_in : (k + 1) * n_in])
        bias = step.bias
        if np.any(self.inputs.shift):
            shift = np.broadcast_to(self.inputs.shift, (n_in,)) @ original
            bias = shift if bias is None else shift + bias
        return Dense(step.name, weight, bias)

    def scaling(self, step: Scaling) -> None:
        """Store a scaling, to be folded into the previous or the next layer."""
        self.check(step.name, self.width, step.factor, step.shift)
        if self.is_open:
            self.behind = then(self.behind, step)
        else:
            self.inputs = self.inputs.scaled(step)

    def scale_last(self) -> None:
        """Fold pending steps into the last layer."""
        (name, weight, bias), (_, factor, shift) = self.layers[-1], self.behind
        n_out = weight.shape[1]
        self.take(8 * weight.size * bool(np.any(factor != 1)) + 16 * n_out)
        if np.any(factor != 1):
            weight = np.multiply(weight, factor, dtype=np.float64)
            bias = None if bias is None else np.multiply(bias, factor, dtype=np.float64)
        if np.any(shift):
            bias = np.broadcast_to(np.add(shift, 0.0 if bias is None else bias), (n_out,))
        self.layers[-1] = Dense(name, weight, bias)
        self.behind = Scaling("")

    def kink(self, step: Kink) -> None:
        """Convert the previous layer to relus, followed by an affine map in the next layer."""
        name, below, above, at, value = step.name, *map(_float64, step[1:])
        self.check(name, self.width, below, above, at, value)
        if np.all(below == above):
            self.scaling(Scaling(name, above, value - above * at))
            return
        self.opened(name)
        if np.any(at):
            self.scaling(Scaling(name, 1.0, -at))
        if not np.any(above):
            self.scaling(Scaling(name, -1.0))
        factors: tuple[Array, ...] = (above, -below)
        if np.allclose(below, LEAKY_SLOPE * above, rtol=1e-6, atol=0):  # 0.01 may be a float32
            self.close("leaky_relu", name)
            factors = (above,)
        elif np.any(above) and np.any(below):
            self.scale_last()
            last = self.layers[-1]
            self.take(2 * (last.weight.nbytes + 8 * last.weight.shape[1]))
            bias = None if last.bias is None else np.concatenate([last.bias, -last.bias])
            doubled = np.concatenate([last.weight, -last.weight], axis=1)
            self.layers[-1] = Dense(last.name, doubled, bias)
            self.close("relu", name)
        else:
            self.close("relu", name)
            factors = (above,) if np.any(above) else (-below,)
        self.inputs = _Inputs(name, factors, value)

    def activation(self, step: Activation) -> None:
        """Close the layer before it."""
        if step.kind != "identity":
            self.opened(step.name)
            self.close(step.kind, step.name)

    def opened(self, name: str) -> None:
        """Ensure that there is a layer before `name`, if necessary a diagonal one."""
        if self.is_open:
            return
        if self.width is None:
            raise ValueError(f"{name} stands before the first dense layer")
        n, factors = self.width, self.inputs.factors
        self.take(8 * len(factors) * n * n)
        weight = np.zeros((len(factors) * n, n))
        for k, factor in enumerate(factors):
            np.fill_diagonal(weight[k * n : (k + 1) * n], factor)
        shift = self.inputs.shift
        bias = np.broadcast_to(shift, (n,)) if np.any(shift) else None
        self.layers.append(Dense(name, weight, bias))

    def close(self, activation: str, name: str) -> None:
        """Append an activation to the open layer."""
        self.scale_last()
        self.activations.append(activation)
        self.inputs = _Inputs(name, (np.ones(()),), np.zeros(()))

    def check(self, name: str, n: int | None, *arrays: Any) -> None:
        """Check that arrays are () or (n,)."""
        for array in map(np.asarray, arrays):
            if array.shape != () and (array.ndim > 1 or n not in (None, array.size)):
                raise ValueError(f"{name} has an array of shape {array.shape}, expected ({n},)")
            if array.shape != () and n is None:
                self.width = array.size

    def finished(self) -> tuple[list[Dense], list[str]]:
        """Return layers and activations; a final activation is followed by a diagonal layer."""
        if not self.layers:
            raise ValueError("it has no dense layer")
        self.opened(self.inputs.name)
        self.scale_last()
        return self.layers, self.activations


def _float64(value: Any) -> Array:
    return np.asarray(value, np.float64)


def _column(factor: Array) -> Array:
    return factor[:, None] if factor.ndim else factor
