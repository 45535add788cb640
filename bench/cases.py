"""The nets, data and initial weights that training and prediction are measured on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CHECKOUT = Path(__file__).resolve().parents[1]
SEED = 777
N_CLASSES = 10
MADE_TEST_ROWS = 2000  # of digits made in place of MNIST
PIXEL = 1.0 / 255.0  # what a byte of an image is multiplied by


@dataclass(frozen=True)
class Net:
    """A dense softmax classifier with biases: sizes, and one activation for its hidden layers."""

    sizes: tuple[int, ...]
    activation: str

    @property
    def multiply_adds(self) -> int:
        """Of one row's forward pass."""
        return sum(a * b for a, b in zip(self.sizes[:-1], self.sizes[1:], strict=True))

    def initial_parameters(self, bias_radius: float = 0.0, seed: int = SEED) -> list[Array]:
        """Weights (n_in, n_out), then biases (n_out,): uniform, Glorot and Bengio (2010)."""
        rng = np.random.default_rng(seed)
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        radii = [np.sqrt(6.0 / (n_in + n_out)) for n_in, n_out in pairs]
        weights = [
            rng.uniform(-radius, radius, shape).astype(np.float32)
            for radius, shape in zip(radii, pairs, strict=True)
        ]
        biases = [rng.uniform(-bias_radius, bias_radius, n_out) for n_out in self.sizes[1:]]
        return weights + [bias.astype(np.float32) for bias in biases]

    def __str__(self) -> str:
        return "-".join(str(n) for n in self.sizes) + f" {self.activation}"


@dataclass(frozen=True)
class TrainCase:
    """One row of the training table.

    Attributes
    ----------
    data : {"mnist", "random"}
        What `load` makes the rows from.
    steps, epochs : int
        Minibatches in a pass over the rows, at most; passes in one timed fit. Long enough that what
        a fit costs once is paid in the proportion in which a user pays it.
    """

    name: str
    net: Net
    batch_size: int
    optimizer: str
    learning_rate: float
    data: str
    steps: int
    epochs: int = 1
    default: bool = True

    @property
    def flops(self) -> float:
        """Of one step, if dense: forward, weight gradient, and input gradient above layer 1."""
        first = self.net.sizes[0] * self.net.sizes[1]
        return 2.0 * self.batch_size * (3 * self.net.multiply_adds - first)


TRAIN_CASES = (
    TrainCase("mnist-sgd", Net((784, 100, 10), "sigmoid"), 100, "sgd", 0.5, "mnist", 600),
    TrainCase("mnist-adam", Net((784, 128, 10), "relu"), 128, "adam", 1e-3, "mnist", 468),
    TrainCase("small-sgd", Net((64, 32, 10), "relu"), 32, "sgd", 0.1, "random", 300, epochs=10),
    TrainCase("small-adam", Net((64, 32, 10), "relu"), 32, "adam", 1e-3, "random", 300, epochs=10),
    TrainCase("dense-512", Net((784, 512, 512, 10), "relu"), 128, "sgd", 0.05, "random", 64),
    TrainCase(
        "dense-2048",
        Net((784, 2048, 2048, 10), "relu"),
        256,
        "sgd",
        0.05,
        "random",
        16,
        default=False,
    ),
)


@dataclass(frozen=True)
class PredictCase:
    """One row of the prediction table: `n_rows` rows a call, from `data`."""

    name: str
    net: Net
    n_rows: int
    data: str
    default: bool = True

    @property
    def flops(self) -> float:
        """Of one call, if dense."""
        return 2.0 * self.n_rows * self.net.multiply_adds


PREDICT_NETS = {
    "small": Net((64, 32, 10), "relu"),
    "medium": Net((784, 100, 10), "sigmoid"),
    "wide": Net((784, 1024, 10), "relu"),
}
PREDICT_CASES = tuple(
    PredictCase(f"{name}-{data}-{n_rows}", net, n_rows, data)
    for name, net in PREDICT_NETS.items()
    for data in ("random", "mnist")
    for n_rows in (1, 32, 10_000)
    if data == "random" or net.sizes[0] == 784
)


@dataclass(frozen=True)
class Data:
    """Inputs x (n, n_in), float32 or uint8, integer labels y (n,), and where they are from."""

    x: Array
    y: NDArray[np.int64]
    source: str

    def __str__(self) -> str:
        return (
            f"{self.source}, {self.x.dtype}, {np.count_nonzero(self.x) / self.x.size:.0%} non-zero"
        )


def load(data: str, net: Net, n_rows: int, folder: str | None) -> Data:
    """Return at most `n_rows` rows of the data set "mnist", or exactly so many of "random"."""
    return random(net, n_rows) if data == "random" else images(n_rows, folder)[0]


def as_float32(x: Array) -> NDArray[np.float32]:
    """Return x as a network of float32 sees it; for peers, before the clock starts."""
    if x.dtype == np.uint8:
        return np.multiply(x, np.float32(PIXEL), dtype=np.float32)
    return np.asarray(x, np.float32)


def random(net: Net, n_rows: int, density: float = 1.0, dtype: str = "float32") -> Data:
    """Normal inputs, or bytes, labelled by a random linear map: learnable.

    A share `density` of them is not zero, scattered without any order.
    """
    rng = np.random.default_rng(SEED)
    shape = (n_rows, net.sizes[0])
    if dtype == "uint8":
        x: Array = rng.integers(1, 256, shape, np.uint8)
    else:
        x = rng.standard_normal(shape, dtype=np.float32)
    if density < 1.0:
        x[rng.random(shape, np.float32) >= density] = 0
    teacher = rng.standard_normal((net.sizes[0], N_CLASSES), dtype=np.float32)
    return Data(x, (x @ teacher).argmax(axis=1), "random numbers")


def images(n_rows: int, folder: str | None) -> tuple[Data, Data]:
    """Return at most `n_rows` rows of MNIST's training images, and all of its test images."""
    from fastnn import datasets

    found = _mnist_folder(folder)
    if found is None:
        made = datasets.digits(n_rows + MADE_TEST_ROWS, test=MADE_TEST_ROWS)
        source = "digits made by fastnn (no MNIST folder named)"
        return Data(made.train.x, made.train.y, source), Data(made.test.x, made.test.y, source)
    mnist = datasets.mnist(found, validation=0)
    train = Data(mnist.train.x[:n_rows], mnist.train.y[:n_rows], "MNIST")
    return train, Data(mnist.test.x, mnist.test.y, "MNIST")


def _mnist_folder(named: str | None) -> Path | None:
    named = named or os.environ.get("FASTNN_MNIST_DIR")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not a folder; expected one with MNIST's four files")
    return folder


def select(cases: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Return the cases named, or those that run by default; a name may end in ``*``."""
    if not names:
        return [case for case in cases if case.default]
    chosen = [case for case in cases if any(Path(case.name).match(name) for name in names)]
    for name in names:
        if not any(Path(case.name).match(name) for case in cases):
            raise SystemExit(f"no case {name!r}; there are: {', '.join(c.name for c in cases)}")
    return chosen
