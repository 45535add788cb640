"""Callbacks: a function that stops a fit, and a class that averages weights over the last epochs.

    python examples/custom_callback.py

Averaged weights of several epochs are often better than the last ones, at the cost of one
more vector: all parameters of a network are one array.
"""

from collections.abc import Mapping

import numpy as np

import fastnn
from fastnn.datasets import digits


class WeightAveraging(fastnn.Callback):
    """Averages the parameters from a given epoch on, and sets them to the mean when the fit ends.

    Parameters
    ----------
    first : int
        The first epoch to include, from 1.
    """

    def __init__(self, first: int) -> None:
        self.first = first

    def on_fit_start(self, network: fastnn.Network) -> None:
        """Reset the sum: a callback may be used for several fits."""
        self.total, self.count = np.zeros_like(network.parameters, np.float64), 0

    def on_epoch_end(
        self, network: fastnn.Network, epoch: int, record: Mapping[str, float]
    ) -> None:
        """Add this epoch's parameters."""
        if epoch >= self.first:
            self.total += network.parameters
            self.count += 1

    def on_fit_end(self, network: fastnn.Network) -> None:
        """Set the parameters to the mean, also if the fit was interrupted."""
        if self.count:
            network.parameters = self.total / self.count


def good_enough(network: fastnn.Network, epoch: int, record: Mapping[str, float]) -> bool:
    """Stop at a validation accuracy of 0.999: a plain function is a callback too."""
    return record["val_accuracy"] >= 0.999


def main() -> None:
    data = digits(8000, validation=1000, test=3000)
    for words, callbacks in (
        ("last epoch", [good_enough]),
        ("mean of epochs 6 to 15", [good_enough, WeightAveraging(first=6)]),
    ):
        net = fastnn.Network((784, 64, 10), activation="relu", seed=0)
        history = net.fit(
            *data.train, epochs=15, batch_size=20, optimizer=fastnn.RMSprop(0.003),
            validation_data=data.validation, callbacks=callbacks,
        )  # fmt: skip
        measured = net.evaluate(*data.test)
        print(f"{words}: {history.n_epochs} epochs, test loss {measured['loss']:.4f}, "
              f"accuracy {measured['accuracy']:.2%}")  # fmt: skip


if __name__ == "__main__":
    main()
