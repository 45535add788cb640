"""One seed, one training: the shuffles and dropout masks of all backends are the same bits."""

import numpy as np

import fastnn
from fastnn.architecture import Architecture
from fastnn.backends.dropout import dropout_mask
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, OptimizerState


def test_shuffles_are_those_of_the_reference(backend, monkeypatch):
    x, y = np.ones((30, 4)), np.arange(30) % 3

    def orders(backend):
        seen, real = [], type(backend).train_epoch

        def train_epoch(self, architecture, params, state, x, y, order, *rest):
            seen.append(order.copy())
            return real(self, architecture, params, state, x, y, order, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(type(backend), "train_epoch", train_epoch)
            net = fastnn.Network((4, 5, 3), backend=backend.name, seed=7)
            net.fit(x, y, epochs=3, batch_size=8, progress=False)
        return seen

    ours, reference = orders(backend), orders(fastnn.get_backend("numpy"))
    assert len(ours) == len({order.tobytes() for order in ours}) == 3
    np.testing.assert_array_equal(ours, reference)


def test_masks_are_those_of_the_reference(backend):
    """Of one row, only the weights into kept units move: which they are tells the mask."""
    architecture = Architecture(
        (3, 70, 90, 2), ("identity", "identity"), "identity", dtype="float64"
    )
    rng = np.random.default_rng(0)
    dropout, seed, steps = (0.3, 0.6), 12345, 4
    options = TrainingOptions(SGD(1e-5), 1, dropout=dropout, dropout_seed=seed)
    params = architecture.allocate()
    weights = architecture.weights(params)
    for weight in weights:
        weight[...] = rng.uniform(0.5, 1.0, weight.shape)
    state = OptimizerState(np.empty((0, architecture.n_slots), params.dtype))
    x, y = np.ones((1, 3)), np.full((1, 2), -1.0)
    for step in range(steps):
        before = [weight.copy() for weight in weights]
        backend.train_epoch(architecture, params, state, x, y, np.zeros(1, np.int64), options)
        for layer, rate in enumerate(dropout):
            moved = (weights[layer] != before[layer]).any(axis=0)
            kept = dropout_mask(seed, step, layer, rate, 1, len(moved))[0]
            np.testing.assert_array_equal(moved, kept)
