"""Figures of boxes: what is multiplied by what, the buffer of parameters, the rooms of the code."""

from __future__ import annotations

from typing import Any

from matplotlib.patches import FancyArrowPatch, Rectangle

from floors import FLOORS
from ink import Ink


def _canvas(figure: Any, width: float, height: float) -> Any:
    axes = figure.subplots()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes


def _box(axes: Any, ink: Ink, x: float, y: float, w: float, h: float, text: str, size: float = 9,
         edge: str | None = None) -> None:  # fmt: skip
    axes.add_patch(
        Rectangle((x, y), w, h, facecolor=ink.fill, edgecolor=edge or ink.blue, linewidth=1.2)
    )
    axes.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize=size)


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=9, color=colour, linewidth=1.1,
        shrinkA=2, shrinkB=2,
    )  # fmt: skip
    axes.add_patch(arrow)


def forward(figure: Any, ink: Ink) -> None:
    """Draw one layer as a product of matrices with their shapes."""
    axes = _canvas(figure, 15.2, 5.2)
    _box(axes, ink, 0.3, 1.2, 4.0, 2.6, "h\n(n, n_in)")
    axes.text(4.8, 2.5, "@", ha="center", va="center", fontsize=13)
    _box(axes, ink, 5.3, 0.5, 2.4, 4.0, "W\n(n_in, n_out)")
    axes.text(8.15, 2.5, "+", ha="center", va="center", fontsize=13)
    _box(axes, ink, 8.6, 2.2, 2.4, 0.6, "b (n_out,)", 8)
    axes.text(11.5, 2.5, "=", ha="center", va="center", fontsize=13)
    _box(axes, ink, 12.0, 1.2, 2.4, 2.6, "z\n(n, n_out)", edge=ink.orange)
    axes.text(2.3, 4.15, "a row an example", ha="center", color=ink.soft, fontsize=8.5)
    axes.text(6.5, 4.75, "a column a unit", ha="center", color=ink.soft, fontsize=8.5)
    axes.text(13.2, 4.15, "next layer: f(z)", ha="center", color=ink.soft, fontsize=8.5)


def backward(figure: Any, ink: Ink) -> None:
    """Draw the chain of a network of two layers, forward above and back below."""
    axes = _canvas(figure, 17.0, 6.0)
    for x, text in ((0.2, "x"), (5.6, "h = f(z₁)"), (11.0, "z₂")):
        _box(axes, ink, x, 4.2, 2.6, 1.1, text)
    _box(axes, ink, 14.9, 4.2, 1.9, 1.1, "loss")
    for x, text in ((3.0, "W₁, b₁"), (8.4, "W₂, b₂")):
        _arrow(axes, (x - 0.15, 4.75), (x + 2.5, 4.75), ink.blue)
        axes.text(x + 1.2, 5.0, text, ha="center", fontsize=8.5)
    _arrow(axes, (13.7, 4.75), (14.8, 4.75), ink.blue)
    _box(axes, ink, 11.0, 2.3, 5.8, 1.0, "δ₂ = (prediction − target) / n", edge=ink.orange)
    _box(axes, ink, 4.5, 2.3, 4.8, 1.0, "δ₁ = (δ₂ @ W₂ᵀ) ∘ f′", edge=ink.orange)
    _arrow(axes, (15.85, 4.1), (15.85, 3.4), ink.orange)
    _arrow(axes, (10.9, 2.8), (9.4, 2.8), ink.orange)
    _box(axes, ink, 11.0, 0.4, 5.8, 1.0, "∂W₂ = hᵀ @ δ₂   ∂b₂ = Σ δ₂", edge=ink.green)
    _box(axes, ink, 4.5, 0.4, 4.8, 1.0, "∂W₁ = xᵀ @ δ₁   ∂b₁ = Σ δ₁", 8.5, edge=ink.green)
    _arrow(axes, (13.9, 2.2), (13.9, 1.5), ink.green)
    _arrow(axes, (6.9, 2.2), (6.9, 1.5), ink.green)
    axes.text(0.2, 4.75 - 1.95, "backward", color=ink.soft, va="center")
    axes.text(0.2, 5.65, "forward", color=ink.soft, va="center")
    axes.text(0.2, 0.9, "gradients", color=ink.soft, va="center")


def buffer(figure: Any, ink: Ink) -> None:
    """Draw the flat buffer of parameters, and one matrix in it with its padding."""
    axes = _canvas(figure, 16.0, 4.6)
    x = 0.2
    for text, w in (("W₁", 6.2), ("W₂", 3.2), ("W₃", 2.2), ("b₁", 1.5), ("b₂", 1.2), ("b₃", 1.0)):
        _box(axes, ink, x, 3.2, w, 0.9, text, edge=ink.blue if "W" in text else ink.orange)
        x += w
    axes.text(0.2, 4.3, "one vector, 64-byte aligned", color=ink.soft, fontsize=8.5)
    for row in range(3):
        _box(axes, ink, 1.6, 1.7 - 0.6 * row, 7.0, 0.5, f"row {row}: n_out numbers", 8)
        axes.add_patch(Rectangle((8.6, 1.7 - 0.6 * row), 1.6, 0.5, facecolor="none",
                                 edgecolor=ink.soft, linewidth=1, linestyle=":"))  # fmt: skip
        axes.text(9.4, 1.95 - 0.6 * row, "zeros", ha="center", va="center", color=ink.soft,
                  fontsize=8)  # fmt: skip
    _arrow(axes, (3.2, 3.15), (3.2, 2.3), ink.soft)
    axes.text(10.5, 1.3, "each row begins on a\nline of 64 bytes", color=ink.soft, fontsize=8.5,
              va="center")  # fmt: skip


def rooms(figure: Any, ink: Ink) -> None:
    """Draw the floors of the house: imports run down only."""
    height = 1.15 * len(FLOORS)
    axes = _canvas(figure, 16.4, height + 0.2)
    for number, floor in enumerate(FLOORS):
        y = 0.2 + 1.15 * number
        width = min(3.0, 11.6 / len(floor) - 0.3)
        left = 1.2 + (11.6 - len(floor) * (width + 0.3)) / 2
        for place, name in enumerate(floor):
            edge = ink.orange if name == "backends" else ink.blue
            _box(axes, ink, left + place * (width + 0.3), y, width, 0.8, name, 8.5, edge)
        if "backends" in floor:
            for x, name in ((11.2, "kernels.cython"), (13.9, "kernels.numba")):
                _box(axes, ink, x, y, 2.4, 0.8, name, 8.5, ink.green)
            _arrow(axes, (left + width + 0.1, y + 0.4), (11.1, y + 0.4), ink.soft)
    _arrow(axes, (0.6, height - 0.2), (0.6, 0.4), ink.soft)
    axes.text(0.35, height / 2, "imports", rotation=90, va="center", ha="center", color=ink.soft)


def cluster(figure: Any, ink: Ink) -> None:
    """Draw a round on a cluster: what travels between client, workers and their sums."""
    axes = _canvas(figure, 20.2, 8.6)
    _box(axes, ink, 0.2, 2.7, 2.8, 1.6, "client\nparameters θ")
    _box(axes, ink, 5.2, 7.5, 4.4, 0.9, "scheduler", edge=ink.soft)
    for number, y in enumerate((5.2, 2.6, 0.0)):
        axes.add_patch(Rectangle((5.2, y + 0.1), 4.4, 1.8, facecolor="none", edgecolor=ink.blue,
                                 linewidth=1.2))  # fmt: skip
        axes.text(7.4, y + 1.55, f"worker {number + 1}", ha="center", va="center", fontsize=8.5)
        for place in (0, 1):
            text = f"partition {2 * number + place + 1}"
            _box(axes, ink, 5.35 + 2.1 * place, y + 0.3, 2.0, 0.85, text, 7.5, ink.orange)
        _arrow(axes, (9.65, y + 1.0), (11.6, 4.7 if y > 3 else 2.3), ink.orange)
    _arrow(axes, (9.65, 3.6), (11.6, 4.7), ink.orange)
    for y in (4.2, 1.8):
        _box(axes, ink, 11.7, y, 1.8, 1.0, "Σ of 8", 8.5, ink.green)
        _arrow(axes, (13.55, y + 0.5), (14.4, 3.5), ink.green)
    _box(axes, ink, 14.5, 3.0, 1.0, 1.0, "Σ", 8.5, ink.green)
    _arrow(axes, (15.55, 3.5), (17.1, 3.5), ink.green)
    _box(axes, ink, 17.2, 2.7, 2.8, 1.6, "client\nouter step\n→ next θ")
    _arrow(axes, (3.05, 3.5), (5.15, 3.5), ink.blue)
    axes.text(4.1, 3.75, "θ, once", ha="center", color=ink.blue, fontsize=8.5)
    for start, end in ((4.55, 5.25), (2.65, 1.95)):
        _arrow(axes, (6.0, start), (6.0, end), ink.blue)
    axes.text(6.3, 4.9, "θ, fetched", va="center", color=ink.blue, fontsize=8.5)
    axes.text(6.3, 2.3, "θ, fetched", va="center", color=ink.blue, fontsize=8.5)
    axes.text(10.6, 6.0, "trained copies,\nweights of rows", color=ink.orange, fontsize=8.5,
              va="center")  # fmt: skip
    axes.text(13.6, 1.1, "sums in float64, on workers", ha="center", color=ink.green, fontsize=8.5)
    axes.text(16.3, 3.75, "one sum", ha="center", color=ink.green, fontsize=8.5)
    _arrow(axes, (1.6, 4.35), (5.15, 7.9), ink.soft)
    _arrow(axes, (7.4, 7.45), (7.4, 7.15), ink.soft)
    axes.text(3.0, 7.3, "which tasks", ha="right", color=ink.soft, fontsize=8.5)
    axes.text(9.9, 7.95, "no rows and no parameters", va="center", color=ink.soft, fontsize=8.5)
