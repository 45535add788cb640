"""The page as text: its parts, put together without a build step.

The scripts are ES modules. A page opened from a file may import nothing, so that they stand in it
one after the other, each after those that it imports, without ``import`` and ``export``; their
top-level names are therefore distinct. The policy forbids everything else by the hashes of script
and style: Content Security Policy Level 3, W3C.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import NamedTuple

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|let|class)", re.MULTILINE)


class Page(NamedTuple):
    """A page.

    Attributes
    ----------
    text : str
    policy : str
        Its Content Security Policy.
    """

    text: str
    policy: str


def page(title: str, main: str, *, constants: str = "", sources: str = "") -> Page:
    """Return the page whose script is that of the file `main`, and all that it imports.

    Parameters
    ----------
    title : str
    main : {"file", "server"}
    constants : str, optional
        Statements before the script.
    sources : str, optional
        Further directives of the policy.
    """
    script = "\n" + "\n".join([constants, *_scripts(main)])
    style = "\n" + source("page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)} 'wasm-unsafe-eval'; "
        f"style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'{sources}"
    )
    parts = {"TITLE": escape(title), "POLICY": policy, "STYLE": style, "SCRIPT": script}
    text = re.sub(r"\b(?:TITLE|POLICY|STYLE|SCRIPT)\b", lambda m: parts[m[0]], source("page.html"))
    return Page(text, policy)


def source(name: str) -> str:
    """Return the text of a file of the page."""
    return files("fastnn.exchange.page").joinpath(name).read_text("utf-8")


def without_exports(module: str) -> str:
    """Return an ES module as statements for the body of a function, or among others."""
    return _EXPORT.sub("", module)


def _scripts(main: str) -> Iterator[str]:
    """Yield the texts of a script and those that it imports, each once and before its importers."""
    seen: set[str] = set()

    def walk(name: str) -> Iterator[str]:
        seen.add(name)
        text = source(f"{name}.js")
        for imported in _IMPORT.findall(text):
            if imported not in seen:
                yield from walk(imported)
        yield without_exports(_IMPORT.sub("", text))

    return walk(main)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
