"""What names rows: one list, of which readers take the surest part, and columns all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.tabular.identifiers import is_named_so, is_of_rows, is_written_for_rows

WRITTEN = ["", "Unnamed: 0", "rownames", "row.names", "row_names", "__index_level_0__"]
OF_ROWS = ["Unnamed: 3", "index", "level_0"]
NAMED = ["id", "PassengerId", "row", "row index", "no", "nr", "order_no", "uuid", "#", "record"]
OTHER = ["age", "paid", "nova", "keynote", "indexed", "levels", "unnamed", "unnamed: x"]


@given(
    name=st.sampled_from([*WRITTEN, *OF_ROWS, *NAMED, *OTHER]),
    case=st.sampled_from([str, str.upper, str.lower]),
)
def test_each_part_of_the_list_is_within_the_next(name, case):
    found = [f(case(name)) for f in (is_written_for_rows, is_of_rows, is_named_so)]
    assert found == sorted(found)
    assert found[0] == (name in WRITTEN)
    assert found[1] == (name in [*WRITTEN, *OF_ROWS])
    if name != "PassengerId":
        assert found[2] == (name not in OTHER)


@pytest.mark.parametrize("name", ["PassengerId", "userID"])
def test_a_capital_id_ends_a_name(name):
    assert is_named_so(name)
    assert not is_named_so(name.lower())
