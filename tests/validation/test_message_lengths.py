"""Errors about files quote what stands in them, and stay a paragraph however long that is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import small_network

import fastnn
from fastnn.datasets import read_table
from fastnn.validation.values import describe

LONGEST = 1500
LENGTH = 5000
names = st.sampled_from(["a", "é", "'", '"', "a b "]).map(lambda text: text * LENGTH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("long")


def refusal(read, path):
    with pytest.raises(ValueError, match=path.name) as error:
        read()
    return str(error.value)


@pytest.mark.parametrize(
    ("rows", "arguments"),
    [
        ("1,2,{}\n3,x,5\n", {"header": False, "label": 0}),  # a cell that is no number
        ("{},b,c\n1,2,3\nx,2,3\n", {}),  # the name of the column with such a cell
        ("{},b,c\nx,2,3\ny,2,3\n", {}),  # text in a whole column
        ("{},b,c\n,2,3\n,5,6\n", {}),  # empty cells
        ("1,{},3\n4,5,6\n", {}),  # a header, or not
        ("{},b,c\n1,2,3\n", {"label": "z"}),  # no such label
        ("a,b,{}\n1,2,x\n3,4,\n", {}),  # a label that is missing
        ('a,{}"b\n1,2\n', {}),
    ],
)
@given(name=names)
def test_a_table_is_refused_in_a_paragraph(folder, rows, arguments, name):
    path = folder / "table.csv"
    path.write_text(rows.format('"' + name.replace('"', '""') + '"'), encoding="utf-8")
    assert len(refusal(lambda: read_table(path, **arguments), path)) < LONGEST


@given(name=names)
def test_an_archive_is_refused_in_a_paragraph(folder, name):
    path = folder / "table.npz"
    np.savez(path, **{f"{name}{i}": np.zeros(1) for i in range(20)})
    assert len(refusal(lambda: read_table(path), path)) < LONGEST


@given(name=names, field=st.sampled_from(["format", "format_version", "class_labels"]))
def test_a_network_is_refused_in_a_paragraph(folder, name, field):
    path = folder / "net.safetensors"
    small_network().save(path)
    whole = path.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:size])
    header["__metadata__"][field] = json.dumps([name] * 3) if field == "class_labels" else name
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + whole[size:])
    assert len(refusal(lambda: fastnn.load(path), path)) < LONGEST


def test_what_cannot_be_shown_is_named_by_its_type():
    class Shy:
        def __repr__(self):
            raise RuntimeError

    assert describe(Shy()) == "Shy"
    assert describe(np.array([0x7FFFFFFF], "u4").view("U1")) == "ndarray"
