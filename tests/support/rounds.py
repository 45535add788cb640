"""Rounds over partitions, written once more in the plainest way, in one process."""

import numpy as np

from fastnn.backends import get_backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import OptimizerState


def plain_rounds(network, parts, backend, *, epochs, n_rounds, batch_size, optimizer, options,
                 shuffle=True, rule=None):  # fmt: skip
    """Train a network as `fastnn.dask.fit` describes it; return the losses of the rounds.

    Each part is (x, y, weights), checked; `rule` is the outer optimizer's (rate, momentum).
    """
    a, backend = network.architecture, get_backend(backend)
    n_rounds = min(n_rounds, max(-(-len(y) // batch_size) for _, y, _ in parts))
    seed = int(network.rng.integers(2**63))
    slots, step = np.zeros((optimizer.n_state, a.n_slots), a.dtype), 0
    velocity, losses = 0.0, []
    for number in range(epochs * n_rounds):
        results = [
            trained(a, backend, network.parameters, slots, step, seed, number, i, part,
                    n_rounds, batch_size, optimizer, options, shuffle)
            for i, part in enumerate(parts)
        ]  # fmt: skip
        total, sums = summed([(w, w * vectors.astype(np.float64)) for w, vectors, *_ in results])
        if not total:
            losses.append(np.nan)
            continue
        mean = sums / total
        losses.append(sum(w * loss for w, _, _, loss in results if w) / total)
        step = max(each[2] for each in results)
        before = network.parameters.astype(np.float64)
        if rule is None:
            after = mean[0]
        else:
            rate, momentum = rule
            gradient = before - mean[0]
            velocity = momentum * velocity + gradient if number else gradient
            after = before - rate * (gradient + momentum * velocity)
        network.parameters[...] = after.astype(a.dtype)
        slots = mean[1:].astype(a.dtype)
    return losses


def trained(a, backend, parameters, slots, step, seed, number, i, part, n_rounds, batch_size,
            optimizer, options, shuffle):  # fmt: skip
    """Train one partition for one round."""
    x, y, weights = part
    number_of_pass, k = divmod(number, n_rounds)
    n = len(y)
    order = np.arange(n)
    if shuffle:
        order = np.random.default_rng([seed, i, number_of_pass]).permutation(n)
    batches = [order[first : first + batch_size] for first in range(0, n, batch_size)]
    ours = batches[len(batches) * k // n_rounds : len(batches) * (k + 1) // n_rounds]
    copy, own_slots = a.allocate(), slots.copy()
    copy[...] = parameters
    masks = int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0]) >> 1
    state = OptimizerState(own_slots, step)
    rows = np.concatenate([*ours, np.empty(0, np.int64)]).astype(np.int64)
    if not len(rows):
        return 0.0, np.concatenate([copy[None], own_slots]), step, np.nan
    told = TrainingOptions(optimizer, batch_size, dropout_seed=masks, **options)
    result = backend.train_epoch(a, copy, state, x, y, rows, told, weights)
    weight = float(len(rows) if weights is None else weights[rows].sum())
    return weight, np.concatenate([copy[None], own_slots]), state.step, result.loss


def summed(pairs):
    """Add pairs of a weight and an array: eight neighbours at a time, until one is left."""
    while True:
        pairs = [
            (float(sum(w for w, _ in group)), added([v for w, v in group if w], group[0][1]))
            for group in (pairs[i : i + 8] for i in range(0, len(pairs), 8))
        ]
        if len(pairs) == 1:
            return pairs[0]


def added(arrays, like):
    """Add arrays in their order, to zeros."""
    total = np.zeros_like(like)
    for array in arrays:
        total = total + array
    return total
