"""The seven kernels of a backend as pieces of work: inputs, how often what is computed, bounds.

Each is made for n rows of a layer n_in → n_out, in float32, the weights laid out as a network lays
them out. The judge is fastnn's reference on the same numbers in float64. Two sums of K products may
lie ``8 √K eps Σ|products|`` apart (Higham and Mary, 2019; λ = 8), and what is elementwise a few eps
of what goes into it: an element is right if it is within ``8 (√K + 2) eps size``, where `sizes`
gives the size of what it is summed from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from cases import SEED, Array

ADAM_STEP = 10
FAR = 1e30  # a distance that no bound allows: NaN and infinity


@dataclass(frozen=True)
class KernelCase:
    """One kernel on one shape; `density` is the share of the inputs x that are not zero."""

    kernel: str
    shape: str
    n_rows: int
    n_in: int
    n_out: int
    density: float = 1.0
    default: bool = True

    @property
    def name(self) -> str:
        dense = "" if self.density == 1.0 else f"-{self.density:.0%}"
        return f"{self.shape}-{self.kernel}{dense}"


@dataclass(frozen=True)
class Work:
    """A call of a kernel, for any backend and dtype.

    Attributes
    ----------
    call : callable
        From a backend, inputs and outputs to the kernel's result: None, or a loss.
    inputs, outputs : tuple of ndarray
        Outputs hold what the call finds there: parameters and state, for an update.
    sizes : tuple of ndarray
        For each output, and last for a loss: the size of what each element is summed from.
    n_terms : int
        How many.
    flops : float
        Arithmetic operations of the formula, an exponential or a root counted as one.
    """

    call: Callable[[Any, tuple[Array, ...], tuple[Array, ...]], Any]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    sizes: tuple[Array, ...]
    n_terms: int
    flops: float

    def results(self, backend: Any, dtype: str) -> list[Array]:
        """Return what a backend computes in `dtype`: every output, and the loss if there is one."""
        inputs, outputs = self.fresh(dtype)
        loss = self.call(backend, inputs, outputs)
        return [*outputs, *([] if loss is None else [np.asarray(loss)])]

    def fresh(self, dtype: str) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return copies of inputs and outputs, float numbers in `dtype`, strides kept."""

        def copied(array: Array) -> Array:
            if array.dtype.kind != "f":
                return array
            whole = array if array.base is None or array.ndim < 2 else array.base.reshape(-1)
            if whole is array:
                return array.astype(dtype)
            made = np.zeros((len(array), array.strides[0] // array.itemsize), dtype)
            made[:, : array.shape[1]] = array
            return made[:, : array.shape[1]]

        return tuple(map(copied, self.inputs)), tuple(map(copied, self.outputs))

    def distance(self, got: list[Array], expected: list[Array]) -> float:
        """Return the largest difference of any element, in units of what is allowed."""
        allowed = 8.0 * (sqrt(self.n_terms) + 2.0) * np.finfo(np.float32).eps
        apart = [
            np.abs(g - e) / (allowed * size + np.finfo(np.float32).tiny)
            for g, e, size in zip(got, expected, self.sizes, strict=True)
        ]
        return max(float(np.nan_to_num(a, nan=FAR, posinf=FAR).max()) for a in apart if a.size)


class _Layer:
    """The arrays of a layer: random, of the size that they have in a network."""

    def __init__(self, case: KernelCase) -> None:
        self.rng = np.random.default_rng(SEED)
        self.n, self.n_in, self.n_out = case.n_rows, case.n_in, case.n_out
        self.x = self.normal(self.n, self.n_in)
        self.x[self.rng.random(self.x.shape) >= case.density] = 0.0
        self.weight = self.padded(self.normal(self.n_in, self.n_out) / np.float32(sqrt(self.n_in)))
        self.bias = self.normal(self.n_out)
        self.delta = self.normal(self.n, self.n_out)

    def normal(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape, dtype=np.float32)

    def padded(self, weight: Array) -> Array:
        """Return the same with a row stride of whole vectors, as in a network's buffer."""
        from fastnn.architecture import Architecture

        network = Architecture((self.n_in, self.n_out), bias=False)
        (view,) = network.weights(network.allocate())
        view[...] = weight
        return view


def work(case: KernelCase) -> Work:
    """Return the work of a case."""
    return KERNELS[case.kernel](_Layer(case))


def _dense_forward(a: _Layer) -> Work:
    return Work(
        lambda b, i, o: b.dense_forward(*i, "relu", *o),
        (a.x, a.weight, a.bias),
        (np.zeros((a.n, a.n_out), np.float32),),
        (np.abs(a.x) @ np.abs(a.weight) + np.abs(a.bias),),
        a.n_in + 1,
        2.0 * a.n * a.n_in * a.n_out,
    )


def _weight_gradient(a: _Layer) -> Work:
    size = np.abs(a.delta)
    return Work(
        lambda b, i, o: b.weight_gradient(*i, *o),
        (a.x, a.delta),
        (a.padded(np.zeros_like(a.weight)), np.zeros(a.n_out, np.float32)),
        (np.abs(a.x).T @ size, size.sum(axis=0)),
        a.n,
        2.0 * a.n * a.n_in * a.n_out,
    )


def _input_gradient(a: _Layer) -> Work:
    return Work(
        lambda b, i, o: b.input_gradient(i[0], i[1], "relu", i[2], *o),
        (a.delta, a.weight, np.maximum(a.x, 0.0)),
        (np.zeros((a.n, a.n_in), np.float32),),
        (np.abs(a.delta) @ np.abs(a.weight).T,),
        a.n_out,
        2.0 * a.n * a.n_in * a.n_out,
    )


def _softmax(a: _Layer) -> Work:
    z = a.delta
    return Work(
        lambda b, i, o: b.softmax(*i, *o),
        (z,),
        (np.zeros_like(z),),
        (_probabilities(z),),
        a.n_out,
        4.0 * z.size,  # z − max, exp, the sum, the quotient
    )


def _softmax_cross_entropy(a: _Layer) -> Work:
    z, labels = a.delta, a.rng.integers(a.n_out, size=a.n)
    one_hot = np.eye(a.n_out)[labels]
    return Work(
        lambda b, i, o: b.softmax_cross_entropy(*i, None, 0.0, *o),
        (z, labels),
        (np.zeros_like(z),),
        (_probabilities(z) + one_hot, np.asarray(np.abs(z).max(axis=1).sum() + a.n)),
        a.n_out,
        5.0 * z.size,
    )


def _elementwise_loss(a: _Layer) -> Work:
    z, target = a.delta, (a.rng.random(a.delta.shape) < 0.5).astype(np.float32)
    return Work(
        lambda b, i, o: b.elementwise_loss(
            "binary_cross_entropy", "identity", i[0], i[1], None, i[2], *o
        ),
        (z, target, np.zeros(a.n_out, np.float32)),
        (np.zeros_like(z),),
        (np.ones_like(z), np.asarray((np.abs(z) + 1.0).sum())),
        a.n_out,
        8.0 * z.size,  # exp, log1p, and for loss and delta three more each
    )


def _update(a: _Layer, adam: bool) -> Work:
    import fastnn

    optimizer = fastnn.Adam(1e-4) if adam else fastnn.SGD(1e-4)
    count = a.n_in * a.n_out
    params, grads = a.normal(count), a.normal(count)
    moments = np.stack([a.normal(count), 1.0 + np.abs(a.normal(count))])
    moved = np.stack([np.abs(grads), grads**2])
    state = np.ascontiguousarray(moments[: optimizer.n_state])
    return Work(
        lambda b, i, o: b.update(optimizer, ADAM_STEP, o[0], *i, o[1]),
        (grads,),
        (params, state),
        (np.abs(params) + 1.0, (np.abs(moments) + moved)[: optimizer.n_state]),
        1,
        (12.0 if adam else 2.0) * count,
    )


def _probabilities(z: Array) -> Array:
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


KERNELS: dict[str, Callable[[_Layer], Work]] = {
    "dense_forward": _dense_forward,
    "weight_gradient": _weight_gradient,
    "input_gradient": _input_gradient,
    "softmax": _softmax,
    "softmax_cross_entropy": _softmax_cross_entropy,
    "elementwise_loss": _elementwise_loss,
    "update-sgd": lambda layer: _update(layer, adam=False),
    "update-adam": lambda layer: _update(layer, adam=True),
}
READ_INPUTS = ("dense_forward", "weight_gradient")
"""The kernels that read a minibatch of inputs, which may have zeros to skip."""
