"""The programs: prediction, and training on minibatches, in one call each.

A call processes all given rows or minibatches; the type of x and the options do not change its
type, so that each program is compiled only once for float32 and once for float64 networks.
"""

import math

import numpy as np

from .activations import SOFTMAX, activate
from .compiling import kernel, program
from .inputs import gather
from .layout import (
    ACTIVATION,
    BIAS_AT,
    DELTA_AT,
    N_IN,
    N_OUT,
    STRIDE,
    WEIGHT_AT,
    Z_AT,
    matrix,
)
from .losses import (
    CROSS_ENTROPY,
    elementwise_loss,
    label_is_largest,
    signs_agree,
    softmax,
    softmax_cross_entropy,
)
from .network import backward, forward
from .updates import (
    SGD,
    SMALLEST_DOUBLE,
    SMALLEST_FLOAT,
    add_penalty,
    apply_gradient,
    clip_to_norm,
    limit_column_norms,
    write_scaled,
)

NO_STEP = np.int64(0)  # of the type of steps: predictions use no dropout


@program
def predict(x, packed, rows, dropout, model, memory, out):
    """Write the predictions for `rows` of x, as many at a time as fit in memory, to out."""
    last_layer = model.layers[len(model.layers) - 1]
    at_a_time, n_out = len(memory.row_weight), last_layer[N_OUT]
    tiny = out.dtype.type(SMALLEST_FLOAT if out.itemsize == 4 else SMALLEST_DOUBLE)
    for first in range(0, len(rows), at_a_time):
        batch, predictions = rows[first : first + at_a_time], out[first : first + at_a_time]
        n_rows = len(batch)
        ahead = rows[first + at_a_time : first + 2 * at_a_time]
        gather(x, model.layers[0], batch, ahead, packed, memory)
        forward(model, memory, n_rows, packed, dropout, NO_STEP)
        z = matrix(memory.work, last_layer[Z_AT], n_rows, last_layer[STRIDE])
        if last_layer[ACTIVATION] == SOFTMAX:
            softmax(z, n_out, z)
        else:
            activate(last_layer[ACTIVATION], z.reshape(z.size))
        for r in range(n_rows):
            for j in range(n_out):
                # A sum of no products is a bias that no arithmetic has made zero, if subnormal.
                y = z[r, j]
                predictions[r, j] = math.copysign(tiny - tiny, y) if abs(y) < tiny else y


@program
def train(x, packed, rows, targets, training, rates, dropout, model, slots, memory, done, totals):
    """Train on `rows` of x, one minibatch for each of `rates`.

    slots (n_state, n_slots) is the optimizer state; done (1,) counts all updates so far; totals
    (4,) are sums of weight, loss, correct rows and penalty.
    """
    params, gradient = model.params, memory.gradient
    last_layer = model.layers[len(model.layers) - 1]
    n_weights = last_layer[WEIGHT_AT] + last_layer[N_IN] * last_layer[STRIDE]
    real = params.dtype.type
    penalised = training.l1 != 0 or training.l2 != 0
    for step in range(len(rates)):
        first = step * training.batch_size
        batch = rows[first : first + training.batch_size]
        n_rows = len(batch)
        ahead = rows[first + n_rows : first + 2 * n_rows]
        gather(x, model.layers[0], batch, ahead, packed, memory)
        forward(model, memory, n_rows, packed, dropout, step)
        count, loss, right = _measure(first, n_rows, targets, training, model, memory)
        penalty = 0.0
        in_groups = len(training.factors) > 0
        if training.rule == SGD and not penalised and training.clip_norm == 0 and not in_groups:
            # The gradient is not needed afterwards, so it is never stored.
            rate = real(-rates[step])
            backward(model, memory, n_rows, packed, dropout, step, rate, params)
        else:
            gradient[:] = 0
            backward(model, memory, n_rows, packed, dropout, step, real(1.0), gradient)
            if penalised:
                weights, weight_gradient = params[:n_weights], gradient[:n_weights]
                penalty = add_penalty(training.l1, training.l2, weights, weight_gradient)
            if training.clip_norm != 0:
                clip_to_norm(gradient, training.clip_norm)
            rate, t = rates[step], done[0] + 1
            apply_gradient(training, model.layers, rate, t, params, gradient, slots, memory.squares)
        if training.max_norm != 0:
            for layer in model.layers:
                weight = matrix(params, layer[WEIGHT_AT], layer[N_IN], layer[STRIDE])
                limit_column_norms(weight, layer[N_OUT], training.max_norm, memory.squares)
                if layer[WEIGHT_AT] == 0 and len(slots) > training.n_vectors:
                    _limit_raw(layer, params, slots, training.n_vectors, memory.squares)
        done[0] += 1
        totals[0] += count
        totals[1] += loss
        totals[2] += right
        totals[3] += penalty * count
    _clear_padding(model.layers, params)
    for i in range(min(len(slots), training.n_vectors + 1)):  # not the scales: they have none
        _clear_padding(model.layers, slots[i])


@kernel
def _limit_raw(layer, params, slots, n_vectors, factors):
    """Scale the columns of W as those of V = diag(s) W were, the first layer's weights."""
    n_in, n_out, stride = layer[N_IN], layer[N_OUT], layer[STRIDE]
    raw = slots[n_vectors][: n_in * stride]
    for i in range(n_in):
        for j in range(n_out):
            raw[i * stride + j] *= factors[j]
    write_scaled(params[: n_in * stride], raw, slots[n_vectors + 1], n_in, stride)


@kernel
def _measure(first, n_rows, targets, training, model, memory):
    """Write the last layer's delta; return the sums of weight, loss and correct rows."""
    last = model.layers[len(model.layers) - 1]
    n_out, stride = last[N_OUT], last[STRIDE]
    z = matrix(memory.work, last[Z_AT], n_rows, stride)
    delta = matrix(memory.work, last[DELTA_AT], n_rows, stride)
    weighted = len(targets.weight) > 0
    count, right = 0.0, 0.0
    for r in range(n_rows):
        weight = targets.weight[first + r] if weighted else 1.0
        count += weight
        if training.loss == CROSS_ENTROPY:
            is_right = label_is_largest(z[r], n_out, targets.labels[first + r])
        else:
            is_right = signs_agree(z[r], n_out, targets.target[first + r])
        right += weight if is_right else 0.0
    factor = 1.0
    if training.mean:
        factor = 1.0 / count if count != 0 else 0.0
    row_weight = memory.row_weight[:n_rows]
    for r in range(n_rows):
        row_weight[r] = factor * (targets.weight[first + r] if weighted else 1.0)
    if training.loss == CROSS_ENTROPY:
        labels = targets.labels[first : first + n_rows]
        loss = softmax_cross_entropy(z, n_out, labels, row_weight, training.label_smoothing, delta)
    else:
        target = targets.target[first : first + n_rows]
        loss = elementwise_loss(
            training.loss, training.loss_activation, z, n_out, target, row_weight,
            training.loss_constants, delta,
        )  # fmt: skip
    return count, (loss / factor if factor != 0 else 0.0), right


@kernel
def _clear_padding(layers, buffer):
    """Set the padding of a vector in the layout of the parameters to zero.

    It is zero already unless an input was infinite or NaN: zero times these is not zero.
    """
    for layer in layers:
        n_out, stride = layer[N_OUT], layer[STRIDE]
        for i in range(layer[N_IN]):
            row_at = layer[WEIGHT_AT] + i * stride
            for at in range(row_at + n_out, row_at + stride):
                buffer[at] = 0
        if layer[BIAS_AT] >= 0:
            for at in range(layer[BIAS_AT] + n_out, layer[BIAS_AT] + stride):
                buffer[at] = 0
