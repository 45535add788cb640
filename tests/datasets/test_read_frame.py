"""Text files with mixed columns, as people publish them: what is read, and what is said of it."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fastnn.datasets import read_frame

NAN = float("nan")
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def day(text):
    return np.datetime64(text, "us")


@pytest.fixture
def read(tmp_path):
    """A function that writes a text file and reads it as a frame."""

    def read(content, name="table.csv", **arguments):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_frame(path, **arguments)

    return read


def said(frame):
    """All notes of a frame and of its columns."""
    return "\n".join([*frame.notes, *(c.note for c in frame.columns if c.note)])


def check(frame, expected):
    """Check names, kinds and values: a dict of name to kind and values, None for missing ones."""
    assert list(frame.names) == list(expected)
    for column, (kind, values) in zip(frame.columns, expected.values(), strict=True):
        assert column.kind == kind, column
        assert len(column.values) == frame.n_rows
        if kind == "text":
            assert column.values.dtype == object
            assert column.values.tolist() == values
        elif kind == "time":
            assert column.values.dtype == np.dtype("datetime64[us]")
            wanted = np.array([np.datetime64("NaT") if v is None else day(v) for v in values])
            np.testing.assert_array_equal(column.values, wanted)
        else:
            assert column.values.dtype == np.float64
            wanted = np.array([NAN if value is None else value for value in values])
            np.testing.assert_array_equal(column.values, wanted)


AGES = {"age": ("number", [31, 42]), "city": ("text", ["Rome", "Oslo"])}
THREE = {
    "column 1": ("number", [1, 3, 5]),
    "column 2": ("text", ["a", "b", "a"]),
    "column 3": ("number", [2.5, 4, 1]),
}


# delimiters, quotes, encodings, lines

TEXTS = {
    "comma": ("age,city\n31,Rome\n42,Oslo\n", AGES, ""),
    "semicolon": ("age;city\n31;Rome\n42;Oslo\n", AGES, ""),
    "tab": ("age\tcity\n31\tRome\n42\tOslo\n", AGES, ""),
    "bar": ("age|city\n31|Rome\n42|Oslo\n", AGES, ""),
    "spaces around commas": ("age , city\n31 , Rome\n42 ,  Oslo \n", AGES, ""),
    "runs of spaces": ("  1  a 2.5\n  3  b   4\n  5 a 1  \n", THREE, ""),
    "spaces and a tab": (
        '18 8 130\t"chevrolet malibu"\n15   8 165\t"buick"\n',
        {
            "column 1": ("number", [18, 15]),
            "column 2": ("number", [8, 8]),
            "column 3": ("number", [130, 165]),
            "column 4": ("text", ["chevrolet malibu", "buick"]),
        },
        "",
    ),
    "quotes": (
        '"age","city"\n"31","Rome, ""old""\ntown"\n"42","Oslo"\n',
        {"age": ("number", [31, 42]), "city": ("text", ['Rome, "old"\ntown', "Oslo"])},
        "",
    ),
    "spaces after quotes": ('"age" , "city"\n31 , "Rome"\n42 , "Oslo" \n', AGES, ""),
    "single quotes": (
        "age,city\n31,'Rome, old'\n42,'Oslo'\n",
        {"age": ("number", [31, 42]), "city": ("text", ["Rome, old", "Oslo"])},
        "",
    ),
    "an apostrophe": (
        "age,city\n31,d'Or\n42,'s Gravenhage\n",
        {"age": ("number", [31, 42]), "city": ("text", ["d'Or", "'s Gravenhage"])},
        "",
    ),
    "byte order mark": (b"\xef\xbb\xbfage,city\n31,Rome\n42,Oslo\n", AGES, ""),
    "utf-16": ("age,city\n31,Rome\n42,Oslo\n".encode("utf-16"), AGES, "read as UTF-16"),
    "utf-16 without mark": ("age,city\n31,Rome\n42,Oslo\n".encode("utf-16-le"), AGES, "UTF-16"),
    "windows-1252": (
        "age,city\n31,Köln\n42,Orléans\n".encode("cp1252"),
        {"age": ("number", [31, 42]), "city": ("text", ["Köln", "Orléans"])},
        "read as Windows-1252; encoding= gives another",
    ),
    "crlf": ("age,city\r\n31,Rome\r\n42,Oslo\r\n", AGES, ""),
    "cr": ("age,city\r31,Rome\r42,Oslo\r", AGES, ""),
    "utf-32": ("age,city\n31,Rome\n42,Oslo\n".encode("utf-32"), AGES, "read as UTF-32"),
    "quotes beside an apostrophe": (
        "age,city\n31,'Rome'\n42,'s Gravenhage\n",
        {"age": ("number", [31, 42]), "city": ("text", ["'Rome'", "'s Gravenhage"])},
        "",
    ),
    "a comment with values": (
        "# survey,2019\n31,Rome\n42,Oslo\n",
        {"column 1": ("number", [31, 42]), "column 2": ("text", ["Rome", "Oslo"])},
        "1 comment above",
    ),
    "an empty column with a name": (
        "age,city,note\n31,Rome,\n42,Oslo,\n",
        {**AGES, "note": ("number", [None, None])},
        "holds no values",
    ),
    "write.table with names of rows": (
        '"age" "city"\n"x" 31 "Rome"\n"y" 42 "Oslo"\n',
        AGES,
        "was left out",
    ),
    "decimal points and commas": (
        "a;b\n1.5;0,25\n2.5;1,5\n",
        {"a": ("number", [1.5, 2.5]), "b": ("number", [0.25, 1.5])},
        "decimal commas",
    ),
    "blank lines": ("\n\nage,city\n\n31,Rome\n   \n42,Oslo\n\n", AGES, ""),
    "the end of a file in DOS": ("age,city\n31,Rome\n42,Oslo\n\x1a", AGES, ""),
    "comments": ("# a survey\n# of 2\nage,city\n31,Rome\n42,Oslo\n", AGES, "2 comments above"),
    "comments between": ("age,city\n31,Rome\n# more\n42,Oslo\n", AGES, "1 comment between"),
    "a comment names the columns": (
        "# age,city\n31,Rome\n42,Oslo\n",
        AGES,
        "comment above the table names its columns",
    ),
    "a column called #": (
        "#,city\n7,Rome\n9,Oslo\n",
        {"#": ("number", [7, 9]), "city": ("text", ["Rome", "Oslo"])},
        "",
    ),
    "trailing delimiters": ("age,city,\n31,Rome,\n42,Oslo,\n", AGES, "end with a delimiter"),
    "trailing but in the header": ("age,city\n31,Rome,\n42,Oslo,\n", AGES, "end with a delimiter"),
    "trailing in the header": ("age,city,\n31,Rome\n42,Oslo\n", AGES, ""),
    "empty rows at the end": (
        "age,city\n31,Rome\n42,Oslo\n,\n,\n",
        AGES,
        "2 rows at the end, from",
    ),
    "an empty row between": (
        "age,city\n31,Rome\n,\n42,Oslo\n",
        {"age": ("number", [31, None, 42]), "city": ("text", ["Rome", None, "Oslo"])},
        "",
    ),
    "one column": ("age\n31\n42\n", {"age": ("number", [31, 42])}, "no delimiter was found"),
    # names
    "no header": ("1,a,2.5\n3,b,4\n5,a,1\n", THREE, ""),
    "no header, all text": (
        "x,s,n\nb,s,y\nx,f,n\n",
        {
            "column 1": ("text", ["x", "b", "x"]),
            "column 2": ("text", ["s", "s", "f"]),
            "column 3": ("flag", [0, 1, 0]),
        },
        "read as data: 'x' occurs again",
    ),
    "no header, dates": (
        "2019-01-31,a\n2019-02-28,b\n",
        {"column 1": ("time", ["2019-01-31", "2019-02-28"]), "column 2": ("text", ["a", "b"])},
        "",
    ),
    "an index of pandas": (",age,city\n0,31,Rome\n1,42,Oslo\n", AGES, "column 1 has no name and"),
    "an index saved twice": ("Unnamed: 0,age,city\n0,31,Rome\n1,42,Oslo\n", AGES, "was left out"),
    "row names of R": ('"rownames","age","city"\n"x",31,Rome\n"y",42,Oslo\n', AGES, "was left out"),
    "write.table": ('"age" "city"\n"1" 31 "Rome"\n"2" 42 "Oslo"\n', AGES, "was left out"),
    "numbered columns": (
        "0,1,2\n0.5,a,2\n1.5,b,3\n",
        {"0": ("number", [0.5, 1.5]), "1": ("text", ["a", "b"]), "2": ("number", [2, 3])},
        "numbers the columns",
    ),
    "years as names": (
        "country,1990,1995,2000\nFrance,12.5,13,14\nSpain,8,9,10\n",
        {
            "country": ("text", ["France", "Spain"]),
            "1990": ("number", [12.5, 8]),
            "1995": ("number", [13, 9]),
            "2000": ("number", [14, 10]),
        },
        "the years 1990 to 2000",
    ),
    "a column called inf": (
        "year,inf\n1990,2.5\n1991,3\n",
        {"year": ("number", [1990, 1991]), "inf": ("number", [2.5, 3])},
        "",
    ),
    "names that are equal, or empty": (
        "a,a,,a\n1,2,3,4\n5,6,7,8\n",
        {
            "a": ("number", [1, 5]),
            "a (2)": ("number", [2, 6]),
            "column 3": ("number", [3, 7]),
            "a (3)": ("number", [4, 8]),
        },
        "'a (2)', 'a (3)'",
    ),
}


@pytest.mark.parametrize("oddity", TEXTS)
def test_a_file_is_read_however_it_is_written(read, oddity):
    content, expected, note = TEXTS[oddity]
    frame = read(content)
    check(frame, expected)
    assert note in said(frame)
    assert note or not frame.notes


COLUMNS = {
    # numbers
    "decimal commas": (
        ";",
        ["3,5", "", "1,25"],
        "number",
        [3.5, None, 1.25],
        "decimal commas: 3,5",
    ),
    "decimal commas and points": (
        ";",
        ["1.234,5", "2,5"],
        "number",
        [1234.5, 2.5],
        "is read as 1234.5",
    ),
    "thousands": (
        ",",
        ["1,234", "12,500,000"],
        "number",
        [1234, 12500000],
        "commas between thousands",
    ),
    "thousands or decimals": (
        ",",
        ["1,234", "5"],
        "number",
        [1234, 5],
        "decimal=',' reads it otherwise",
    ),
    "decimals or thousands": (
        ";",
        ["1,234", "5"],
        "number",
        [1.234, 5],
        "decimal='.' reads it otherwise",
    ),
    "thousands and cents": (
        ",",
        ["1,234.50", "7.25"],
        "number",
        [1234.5, 7.25],
        "1,234.50 is read as 1234.5",
    ),
    "spaces between thousands": (",", ["1 234", "12 000 000", "5"], "number", [1234, 12e6, 5], ""),
    "percent": (
        ",",
        ["12%", "3.5 %", "NA"],
        "number",
        [12, 3.5, None],
        "% is left out: 12% is read as 12",
    ),
    "currency": (",", ["$1,200", "-$5", "$ 3.50"], "number", [1200, -5, 3.5], "$ is left out"),
    "euros": (";", ["1.200,50 €", "3,00 €"], "number", [1200.5, 3], "€ is left out"),
    "percent of some": (",", ["12%", "3"], "text", ["12%", "3"], "written in several ways"),
    "units": (",", ["12 kg", "3.5 kg"], "text", ["12 kg", "3.5 kg"], "a unit, 'kg'"),
    "minus signs": (",", ["\u22125", "3"], "number", [-5, 3], ""),
    "underscores": (",", [*"234567", "1_0"], "text", [*"234567", "1_0"], "'1_0'"),
    "exponents": (
        ",",
        ["1e3", "-2.5E-1", "+4", ".5", "5."],
        "number",
        [1000, -0.25, 4, 0.5, 5],
        "",
    ),
    "zip codes": (",", ["01234", "98101"], "text", ["01234", "98101"], "leading zeros (01234)"),
    "zip codes, some missing": (",", ["01234", "NA"], "text", ["01234", None], "leading zeros"),
    "long numbers": (
        ",",
        ["9007199254740993", "1"],
        "text",
        ["9007199254740993", "1"],
        "too long to be exact",
    ),
    "hexadecimal": (",", ["0x1F", "0x2A"], "text", ["0x1F", "0x2A"], ""),
    "too large": (
        ",",
        ["1e400", "2", "inf"],
        "number",
        [None, 2, None],
        "2 of 3 cells are infinite or too large",
    ),
    "Unix seconds": (",", ["1546300800", "1546300801"], "number", [1546300800, 1546300801], ""),
    "a sentinel": (
        ",",
        ["1", "2", "-999", "3", "-999"],
        "number",
        [1, 2, -999, 3, -999],
        "missing='-999'",
    ),
    "no sentinel": (",", ["997", "998", "999", "999"], "number", [997, 998, 999, 999], ""),
    "a sentinel once": (",", ["1", "2", "-999", "3"], "number", [1, 2, -999, 3], ""),
    "a sentinel of its sign": (
        ",",
        ["-1", "-2", "-999", "-999"],
        "number",
        [-1, -2, -999, -999],
        "",
    ),
    "counts from 5": (",", list(map(str, range(5, 17))), "number", range(5, 17), ""),
    "two signs": (",", ["$5%", "$6%"], "text", ["$5%", "$6%"], ""),
    "row numbers": (",", list(map(str, range(1, 13))), "number", range(1, 13), "holds row numbers"),
    "no values": (",", ["", "NA"], "number", [None, None], "holds no values"),
    # missing
    "missing numbers": (
        ",",
        ["1", "", "NA", "n/a", "NaN", "null", "NONE", "?", "-", ".", "#N/A", "<NA>"],
        "number",
        [1, *[None] * 11],
        "",
    ),
    "missing text": (
        ",",
        ["a", "", "NA", "NaN", "null", "None", "?"],
        "text",
        ["a", *[None] * 6],
        "'NA', 'NaN', 'None', 'null' are read as missing",
    ),
    "categories": (",", ["+", "-", ".", "none", "na"], "text", ["+", "-", ".", "none", "na"], ""),
    "one word": (
        ",",
        [*"123456789", "unknown"],
        "text",
        [*"123456789", "unknown"],
        "missing='unknown'",
    ),
    "many words": (
        ",",
        [*map(str, range(40)), "a", "b", "c", "d"],
        "text",
        [*map(str, range(40)), *"abcd"],
        "4 of 44 cells are not numbers ('a', 'b', 'c', …; the first in line 42)",
    ),
    "a word among categories": (",", ["1", "2", "3+"], "text", ["1", "2", "3+"], ""),
    # flags
    "true and false": (",", ["True", "FALSE", "", "true"], "flag", [1, 0, None, 1], ""),
    "only true": (",", ["True", "True"], "flag", [1, 1], ""),
    "yes and no": (
        ",",
        ["yes", "No", "NA"],
        "flag",
        [1, 0, None],
        "'yes' and 'No' are read as flags, 1 and 0",
    ),
    "t and f": (",", ["T", "F", "?"], "flag", [1, 0, None], "'T' and 'F'"),
    "y and n": (",", ["n", "y"], "flag", [0, 1], "'y' and 'n'"),
    "only n": (",", ["n", "n"], "text", ["n", "n"], ""),
    "yes, no and others": (",", ["yes", "no", "maybe"], "text", ["yes", "no", "maybe"], ""),
    # times
    "ISO dates": (
        ",",
        ["2019-01-31", "", "2020-02-29"],
        "time",
        ["2019-01-31", None, "2020-02-29"],
        "",
    ),
    "ISO times": (
        ",",
        ["2019-01-31 12:00:00", "2019-01-31T12:00:01.5", "2019-02-01"],
        "time",
        ["2019-01-31T12:00", "2019-01-31T12:00:01.5", "2019-02-01"],
        "",
    ),
    "ISO times in UTC": (",", ["2019-01-31T12:00:00Z"], "time", ["2019-01-31T12:00"], ""),
    "offsets": (",", ["2019-01-31T12:00:00+02:00"], "time", ["2019-01-31T10:00"], "in UTC"),
    "dots": (",", ["31.12.2019", "1.2.2020"], "time", ["2019-12-31", "2020-02-01"], ""),
    "slashes, the month first": (
        ",",
        ["12/31/2019", "1/2/2020"],
        "time",
        ["2019-12-31", "2020-01-02"],
        "",
    ),
    "slashes, the day first": (
        ",",
        ["31/12/2019", "1/2/2020"],
        "time",
        ["2019-12-31", "2020-02-01"],
        "",
    ),
    "slashes, undecided": (
        ",",
        ["1/2/2020", "3/4/2020"],
        "time",
        ["2020-01-02", "2020-03-04"],
        "day_first=True",
    ),
    "dots, undecided": (
        ",",
        ["1.2.2020", "3.4.2020"],
        "time",
        ["2020-02-01", "2020-04-03"],
        "day_first=False",
    ),
    "slashes, contradictory": (
        ",",
        ["31/12/2019", "12/31/2019"],
        "text",
        ["31/12/2019", "12/31/2019"],
        "do not agree",
    ),
    "two digits of a year": (
        ",",
        ["31/12/69", "01/12/68"],
        "time",
        ["1969-12-31", "2068-12-01"],
        "1969 to 2068",
    ),
    "times of America": (
        ",",
        ["1/31/2019 1:45 PM", "1/31/2019 12:05 AM"],
        "time",
        ["2019-01-31T13:45", "2019-01-31T00:05"],
        "",
    ),
    "names of months": (
        ",",
        ["Jan 5, 2020", "December 24, 2020"],
        "time",
        ["2020-01-05", "2020-12-24"],
        "",
    ),
    "months between": (
        ",",
        ["05-Jan-2020", "24-Dec-20"],
        "time",
        ["2020-01-05", "2020-12-24"],
        "two digits",
    ),
    "months": (",", ["2019-01", "2019-12"], "time", ["2019-01-01", "2019-12-01"], ""),
    "no such day": (",", ["2019-02-30", "2019-01-01"], "text", ["2019-02-30", "2019-01-01"], ""),
    "no date": (
        ",",
        ["2019-01-31", "soon", *[f"2019-01-{day}" for day in range(10, 20)]],
        "text",
        ["2019-01-31", "soon", *[f"2019-01-{day}" for day in range(10, 20)]],
        "1 of 12 cells is not a date ('soon'; in line 3)",
    ),
    "no date of MySQL": (",", ["0000-00-00", "2019-01-01"], "time", [None, "2019-01-01"], ""),
    "times of day": (
        ",",
        ["13:45", "06:30:36"],
        "number",
        [13.75, 6.51],
        "13:45 are read in hours",
    ),
    # text
    "text": (",", ["b", " a b ", "b"], "text", ["b", "a b", "b"], ""),
}


@pytest.mark.parametrize("oddity", COLUMNS)
def test_a_column_has_the_kind_of_its_cells(read, oddity):
    delimiter, cells, kind, values, note = COLUMNS[oddity]
    lines = ["x" + delimiter + "other", *(f'"{cell}"{delimiter}word' for cell in cells)]
    frame = read("\n".join(lines) + "\n")
    check(frame.without(["other"]), {"x": (kind, list(values))})
    assert note in (frame["x"].note or "")
    assert note or frame["x"].note is None


def test_compact_dates_are_dates_only_where_the_name_says_so(read):
    frame = read("order_date,other\n20190131,20190131\n,20190132\n20190201,5\n")
    check(
        frame,
        {
            "order_date": ("time", ["2019-01-31", None, "2019-02-01"]),
            "other": ("number", [20190131, 20190132, 5]),
        },
    )
    assert "20190131 are read as dates" in frame["order_date"].note


def test_a_word_given_as_missing_makes_a_column_of_numbers(read):
    text = "x,y\n1,a\nunknown,unknown\n-999.0,b\n-999,c\n"
    frame = read(text, missing=("unknown", "-999"))
    check(frame, {"x": ("number", [1, None, None, None]), "y": ("text", ["a", None, "b", "c"])})
    check(read("x\n1\nunknown\n", missing="unknown"), {"x": ("number", [1, None])})


def test_decimal_and_day_first_decide_what_cells_do_not(read):
    text = 'x,d\n"1,234",1/2/2020\n5,3/4/2020\n'
    frame = read(text, decimal=",", day_first=True)
    check(frame, {"x": ("number", [1.234, 5]), "d": ("time", ["2020-02-01", "2020-04-03"])})
    assert frame["d"].note is None


def test_points_stand_between_thousands_where_other_columns_have_decimal_commas(read):
    frame = read("a;b\n1.234;0,5\n12.500;1,5\n")
    check(frame, {"a": ("number", [1234, 12500]), "b": ("number", [0.5, 1.5])})
    assert "1.234 is" in frame["a"].note


def test_a_list_of_numbers_is_no_decimal_where_other_columns_have_points(read):
    frame = read('a,b\n1,0.5\n"4,6",1.5\n')
    check(frame, {"a": ("text", ["1", "4,6"]), "b": ("number", [0.5, 1.5])})


def test_header_and_delimiter_can_be_given(read):
    assert read("a,b\nc,d\n", header=False).n_rows == 2
    assert read("1,2\n3,4\n", header=True).names == ("1", "2")
    assert read("a:b\n1:2\n", delimiter=":").names == ("a", "b")


def test_names_are_the_users_own_only_if_the_file_has_them(read):
    assert read("a,b\n1,2\n").has_names
    assert not read("1,2\n3,4\n").has_names
    assert not read("0,1,2\n0.5,a,2\n1.5,b,3\n").has_names


# given kinds


def test_text_stays_as_it_is_written(read):
    frame = read("zip,n\n 1.50 ,1\n007,1\nNA,2\n", kinds={"zip": "text", "n": "text"})
    check(frame, {"zip": ("text", ["1.50", "007", None]), "n": ("text", ["1", "1", "2"])})


def test_given_kinds_read_single_cells_as_the_whole_column_was_read(read):
    kinds = {"f": "flag", "n": "number", "t": "time", "c": "text", "h": "number"}
    frame = read("f,n,t,c,h\nN,007,20190131,-,13:30\n", kinds=kinds)
    check(
        frame,
        {
            "f": ("flag", [0]),
            "n": ("number", [7]),
            "t": ("time", ["2019-01-31"]),
            "c": ("text", ["-"]),
            "h": ("number", [13.5]),
        },
    )


@pytest.mark.parametrize(
    ("kind", "cells", "got"),
    [
        ("number", ["1", "", "many"], "line 4, column 1 (x): got 'many', expected a number"),
        ("flag", ["yes", "2"], "line 3, column 1 (x): got '2', expected true or false"),
        ("time", ["2019-01-31", "soon"], "line 3, column 1 (x): got 'soon', expected a date"),
        (
            "time",
            ["1/2/2020"],
            "line 2, column 1 (x): 1/2/2020 may begin with the day or the month",
        ),
        ("time", ["31/12/2019", "12/31/2019"], "do not agree"),
    ],
)
def test_a_cell_of_another_kind_is_refused_where_it_is(read, kind, cells, got):
    with pytest.raises(ValueError, match=re.escape(got)) as refused:
        read("x,y\n" + "".join(f"{cell},1\n" for cell in cells), kinds={"x": kind})
    assert "table.csv" in str(refused.value)


def test_missing_cells_fit_every_kind(read):
    text = "n,f,t,c\nNA,NA,NA,NA\n?,-,.,\n"
    frame = read(text, kinds={"n": "number", "f": "flag", "t": "time", "c": "text"})
    check(
        frame,
        {
            "n": ("number", [None, None]),
            "f": ("flag", [None, None]),
            "t": ("time", [None, None]),
            "c": ("text", [None, None]),
        },
    )


def test_kinds_of_columns_that_are_not_there_are_mentioned(read):
    assert "no columns 'zpi'" in said(read("zip,b\n1,2\n", kinds={"zpi": "text"}))


def test_names_of_given_kinds_make_a_header_of_numbers_and_an_index_of_the_first_column(read):
    frame = read(",b\n7,x\n8,y\n", kinds={"column 1": "number", "b": "text"})
    assert frame.names == ("column 1", "b")


# ARFF

ARFF = """% a comment
@RELATION people
@ATTRIBUTE 'full name' string
@attribute age NUMERIC
@attribute height real [1.0, 2.5]
@attribute sex {female, male, 'not said'}
@attribute born date "yyyy-MM-dd"
@inputs age, height
@data
% another
'O\\'Hara', 31, 1.5, female, 1990-01-31
?,?,?,?,?
NA, 42, 2, 'not said', ?
"""


def test_arff_has_kinds_and_categories(read):
    frame = read(ARFF, "people.arff")
    check(
        frame,
        {
            "full name": ("text", ["O'Hara", None, "NA"]),
            "age": ("number", [31, None, 42]),
            "height": ("number", [1.5, None, 2]),
            "sex": ("text", ["female", None, "not said"]),
            "born": ("time", ["1990-01-31", None, None]),
        },
    )
    assert frame["sex"].categories == ("female", "male", "not said")
    assert frame["age"].categories is None


@pytest.mark.parametrize(
    ("line", "other", "message"),
    [
        ("@attribute age NUMERIC", "@attribute age complex", "line 4: got the type 'complex'"),
        ("?,?,?,?,?", "?,?,?,other,?", "line 12, column 4 (sex): got 'other', expected one of"),
        ("?,?,?,?,?", "?,old,?,?,?", "line 12, column 2 (age): got 'old', expected a number"),
        ("?,?,?,?,?", "?,?,?,?", "line 12: 4 columns"),
        ("'O\\'Hara', 31, 1.5, female, 1990-01-31", "{1 31, 2 1.5}", "sparse ARFF"),
        ("@data", "", "expected @attribute or @data"),
    ],
)
def test_arff_that_cannot_be_read_is_refused(read, line, other, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read(ARFF.replace(line, other))


# what is refused

REFUSED = {
    "ragged": ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "line 3: 2 columns, '4' first, expected 3"),
    "a short first row": ("1,2\n3,4,5\n6,7,8\n", "line 1: 2 columns, '1' first, expected 3"),
    "a title": (
        "Report of 2019\na,b,c\n1,2,3\n4,5,6\n",
        "line 1: 1 column, 'Report of 2019' first",
    ),
    "an open quote": ('a,b\n1,"x\n2,y\n', "not CSV"),
    "a quote within a cell": ('a,b\n1,"x"y\n2,z\n', "line 2: not CSV"),
    "units": (
        "a,b,c\nkg,cm,x\n1,2,y\n3,4,z\n5,6,y\n7,8,y\n9,10,y\n",
        "line 2: text in 2 columns whose other cells are numbers (a: 'kg', b: 'cm')",
    ),
    "an unclear header": (
        "150,4,setosa,red\n5.1,3.5,1.4,0\n4.9,3.0,1.4,0\n",
        "specify whether the line is a header",
    ),
    "only a header": ("a,b\n", "no rows of data below it; header=False"),
    "nothing": ("\n", "is empty"),
    "only comments": ("# a\n# b\n", "holds only comments"),
    "a NUL": ("a,b\n" + "1,2\n" * 200 + "3,\0\n", "line 202: a NUL byte"),
    "a web page": ("<!DOCTYPE html><html></html>", "is a web page"),
    "JSON lines": ('{"a": 1}\n{"a": 2}\n', "is JSON"),
    "LIBSVM": ("1 3:2.5 7:1\n0 1:2\n", "sparse format of LIBSVM"),
    "binary": (bytes(range(1, 20)) * 20, "is not text"),
    "an unknown encoding": (b"a,b\n1,\x81\x90\n", "neither UTF-8 nor Windows-1252"),
    "an Excel workbook of old": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
        "an old Excel workbook",
    ),
    "an array": (b"\x93NUMPY\x01\0" + bytes(100), "an NPY file, which holds arrays"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_table_is_refused_by_name(read, reason):
    content, message = REFUSED[reason]
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        read(content)
    assert "table.csv" in str(refused.value)


@one_folder
@given(
    st.integers(2, 5), st.integers(1, 8), st.integers(1, 7), st.sampled_from([",", ";", "\t"]),
)  # fmt: skip
def test_a_row_of_another_width_is_refused_with_its_line(read, n, row, width, delimiter):
    """Or read, if all that it has more is one empty cell."""
    assume(width != n)
    cells = [delimiter.join(["1.5"] * n)] * 9
    cells[row] = delimiter.join(["2.5"] * width)
    lines = [delimiter.join("abcde"[:n]), *cells]
    with pytest.raises(ValueError, match=f"line {row + 2}: {width} column"):
        read("\n".join(lines) + "\n", delimiter=delimiter)
    lines[row + 1] = delimiter.join([*["2.5"] * n, " "])
    frame = read("\n".join(lines) + "\n", delimiter=delimiter)
    assert frame.n_rows == 9
    assert [column.values[row] for column in frame.columns] == [2.5] * n


@pytest.mark.parametrize(
    ("cells", "notation"),
    [
        (["1.5", "2"], "."), (["1,5", "2"], ","), (["1", "2"], None), (["$1", "$2"], None),
        (["$1.5", "$2"], "."), (["31.12.2019", "1.2.2020"], "day first"),
        (["12/31/2019", "1/2/2020"], "month first"), (["2019-12-31", "2020-02-01"], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("given_kind", [False, True])
def test_how_a_column_is_written_is_kept(read, cells, notation, given_kind):
    kinds = {"a": "time" if cells[0].count("/") == 2 or len(cells[0]) > 8 else "number"}
    frame = read("a;b\n" + "".join(f"{cell};x\n" for cell in cells),
                 kinds=kinds if given_kind else None)  # fmt: skip
    assert frame["a"].notation == notation


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"header": 1}, TypeError),
        ({"kinds": ["a"]}, TypeError),
        ({"kinds": {"a": "integer"}}, ValueError),
        ({"decimal": "x"}, ValueError),
        ({"delimiter": ",,"}, ValueError),
        ({"delimiter": 1}, TypeError),
        ({"missing": [1]}, TypeError),
        ({"day_first": "yes"}, TypeError),
        ({"encoding": "no-such"}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(read, arguments, error):
    (name,) = arguments
    with pytest.raises(error, match=name):
        read("a,b\n1,2\n", **arguments)
