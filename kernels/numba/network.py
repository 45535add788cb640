"""Forward and backward passes of a minibatch.

    z_l = h_{l-1} @ W_l + b_l          h_l = activation_l(z_l)
    ∂W_l = h_{l-1}ᵀ @ δ_l              ∂b_l = Σ_rows δ_l
    δ_{l-1} = (δ_l @ W_lᵀ) ∘ activation'_{l-1}

The first layer's input is a matrix in the workspace or, if `packed`, its non-zeros. Matrices are
offsets in flat arrays; `layout` defines where they are.
"""

import numpy as np

from .activations import activate, multiply_by_derivative
from .compiling import kernel
from .dropout import drop
from .elements import number, put
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
from .products import add_product, transpose
from .sparse_products import add_sparse_product
from .vectors import LINE, load, multiply_add, store, zeros

ONE = np.int64(1)  # a literal 1 would be a different type and cause another compilation


@kernel
def forward(model, memory, n_rows, packed, dropout, step):
    """Write the outputs of all hidden layers, and z of the last layer, to the workspace."""
    layers, params, work = model.layers, model.params, memory.work
    last = len(layers) - 1
    for i in range(len(layers)):
        layer = layers[i]
        n_in, n_out, stride = layer[N_IN], layer[N_OUT], layer[STRIDE]
        weight_at, z_at = layer[WEIGHT_AT], layer[Z_AT]
        size = n_rows * stride
        if layer[BIAS_AT] >= 0:
            fill_rows(n_rows, stride, params, layer[BIAS_AT], work, z_at)
        else:
            clear(size, work, z_at)
        if packed and i == 0:
            x = memory.nonzeros
            add_sparse_product(
                n_rows, x.n_parts, x.row_starts, x.column, x.value,
                stride, params, weight_at, work, z_at,
            )  # fmt: skip
        else:
            add_product(
                n_rows, n_in, stride, work, layer[INPUT_AT], layer[IN_STRIDE], ONE,
                params, weight_at, work, z_at,
            )  # fmt: skip
        if i == last:
            break
        output_at, dropped_at = layer[OUTPUT_AT], layer[DROPPED_AT]
        if output_at != z_at:
            copy(size, work, z_at, output_at)
        activate(layer[ACTIVATION], work[output_at : output_at + size])
        if dropped_at != output_at:
            h = matrix(work, output_at, n_rows, stride)
            drop(h, n_out, dropout, step, i, matrix(work, dropped_at, n_rows, stride))


@kernel
def backward(model, memory, n_rows, packed, dropout, step, scale, into):
    """Add `scale` times the gradient to `into`, from the delta of the last layer in the workspace.

    `into` may be the parameters themselves, with minus the learning rate as `scale`: the weights of
    a layer are changed only when they are no longer needed.
    """
    layers, work = model.layers, memory.work
    for i in range(len(layers) - 1, -1, -1):
        layer = layers[i]
        n_in, stride, in_stride = layer[N_IN], layer[STRIDE], layer[IN_STRIDE]
        weight_at, delta_at = layer[WEIGHT_AT], layer[DELTA_AT]
        if i:
            _input_gradient(layer, layers[i - 1], n_rows, model.params, work)
            if layers[i - 1, DROPPED_AT] != layers[i - 1, OUTPUT_AT]:
                below = matrix(work, layers[i - 1, DELTA_AT], n_rows, in_stride)
                drop(below, n_in, dropout, step, i - 1, below)
        delta = work[delta_at : delta_at + n_rows * stride]
        for j in range(len(delta)):
            delta[j] *= scale
        if packed and i == 0:
            x = memory.nonzeros
            transpose_nonzeros(n_rows, n_in, x)
            add_sparse_product(
                n_in, ONE, x.column_starts, x.row, x.value_by_column,
                stride, work, delta_at, into, weight_at,
            )  # fmt: skip
        else:
            add_product(
                n_in, n_rows, stride, work, layer[INPUT_AT], ONE, in_stride,
                work, delta_at, into, weight_at,
            )  # fmt: skip
        if layer[BIAS_AT] >= 0:
            add_rows(n_rows, stride, work, delta_at, into, layer[BIAS_AT])


@kernel
def _input_gradient(layer, layer_below, n_rows, params, work):
    """``δ_below = (δ @ Wᵀ) ∘ activation'``."""
    n_in, n_out = layer[N_IN], layer[N_OUT]
    stride, in_stride = layer[STRIDE], layer[IN_STRIDE]
    delta_at, transposed_at = layer[DELTA_AT], layer[TRANSPOSED_AT]
    below_at, z_at = layer_below[DELTA_AT], layer_below[Z_AT]
    size = n_rows * in_stride
    transpose(n_in, n_out, params, layer[WEIGHT_AT], stride, work, transposed_at, in_stride)
    clear(size, work, below_at)
    add_product(
        n_rows, n_out, in_stride, work, delta_at, stride, ONE, work, transposed_at, work, below_at
    )
    multiply_by_derivative(
        layer_below[ACTIVATION], work[z_at : z_at + size], work[below_at : below_at + size]
    )


@kernel
def clear(n, out, at):
    """Set n elements of out to zero, from element `at` on."""
    zero = out.dtype.type(0.0)
    for j in range(n):
        put(zero, out, at + j)


@kernel
def copy(n, work, at, to):
    """Copy n elements of the workspace from `at` to `to`."""
    for j in range(n):
        put(number(work, at + j), work, to + j)


@kernel
def fill_rows(n_rows, stride, row, at, out, out_at):
    """Set each of out's rows, (n_rows, stride) from `out_at` on, to that of `row` at `at`."""
    like = zeros(out, 1)
    for j in range(0, stride, LINE // out.itemsize):
        line = load(like, row, at + j)
        for r in range(n_rows):
            store(line, out, out_at + r * stride + j)


@kernel
def add_rows(n_rows, stride, rows, at, out, out_at):
    """``out += Σ rows``; rows (n_rows, stride) from `at` on, out (stride,) from `out_at`."""
    one = rows.dtype.type(1.0)
    like = zeros(out, 1)
    for j in range(0, stride, LINE // out.itemsize):
        total = load(like, out, out_at + j)
        for r in range(n_rows):
            total = multiply_add(one, load(like, rows, at + r * stride + j), total)
        store(total, out, out_at + j)
