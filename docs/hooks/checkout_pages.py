"""Pages that stand elsewhere in the checkout, so that each text is written once.

``CONTRIBUTING.md``, ``CHANGELOG.md`` and ``bench/README.md`` become pages of the site. Links
between them and the pages in ``docs/`` are written for someone who reads the files; here they are
turned into those of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

CHECKOUT = Path(__file__).parents[2]
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "bench/README.md": "protocol.md",
}
"""File in the checkout → page of the site."""

LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")  # not to the web


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    for source, page in PAGES.items():
        text = (CHECKOUT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links between files into links between pages."""
    own = {page: source for source, page in PAGES.items()}
    path = own.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def to_page(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link[1]))
        to = PAGES.get(target, target.removeprefix("docs/"))
        if to == target:  # not a page: left for MkDocs to complain about
            return link[1]
        return posixpath.relpath(to, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(to_page, markdown)
