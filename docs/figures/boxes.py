"""Figures of boxes: what is multiplied by what, the buffer of parameters, the rooms of the code."""

from __future__ import annotations

from typing import Any

from matplotlib.patches import FancyArrowPatch, Rectangle

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


ROOMS = {
    "cli": (0.2, 9.0), "sklearn": (3.2, 9.0), "exchange": (6.2, 9.0), "plots": (9.2, 9.0),
    "datasets": (12.2, 9.0),
    "network": (3.2, 6.9), "persistence": (6.2, 6.9),
    "training": (0.2, 4.8), "callbacks": (3.2, 4.8), "evaluation": (6.2, 4.8),
    "backends.base": (3.2, 2.7), "backends.reference": (6.7, 2.7),
    "backends.cython": (10.2, 4.8), "backends.numba": (13.4, 4.8),
    "kernels.cython": (10.2, 2.7), "kernels.numba": (13.4, 2.7),
    "architecture": (0.2, 0.4), "optimizers": (3.5, 0.4), "schedules": (6.7, 0.4),
    "validation": (9.9, 0.4),
}  # fmt: skip
"""Where each room stands: x and y."""

IMPORTS = (
    ("cli", "network"), ("sklearn", "network"), ("exchange", "network"),
    ("plots", "network"), ("network", "training"), ("network", "evaluation"),
    ("persistence", "network"), ("training", "callbacks"), ("training", "backends.base"),
    ("evaluation", "backends.base"), ("backends.reference", "backends.base"),
    ("backends.cython", "kernels.cython"), ("backends.numba", "kernels.numba"),
    ("backends.cython", "backends.base"), ("backends.base", "architecture"),
    ("backends.base", "optimizers"), ("optimizers", "schedules"), ("schedules", "validation"),
)  # fmt: skip
"""The imports that are drawn: the importer first."""


def rooms(figure: Any, ink: Ink) -> None:
    """Draw who imports whom."""
    axes = _canvas(figure, 16.4, 10.4)
    for name, (x, y) in ROOMS.items():
        edge = ink.green if name.startswith("kernels") else ink.blue
        if name.startswith("backends"):
            edge = ink.orange
        _box(
            axes, ink, x, y, 2.9 if "." in name else 2.6, 0.95, name.replace(".", ".\n"), 8.5, edge
        )
    for importer, imported in IMPORTS:
        _arrow(axes, *_between(ROOMS[importer], ROOMS[imported]), ink.soft)


def _between(a: tuple[float, float], b: tuple[float, float]) -> tuple[Any, Any]:
    """Return where an arrow leaves box a and meets box b."""
    (ax, ay), (bx, by) = a, b
    if ay == by:
        return ((ax + 2.6, ay + 0.47), (bx, by + 0.47)) if ax < bx else (
            (ax, ay + 0.47), (bx + 2.9, by + 0.47)
        )  # fmt: skip
    down = ay > by
    return (ax + 1.3, ay if down else ay + 0.95), (bx + 1.3, by + 0.95 if down else by)
