"""Which files a path names, and whether every worker can see them.

Paths of this machine are made absolute, since workers run in folders of their own. Those of other
file systems, such as ``s3://bucket/rows/*.parquet``, are read by fsspec, as in Dask.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from fastnn.datasets.readers.formats import CSV, NPY, PARQUET, format_by_name, names_of
from fastnn.datasets.readers.sources import PACKED
from fastnn.system.packages import imported
from fastnn.system.printable import named
from fastnn.validation.frames import some
from fastnn.validation.parameters import parameter

Kind = str
"""The key of a `Format`, or "zarr"."""

ENDINGS = {
    PARQUET.key: (*PARQUET.suffixes, ".parq", ".pq"),
    NPY.key: NPY.suffixes,
    CSV.key: (*CSV.suffixes, *(end + packed for end in CSV.suffixes for packed in PACKED.values())),
}
ZARR = ("zarr.json", ".zarray", ".zgroup")
"""Files of which a folder of Zarr has one."""


class Files(NamedTuple):
    """The files of one table.

    Attributes
    ----------
    name : str
        What errors call them.
    kind : str
        "parquet", "csv", "npy" or "zarr".
    whole : str or list of str
        What Dask's reader takes: a folder, or the paths.
    paths : list of str
        Every file, in natural order; for Zarr the folder.
    system : fsspec file system
    """

    name: str
    kind: Kind
    whole: str | list[str]
    paths: list[str]
    system: Any

    @property
    def is_local(self) -> bool:
        """Whether they are files of this machine's file system."""
        return "file" in _protocols(self.system)

    @property
    def sizes(self) -> list[int]:
        """Bytes of each file."""
        return [int(self.system.size(path)) for path in self.paths]


def files_of(path: Any) -> Files:
    """Return the files of a path: a file, a folder, a pattern such as ``rows/*.csv``, or a list.

    Raises
    ------
    FileNotFoundError
        If there are none.
    ValueError
        If a folder is empty, or they are not all of one kind that can be read.
    TypeError
        If it is not a path.
    """
    if isinstance(path, list | tuple) and path:
        found = [files_of(each) for each in path]
        kinds = sorted({files.kind for files in found})
        if len(kinds) > 1:
            raise ValueError(f"the files of the list are of several kinds: {', '.join(kinds)}")
        paths = [each for files in found for each in files.paths]
        return Files(f"{found[0].name} and {len(path) - 1} more", kinds[0], paths, paths,
                     found[0].system)  # fmt: skip
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"a path must be text, got {text!r}")
    system, inside = _system(text)
    name, local = named(text), "file" in _protocols(system)
    whole = inside if local else text
    if any(sign in text for sign in "*?[") and not system.exists(inside):
        paths = _sorted(system.glob(inside))
        if not paths:
            raise FileNotFoundError(f"no file matches {name}")
        kind = _kind(paths, name)
        whole_paths = paths if local else [system.unstrip_protocol(each) for each in paths]
        return Files(name, kind, whole_paths, paths, system)
    if system.isdir(inside):
        names = {PurePath(each).name for each in system.ls(inside, detail=False)}
        if names.intersection(ZARR) or inside.rstrip("/").endswith(".zarr"):
            return Files(name, "zarr", whole, [inside], system)
        paths = _sorted(each for each in system.find(inside) if _is_data(each))
        if not paths:
            raise ValueError(f"the folder {name} holds no files of data: {_expected()}")
        kind = _kind(paths, name)
        paths = [each for each in paths if _kind_of(each) == kind]
        return Files(name, kind, whole, paths, system)
    if not system.exists(inside):
        raise FileNotFoundError(
            f"there is no file {name} on this machine, which reads its header: give a path that "
            "this process and all workers can see"
        )
    return Files(name, _kind([inside], name), whole, [inside], system)


def check_seen(client: Any, files: Files) -> None:
    """Check that every worker of a client sees the same files as this process.

    Raises
    ------
    FileNotFoundError
        If one does not see them.
    ValueError
        If one has other files of these names.
    """
    if client is None or not files.is_local:
        return
    ours = sizes_here(files.paths)
    for worker, theirs in client.run(sizes_here, files.paths).items():
        for path, size, expected in zip(files.paths, theirs, ours, strict=True):
            if size == expected:
                continue
            instead = (
                "put the data on a file system that all workers share, or give a URL such as "
                "s3://bucket/rows.parquet"
            )
            if size is None:
                raise FileNotFoundError(f"the worker {worker} cannot see {named(path)}: {instead}")
            raise ValueError(
                f"the worker {worker} has another file {named(path)}, of {size:,} bytes instead "
                f"of {expected:,}: {instead}"
            )


def sizes_here(paths: Sequence[str]) -> list[int | None]:
    """Return the bytes of each file that this process sees; None if it does not, 0 of folders."""
    sizes: list[int | None] = []
    for path in paths:
        try:
            sizes.append(0 if os.path.isdir(path) else os.path.getsize(path))
        except OSError:
            sizes.append(None)
    return sizes


def current_client(client: Any = None) -> Any:
    """Return the client, or the current one; None if there is none."""
    if client is not None:
        return client
    try:
        return imported("distributed", "dask").get_client()
    except ValueError:
        return None


def _system(text: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path on it."""
    fsspec = imported("fsspec", "dask")
    if "://" not in text:
        return fsspec.filesystem("file"), os.path.abspath(text)
    system, inside = fsspec.core.url_to_fs(text)
    return system, inside


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


def _sorted(paths: Any) -> list[str]:
    from dask.utils import natural_sort_key

    return sorted(paths, key=natural_sort_key)


def _is_data(path: str) -> bool:
    """Return whether a file of a folder is not one of its hidden or accompanying files."""
    name = PurePath(path).name
    accompanies = name.startswith((".", "_")) or name.lower().endswith((".txt", ".data"))
    return not accompanies and _kind_of(path) is not None


def _kind_of(path: str) -> Kind | None:
    lowered = path.lower()
    return next((kind for kind, ends in ENDINGS.items() if lowered.endswith(ends)), None)


def _kind(paths: Sequence[str], name: str) -> Kind:
    kinds = {_kind_of(path) for path in paths}
    if kinds == {CSV.key, NPY.key} or len(kinds - {None}) > 1:
        shown = some([PurePath(path).name for path in paths])
        raise ValueError(f"{name} holds files of several kinds, {shown}: give those of one kind")
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is not None:
        return kind
    other = format_by_name(paths[0])
    what = "no table that is known" if other is None else other.described
    raise ValueError(
        f"{named(paths[0])} is {what}, which workers cannot read in parts: {_expected()}"
    )


def _expected() -> str:
    return f"expected {names_of((PARQUET, CSV))}, or {NPY.name} or Zarr with {parameter('targets')}"
