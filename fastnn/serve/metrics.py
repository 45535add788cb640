"""Counters of a server, in the text format of Prometheus.

Each process counts in an array of its own, (n_models + 1, n_counters); the last row is for requests
of no known model. With several worker processes the arrays are files in a common folder, and
whichever process is asked adds them up, those of workers that ended too.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CONTENT_TYPE = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")

BUCKETS = (50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5,
           1.0, 2.5, 5.0, 10.0)  # fmt: skip
"""Upper bounds of the latency histogram, in seconds."""

STATUSES = (200, 400, 401, 404, 405, 408, 411, 413, 415, 500, 503)
"""Statuses with a counter of their own; others are counted as 400 or 500."""

_SUFFIX = ".counters"
_ROWS, _SUM = 0, 1
_FIRST_STATUS = 2
_FIRST_BUCKET = _FIRST_STATUS + len(STATUSES)
_N_COUNTERS = _FIRST_BUCKET + len(BUCKETS) + 1


class Metrics:
    """Counts requests, rows, errors and latencies by model.

    Parameters
    ----------
    models : sequence of (str, str)
        Names and versions.
    folder : path-like, optional
        Where the processes of a server keep their counters.
    """

    def __init__(self, models: Sequence[tuple[str, str]], folder: str | None = None) -> None:
        self._models = [*models, ("", "")]
        self._folder = None if folder is None else Path(folder)
        shape = (len(self._models), _N_COUNTERS)
        self._own: NDArray[np.float64] = np.zeros(shape)
        if self._folder is not None:
            path = self._folder / f"{os.getpid()}{_SUFFIX}"
            self._own = np.memmap(path, np.float64, "w+", shape=shape)

    def count(self, number: int | None, status: int, seconds: float, n_rows: int) -> None:
        """Count a request.

        Parameters
        ----------
        number : int or None
            Of the model, among all.
        status : int
        seconds : float
            Only answers (200) enter the histogram.
        n_rows : int
        """
        own = self._own[-1 if number is None else number]
        if status not in STATUSES:
            status = 500 if status >= 500 else 400
        own[_FIRST_STATUS + STATUSES.index(status)] += 1.0
        if status == 200:
            own[_ROWS] += n_rows
            own[_SUM] += seconds
            own[_FIRST_BUCKET + bisect_left(BUCKETS, seconds)] += 1.0

    def total(self) -> NDArray[np.float64]:
        """Return the counters of all processes, (n_models + 1, n_counters)."""
        if self._folder is None:
            return self._own
        total = np.zeros_like(self._own, subok=False)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError, ValueError):  # a worker that begins just now
                total += np.fromfile(path, np.float64).reshape(total.shape)
        return total

    def text(self) -> str:
        """Return all counters in Prometheus' text format."""
        total = self.total()
        labels = [
            f'model="{_escaped(name)}",version="{_escaped(version)}"'
            for name, version in self._models
        ]
        lines = _head("fastnn_requests_total", "counter", "Requests, by HTTP status.")
        for of_model, row in zip(labels, total.tolist(), strict=True):
            for i, status in enumerate(STATUSES):
                if row[_FIRST_STATUS + i]:
                    n = row[_FIRST_STATUS + i]
                    lines.append(f'fastnn_requests_total{{{of_model},status="{status}"}} {n:.0f}')
        known = list(zip(labels, total.tolist(), strict=True))[:-1]
        lines += _head("fastnn_errors_total", "counter", "Requests answered with an error.")
        for of_model, row in zip(labels, total.tolist(), strict=True):
            n = sum(row[_FIRST_STATUS + 1 : _FIRST_BUCKET])
            lines.append(f"fastnn_errors_total{{{of_model}}} {n:.0f}")
        lines += _head("fastnn_rows_total", "counter", "Rows that were predicted.")
        lines += [f"fastnn_rows_total{{{of_model}}} {row[_ROWS]:.0f}" for of_model, row in known]
        name = "fastnn_request_seconds"
        lines += _head(name, "histogram", "Seconds from the headers to the response, if 200.")
        for of_model, row in known:
            below = 0.0
            for bound, n in zip((*BUCKETS, "+Inf"), row[_FIRST_BUCKET:], strict=True):
                below += n
                lines.append(f'{name}_bucket{{{of_model},le="{bound}"}} {below:.0f}')
            lines.append(f"{name}_sum{{{of_model}}} {row[_SUM]!r}")
            lines.append(f"{name}_count{{{of_model}}} {below:.0f}")
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
