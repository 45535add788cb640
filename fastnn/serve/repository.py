"""The models of a server: by name and version, loaded again when their files change."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fastnn.loading import load
from fastnn.serve.refused import RefusedError, shown
from fastnn.serve.served_model import ServedModel
from fastnn.validation.frames import some
from fastnn.validation.values import describe
from fastnn.vocabulary import BackendName

LOG = logging.getLogger("fastnn.serve")

_NAME = re.compile(r"[^/:=\s\x00-\x1f][^/:=\x00-\x1f]*")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")

Stamp = tuple[int, int, int]


def models_of(words: Iterable[str]) -> dict[str, str]:
    """Return models from the words of a command line, as `fastnn.serve.app` takes them.

    Parameters
    ----------
    words : iterable of str
        ``path``, whose file name without extension is the model's name, ``name=path``, or
        ``name:version=path``. What is the path of a file is a path.

    Raises
    ------
    ValueError
        If a name is given twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or os.path.lexists(word):
            name, path = Path(word).stem, word
        key = ":".join(split_key(name))
        if key in found:
            raise ValueError(
                f"there are two models {key}, {found[key]!r} and {path!r}: name them, as in "
                f"other={path} or {name.partition(':')[0]}:2={path}"
            )
        found[key] = path
    return found


def split_key(key: str) -> tuple[str, str]:
    """Return name and version of ``name`` or ``name:version``.

    Raises
    ------
    ValueError
        If the name is empty or has ``/``, ``:``, ``=`` or control characters, or the version is not
        a whole number of at least 1.
    """
    name, colon, version = key.partition(":")
    version = version if colon else "1"
    if not _NAME.fullmatch(name):
        raise ValueError(f"a model must have a name without / : = and control characters: {key!r}")
    if not _VERSION.fullmatch(version):
        raise ValueError(
            f"the version of a model must be a whole number of at least 1, got {version!r} in "
            f"{key!r}"
        )
    return name, version


class Version:
    """One version of a model; `served` is replaced as a whole when its file changes.

    Parameters
    ----------
    name, version : str
    source : path-like, Network or Ensemble
    backend : {"auto", "cython", "numba", "numpy"}
    number : int
        Its place among all versions of the server.
    """

    def __init__(
        self, name: str, version: str, source: Any, backend: BackendName, number: int
    ) -> None:
        self.name, self.version, self.number = name, version, number
        self._backend: BackendName = backend
        self._path: str | None = None
        self._stamp: Stamp | None = None
        if hasattr(source, "predictor"):
            self.served = ServedModel(source)
            return
        if not isinstance(source, str | os.PathLike):
            raise TypeError(
                f"model {name!r} must be a path, a Network or an Ensemble, got {describe(source)}"
            )
        self._path = os.fspath(source)
        self._stamp = stamp(self._path)
        try:
            self.served = self._load(self._path)
        except ValueError as error:
            raise ValueError(f"model {name!r}: {error}") from None

    def _load(self, path: str) -> ServedModel:
        return ServedModel(load(path, backend=self._backend))

    def refresh(self) -> bool:
        """Load the file again if it changed, and return whether the model was replaced.

        If it cannot be loaded, the model stays, and the log says why, once for each change.
        """
        if self._path is None:
            return False
        found = stamp(self._path)
        if found == self._stamp:
            return False
        self._stamp = found
        if found is None:
            LOG.error("%s is gone: the model that was loaded is kept", self)
            return False
        try:
            self.served = self._load(self._path)
        except Exception as error:  # whatever the file holds, the server goes on
            LOG.error("%s changed and cannot be loaded, the former is kept: %s", self, error)
            return False
        LOG.info("%s was loaded again", self)
        return True

    def __str__(self) -> str:
        of = "" if self._path is None else f" of {self._path!r}"
        return f"model {self.name!r}, version {self.version}{of}"


def stamp(path: str) -> Stamp | None:
    """Return what changes with a file's contents; None if it cannot be read."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Repository:
    """All models of a server.

    Parameters
    ----------
    models : mapping of str to path, Network or Ensemble
        From ``name`` or ``name:version``.
    backend : {"auto", "cython", "numba", "numpy"}

    Attributes
    ----------
    all : list of Version
    """

    def __init__(self, models: Mapping[str, Any], backend: BackendName = "auto") -> None:
        if not models:
            raise ValueError("there must be at least one model")
        self.all: list[Version] = []
        self._by_name: dict[str, dict[str, Version]] = {}
        for key, source in models.items():
            name, version = split_key(key)
            versions = self._by_name.setdefault(name, {})
            if version in versions:
                raise ValueError(f"there are two models {name!r} of version {version}")
            versions[version] = Version(name, version, source, backend, len(self.all))
            self.all.append(versions[version])
        self._newest = {name: versions[max(versions, key=int)]
                        for name, versions in self._by_name.items()}  # fmt: skip

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, in increasing order."""
        return sorted(self._by_name[name], key=int)

    def find(self, name: str, version: str | None) -> Version:
        """Return a version of a model, by default the highest.

        Raises
        ------
        RefusedError
            404, if there is none.
        """
        newest = self._newest.get(name)
        if newest is None:
            raise RefusedError(
                404, f"there is no model {shown(name)}; there is {some(list(self._by_name))}"
            )
        if version is None:
            return newest
        found = self._by_name[name].get(version)
        if found is None:
            raise RefusedError(
                404,
                f"model {shown(name)} has no version {shown(version)}; it has "
                f"{some(self.versions(name))}",
            )
        return found

    def refresh(self) -> None:
        """Load again all models whose files changed."""
        for version in self.all:
            version.refresh()
