"""The one CSV file in a zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO, cast

from fastnn.datasets.readers.formats import CSV
from fastnn.datasets.readers.npz import said_of
from fastnn.datasets.readers.sources import Source
from fastnn.system.file_kinds import BY_KEY, zip_members
from fastnn.validation.frames import some


@contextmanager
def unzipped(source: Source) -> Iterator[Source]:
    """Give the CSV file in a zip file in its place, and everything else as it is.

    Raises
    ------
    ValueError
        If there are several.
    """
    texts = _texts(source) if source.kind is BY_KEY["zip"] else []
    if not texts:
        yield source
        return
    if len(texts) > 1:
        raise ValueError(
            f"{source.name} is a zip file with {len(texts)} tables, {some(texts)}: "
            "unpack it and name one"
        )
    with (
        said_of(source.name, "a zip file"),
        zipfile.ZipFile(source.stream) as archive,
        archive.open(texts[0]) as stream,
    ):
        yield replace(
            source, name=f"{source.name}, {texts[0]}", stream=cast(BinaryIO, stream), kind=None
        )


def _texts(source: Source) -> list[str]:
    members = zip_members(source.stream)
    source.stream.seek(0)
    return [
        name
        for name in members
        if name.lower().endswith(CSV.suffixes) and not name.startswith("__MACOSX/")
    ]
