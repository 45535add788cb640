"""The epochs of ``fastnn train`` as lines: a table of at most 80 columns, or JSON."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from typing import Any

from fastnn.callbacks.base import Callback
from fastnn.cli import options as words
from fastnn.cli import streams
from fastnn.network import Network

MOST_LINES, PAUSE = 30, 0.1
"""With more epochs than this, lines are printed at most every `PAUSE` seconds."""

MOST_SHOWN_OF = 999
"""With more epochs than this, lines omit their total number, for lack of space."""

MOST_NAMED = 99_999_999
"""With more epochs than this, lines also omit the word epoch."""

WIDTH = 8
NOT_SHOWN = ("val_rmse", "val_mae")
"""Metrics that add nothing to R²; here they would refer to standardized targets."""


class EpochLines(Callback):
    """Prints epochs: a few per second if there are many short ones, and the last.

    The lowest validation loss so far is marked.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._printed_at = -math.inf
        self._has_header = False
        self._lowest = math.inf
        self._waiting: tuple[int, Mapping[str, float], bool] | None = None

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Print the epoch, if enough time has passed."""
        is_best = record.get("val_loss", math.inf) < self._lowest
        if is_best:
            self._lowest = record["val_loss"]
        self._waiting = epoch, record, is_best
        many = not self._options.json and self._options.epochs > MOST_LINES
        if not many or record["time"] - self._printed_at >= PAUSE:
            self._print()
        return None

    def on_fit_end(self, network: Network) -> None:
        """Print the last epoch, if not done yet."""
        self._print()

    def state_dict(self) -> dict[str, Any]:
        """Return the lowest validation loss, if there is one."""
        return {} if math.isinf(self._lowest) else {"lowest": self._lowest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the lowest validation loss."""
        self._lowest = float(state.get("lowest", math.inf))

    def _print(self) -> None:
        if self._waiting is None or self._options.quiet:
            return
        epoch, record, is_best = self._waiting
        self._waiting, self._printed_at = None, record["time"]
        with streams.losing_nothing():
            if self._options.json:
                words.print_json({"event": "epoch", "epoch": epoch, **record})
                return
            if not self._has_header:
                self._has_header = True
                self._say(header(record, self._options.epochs))
            self._say(line(epoch, self._options.epochs, record, is_best))

    def _say(self, text: str) -> None:
        if words.shows_progress(self._options):
            from tqdm import tqdm

            with tqdm.external_write_mode(file=sys.stdout):  # above the bar, if there is one
                streams.say_verbatim(f"{text}\n")
        else:
            streams.say_verbatim(f"{text}\n")


def header(record: Mapping[str, float], epochs: int) -> str:
    """Return the table header for such records."""
    names = [f"{name:>{width}}" for name, width in _columns(record).items()]
    best = "  * best" if "val_loss" in record else ""
    return "  ".join([" " * len(_counted(epochs, epochs)), *names]) + best


def line(epoch: int, epochs: int, record: Mapping[str, float], is_best: bool) -> str:
    """Return the table row of an epoch."""
    columns = _columns(record)
    values = [_value(name, record[name.replace(" ", "_")]) for name in columns]
    cells = [f"{v:>{width}}" for v, width in zip(values, columns.values(), strict=True)]
    return "  ".join([_counted(epoch, epochs), *cells]) + ("  *" if is_best else "")


def _columns(record: Mapping[str, float]) -> dict[str, int]:
    """Return the names and widths of the columns."""
    shown = [name.replace("_", " ") for name in record if name not in NOT_SHOWN]
    return {name: max(WIDTH, len(name)) for name in shown}


def _counted(epoch: int, epochs: int) -> str:
    text = f"{epoch:>{len(str(epochs))}}"
    if epochs > MOST_NAMED:
        return text
    text = f"epoch {text}"
    return f"{text}/{epochs}" if epochs <= MOST_SHOWN_OF else text


def _value(name: str, value: float) -> str:
    """Return a value in at most `WIDTH` characters."""
    if name == "time":
        return f"{value:.2f} s" if value < 999 else f"{value:.0f} s"
    if name.endswith("accuracy"):
        return f"{value:.2%}".replace("%", " %")
    if abs(value) < 99:
        return f"{value:.4f}"
    if abs(value) < 99_999:
        return f"{value:.1f}"
    return f"{value:.1e}" if abs(value) < 1e99 else f"{value:.0e}"
