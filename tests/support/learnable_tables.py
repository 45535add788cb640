"""Tables with columns of all kinds, drawn at random, and targets that depend on them."""

from __future__ import annotations

from typing import Any

import numpy as np

CITIES = ("Rome", "Oslo", "Lima", "Cairo")


def mixed_table(n_rows: int, seed: int = 0) -> Any:
    """Return a pandas frame: an identifier, numbers, text, flags, times, some missing."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, n_rows)
    age[rng.random(n_rows) < 0.1] = np.nan
    city = rng.choice(CITIES, n_rows).astype(object)
    city[rng.random(n_rows) < 0.1] = None
    return pd.DataFrame(
        {
            "id": np.arange(1, n_rows + 1),
            "age": age,
            "income": np.exp(rng.normal(10, 1, n_rows)),
            "city": city,
            "member": rng.random(n_rows) < 0.5,
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 900, n_rows), "D"),
            "constant": 7,
        }
    )


def score_of(table: Any, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a number for each row that its columns explain, but for some noise."""
    rng = np.random.default_rng(seed + 1)
    city = table["city"].map({"Rome": 1.0, "Oslo": -1.0, "Lima": 0.5}).fillna(0.0).to_numpy()
    age = (table["age"].fillna(55) / 12).to_numpy()
    noise = rng.normal(0, 0.3, len(table))
    return 2 * city + age + np.where(table["member"], 1.5, 0.0) + noise
