"""A model for each group of a table: shops whose customers differ, from one column of names.

    python examples/groups.py [n_shops]

One `Ensemble` learns the shops together, in one call, and is saved in one file.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import fastnn


def make_table(n_shops: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return rows (hour, weekday, price) of shops, their sales, and the shop of each row."""
    n_rows = rng.integers(50, 400, n_shops)  # some shops have been open for longer
    shop = np.repeat([f"shop {i:04}" for i in range(n_shops)], n_rows)
    x = rng.uniform(-1, 1, (len(shop), 3)).astype(np.float32)
    taste = np.repeat(rng.normal(size=(n_shops, 3)), n_rows, axis=0)
    sales = taste[:, 0] * np.sin(3 * x[:, 0]) + taste[:, 1] * x[:, 1] - x[:, 2] * taste[:, 2]
    return x, (sales + rng.normal(0, 0.1, len(sales))).astype(np.float32), shop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("n_shops", nargs="?", type=int, default=300)
    n_shops = parser.parse_args().n_shops
    rng = np.random.default_rng(0)
    x, y, shop = make_table(n_shops, rng)
    is_test = rng.random(len(x)) < 0.2
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)

    ensemble = fastnn.Ensemble(
        (3, 16, 1), group_labels=np.unique(shop), activation="tanh", output="identity", seed=0
    )
    history = ensemble.fit(
        x[train], y[train], groups=shop[train], epochs=100, batch_size=32,
        optimizer=fastnn.Adam(0.01),
    )  # fmt: skip
    print(f"{len(ensemble)} models, {len(train):,} rows: {history.seconds:.1f} s")

    each = ensemble.evaluate(x[test], y[test], groups=shop[test], reduce=None)
    together = ensemble.evaluate(x[test], y[test], groups=shop[test])
    median = np.nanmedian(each["r2"])
    print(f"a model per shop: R² {together['r2']:.3f}, of the median shop {median:.3f}")

    one = fastnn.Network((3, 64, 1), activation="tanh", output="identity", seed=0)
    one.fit(x[train], y[train], epochs=20, batch_size=100, optimizer=fastnn.Adam(0.01))
    score = one.evaluate(x[test], y[test])["r2"]
    print(f"one network for all, which is not told the shop: R² {score:.3f}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "shops.safetensors")
        ensemble.save(path)
        loaded = fastnn.load(path)
        print(f"saved: {path.stat().st_size / 1e3:.0f} kB; "
              f"shop 0003 sells {loaded.group('shop 0003').predict(x[:1])[0]:+.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
