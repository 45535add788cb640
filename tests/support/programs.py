"""Comparisons of a backend's programs with the reference's, after several training steps.

How far apart two right backends may end is found by running the reference a few times with each
kernel's outputs moved, at random, anywhere within that kernel's bounds (`Jittered`). What these
runs differ by is what allowed roundings grow to on that very problem: the tolerance is `SAFETY`
times that, one number for each weight matrix and bias. Problems on which it is not small are
rejected, and `test_bounds` shows that one wrong element in one step is caught.

Where a rounding decides between two ways no continuous bound holds: a relu at 0, a residual of 0, a
weight of 0 under L1, a tie for the largest logit. `Watched` finds how near the reference comes to
one.
"""

from typing import NamedTuple

import numpy as np

from fastnn.architecture import aligned_zeros
from fastnn.backends.reference import DERIVATIVE, FORWARD, Reference
from fastnn.optimizers import OptimizerState
from support import bounds
from support.parity import inputs_unchanged
from support.strategies import Guarded

JITTERED_RUNS = 4
SAFETY = 4.0
MOVED = {"float64": 1e-7, "float32": 2e-2}
"""The tolerance, at most, as a fraction of how far training moved the parameters."""
NEAR = {"float64": 1e-10, "float32": 3e-5}
"""How near to a parting of ways the reference may come: 1e5 or 250 roundings of 1."""

DIVERGED = 100.0
"""Parameters start around 1, and learning rates are small."""

reference = Reference()


class Jittered(Reference):
    """The reference, each output moved within its bound."""

    def __init__(self, seed, options=None):
        self.rng = np.random.default_rng(seed)
        self.clips = bool(options and options.clip_norm)
        self.limits = bool(options and options.max_norm)

    def jitter(self, out, bound):
        out += (self.rng.uniform(-1, 1, out.shape) * bound).astype(out.dtype)

    def dense_forward(self, x, weight, bias, activation, out, preactivation=None):
        super().dense_forward(x, weight, bias, "identity", out)
        self.jitter(out, bounds.preactivation(x, weight, bias))
        z = out.copy()
        if preactivation is not None:
            preactivation[...] = z
        out[...] = FORWARD[activation](z)
        if activation != "relu":  # which is exact, and whose zeros mean something
            self.jitter(out, bounds.activation(activation, z, out, 0.0, out.dtype))

    def softmax(self, z, out):
        super().softmax(z, out)
        self.jitter(out, bounds.softmax(out, out.dtype))

    def softmax_cross_entropy(self, z, labels, sample_weight, label_smoothing, delta):
        loss = super().softmax_cross_entropy(z, labels, sample_weight, label_smoothing, delta)
        weight = np.ones(len(z)) if sample_weight is None else sample_weight.astype(float)
        p = np.empty_like(z)
        super().softmax(z, p)
        target = bounds.smoothed(labels, label_smoothing, z.shape[1])
        with np.errstate(divide="ignore"):
            row_loss = np.minimum(-(np.log(np.maximum(p, 1e-300)) * target).sum(axis=1), 1e5)
        value, bound = bounds.softmax_cross_entropy(p, target, row_loss, weight, z.dtype)
        self.jitter(delta, bound)
        return loss + self.rng.uniform(-1, 1) * value

    def elementwise_loss(self, loss, activation, z, target, sample_weight, constants, delta):
        result = super().elementwise_loss(
            loss, activation, z, target, sample_weight, constants, delta
        )
        weight = np.ones(len(z)) if sample_weight is None else sample_weight.astype(float)
        value, bound = bounds.elementwise_loss(
            loss, activation, z, target, weight, constants, z.dtype
        )
        self.jitter(delta, bound)
        return result + self.rng.uniform(-1, 1) * value

    def weight_gradient(self, x, delta, weight_grad, bias_grad):
        super().weight_gradient(x, delta, weight_grad, bias_grad)
        bound, bias_bound = bounds.weight_gradient(x, delta, delta.dtype)
        self.jitter(weight_grad, bound)
        if bias_grad is not None:
            self.jitter(bias_grad, bias_bound)

    def input_gradient(self, delta, weight, activation, y, out):
        super().input_gradient(delta, weight, activation, y, out)
        slope, product = DERIVATIVE[activation](y), delta @ weight.T
        self.jitter(
            out, bounds.input_gradient(delta, weight, activation, y, slope, product, out.dtype)
        )

    def update(self, optimizer, step, params, grads, state):
        if self.clips:  # by a norm that is the root of a sum kept in float64
            grads *= 1 + self.rng.uniform(-1, 1) * bounds.sum_factor(grads.size, np.float64) / 2
        if self.limits:  # at the end of the step before this one, likewise
            params *= 1 + self.rng.uniform(-1, 1) * bounds.sum_factor(params.size, np.float64) / 2
        before, state_before = params.copy(), state.copy()
        super().update(optimizer, step, params, grads, state)
        bound, state_bound = bounds.update(optimizer, step, before, grads, state_before, state)
        bound[(before == 0) & (grads == 0) & (params == 0)] = 0  # the padding
        self.jitter(params, bound)
        if len(state):
            self.jitter(state, np.where(state == 0, 0, state_bound))
            state[-1] = np.abs(state[-1]) if optimizer.n_state == 2 else state[-1]


class Watched(Reference):
    """The reference, noting how near it comes to a parting of ways."""

    def __init__(self, options=None):
        self.nearest = np.inf
        self.watch_params = bool(options and options.l1)

    def note(self, distances):
        distances = np.abs(distances[distances != 0])  # 0 itself is 0 on every backend
        if distances.size:
            self.nearest = min(self.nearest, float(distances.min()))

    def dense_forward(self, x, weight, bias, activation, out, preactivation=None):
        z = np.empty_like(out)
        super().dense_forward(x, weight, bias, activation, out, z)
        if preactivation is not None:
            preactivation[...] = z
        if activation in ("relu", "leaky_relu", "selu"):
            self.note(z)

    def loss(self, architecture, z, y, sample_weight, delta):
        if architecture.output == "sigmoid":
            self.note(z)
        elif architecture.output == "softmax" and z.shape[1] > 1:
            best = np.sort(z, axis=1)
            self.note(best[:, -1] - best[:, -2])
        if architecture.output == "relu":
            self.note(z)
        if architecture.loss in ("absolute_error", "quantile"):
            self.note(FORWARD[architecture.loss_activation](z) - y)
        return super().loss(architecture, z, y, sample_weight, delta)

    def update(self, optimizer, step, params, grads, state):
        if self.watch_params:
            self.note(params)
        super().update(optimizer, step, params, grads, state)


def parameters(rng, architecture):
    """Weights of variance 1 / n_in, so that signals keep their size, and small biases."""
    params = architecture.allocate()
    for layer, weight, bias in architecture.views(params):
        weight[...] = rng.normal(0, layer.n_in**-0.5, weight.shape)
        if bias is not None:
            bias[...] = rng.normal(0, 0.1, bias.shape)
    return params


def targets(rng, architecture, n):
    """Labels, or what the output can predict."""
    if architecture.output == "softmax":
        return rng.integers(0, architecture.n_out, n)
    found = rng.random((n, architecture.n_targets)).astype(architecture.dtype)
    return np.broadcast_to(found, (n, architecture.n_out)) if found.shape[1] == 1 else found


class Problem:
    """A network before training, rows, and how to train on them: one call for each order."""

    def __init__(self, architecture, start, x, y, orders, options, sample_weight=None):
        self.architecture, self.start = architecture, start
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.orders, self.options = orders, options

    def __repr__(self):
        x = self.x if isinstance(self.x, np.ndarray) else self.x.data
        n_rows, seen = self.x.shape[0], [len(order) for order in self.orders]
        return (
            f"Problem({self.architecture}, {n_rows} rows of {x.dtype} in {type(self.x).__name__}, "
            f"{seen} of them seen, weights {self.sample_weight is not None}, {self.options})"
        )

    def train(self, backend):
        """Train a copy of the start; return parameters, slots, results."""
        a, optimizer = self.architecture, self.options.optimizer
        params, margin = guarded_copy(self.start)
        flat = Guarded(optimizer.n_state * a.n_slots, a.dtype)
        slots = flat.view.reshape(optimizer.n_state, a.n_slots)
        slots[...] = 0
        state = OptimizerState(slots)
        rows, options, weight = (self.x, self.y), self.options, self.sample_weight
        with np.errstate(all="ignore"):  # of a training that diverges; which is not suitable
            results = [
                backend.train_epoch(a, params, state, *rows, order, options, weight)
                for order in self.orders
            ]
        n_steps = sum(-(-len(order) // self.options.batch_size) for order in self.orders)
        assert state.step == n_steps
        assert (margin() == Guarded.SENTINEL).all(), "written outside the parameters"
        flat.assert_untouched_around()
        return params, slots, np.array(results)


def guarded_copy(params):
    """A 64-byte aligned copy with guards on both sides, and a function that returns the guards."""
    n, margin = len(params), 16  # 16 elements are one or two vectors
    whole = aligned_zeros(n + 2 * margin, params.dtype)
    whole[...] = Guarded.SENTINEL
    copy = whole[margin : margin + n]
    copy[...] = params
    return copy, lambda: np.concatenate([whole[:margin], whole[margin + n :]])


def tensors(architecture, buffer):
    """Each weight matrix and each bias."""
    found = [*architecture.weights(buffer), *architecture.biases(buffer)]
    return [tensor for tensor in found if tensor is not None]


def padding(architecture, buffer):
    """What lies between the parameters."""
    left = buffer.copy()
    for tensor in tensors(architecture, left):
        tensor[...] = 0
    return left


def is_unambiguous(problem):
    """Whether the reference stays away from where a rounding decides between two ways."""
    watched = Watched(problem.options)
    problem.train(watched)
    return watched.nearest > NEAR[problem.architecture.dtype]


def must_be_suitable(condition):
    assert condition, "a problem on which right backends may differ: choose other data"


class Allowed(NamedTuple):
    """What the reference ends with, and its jittered runs: parameters, slots, results of each."""

    run: tuple
    jittered: list


def allowed(problem, suitable=must_be_suitable):
    """Train the reference; `suitable` is told whether right backends must agree on the problem."""
    suitable(is_unambiguous(problem))
    run = problem.train(reference)
    suitable(np.abs(run[0]).max() < DIVERGED)
    jittered = [problem.train(Jittered(seed, problem.options)) for seed in range(JITTERED_RUNS)]
    return Allowed(run, jittered)


def whole(architecture, vector):
    """The scales of features and their state, which do not lie as the parameters do."""
    return [vector]


def assert_trains_like_the_reference(backend, problem, suitable=must_be_suitable, known=None):
    """Train it; `known` is what `allowed` returned, if that is known already."""
    a, dtype = problem.architecture, problem.architecture.dtype
    (params, slots, results), jittered = known or allowed(problem, suitable)
    inputs = (problem.x, problem.y, problem.sample_weight, *problem.orders)
    with inputs_unchanged(*inputs):
        got_params, got_slots, got_results = problem.train(backend)

    moved = max(np.abs(params - problem.start).max(), bounds.tiny(dtype))
    for i, expected in enumerate(tensors(a, params)):
        others = [tensors(a, run[0])[i] for run in jittered]
        limit = tolerance(expected, others)
        suitable(limit <= MOVED[dtype] * moved or moved < 1e-3)
        assert_near(tensors(a, got_params)[i], expected, limit, f"parameter tensor {i}")
    for k in range(len(slots)):
        is_scales = problem.options.optimizer.scales_features and k == len(slots) - 1
        parts_of = whole if is_scales else tensors
        for i, expected in enumerate(parts_of(a, slots[k])):
            others = [parts_of(a, run[1][k])[i] for run in jittered]
            limit = tolerance(expected, others)
            assert_near(parts_of(a, got_slots[k])[i], expected, limit, f"state {k}, tensor {i}")
        if not is_scales:
            assert not padding(a, got_slots[k]).any(), "padding of the state is not zero"
    assert not padding(a, got_params).any(), "padding of the parameters is not zero"
    for i, name in enumerate(("loss", "accuracy", "penalty")):
        expected = np.nan_to_num(results[:, i])  # NaN where there is no accuracy, or no weight
        limit = tolerance(expected, [np.nan_to_num(run[2][:, i]) for run in jittered])
        limit += bounds.sum_factor(a.n_slots, np.float64) * np.abs(expected).max()
        assert_near(got_results[:, i], results[:, i], limit, name)


def tolerance(expected, others):
    """What jittered runs differ by at most, times `SAFETY`, and a few roundings of the largest."""
    if not expected.size:
        return 0.0
    spread = max(np.abs(other.astype(float) - expected).max() for other in others)
    return SAFETY * float(spread) + 8 * bounds.eps(expected.dtype) * float(np.abs(expected).max())


def assert_near(got, expected, limit, what):
    np.testing.assert_allclose(
        got.astype(float), expected.astype(float), rtol=0, atol=limit, err_msg=what
    )
