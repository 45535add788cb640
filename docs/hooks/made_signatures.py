"""Constructors of `fastnn.dask`'s estimators, which are made when Python runs.

Griffe reads the code without running it: ``@on_cluster(MLPClassifier)`` gives a class the
parameters of that one, and those of ``OWN``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from griffe import Class, Extension, Function, Module, Parameter, ParameterKind, Parameters

DECORATOR, OWN = "on_cluster", "dask.estimator.OWN"


class MadeSignatures(Extension):
    """Adds the constructors."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Add those of a package, if it has such classes."""
        for made in _classes(pkg):
            for decorator in made.decorators:
                call: Any = decorator.value
                if not str(call).startswith(f"{DECORATOR}("):
                    continue
                path = made.resolve(str(call.arguments[0]))
                local = pkg.modules_collection[path]
                own: Any = pkg[OWN].value
                more = [
                    Parameter(
                        str(key).strip("\"'"), kind=ParameterKind.keyword_only, default=str(value)
                    )
                    for key, value in zip(own.keys, own.values, strict=True)
                ]
                parameters = Parameters(*local.members["__init__"].parameters, *more)
                made.set_member("__init__", Function("__init__", parameters=parameters))


def _classes(place: Module) -> Iterator[Class]:
    for member in list(place.members.values()):
        if member.is_alias:
            continue
        if isinstance(member, Module):
            yield from _classes(member)
        elif isinstance(member, Class):
            yield member
