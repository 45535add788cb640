"""Building a model from another library's layers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn import validation
from fastnn.architecture import Array
from fastnn.model.model import Model


class Dense(NamedTuple):
    """One layer: its name in errors, weights (n_in, n_out), and bias (n_out,) or None."""

    name: str
    weight: Array
    bias: Array | None


def assemble(
    layers: Sequence[Dense],
    activations: Sequence[str],
    output: str,
    *,
    input_scale: float = 1.0,
    loss: str | None = None,
    class_labels: Sequence[Any] | None = None,
    dtype: str | None = None,
) -> Model:
    """Return a model with copies of these layers: in `dtype`, or float64 if any is, else float32.

    Bytes are not scaled unless `input_scale` is given. In fastnn either all layers have
    biases or none: if only some have, those of the others are zero.

    Raises
    ------
    ValueError
        If there are no layers, their widths do not match, or they hold non-finite values.
    """
    if not layers:
        raise ValueError("it has no dense layer")
    for before, layer in itertools.pairwise(layers):
        if before.weight.shape[1] != layer.weight.shape[0]:
            raise ValueError(
                f"{layer.name} takes {layer.weight.shape[0]} numbers, but {before.name} before it "
                f"gives {before.weight.shape[1]}"
            )
    arrays = [array for layer in layers for array in layer[1:] if isinstance(array, np.ndarray)]
    architecture = validation.check_architecture(
        sizes=(layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in layers)),
        activation=list(activations),
        output=output,
        loss=loss,
        huber_delta=1.0,
        bias=any(layer.bias is not None for layer in layers),
        dtype=dtype or ("float64" if any(a.dtype == np.float64 for a in arrays) else "float32"),
        input_scale=input_scale,
    )
    model = Model(architecture, class_labels=class_labels)
    for layer, weight, bias in zip(layers, model.weights, model.biases, strict=True):
        weight[...] = layer.weight
        if bias is not None and layer.bias is not None:
            bias[...] = layer.bias
        if not (np.isfinite(weight).all() and (bias is None or np.isfinite(bias).all())):
            raise ValueError(f"{layer.name} holds weights that are not finite {architecture.dtype}")
    return model
