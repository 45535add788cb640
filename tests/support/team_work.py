"""A training that is long enough for several threads to share, and to be interrupted."""

import numpy as np

from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, OptimizerState
from support.programs import parameters


class Work:
    """A training that takes some tenths of a second."""

    def __init__(self, n_steps=300):
        rng = np.random.default_rng(0)
        self.architecture = Architecture((200, 128, 10), ("tanh",), "softmax")
        self.start = parameters(rng, self.architecture)
        self.x = rng.random((2000, 200), np.float32)
        self.y = rng.integers(0, 10, 2000)
        self.order = rng.integers(0, 2000, 50 * n_steps)

    def train(self, backend, epochs=1):
        params = self.start.copy()
        state = OptimizerState(np.empty((0, len(params)), params.dtype))
        options = TrainingOptions(SGD(0.01), 50)
        for _ in range(epochs):
            backend.train_epoch(
                self.architecture, params, state, self.x, self.y, self.order, options
            )
        return params
