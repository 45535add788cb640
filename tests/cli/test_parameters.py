"""Parameters in errors: a keyword of Python, or an option of the command line, its twin."""

import argparse
import ast
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.cli import parser
from fastnn.cli.options import as_option
from fastnn.datasets import read_table
from fastnn.validation.parameters import parameter, parameters_written

labels = st.one_of(
    st.integers(-99, 99), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for one file at a time."""
    return tmp_path_factory.mktemp("parameters")


def keywords(text):
    """The keyword arguments in a piece of Python."""
    call = ast.parse(f"f({text})", mode="eval").body
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


def options(text):
    """What the command line makes of a piece of it."""
    main_parser, _ = parser()
    try:
        return main_parser.parse_args(["train", "t.csv", *shlex.split(text)])
    except SystemExit:
        raise argparse.ArgumentError(None, text) from None


@given(label=labels)
def test_a_label_is_written_so_that_it_is_read_back(label):
    assert keywords(parameter("label", label)) == {"label": label}
    with parameters_written(as_option):
        assert options(parameter("label", label)).label == str(label)
    assert parameter("label").startswith("label=")


@given(header=st.booleans(), task=st.sampled_from(["classification", "regression"]))
def test_so_are_the_header_and_the_task(header, task):
    assert keywords(f"{parameter('header', header)}, {parameter('task', task)}") == {
        "header": header, "task": task,
    }  # fmt: skip
    with parameters_written(as_option):
        read = options(f"{parameter('header', header)} {parameter('task', task)}")
    assert (read.header, read.task) == (header, task)


def test_a_folder_is_the_data_s():
    with parameters_written(as_option):
        assert options(parameter("folder", "a b")).data_dir == "a b"


@given(name=st.text("abc -='\"", min_size=1, max_size=9).map(str.strip).filter(bool))
def test_what_only_looks_like_a_parameter_is_left_alone(folder, name):
    """A file's name may be ``label=3``: it is no parameter, and errors say it as it is."""
    path = folder / f"{name} label=3 header=True task='regression'.csv"
    path.write_text("a,b\n1,\n2,x\n")
    with parameters_written(as_option), pytest.raises(ValueError, match="line 2") as caught:
        read_table(path)
    assert "label=3 header=True task=" in str(caught.value)
