"""Numbers and strings as exact C99 literals, and arrays of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastnn.architecture import Array
from fastnn.exchange.class_labels import doubles, utf8

WIDTH = 100  # columns
LONGEST_STRING = 4095  # bytes that every C99 compiler supports in one literal (C99, 5.2.4.1)


def float_literals(values: Array) -> list[str]:
    """Return float32 `values` (n,) with the fewest digits that reproduce them exactly."""
    return [f"{value!s}f" for value in values]


def array(declaration: str, rows: Iterable[Sequence[str]]) -> str:
    """Return an array definition; each of `rows` begins a line, wrapped to 100 columns."""
    lines = [f"{declaration} = {{"]
    for row in rows:
        line = "   "
        for literal in row:
            if len(line) + len(literal) + 2 > WIDTH and line.strip():
                lines.append(line)
                line = "   "
            line += f" {literal},"
        lines.append(line)
    return "\n".join([*lines, "};\n"])


def label_array(name: str, labels: Sequence[Any]) -> str:
    """Return the array of class labels, all strings or all numbers.

    Strings become UTF-8, whole numbers int32_t or, if necessary, int64_t, and others double.

    Raises
    ------
    ValueError
        If a label cannot be written in C.
    """
    if all(isinstance(label, str) for label in labels):
        kind, literals = "char *const ", [string_literal(label) for label in labels]
    elif all(isinstance(label, int) for label in labels):
        wide = any(abs(label) >= 2**31 for label in labels)
        kind = "int64_t " if wide else "int32_t "
        literals = [_integer_literal(int(label)) for label in labels]
    else:
        kind, literals = "double ", list(map(repr, doubles(labels)))
    return "/* The label of each class. */\n" + array(
        f"static const {kind}{name}[{len(labels)}]", [literals]
    )


def string_literal(text: str) -> str:
    """Return `text` as UTF-8; what is not printable ASCII in octal, without trigraphs.

    Raises
    ------
    ValueError
        If it contains a zero character, is not valid Unicode, or is longer than 4,095 bytes.
    """
    data = utf8(text)
    if len(data) > LONGEST_STRING:
        raise ValueError(
            f"the class label that begins with {text[:20]!r} has {len(data):,} bytes in UTF-8, and "
            f"a C compiler need not take more than {LONGEST_STRING:,}; give it a shorter name"
        )
    return '"' + "".join(map(_escaped, data)) + '"'


def comment_text(text: str) -> str:
    """Return `text` escaped for a comment, in ASCII and on one line.

    Comment delimiters and trigraphs are split by a backslash; the backslash itself and anything
    but printable ASCII are escaped as in Python.
    """
    plain = text.encode("unicode_escape", "surrogatepass").decode("ascii")
    for pair in ("*/", "/*", "??"):
        while pair in plain:
            plain = plain.replace(pair, f"{pair[0]}\\{pair[1]}")
    return plain


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\?':  # ? for trigraphs: ??= would be #
        return f"\\{character}"
    if character == "\n":
        return "\\n"
    return character if 32 <= byte < 127 else f"\\{byte:03o}"


def _integer_literal(value: int) -> str:
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"the class label {value} does not fit in 64 bits; choose a smaller one")
    if abs(value) < 2**31:
        return str(value)
    if value == -(2**63):  # C has no negative literals, and 2^63 is one too many
        return "INT64_C(-9223372036854775807) - 1"
    return f"INT64_C({value})"
