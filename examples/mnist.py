"""Train a network on MNIST, list its most frequent mistakes, save it, and load it again.

    python examples/mnist.py --epochs 5

MNIST is read from the folder FASTNN_MNIST_DIR, or downloaded with ``--download``;
without either, synthetic digits are used instead.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

import fastnn
from fastnn.datasets import digits, mnist


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--download", action="store_true", help="download MNIST if it is missing")
    options = parser.parse_args()

    here = options.download or os.environ.get("FASTNN_MNIST_DIR")
    data = mnist() if here else digits(validation=2000)
    print(f"{data.name}: {len(data.train):,} training rows of {data.train.x.dtype}")

    # The images stay bytes: the network multiplies them by input_scale, 1/255, as it reads them.
    net = fastnn.Network((784, options.hidden, 10), activation="relu", init="he", seed=0)
    n_steps = options.epochs * -(-len(data.train) // 100)
    history = net.fit(
        *data.train,
        epochs=options.epochs,
        optimizer=fastnn.Adam(fastnn.schedules.Cosine(0.003, n_steps)),
        validation_data=data.validation,
    )
    for epoch, (loss, accuracy) in enumerate(
        zip(history["val_loss"], history["val_accuracy"], strict=True), start=1
    ):
        print(f"epoch {epoch}: validation loss {loss:.4f}, accuracy {accuracy:.2%}")
    print(f"{history['time'][-1]:.2f} s in all")

    measured = net.evaluate(*data.test)
    print(f"test: loss {measured['loss']:.4f}, accuracy {measured['accuracy']:.2%}")

    # The confusion matrix: rows are true labels, columns are predictions.
    confused = np.zeros((10, 10), int)
    np.add.at(confused, (data.test.y, net.predict(data.test.x)), 1)
    np.fill_diagonal(confused, 0)
    for flat in confused.ravel().argsort()[:-4:-1]:
        truth, said = divmod(int(flat), 10)
        print(f"a {truth} was predicted as a {said} {confused[truth, said]} times")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"
        net.save(path)
        again = fastnn.load(path)
        print(f"{path.stat().st_size:,} bytes; bit-identical after loading:",
              np.array_equal(again.parameters, net.parameters))  # fmt: skip


if __name__ == "__main__":
    main()
