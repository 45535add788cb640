"""How all figures look: two sets of colours, no background, text as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Ink:
    """Colours on a light or a dark page."""

    text: str
    soft: str
    blue: str
    orange: str
    green: str
    red: str
    violet: str
    fill: str

    @property
    def lines(self) -> tuple[str, ...]:
        """Colours of lines, to be told apart by more than hue where it matters."""
        return (self.blue, self.orange, self.green, self.red, self.violet, self.text)


LIGHT = Ink("#24292f", "#6e7781", "#0b5cad", "#b35900", "#1a7f37", "#c62f39", "#7a3fb0", "#e3ecf6")
DARK = Ink("#e6e9ee", "#9aa4b1", "#6cb2ff", "#f0a050", "#5fcf80", "#ff8080", "#c8a2f0", "#2f3b4d")


def draw(
    path: Path, size: tuple[float, float], drawing: Callable[[Figure, Ink], Any]
) -> list[Path]:
    """Write ``path`` and its twin for dark pages; return both paths."""
    twin = path.with_name(f"{path.stem}-dark{path.suffix}")
    for ink, to in ((LIGHT, path), (DARK, twin)):
        style = {
            "svg.fonttype": "none",
            "svg.hashsalt": path.stem,  # the same file at each run
            "font.family": "sans-serif",
            "font.size": 9.5,
            "text.color": ink.text,
            "axes.labelcolor": ink.text,
            "axes.edgecolor": ink.soft,
            "axes.facecolor": "none",
            "xtick.color": ink.soft,
            "ytick.color": ink.soft,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "mathtext.fontset": "dejavusans",
        }
        with matplotlib.rc_context(style):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasAgg(figure)
            drawing(figure, ink)
            figure.savefig(to, transparent=True, metadata={"Date": None})
    return [path, twin]
