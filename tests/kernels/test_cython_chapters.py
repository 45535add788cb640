"""The chapters of the Cython module stand in the order that its docstring gives."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "kernels" / "cython"
MODULE = (FOLDER / "_kernels.pyx").read_text(encoding="utf-8")
LIST = re.search(r"those before it:\n\n(.*?)\n\n", MODULE, re.S)
CHAPTERS = [
    name
    for line in LIST[1].splitlines()
    for name in re.split(r", *", re.split(r"  +", line.strip())[0].rstrip(","))
]
DECLARED = [name for name in CHAPTERS if (FOLDER / f"{name}.pxd").exists()]


def test_every_chapter_is_listed_once():
    files = [path.stem for path in FOLDER.iterdir() if path.suffix in (".pxd", ".pxi")]
    assert sorted(CHAPTERS) == sorted(files)


def test_chapters_with_objects_are_included_in_that_order():
    included = re.findall(r'^include "(\w+)\.pxi"', MODULE, re.M)
    assert included == [name for name in CHAPTERS if name not in DECLARED]


@pytest.mark.parametrize("name", DECLARED)
def test_a_chapter_stands_on_those_before_it(name):
    text = (FOLDER / f"{name}.pxd").read_text(encoding="utf-8")
    below = re.findall(r"^from kernels\.cython\.(\w+) cimport", text, re.M)
    assert set(below) <= set(CHAPTERS[: CHAPTERS.index(name)])
