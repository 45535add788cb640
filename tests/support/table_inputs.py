"""Random tables of mixed columns, and what an exported graph or header takes of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.tabular import as_frame
from fastnn.tabular.kinds import as_kind

WORDS = ("Rome", "Oslo", "Lima", "Köln", "東京", "a b", "7", "x" * 300, "tab\tbed", "7.5", "null")
UNSEEN = ("Paris", "rome", "Rome ", "", " ", "\t")
EXTREMES = (0.0, -0.0, 1e308, -1e308, 5e-324, 1e-30, 1e30)


def random_table(seed: int, n_rows: int = 40, *, numbers_only: bool = False) -> Any:
    """Return a training table, one to predict, and the `kinds` to learn columns with."""
    rng = np.random.default_rng([seed, 5])
    draws = (_number, _flag) if numbers_only else (_number, _flag, _text, _time, _number_as_text)
    train: dict[str, list[Any]] = {"constant": [3] * n_rows}
    later: dict[str, list[Any]] = {"constant": [3] * n_rows}
    kinds: dict[str, Any] = {}
    for i in range(int(rng.integers(1, 9))):
        draw = draws[rng.integers(len(draws))]
        name = f"{draw.__name__[1:]} {i} (°)"
        train[name], later[name], kind = draw(rng, n_rows)
        if kind is not None:
            kinds[name] = kind
        if rng.random() < 0.15:  # one value, or none
            value = train[name][0]
            train[name] = [value if rng.random() < 0.6 else None for _ in range(n_rows)]
            train[name][:2] = value, None
            kinds.pop(name, None)
        elif rng.random() < 0.5:
            train[name] = [None if rng.random() < 0.2 else v for v in train[name]]
        later[name] = [None if rng.random() < 0.2 else v for v in later[name]]
    train["last"] = [float(v) for v in rng.normal(size=n_rows)]  # so that there is one to read
    later["last"] = [float(v) for v in rng.normal(size=n_rows)]
    return train, later, kinds


def _number(rng: Any, n_rows: int) -> Any:
    center = rng.choice([0.0, 1.0, -50.0, 1e9, 1e-20, 1e200])
    scale = abs(center) * rng.choice([1e-9, 0.1, 3.0]) or rng.choice([1.0, 1e-5])
    x = center + scale * rng.standard_t(2, (2, n_rows))
    if rng.random() < 0.3:
        x = np.round(x)
    if rng.random() < 0.2:
        x[0, :-3] = x[0, 0]  # so that the quartiles are equal
    later = np.where(rng.random(n_rows) < 0.2, rng.choice(EXTREMES, n_rows), x[1])
    return x[0].tolist(), later.tolist(), None


def _flag(rng: Any, n_rows: int) -> Any:
    train, later = (rng.random((2, n_rows)) < 0.4).tolist()
    return train, later, None


def _text(rng: Any, n_rows: int) -> Any:
    words = rng.permutation(np.array(WORDS, object))[: rng.integers(2, len(WORDS) + 1)]
    weight = rng.dirichlet(np.ones(len(words)))
    train, later = rng.choice(words, (2, n_rows), p=weight).tolist()
    later = [rng.choice(UNSEEN) if rng.random() < 0.3 else word for word in later]
    kind = rng.choice([None, "category", "ordered"])
    if kind == "ordered" and rng.random() < 0.5:
        kind = [*rng.permutation(np.array(words, object)).tolist(), "never"]
    return train, later, kind


def _number_as_text(rng: Any, n_rows: int) -> Any:
    train, later = rng.integers(0, 6, (2, n_rows)).tolist()
    return train, later, rng.choice(["category", "ordered"])


def _time(rng: Any, n_rows: int) -> Any:
    center = int(rng.choice([0, -(10**16), 1_700_000_000_000_000, 3 * 10**15]))
    spread = int(rng.choice([10**9, 10**11, 10**13, 2 * 10**15]))
    times = center + rng.integers(-spread, spread, (2, n_rows))
    far = rng.integers(-(2**55), 2**55, n_rows)  # about a thousand years
    times[1] = np.where(rng.random(n_rows) < 0.2, far, times[1])
    train, later = times.astype("datetime64[us]")
    return list(train), list(later), None


def graph_inputs(columns: Any, table: Any, dtype: Any = np.float64) -> dict[str, Any]:
    """Return a table as the inputs of an exported graph."""
    frame, found = as_frame(table), {}
    for read in columns.table:
        if read.encoding is None:
            continue
        column = as_kind(frame[read.name], read.encoding.kind)
        values = column.values
        if column.kind == "text":
            values = np.array(["" if value is None else value for value in values], object)
        elif column.kind == "time":
            values = values.astype(np.int64)
        else:
            values = values.astype(dtype)
        found[read.name] = values.reshape(-1, 1)
    return found


def numbers_of(columns: Any, table: Any) -> Any:
    """Return a table of numbers and flags as the rows of a header, (n_rows, n_columns)."""
    return np.hstack(list(graph_inputs(columns, table).values()))
