"""Results as they come: a JSON object per line, appended and flushed at once.

A run that was stopped goes on where it was: what the file holds is not measured again. Files can be
concatenated. Of several results of the same fold the last one counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Key = tuple[str, str, int, int | None]


def key(result: Result) -> Key:
    """Return what a result is of: set, peer, fold, and how many rows the set was cut to."""
    return result["set"], name_of(result), result["fold"], result.get("max_rows")


def name_of(result: Result) -> str:
    """Return the peer, with the tag of its run."""
    tag = result.get("tag")
    return f"{result['peer']}@{tag}" if tag else str(result["peer"])


class Journal:
    """A file of results.

    Parameters
    ----------
    path : str or Path
        Made if it is not there, with its folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, result: Result) -> None:
        """Write a result, whole: what was cut off by a crash before stays a line of its own."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            torn = b""
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                torn = b"" if file.read(1) == b"\n" else b"\n"
            file.write(torn + json.dumps(result).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def done(self, retry: bool = False) -> set[Key]:
        """Return what need not be measured: all there is, or, to `retry`, what was measured."""
        results = latest(read([self.path])) if self.path.exists() else []
        return {key(r) for r in results if r["status"] == "measured" or not retry}


def read(paths: Iterable[str | Path]) -> Iterator[Result]:
    """Yield the results of files, in their order; lines that were cut off are left out."""
    for path in paths:
        with Path(path).open(encoding="utf-8") as file:
            for line in file:
                try:
                    result = json.loads(line)
                except ValueError:
                    continue
                yield result


def latest(results: Iterable[Result]) -> list[Result]:
    """Return the last result of each set, peer and fold; one that was measured wins over none."""
    found: dict[Key, Result] = {}
    for result in results:
        before = found.get(key(result))
        if before is None or result["status"] == "measured" or before["status"] != "measured":
            found[key(result)] = result
    return list(found.values())
