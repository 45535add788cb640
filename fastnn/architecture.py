"""The architecture of a network: its sizes, activations and output, and the layout of parameters.

A network with layers ``l = 1 … L`` computes ``h_0 = x`` and

    z_l = h_{l-1} @ W_l + b_l,    h_l = activation_l(z_l)

with x (n, n_0), W_l (n_{l-1}, n_l), b_l (n_l,), where the last activation is the *output*. All
parameters are in one flat buffer, 64-byte aligned, first the weight matrices, then the biases:

    | W_1 | W_2 | … | W_L | b_1 | b_2 | … | b_L |

Each ``W_l`` is row-major with its row stride rounded up to whole 64-byte vectors, plus one more
if it would be a multiple of 1 KB (such rows compete for the same cache sets), and so is each
``b_l``; the padding is zero and every operation keeps it zero. Gradients and optimizer
state have the same layout, so that averaging, clipping and updating are operations on one vector,
and a penalty on the weights (not the biases) is one on its prefix ``[:n_weight_slots]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.vocabulary import Activation, Loss

Array = NDArray[Any]

ALIGNMENT = 64  # bytes: one AVX-512 vector, one cache line
AVOIDED_STRIDE = 1024  # bytes; compiled code's internal rows also avoid 512

ACTIVATIONS: tuple[str, ...] = get_args(Activation)
"""Activations of hidden layers."""

LEAKY_SLOPE = 0.01
"""Slope of ``leaky_relu`` below zero, as in PyTorch and Keras (Maas et al., 2013)."""

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Of ``selu``: equation 14 of Klambauer et al. (2017)."""

FROM_PREACTIVATION = frozenset({"gelu", "silu", "mish"})
"""Activations whose derivative is not a function of their output, since they are not monotonic. For
these the pre-activation z is stored in addition to the output."""

LOSSES = {
    "softmax": ("cross_entropy",),
    "sigmoid": ("binary_cross_entropy", "squared_error"),
    "identity": ("squared_error", "huber", "absolute_error", "quantile"),
    "exp": ("poisson",),
    "tanh": ("squared_error", "huber", "absolute_error"),
    "relu": ("squared_error", "huber", "absolute_error"),
}
"""The losses each output can be trained with; the first is the default, and the canonical one where
there is one."""

LOSS_NAMES: tuple[str, ...] = get_args(Loss)
"""The losses of all outputs."""

LOSSES_OF_LOGITS = frozenset({"cross_entropy", "binary_cross_entropy", "poisson"})
"""Losses whose formula takes the pre-activation z and includes the output's activation, so that
nothing overflows. The others compare the output itself with the target."""

OUTPUTS = tuple(LOSSES)


LOSS_ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu")
"""Outputs that losses compare with the target, each with a derivative from its value; identity for
the losses of logits."""


class Layer(NamedTuple):
    """Location of one layer's parameters in the flat buffer, in elements."""

    n_in: int
    n_out: int
    activation: str
    stride: int
    weight_offset: int
    bias_offset: int | None


@dataclass(frozen=True)
class Architecture:
    """Sizes, activations, output, loss and dtype of a network, and the layout of its parameters.

    Attributes
    ----------
    sizes : tuple of int
        Width of the input, of each hidden layer and of the output.
    activations : tuple of str
        One of `ACTIVATIONS` for each hidden layer.
    output : {"softmax", "sigmoid", "identity", "exp", "tanh", "relu"}
        What turns the last layer's z into predictions.
    loss : str, optional
        One of ``LOSSES[output]``; by default the first.
    bias : bool
        Whether layers have biases.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.
    input_scale : float
        Factor for uint8 inputs; float inputs are not scaled.
    huber_delta : float
        Where the Huber loss turns from quadratic to linear.
    quantiles : tuple of float
        Of the quantile loss, else empty: the quantile that every output estimates of its own
        target, or one for each output, which then all estimate one target.
    label_smoothing : float
        The share of a softmax's target that is spread evenly over all classes.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...] = ()
    output: str = "softmax"
    loss: str = ""
    bias: bool = True
    dtype: str = "float32"
    input_scale: float = 1.0 / 255.0
    huber_delta: float = 1.0
    quantiles: tuple[float, ...] = ()
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not self.loss:
            object.__setattr__(self, "loss", LOSSES[self.output][0])
        if self.loss == "quantile" and not self.quantiles:
            object.__setattr__(self, "quantiles", (0.5,))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Sizes, activation (for the last layer the output) and location of each layer."""
        strides = [self._padded(n_out) for n_out in self.sizes[1:]]
        weight_offset = 0
        bias_offset = sum(n * s for n, s in zip(self.sizes[:-1], strides, strict=True))
        layers = []
        for n_in, n_out, stride, activation in zip(
            self.sizes[:-1],
            self.sizes[1:],
            strides,
            (*self.activations, self.output),
            strict=True,
        ):
            layers.append(
                Layer(
                    n_in=n_in,
                    n_out=n_out,
                    activation=activation,
                    stride=stride,
                    weight_offset=weight_offset,
                    bias_offset=bias_offset if self.bias else None,
                )
            )
            weight_offset += n_in * stride
            bias_offset += stride
        return tuple(layers)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """``(n_in, n_out)`` of each layer."""
        return tuple(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @cached_property
    def to_logits(self) -> Architecture:
        """The same up to the last layer's z."""
        return replace(self, output="identity")

    @cached_property
    def largest_matrix(self) -> int:
        """Weights of the largest matrix: the multiply-adds that a row takes there."""
        return max(n_in * n_out for n_in, n_out in self.shapes)

    @property
    def n_in(self) -> int:
        """Width of the input."""
        return self.sizes[0]

    @property
    def n_out(self) -> int:
        """Width of the output."""
        return self.sizes[-1]

    @property
    def n_targets(self) -> int:
        """Numbers that a row's target holds: one for each output, or one for several quantiles."""
        return 1 if len(self.quantiles) > 1 else self.n_out

    @property
    def measures(self) -> tuple[str, ...]:
        """What a network is measured by, besides its loss."""
        if self.classifies:
            return ("accuracy",)
        return ("mae",) if self.loss == "quantile" else ("r2", "rmse", "mae")

    @property
    def classifies(self) -> bool:
        """Whether predictions are classes (softmax) or yes and no (sigmoid)."""
        return self.output in ("softmax", "sigmoid")

    @property
    def one_class_a_row(self) -> bool:
        """Whether a row has one class: of several (softmax), or of two (sigmoid of width 1)."""
        return self.output == "softmax" or (self.output == "sigmoid" and self.n_out == 1)

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 if a row does not have exactly one."""
        if not self.one_class_a_row:
            return 0
        return self.n_out if self.output == "softmax" else 2

    @property
    def loss_activation(self) -> str:
        """What is applied to the last layer's z before the loss: identity for a loss of logits."""
        return "identity" if self.loss in LOSSES_OF_LOGITS else self.output

    @property
    def loss_constants(self) -> Array:
        """The loss's constant for each output, (n_out,): Huber's δ, a quantile, or zero."""
        constant: float | tuple[float, ...] = 0.0
        if self.loss == "huber":
            constant = self.huber_delta
        elif self.loss == "quantile":
            constant = self.quantiles
        constants = np.empty(self.n_out, self.dtype)
        constants[...] = constant
        return constants

    @cached_property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum((n_in + self.bias) * n_out for n_in, n_out, *_ in self.layers)

    @cached_property
    def n_weight_slots(self) -> int:
        """Length of the part of the buffer with the weight matrices, padding included."""
        return sum(layer.n_in * layer.stride for layer in self.layers)

    @cached_property
    def n_slots(self) -> int:
        """Length of the buffer, padding included."""
        return self.n_weight_slots + self.bias * sum(layer.stride for layer in self.layers)

    def allocate(self) -> Array:
        """Return a zeroed, aligned buffer of shape ``(n_slots,)``."""
        return aligned_zeros(self.n_slots, self.dtype)

    def weights(self, buffer: Array) -> list[Array]:
        """Views ``(n_in, n_out)`` into `buffer` (or any vector of its layout), one per layer."""
        return [
            buffer[layer.weight_offset :][: layer.n_in * layer.stride].reshape(
                layer.n_in, layer.stride
            )[:, : layer.n_out]
            for layer in self.layers
        ]

    def biases(self, buffer: Array) -> list[Array | None]:
        """Views ``(n_out,)`` into `buffer`, one per layer; None where there is no bias."""
        return [
            None
            if layer.bias_offset is None
            else buffer[layer.bias_offset : layer.bias_offset + layer.n_out]
            for layer in self.layers
        ]

    def views(self, buffer: Array) -> Iterator[tuple[Layer, Array, Array | None]]:
        """Yield ``(layer, weight, bias)`` from input to output."""
        return zip(self.layers, self.weights(buffer), self.biases(buffer), strict=True)

    def copy_parameters(self, source: Array, target: Array) -> None:
        """Copy all but the padding from one vector of this layout to another.

        The padding of `target` stays zero, whatever the padding of `source` contains.
        """
        for (_, weight, bias), (_, its_weight, its_bias) in zip(
            self.views(source), self.views(target), strict=True
        ):
            its_weight[...] = weight
            if its_bias is not None:
                its_bias[...] = bias

    def _padded(self, n: int) -> int:
        itemsize = np.dtype(self.dtype).itemsize
        n_bytes = -(-n * itemsize // ALIGNMENT) * ALIGNMENT
        if n_bytes % AVOIDED_STRIDE == 0:
            n_bytes += ALIGNMENT
        return n_bytes // itemsize


def aligned_zeros(n: int, dtype: DTypeLike) -> Array:
    """Return zeros of shape ``(n,)`` whose first element lies on a 64-byte boundary."""
    n_bytes = n * np.dtype(dtype).itemsize
    raw = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[start : start + n_bytes].view(dtype)
