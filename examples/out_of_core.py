"""Train on more rows than fit in memory, from files on the disk.

    python examples/out_of_core.py --rows 200000

The rows are first written to a file in pieces. Then a network is trained on the file in two
ways: with `partial_fit`, one piece at a time, and with one `fit` over the memory map.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import fastnn

N_IN, N_CLASSES, PIECE = 64, 5, 20_000


def write(folder: Path, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Write inputs and labels to files; return memory maps of them."""
    rng = np.random.default_rng(0)
    teacher = rng.standard_normal((N_IN, N_CLASSES), np.float32)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (n_rows, N_IN))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int64, (n_rows,))
    for first in range(0, n_rows, PIECE):
        rows = slice(first, min(first + PIECE, n_rows))
        x[rows] = rng.standard_normal((rows.stop - first, N_IN), np.float32)
        y[rows] = (x[rows] @ teacher).argmax(axis=1)
    x.flush()
    y.flush()
    return np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy", mmap_mode="r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        x, y = write(Path(folder), options.rows)
        print(f"{options.rows:,} rows, {x.nbytes / 1e6:.0f} MB in {folder}")
        n_test = min(PIECE, options.rows // 5)
        x, y, test = x[n_test:], y[n_test:], (x[:n_test], y[:n_test])

        net = fastnn.Network((N_IN, 64, N_CLASSES), activation="relu", seed=0)
        start = time.perf_counter()
        for epoch in range(1, options.epochs + 1):
            # Shuffle the pieces in each epoch; partial_fit shuffles the rows within a piece.
            pieces = np.arange(0, len(x), PIECE)
            np.random.default_rng(epoch).shuffle(pieces)
            for first in pieces:
                rows = slice(first, first + PIECE)
                net.partial_fit(np.asarray(x[rows]), y[rows], optimizer=fastnn.Adam(0.003))
            print(f"epoch {epoch}: test accuracy {net.evaluate(*test)['accuracy']:.2%}")
        print(f"pieces: {time.perf_counter() - start:.2f} s")

        # fit reads the rows of each minibatch from the memory map. With shuffle="blocks" it reads
        # blocks of consecutive rows, and mixes the rows of many blocks.
        net = fastnn.Network((N_IN, 64, N_CLASSES), activation="relu", seed=0)
        history = net.fit(
            x, y, epochs=options.epochs, optimizer=fastnn.Adam(0.003), shuffle="blocks"
        )
        print(f"memory map: {history['time'][-1]:.2f} s, test accuracy "
              f"{net.evaluate(*test)['accuracy']:.2%}")  # fmt: skip
        del x, y, test


if __name__ == "__main__":
    main()
