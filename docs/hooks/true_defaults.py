"""Defaults in the API reference are those of the signatures.

Griffe takes the first of ``{"loss", "accuracy"}, optional`` for the default, as numpydoc has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from griffe import Class, DocstringSectionKind, Extension, Function, Module


class TrueDefaults(Extension):
    """Puts each parameter's own default, or none, where the docstring's was guessed."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Correct what the docstrings of a package were parsed to."""
        for described in _described(pkg):
            for section in described.docstring.parsed:  # type: ignore[union-attr]
                if section.kind is not DocstringSectionKind.parameters:
                    continue
                for parameter in section.value:
                    if parameter.name in described.parameters:
                        parameter.value = described.parameters[parameter.name].default


def _described(place: Module | Class) -> Iterator[Class | Function]:
    """Yield what has a docstring and a signature: functions, and classes with ``__init__``."""
    for member in place.members.values():
        if member.is_alias:
            continue
        if isinstance(member, Module | Class):
            yield from _described(member)
        has_signature = isinstance(member, Function) or "__init__" in member.members
        if has_signature and member.docstring:
            yield member
