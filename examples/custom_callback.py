"""Callbacks: a function that ends a fit, and a class that averages weights over the last epochs.

    python examples/custom_callback.py

Averaging the weights of several epochs often does better than the last of them, at the price of one
more vector: all parameters of a network are one array.
"""

from collections.abc import Mapping

import numpy as np

import fastnn
from fastnn.datasets import digits


class WeightAveraging(fastnn.Callback):
    """Averages the parameters from an epoch on, and puts the mean in place when the fit ends.

    Parameters
    ----------
    first : int
        The first epoch that counts, from 1.
    """

    def __init__(self, first: int) -> None:
        self.first = first

    def on_fit_start(self, network: fastnn.Network) -> None:
        """Begin with nothing: a callback may be used for several fits."""
        self.total, self.count = np.zeros_like(network.parameters, np.float64), 0

    def on_epoch_end(
        self, network: fastnn.Network, epoch: int, record: Mapping[str, float]
    ) -> None:
        """Add this epoch's parameters."""
        if epoch >= self.first:
            self.total += network.parameters
            self.count += 1

    def on_fit_end(self, network: fastnn.Network) -> None:
        """Put the mean in place, also when the fit was interrupted."""
        if self.count:
            network.parameters = self.total / self.count


def good_enough(network: fastnn.Network, epoch: int, record: Mapping[str, float]) -> bool:
    """End the fit when the validation rows are right: a plain function is a callback too."""
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
