"""A minibatch's way through the network: forward to z, and back to the gradient.

    z_l = h_{l-1} @ W_l + b_l          h_l = activation_l(z_l)
    ∂W_l = h_{l-1}ᵀ @ δ_l              ∂b_l = Σ_rows δ_l
    δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1}

The first layer's input is a matrix in the workspace or, if `packed`, its non-zeros. Where
everything lies is said in `layout`.
"""

import numpy as np

from .activations import activate, multiply_by_derivative
from .compiling import inner_kernel
from .dropout import drop
from .inputs import transpose_nonzeros
from .layout import (
    ACTIVATION,
    BIAS_AT,
    DELTA_AT,
    DROPPED_AT,
    IN_STRIDE,
    INPUT_AT,
    N_IN,
    N_OUT,
    OUTPUT_AT,
    STRIDE,
    TRANSPOSED_AT,
    WEIGHT_AT,
    Z_AT,
    matrix,
)
from .products import add_product, add_sparse_product, transpose

ONE = np.int64(1)  # a plain 1 would be a type of its own, and what it is given to compiled again


@inner_kernel
def forward(model, memory, n_rows, packed, dropout, step):
    """Write every hidden layer's output, and the last layer's z, to the workspace."""
    layers, work, nonzeros = model.layers, memory.work, memory.nonzeros
    last = len(layers) - 1
    for i in range(len(layers)):
        layer = layers[i]
        n_out, stride = layer[N_OUT], layer[STRIDE]
        weight = matrix(model.params, layer[WEIGHT_AT], layer[N_IN], stride)
        z = matrix(work, layer[Z_AT], n_rows, stride)
        fill_rows(model.params, layer[BIAS_AT], z)
        if packed and i == 0:
            add_sparse_product(
                n_rows, nonzeros.row_starts, nonzeros.column, nonzeros.value, weight, z
            )
        else:
            h = work[layer[INPUT_AT] :]
            add_product(n_rows, layer[N_IN], h, layer[IN_STRIDE], ONE, weight, z)
        if i == last:
            break
        y = matrix(work, layer[OUTPUT_AT], n_rows, stride)
        if layer[OUTPUT_AT] != layer[Z_AT]:
            copy_rows(z, y)
        activate(layer[ACTIVATION], n_out, y)
        if layer[DROPPED_AT] != layer[OUTPUT_AT]:
            drop(y, n_out, dropout, step, i, matrix(work, layer[DROPPED_AT], n_rows, stride))


@inner_kernel
def backward(model, memory, n_rows, packed, dropout, step, scale, into):
    """Add `scale` times the gradient to `into`, from the delta of the last layer in the workspace.

    `into` may be the parameters themselves, with minus the learning rate as `scale`: a layer's
    weights change when nothing is left to be computed from them.
    """
    layers, work, nonzeros = model.layers, memory.work, memory.nonzeros
    for i in range(len(layers) - 1, -1, -1):
        layer = layers[i]
        n_in, stride, in_stride = layer[N_IN], layer[STRIDE], layer[IN_STRIDE]
        delta = matrix(work, layer[DELTA_AT], n_rows, stride)
        if i:
            below = matrix(work, layers[i - 1, DELTA_AT], n_rows, in_stride)
            _input_gradient(layer, layers[i - 1], model.params, delta, work, below)
            if layers[i - 1, DROPPED_AT] != layers[i - 1, OUTPUT_AT]:
                drop(below, n_in, dropout, step, i - 1, below)
        flat_delta = delta.reshape(delta.size)
        for j in range(len(flat_delta)):
            flat_delta[j] *= scale
        weight = matrix(into, layer[WEIGHT_AT], n_in, stride)
        if packed and i == 0:
            transpose_nonzeros(n_rows, n_in, nonzeros)
            add_sparse_product(
                n_in, nonzeros.column_starts, nonzeros.row, nonzeros.value_by_column, delta, weight
            )
        else:
            add_product(n_in, n_rows, work[layer[INPUT_AT] :], ONE, in_stride, delta, weight)
        if layer[BIAS_AT] >= 0:
            add_rows(delta, into[layer[BIAS_AT] : layer[BIAS_AT] + stride])


@inner_kernel
def _input_gradient(layer, layer_below, params, delta, work, below):
    """``below = (δ @ Wᵀ) ∘ activation'``."""
    n_rows, stride = delta.shape
    n_in, n_out, in_stride = layer[N_IN], layer[N_OUT], layer[IN_STRIDE]
    weight = matrix(params, layer[WEIGHT_AT], n_in, stride)
    transposed = matrix(work, layer[TRANSPOSED_AT], n_out, in_stride)
    transpose(weight, n_out, transposed)
    below[:] = 0
    add_product(n_rows, n_out, delta.reshape(delta.size), stride, ONE, transposed, below)
    y = matrix(work, layer_below[Z_AT], n_rows, in_stride)
    multiply_by_derivative(layer_below[ACTIVATION], y, n_in, below)


@inner_kernel
def copy_rows(rows, out):
    """``out = rows``; both (n, stride)."""
    for r in range(len(rows)):
        for j in range(rows.shape[1]):
            out[r, j] = rows[r, j]


@inner_kernel
def fill_rows(params, bias_at, out):
    """Set every row of out (n, stride) to the bias at `bias_at`, or to zero without one."""
    if bias_at < 0:
        out[:] = 0
        return
    for r in range(len(out)):
        row = out[r]
        for j in range(len(row)):
            row[j] = params[bias_at + j]


@inner_kernel
def add_rows(rows, out):
    """``out += Σ rows``; rows (n, stride), out (stride,)."""
    for r in range(len(rows)):
        row = rows[r]
        for j in range(len(row)):
            out[j] += row[j]
