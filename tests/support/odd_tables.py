"""Small tables as people publish them: names, missing cells, identifiers, dates, decimal commas."""

import csv

import numpy as np

NETWORKS = ("--epochs", "2", "--estimators", "2", "--layers", "8")
"""Options with which a table is learned in no time."""


def passengers(n=90, seed=0):
    """Rows of a table like that of the Titanic, as a header and rows of text."""
    rng = np.random.default_rng(seed)
    header = ["PassengerId", "Survived", "Pclass", "Name", "Sex", "Age", "Fare", "Boarded"]
    rows = []
    for i in range(n):
        female = rng.random() < 0.4
        pclass = int(rng.integers(1, 4))
        z = 3.0 * female - 0.8 * (pclass - 2) - 1.2
        rows.append(
            [
                str(i + 1),
                str(int(rng.random() < 1 / (1 + np.exp(-z)))),
                str(pclass),
                f"Number {i}, {'Mrs.' if female else 'Mr.'} of the {rng.integers(10**6)} family",
                "female" if female else "male",
                "" if rng.random() < 0.2 else str(int(rng.integers(1, 80))),
                f"{rng.lognormal(3, 1):.4f}",
                f"1912-04-{rng.integers(10, 15)}",
            ]
        )
    return header, rows


def write(path, header, rows, *, delimiter=",", encoding="utf-8"):
    """Write a table of text; without a header if it is None."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows(rows if header is None else [header, *rows])
    return path


def without(header, rows, *names):
    """Return the table without some of its columns."""
    kept = [i for i, name in enumerate(header) if name not in names]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in rows]


def flats(n=80, seed=1):
    """Rows of prices of flats, with decimal commas and German dates."""
    rng = np.random.default_rng(seed)
    header = ["Nr", "Preis", "Fläche", "Verkauft am", "Lage", "Balkon"]
    rows = []
    for i in range(n):
        size, place = rng.uniform(20, 150), ("Süd", "Nord", "West")[rng.integers(3)]
        price = 3000 * size + 20000 * (place == "Süd") + rng.normal() * 5000
        rows.append(
            [
                str(i + 1),
                f"{price:.2f}".replace(".", ","),
                f"{size:.1f}".replace(".", ","),
                f"{rng.integers(13, 29)}.{rng.integers(1, 13):02d}.2021",
                place,
                ("ja", "nein")[rng.integers(2)],
            ]
        )
    return header, rows
