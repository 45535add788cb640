"""A table in a CSV file: read, split, standardize, stop early, predict labels.

    python examples/tabular.py [table.csv]

Without a file a synthetic table is generated: three kinds of penguin-like birds, with columns in
grams and in millimetres. The example shows why columns should be standardized.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import fastnn
from fastnn.datasets import read_table


def make_table(path: Path, n_rows: int = 600) -> None:
    """Write a table of birds: mass in grams, flipper and bill in millimetres, and their kind."""
    rng = np.random.default_rng(0)
    kinds = {
        "rockhopper": (2600, 170, 45), "chinstrap": (3700, 196, 49), "gentoo": (5100, 217, 47),
    }  # fmt: skip
    lines = ["mass,flipper,bill,kind"]
    for row in range(n_rows):
        kind = list(kinds)[row % 3]
        mass, flipper, bill = rng.normal(kinds[kind], (500, 9, 4))
        lines.append(f"{mass:.0f},{flipper:.1f},{bill:.1f},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", nargs="?", type=Path, help="a CSV file with a header")
    parser.add_argument("--label", default="kind", help="the column to predict (default: kind)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = options.table
        if path is None:
            path = Path(folder) / "birds.csv"
            make_table(path)
        table = read_table(path, label=options.label)
    data = table.split(test=0.2, validation=0.2, seed=0)
    names = data.class_labels.tolist()
    print(f"{len(table.x)} rows, columns {', '.join(table.feature_names)}, classes {names}")

    # Masses are thousands and lengths tens: a network learns poorly from such columns. The mean and
    # deviation of the training rows are applied to all rows.
    mean, deviation = data.train.x.mean(axis=0), data.train.x.std(axis=0)

    def standardized(x: np.ndarray) -> np.ndarray:
        return (x - mean) / deviation

    def fit(prepare) -> tuple[fastnn.Network, fastnn.History]:
        net = fastnn.Network((table.x.shape[1], 16, len(names)), activation="relu",
                             class_labels=names, dtype="float64", seed=0)  # fmt: skip
        history = net.fit(
            prepare(data.train.x), [names[k] for k in data.train.y],  # labels by name
            epochs=200, batch_size=20, optimizer=fastnn.Adam(0.01), l2=1e-4,
            validation_data=(prepare(data.validation.x), [names[k] for k in data.validation.y]),
            callbacks=fastnn.EarlyStopping("val_loss", patience=15),
        )  # fmt: skip
        return net, history

    truth = [names[k] for k in data.test.y]
    for words, prepare in (("unchanged", lambda x: x), ("standardized", standardized)):
        net, history = fit(prepare)
        measured = net.evaluate(prepare(data.test.x), truth)
        print(f"columns {words}: {history.n_epochs} epochs, test accuracy "
              f"{measured['accuracy']:.1%}, loss {measured['loss']:.3f}")  # fmt: skip

    rows = data.test.x[:3]
    for row, name, p in zip(
        rows, net.predict(standardized(rows)), net.predict_proba(standardized(rows)), strict=True
    ):
        print(f"{row.tolist()}: {name}, {p.max():.0%} sure")


if __name__ == "__main__":
    main()
