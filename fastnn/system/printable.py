"""Escaping of untrusted text (names of files, columns and labels) for printing.

A name may contain line breaks, terminal escape sequences, characters that change the writing
direction, or surrogates: printed unescaped they could forge lines, move the cursor or
fail. They are escaped as in Python strings.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return text with non-printable characters escaped, for example as ``\x1b``.

    >>> printable("one\ntwo")
    'one\\ntwo'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def named(name: object) -> str:
    r"""Return a name or path unchanged, or quoted and escaped if it is not printable.

    >>> print(named("t.csv"), named("t\t.csv"))
    t.csv 't\t.csv'
    """
    text = str(name)
    return text if text.isprintable() else repr(text)
