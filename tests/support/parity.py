"""Comparisons of a backend's kernels with the reference: one function a kernel.

Each runs both on the same inputs, with outputs inside guarded buffers, and raises an AssertionError
if an element differs by more than `bounds` allow, if an input has changed, or if anything around an
output has. `test_bounds` tests these comparisons.
"""

from contextlib import contextmanager

import numpy as np

from fastnn.architecture import FROM_PREACTIVATION, LOSSES, LOSSES_OF_LOGITS
from fastnn.backends.reference import DERIVATIVE, Reference
from support import bounds
from support.strategies import Guarded, parts

reference = Reference()


def assert_within(got, expected, bound, what):
    """NaN and infinities in the same places, and every other element within its bound."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite], f"{what}: not finite")
    bound = np.broadcast_to(bound, expected.shape)[finite]
    excess = np.abs(got[finite] - expected[finite]) - bound
    wrong = ~(excess <= 0)
    if wrong.any():
        i = int(np.nanargmax(np.where(wrong, np.nan_to_num(excess, nan=np.inf), -1)))
        raise AssertionError(
            f"{what}: {int(wrong.sum())} of {expected.size} elements out of bounds; worst: got "
            f"{got[finite][i]!r}, expected {expected[finite][i]!r} within {bound[i]:.2g}"
        )


ELEMENTWISE_LOSSES = sorted(
    {
        (loss, "identity" if loss in LOSSES_OF_LOGITS else output)
        for output, losses in LOSSES.items()
        for loss in losses
    }
    - {("cross_entropy", "identity")}
)
"""Each loss without softmax, and what it is of."""


@contextmanager
def inputs_unchanged(*inputs):
    """Check that a block leaves its input arrays and CSR matrices as they are."""
    arrays = [
        part
        for x in inputs
        if x is not None
        for part in ((x,) if isinstance(x, np.ndarray) else parts(x))
    ]
    before = [array.copy() for array in arrays]
    yield
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy, "an input was modified")


def dense_forward(backend, x, weight, bias, activation, keep_preactivation=False):
    shape, dtype = (x.shape[0], weight.shape[1]), weight.dtype
    expected, expected_z = np.empty(shape, dtype), np.empty(shape, dtype)
    out = Guarded(shape, dtype)
    z = Guarded(shape, dtype) if keep_preactivation else None
    with np.errstate(over="ignore", invalid="ignore"):
        reference.dense_forward(x, weight, bias, activation, expected, expected_z)
        with inputs_unchanged(x, weight, bias):
            if z is None:
                backend.dense_forward(x, weight, bias, activation, out.view)
            else:
                backend.dense_forward(x, weight, bias, activation, out.view, z.view)
        dz = bounds.preactivation(x, weight, bias)
        dy = bounds.activation(activation, expected_z, expected, dz, dtype)
    assert_within(out.view, expected, dy, f"dense_forward, {activation}")
    out.assert_untouched_around()
    if z is not None:
        assert_within(z.view, expected_z, dz, f"preactivation, {activation}")
        z.assert_untouched_around()


def activation(backend, z, name):
    """The same kernel at n_in = 1 with unit weights, where z is x to the last bit."""
    weight = np.ones((1, 1), z.dtype)
    expected, out = np.empty_like(z), Guarded(z.shape, z.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        reference.dense_forward(z, weight, None, name, expected)
        with inputs_unchanged(z):
            backend.dense_forward(z, weight, None, name, out.view)
        dy = bounds.activation(name, z, expected, 0.0, z.dtype)
    assert_within(out.view, expected, dy, name)


def softmax(backend, z, in_place=False):
    expected, out = np.empty_like(z), Guarded(z.shape, z.dtype)
    with np.errstate(invalid="ignore"):  # a row of −inf is NaN
        reference.softmax(z, expected)
        if in_place:
            out.view[...] = z
            backend.softmax(out.view, out.view)
        else:
            with inputs_unchanged(z):
                backend.softmax(z, out.view)
    assert_within(out.view, expected, bounds.softmax(expected, z.dtype), "softmax")
    out.assert_untouched_around()


def softmax_cross_entropy(backend, z, labels, sample_weight, label_smoothing=0.0):
    expected, out = np.empty_like(z), Guarded(z.shape, z.dtype)
    row = np.empty((1, z.shape[1]), z.dtype)
    weight = np.ones(len(z)) if sample_weight is None else sample_weight.astype(float)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        args = (z, labels, sample_weight, label_smoothing)
        expected_loss = reference.softmax_cross_entropy(*args, expected)
        with inputs_unchanged(z, labels, sample_weight):
            loss = backend.softmax_cross_entropy(*args, out.view)
        p = np.empty_like(z)
        reference.softmax(z, p)
        row_loss = [
            reference.softmax_cross_entropy(
                z[i : i + 1], labels[i : i + 1], None, label_smoothing, row
            )
            for i in range(len(z))
        ]
        target = bounds.smoothed(labels, label_smoothing, z.shape[1])
        bound, delta_bound = bounds.softmax_cross_entropy(
            p, target, np.array(row_loss, float), weight, z.dtype
        )
    assert_within(loss, expected_loss, bound, "softmax_cross_entropy, loss")
    assert_within(out.view, expected, delta_bound, "softmax_cross_entropy, delta")
    out.assert_untouched_around()


def elementwise_loss(backend, loss, activation, z, target, sample_weight, constants):
    expected, out = np.empty_like(z), Guarded(z.shape, z.dtype)
    weight = np.ones(len(z)) if sample_weight is None else sample_weight.astype(float)
    args = (loss, activation, z, target, sample_weight, constants)
    with np.errstate(invalid="ignore", over="ignore"):
        expected_value = reference.elementwise_loss(*args, expected)
        with inputs_unchanged(z, target, sample_weight, constants):
            value = backend.elementwise_loss(*args, out.view)
        bound, delta_bound = bounds.elementwise_loss(
            loss, activation, z, target, weight, constants, z.dtype
        )
    what = f"{loss} of {activation}"
    assert_within(value, expected_value, bound, f"elementwise_loss, {what}")
    assert_within(out.view, expected, delta_bound, f"elementwise_loss, delta of {what}")
    out.assert_untouched_around()


def weight_gradient(backend, x, delta, with_bias=True):
    n_in, n_out, dtype = x.shape[1], delta.shape[1], delta.dtype
    expected, expected_bias = np.empty((n_in, n_out), dtype), np.empty(n_out, dtype)
    grad, bias_grad = Guarded((n_in, n_out), dtype), Guarded(n_out, dtype)
    reference.weight_gradient(x, delta, expected, expected_bias)
    with inputs_unchanged(x, delta):
        backend.weight_gradient(x, delta, grad.view, bias_grad.view if with_bias else None)
    bound, bias_bound = bounds.weight_gradient(x, delta, dtype)
    assert_within(grad.view, expected, bound, "weight_gradient")
    grad.assert_untouched_around()
    if with_bias:
        assert_within(bias_grad.view, expected_bias, bias_bound, "weight_gradient, bias")
    bias_grad.assert_untouched_around()


def input_gradient(backend, delta, weight, name, z):
    """The stored y is made from z as the forward pass makes it."""
    dtype = weight.dtype
    expected, product, y = np.empty_like(z), np.empty_like(z), z
    if name not in FROM_PREACTIVATION:
        y = np.empty_like(z)
        reference.dense_forward(z, np.eye(z.shape[1], dtype=dtype), None, name, y)
    out = Guarded(z.shape, dtype)
    reference.input_gradient(delta, weight, name, y, expected)
    reference.input_gradient(delta, weight, "identity", y, product)
    with inputs_unchanged(delta, weight, y):
        backend.input_gradient(delta, weight, name, y, out.view)
    slope = DERIVATIVE[name](y)
    bound = bounds.input_gradient(delta, weight, name, y, slope, product, dtype)
    assert_within(out.view, expected, bound, f"input_gradient, {name}")
    out.assert_untouched_around()


def update(backend, optimizer, step, params, grads, state):
    n, dtype = len(params), params.dtype
    expected, expected_state = params.copy(), state.copy()
    reference.update(optimizer, step, expected, grads, expected_state)
    out, moments = Guarded(n, dtype), Guarded(state.shape, dtype)
    out.view[...], moments.view[...] = params, state
    with inputs_unchanged(grads):
        backend.update(optimizer, step, out.view, grads, moments.view)
    bound, state_bound = bounds.update(optimizer, step, params, grads, state, expected_state)
    assert_within(out.view, expected, bound, f"update, {optimizer.rule}")
    assert_within(moments.view, expected_state, state_bound, f"update, state of {optimizer.rule}")
    out.assert_untouched_around()
    moments.assert_untouched_around()
