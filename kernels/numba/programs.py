"""The programs: forward through the network, and minibatches of training, in one call each.

They come twice, for dense x and for CSR, because a compiled function is made for the types it is
given; what they share begins where a minibatch has been gathered. A call does all the minibatches
it is given.
"""

from .activations import SOFTMAX, activate
from .compiling import kernel
from .inputs import gather_csr, gather_dense, gather_nonzeros
from .layout import (
    ACTIVATION,
    BIAS_AT,
    DELTA_AT,
    IN_STRIDE,
    INPUT_AT,
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
from .updates import SGD, add_penalty, clip_to_norm, limit_column_norms, update


@kernel
def predict_dense(x, scale, packed, rows, model, memory, dropout, out):
    """Write the predictions for rows of dense x, as many at a time as fit in memory, to out."""
    n_rows = len(memory.row_weight)
    for first in range(0, len(rows), n_rows):
        batch = rows[first : first + n_rows]
        _gather(x, scale, packed, batch, model, memory)
        _predict(model, memory, packed, dropout, out[first : first + n_rows])


@kernel
def predict_csr(x, scale, rows, model, memory, dropout, out):
    """Write the predictions for rows of CSR x, as many at a time as fit in memory, to out."""
    n_rows = len(memory.row_weight)
    for first in range(0, len(rows), n_rows):
        gather_csr(x, scale, rows[first : first + n_rows], memory.nonzeros)
        _predict(model, memory, True, dropout, out[first : first + n_rows])


@kernel
def train_dense(
    x, scale, packed, rows, targets, training, rates, dropout, model, slots, memory, done, totals
):
    """Train on rows of dense x: a minibatch for each of `rates`."""
    for step in range(len(rates)):
        first = step * training.batch_size
        batch = rows[first : first + training.batch_size]
        _gather(x, scale, packed, batch, model, memory)
        _train_step(
            step, len(batch), packed, targets, training, rates[step], dropout, model, slots,
            memory, done, totals,
        )  # fmt: skip
    _clear_all_padding(model, slots)


@kernel
def train_csr(
    x, scale, rows, targets, training, rates, dropout, model, slots, memory, done, totals
):
    """Train on rows of CSR x: a minibatch for each of `rates`."""
    for step in range(len(rates)):
        first = step * training.batch_size
        batch = rows[first : first + training.batch_size]
        gather_csr(x, scale, batch, memory.nonzeros)
        _train_step(
            step, len(batch), True, targets, training, rates[step], dropout, model, slots,
            memory, done, totals,
        )  # fmt: skip
    _clear_all_padding(model, slots)


@kernel
def _gather(x, scale, packed, rows, model, memory):
    """Copy rows of dense x to where the first layer reads its input."""
    first = model.layers[0]
    if packed:
        gather_nonzeros(x, scale, first[N_IN], rows, memory.nonzeros)
    else:
        batch = matrix(memory.work, first[INPUT_AT], len(rows), first[IN_STRIDE])
        gather_dense(x, scale, first[N_IN], rows, batch)


@kernel
def _predict(model, memory, packed, dropout, out):
    """Write the predictions for the minibatch that has been gathered."""
    n_rows = len(out)
    forward(model, memory, n_rows, packed, dropout, 0)
    last = model.layers[len(model.layers) - 1]
    z = matrix(memory.work, last[Z_AT], n_rows, last[STRIDE])
    if last[ACTIVATION] == SOFTMAX:
        softmax(z, last[N_OUT], z)
    else:
        activate(last[ACTIVATION], last[N_OUT], z)
    for r in range(n_rows):
        for j in range(last[N_OUT]):
            out[r, j] = z[r, j]


@kernel
def _train_step(
    step, n_rows, packed, targets, training, rate, dropout, model, slots, memory, done, totals
):
    """One update from the minibatch that has been gathered; `done` counts all updates so far."""
    forward(model, memory, n_rows, packed, dropout, step)
    first = step * training.batch_size
    count, loss, right = _measure(first, n_rows, targets, training, model, memory)
    params, gradient = model.params, memory.gradient
    real = params.dtype.type
    penalty = 0.0
    penalised = training.l1 != 0 or training.l2 != 0
    if training.rule == SGD and not penalised and training.clip_norm == 0:
        # Nothing needs to see the gradient, so it is never stored.
        backward(model, memory, n_rows, packed, dropout, step, real(-rate), params)
    else:
        gradient[:] = 0
        backward(model, memory, n_rows, packed, dropout, step, real(1.0), gradient)
        if penalised:
            n = _weight_slots(model.layers)
            penalty = add_penalty(training.l1, training.l2, params[:n], gradient[:n])
        if training.clip_norm != 0:
            clip_to_norm(gradient, training.clip_norm)
        update(training.rule, training.coefficients, rate, done[0] + 1, params, gradient, slots)
    if training.max_norm != 0:
        for i in range(len(model.layers)):
            layer = model.layers[i]
            weight = matrix(params, layer[WEIGHT_AT], layer[N_IN], layer[STRIDE])
            limit_column_norms(weight, layer[N_OUT], training.max_norm, memory.squares)
    done[0] += 1
    totals[0] += count
    totals[1] += loss
    totals[2] += right
    totals[3] += penalty * count


@kernel
def _measure(first, n_rows, targets, training, model, memory):
    """Write the last layer's delta; return the sums of weight, of loss, and of rows right."""
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
        loss = softmax_cross_entropy(z, n_out, labels, row_weight, delta)
    else:
        target = targets.target[first : first + n_rows]
        loss = elementwise_loss(
            training.loss, z, n_out, target, row_weight, training.huber_delta, delta
        )
    return count, (loss / factor if factor != 0 else 0.0), right


@kernel
def _weight_slots(layers):
    """Return the length of the parameters' prefix that holds the weights."""
    last = layers[len(layers) - 1]
    return last[WEIGHT_AT] + last[N_IN] * last[STRIDE]


@kernel
def _clear_all_padding(model, slots):
    """Set the padding of parameters and optimizer state to zero.

    It is zero already unless an input was infinite or not a number: zero times those is not zero.
    """
    _clear_padding(model.layers, model.params)
    for i in range(len(slots)):
        _clear_padding(model.layers, slots[i])


@kernel
def _clear_padding(layers, buffer):
    for i in range(len(layers)):
        layer = layers[i]
        weight = matrix(buffer, layer[WEIGHT_AT], layer[N_IN], layer[STRIDE])
        weight[:, layer[N_OUT] :] = 0
        if layer[BIAS_AT] >= 0:
            buffer[layer[BIAS_AT] + layer[N_OUT] : layer[BIAS_AT] + layer[STRIDE]] = 0
