"""Figures that have a twin for dark pages, ``name-dark.svg`` beside ``name.svg``, show both.

The theme hides the one that does not suit the reader's colours.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

FIGURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\.svg\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Add the dark twin behind each figure that has one."""
    folder = posixpath.dirname(page.file.src_uri)

    def both(figure: re.Match[str]) -> str:
        words, name = figure.groups()
        twin = posixpath.normpath(posixpath.join(folder, f"{name}-dark.svg"))
        if files.get_file_from_path(twin) is None:
            return figure[0]
        light, dark = f"{name}.svg#only-light", f"{name}-dark.svg#only-dark"
        return f"![{words}]({light})![{words}]({dark})"

    return FIGURE.sub(both, markdown)
