"""The form of a table and the line of numbers, on the page of a network in a real browser."""

import numpy as np
import pytest
from support.learnable_tables import mixed_table
from support.network_pages import shares
from support.table_inputs import random_table

import fastnn
from fastnn.tabular import learn_columns

pytest.importorskip("playwright")
pytest.importorskip("pandas")

from support.browsers import Tab, chromium, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


# -- rows of numbers ------------------------------------------------------------------------------


@pytest.fixture
def flowers(tmp_path):
    network = fastnn.Network((3, 4, 2), output="identity", seed=0)
    x = np.random.default_rng(0).normal(size=(40, 3))
    network.fit(x, x[:, :2], epochs=2, progress=False)
    network.to_html(tmp_path / "a.html")
    return network, (tmp_path / "a.html").as_uri()


@pytest.mark.parametrize(
    "text", ["1, -2.5, 3e-1", "1 -2.5 .3", "1;-2.5;0.3", "1\t-2.5\t0.3", " [1,-2.5,0.3]\n"]
)
def test_a_line_of_numbers_is_pasted(browser, flowers, text):
    network, address = flowers
    with Tab(browser) as tab:
        tab.page.goto(address)
        tab.page.get_by_label("3 numbers").fill(text)
        found = [float(share) for share in tab.page.locator("#bars .share").all_inner_texts()]
        np.testing.assert_allclose(
            found, network.predict([[1, -2.5, 0.3]])[0], rtol=1e-4, atol=1e-5
        )
        assert tab.asked_for() == [address]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "3 numbers are needed, there are 0"),
        ("1, 2", "3 numbers are needed, there are 2"),
        ("1, 2, 3, 4", "3 numbers are needed, there are 4"),
        ("1, x, 3", "Number 2: “x” is not a number"),
        ("1, , 3", "Number 2: “” is not a number"),
        ("1;2,5;3", "Number 2: “2,5” is not a number: write decimals with a point, as 2.5"),
        ("1, 1e999, 3", "Number 2: “1e999” is not a number"),
        ("1, 0x10, 3", "Number 2: “0x10” is not a number"),
        ("1, Infinity, 3", "Number 2: “Infinity” is not a number"),
    ],
)
def test_a_wrong_line_is_refused_in_words(browser, flowers, text, words):
    with Tab(browser) as tab:
        tab.page.goto(flowers[1])
        tab.page.get_by_label("3 numbers").fill(text)
        assert tab.page.locator("#numbers-error").inner_text() == words
        assert tab.page.get_by_label("3 numbers").get_attribute("aria-invalid") == "true"
        assert tab.page.locator("#bars .share").all_inner_texts() == ["–", "–"]


# -- tables ---------------------------------------------------------------------------------------


def fill(page, columns, rng):
    """Fill the form at random; return the table of one row that it stands for."""
    record = {}
    read = [column for column in columns.table if column.encoding is not None]
    for i, column in enumerate(read):
        field = page.locator(f"#field-{i}")
        may_miss = column.had_missing or column.encoding.indicator
        if field.evaluate("e => e.tagName") == "SELECT":
            n = field.locator("option").count()
            chosen = int(rng.integers(n))
            field.select_option(index=chosen)
            words = field.locator("option").nth(chosen).inner_text()
            missing = may_miss and chosen == n - 1
            record[column.name] = None if missing else _cell(column, words, chosen)
        elif may_miss and rng.random() < 0.3:
            field.fill("")
            record[column.name] = None
        elif column.encoding.kind == "number":
            value = float(rng.choice([0.0, -1.5, 1e9, 3.25, 1e-3]))
            field.fill(repr(value))
            record[column.name] = value
        else:
            year, month, hour = (
                int(rng.integers(*ends)) for ends in ((1950, 2050), (1, 13), (0, 24))
            )
            text = f"{year}-{month:02}-11T{hour:02}:30:15"
            field.fill(text)
            record[column.name] = text + ("Z" if column.has_zone else "")
    return {name: [value] for name, value in record.items()}


def _cell(column, words, chosen):
    kind, encoding = column.encoding.kind, column.encoding
    if kind == "flag":
        return {"no": False, "yes": True}.get(words, True)
    if kind == "text":
        values = getattr(encoding, "values", ())
        return values[chosen] if chosen < len(values) else "something else"
    return 1.0 if kind == "number" else "2001-01-01T00:00:00" + ("Z" if column.has_zone else "")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_forms_of_random_tables_answer_what_python_answers(browser, tmp_path, seed):
    train, _, kinds = random_table(seed)
    columns = learn_columns(train, kinds=kinds)
    rng = np.random.default_rng(seed)
    if seed % 2:
        model = fastnn.Network((columns.n_out, 5, 3), activation="tanh", seed=seed)
    else:
        model = fastnn.Ensemble((columns.n_out, 5, 3), 3, activation="tanh", seed=seed)
    model.columns = columns
    model.to_html(tmp_path / "a.html")
    with Tab(browser) as tab:
        tab.page.goto((tmp_path / "a.html").as_uri())
        for _ in range(4):
            row = fill(tab.page, columns, rng)
            expected = model.predict_proba(row)[0]
            np.testing.assert_allclose(
                shares(tab.page), 100 * expected, atol=0.11, err_msg=str(row)
            )
        assert not tab.complaints


@pytest.fixture(scope="module")
def table_page(tmp_path_factory):
    table = mixed_table(200)
    columns = learn_columns(table)
    network = fastnn.Network((columns.n_out, 6, 2), class_labels=["no", "yes"], seed=0)
    network.columns = columns
    path = tmp_path_factory.mktemp("page") / "club.html"
    network.to_html(path)
    return network, path


def test_fields_are_wrong_in_words(browser, table_page):
    network, path = table_page
    columns = [c for c in network.columns.table if c.encoding is not None]
    at = next(i for i, c in enumerate(columns) if c.encoding.kind == "number")
    with Tab(browser) as tab:
        tab.page.goto(path.as_uri())
        field, error = (tab.page.locator(f"#field-{at}{end}") for end in ("", "-error"))
        for text, words in (("1,5", "as 2.5"), ("many", "“many” is not a number")):
            field.fill(text)
            assert words in error.inner_text()
            assert field.get_attribute("aria-invalid") == "true"
            assert tab.page.locator("#headline").inner_text() == "See the fields that are marked"
        field.fill("1.5")
        assert error.inner_text() == ""
        assert "%" in tab.page.locator("#headline").inner_text()


def test_a_slider_sets_its_number_with_the_keyboard(browser, table_page):
    network, path = table_page
    name = next(c.name for c in network.columns.table
                if c.encoding is not None and c.encoding.kind == "number")  # fmt: skip
    with Tab(browser) as tab:
        tab.page.goto(path.as_uri())
        number = tab.page.get_by_role("textbox", name=name, exact=True)
        before = float(number.input_value())
        tab.page.get_by_role("slider", name=f"{name}, slider").press("PageUp")
        assert float(number.input_value()) > before
