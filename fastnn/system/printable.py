"""Text that somebody else wrote (names of files, columns and labels), made safe to print.

A name may hold line breaks, a terminal's escape sequences, characters that turn the direction of
writing, or halves of characters: printed as they are they would forge lines, move the cursor or
fail. Escaped as in Python's strings they are seen for what they are.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text with all that cannot be seen escaped: ``a\x1b[2J`` has eight characters then.

    >>> printable("one\ntwo")
    'one\\ntwo'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def named(name: object) -> str:
    r"""Return a name, or a path, as it is, or in quotes if some of it cannot be seen.

    >>> print(named("t.csv"), named("t\t.csv"))
    t.csv 't\t.csv'
    """
    text = str(name)
    return text if text.isprintable() else repr(text)
