"""Formulas in LaTeX become MathML when the site is built: browsers set it, without a script.

A block is a fence ``math``; a formula in a line stands between ``$` `` and `` `$``, as on GitHub.
"""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r"^```math\n(.*?)\n```$|\$`([^`]+)`\$", re.MULTILINE | re.DOTALL)
PLACE = "formula{}ofthispage"  # a word that Markdown leaves alone


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Take the formulas out, before Markdown sees their stars and underscores."""
    page.formulas = []

    def take(found: re.Match[str]) -> str:
        block, inline = found.groups()
        page.formulas.append(convert(inline) if block is None else convert(block, display="block"))
        return PLACE.format(len(page.formulas) - 1)

    return FORMULA.sub(take, markdown)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Put them back as MathML."""
    for i, formula in enumerate(page.formulas):
        html = html.replace(PLACE.format(i), formula, 1)
    return html
