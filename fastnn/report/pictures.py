"""Plots embedded in a page: SVG in the colours of the page, and images as data URLs.

matplotlib draws with placeholder colours for text and series; in the SVG they become
``currentColor`` and variables of the page, so that one plot works in light and dark mode. Text
stays text.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Callable
from html import escape
from io import BytesIO, StringIO
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import imsave

from fastnn.architecture import Array

INK = "#010203"
COLORS = {
    INK: "currentColor",
    "#010204": "var(--first)",
    "#010205": "var(--second)",
    "#010206": "var(--third)",
}
STYLE: dict[str, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.labelsize": 12.5,
    "axes.prop_cycle": cycler(color=[color for color in COLORS if color != INK]),
    "axes.titlecolor": INK,
    "axes.titlesize": 13.0,
    "figure.facecolor": "none",
    "font.size": 15.0,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "legend.fontsize": 12.5,
    "lines.linewidth": 2.0,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 12.5,
    "ytick.color": INK,
    "ytick.labelsize": 12.5,
}
WIDTH = 4.6  # inches, of 72 units each: about the width of a phone, with one unit per pixel

DIVERGING = LinearSegmentedColormap(
    "fastnn-diverging",
    {
        "red": [(0.0, 0.18, 0.18), (0.5, 0.18, 0.92), (1.0, 0.92, 0.92)],
        "green": [(0.0, 0.48, 0.48), (0.5, 0.48, 0.33), (1.0, 0.33, 0.33)],
        "blue": [(0.0, 0.95, 0.95), (0.5, 0.95, 0.24), (1.0, 0.24, 0.24)],
        "alpha": [(0.0, 1.0, 1.0), (0.5, 0.0, 0.0), (1.0, 1.0, 1.0)],
    },
)
"""From blue through transparent to red: zero shows the background of the page."""


def svg(name: str, description: str, height: float, draw: Callable[[Any], object]) -> Markup:
    """Return an SVG element with the plot made by `draw`.

    Parameters
    ----------
    name : str
        Unique on the page: the prefix of ids in the SVG.
    description : str
        For screen readers.
    height : float
        In inches; the width is `WIDTH`.
    draw : function
        Called with an Axes.
    """
    file = StringIO()
    style: Any = STYLE | {"svg.hashsalt": name}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the letters
        figure = Figure((WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(file, format="svg")
    return Markup(_for_page(file.getvalue(), name, description))


def png(image: Array) -> str:
    """Return a grey image (height, width) as a data URL, with the lowest value black."""
    file = BytesIO()
    imsave(file, image, cmap="gray", format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _for_page(text: str, name: str, description: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1">', text, count=1)
    text = re.sub(r"<[^>]*>", lambda tag: _tag_for_page(tag[0], name), text)  # text stays as it is
    text = text.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)
    return re.sub(r"\n\s*", "\n", text).strip()


def _tag_for_page(tag: str, name: str) -> str:
    """Return a tag with unique ids, and the colours and font of the page."""
    tag = re.sub(r'\bid="|url\(#|href="#', lambda found: f"{found[0]}{name}-", tag)
    tag = re.sub(r"font: (?:(\d+) )?([\d.]+)px [^;\"]*", r"font-size: \2px", tag)
    for color, replacement in COLORS.items():
        tag = tag.replace(color, replacement)
    return tag
