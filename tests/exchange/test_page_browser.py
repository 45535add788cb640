"""The page of a network in a real browser: drawn on, typed into, read by its accessibility tree."""

import functools
import os

import numpy as np
import pytest
from support.learnable_tables import mixed_table
from support.pen_strokes import strokes
from support.table_inputs import random_table

import fastnn
from fastnn.tabular import learn_columns

pytest.importorskip("playwright")
pytest.importorskip("pandas")

from support.browsers import PHONE, SCHEMES, SIZES, Tab, chromium, needs_chromium  # noqa: E402

pytestmark = needs_chromium

N_DRAWN = 10
PICTURE = """
view => [...view.getContext('2d').getImageData(0, 0, view.width, view.height).data]
  .filter((_, i) => i % 4 === 3)
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@functools.lru_cache(maxsize=1)
def digits():
    """A network that reads digits, and ten of the test images with their labels."""
    if os.environ.get("FASTNN_MNIST_DIR"):
        data = fastnn.datasets.mnist()
        x, y = data.train.x[:20_000], data.train.y[:20_000]
    else:
        data = fastnn.datasets.digits(6000)
        x, y = data.train
    network = fastnn.Network((784, 64, 10), activation="relu", seed=0)
    network.fit(x, y, epochs=5, progress=False)
    return network, data.test.x[:N_DRAWN], data.test.y[:N_DRAWN]


@pytest.fixture(scope="module")
def drawn_page(tmp_path_factory):
    """A network that was trained on bytes, and its page."""
    network, path = digits()[0], tmp_path_factory.mktemp("page") / "digits.html"
    network.to_html(path)
    return network, path


@pytest.fixture(scope="module")
def drawn_page_of_fractions(tmp_path_factory):
    """The same network, but for that it was trained on numbers from 0 to 1."""
    network, x, y = digits()
    network = fastnn.Network.from_model(network)
    network.trained_on = None
    network.partial_fit(x / 255.0, y, optimizer=fastnn.SGD(1e-9))
    path = tmp_path_factory.mktemp("page") / "digits.html"
    network.to_html(path)
    return network, path


def draw(page, image):
    """Draw an image stroke by stroke with the mouse."""
    box = page.locator("#board").bounding_box()
    for line in strokes(image.reshape(28, 28)):
        for i, (x, y) in enumerate(line):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if i == 0:
                page.mouse.down()
        page.mouse.up()


def picture(page):
    return np.array(page.locator("#view").evaluate(PICTURE), np.uint8)


def shares(page):
    """The percentages of all bars."""
    texts = page.locator("#bars .share").all_inner_texts()
    return np.array([float(text.strip("<>% ")) for text in texts])


def probabilities(network, image):
    of_bytes = network.trained_on.inputs == "bytes"
    return network.predict_proba((image if of_bytes else image / 255.0)[None])[0]


# -- drawing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_of", ["drawn_page", "drawn_page_of_fractions"])
def test_ten_digits_are_drawn_and_read(browser, page_of, request):
    network, path = request.getfixturevalue(page_of)
    _, images, labels = digits()
    with Tab(browser) as tab:
        tab.page.goto(path.as_uri())
        read = []
        for image in images:
            tab.page.get_by_role("button", name="Clear").click()
            draw(tab.page, image)
            prepared = picture(tab.page)
            expected = probabilities(network, prepared)
            np.testing.assert_allclose(shares(tab.page), 100 * expected, atol=0.11)
            read.append(int(tab.page.locator("#headline strong").inner_text()))
            assert read[-1] == expected.argmax()
        assert (np.array(read) == labels).sum() >= N_DRAWN - 1, (read, labels)
        assert tab.asked_for() == [path.as_uri()]
        assert not tab.complaints


def test_pictures_are_prepared_as_those_of_mnist(browser, drawn_page):
    """However large and wherever it is drawn: 20 pixels, about the middle of its ink."""
    _, path = drawn_page
    with Tab(browser) as tab:
        tab.page.goto(path.as_uri())
        box = tab.page.locator("#board").bounding_box()
        for x, y, size in [(0.1, 0.1, 0.3), (0.5, 0.2, 0.4), (0.1, 0.1, 0.8)]:
            tab.page.get_by_role("button", name="Clear").click()
            for dx, dy in [(0.2, 0), (0.2, 1), (0.8, 1)]:
                place = (box["x"] + (x + size * dx) * box["width"],
                         box["y"] + (y + size * dy) * box["height"])  # fmt: skip
                tab.page.mouse.move(*place, steps=5)
                tab.page.mouse.down()
            tab.page.mouse.up()
            found = picture(tab.page).reshape(28, 28).astype(float)
            inked = np.flatnonzero(found.sum(axis=1))
            assert 20 <= len(inked) <= 22
            middle = (np.arange(28) + 0.5) @ found.sum(axis=1) / found.sum()
            assert abs(middle - 14) < 0.1
            assert found.max() == 255
            assert len(np.unique(found)) > 5


def test_a_finger_draws_and_does_not_scroll(browser, drawn_page):
    _, path = drawn_page
    with Tab(browser, PHONE, has_touch=True, is_mobile=True) as tab:
        tab.page.goto(path.as_uri())
        box = tab.page.locator("#board").bounding_box()
        client = tab.context.new_cdp_session(tab.page)
        for i, kind in enumerate(["touchStart", *["touchMove"] * 20, "touchEnd"]):
            points = [{"x": box["x"] + 100, "y": box["y"] + 40 + 5 * i}]
            client.send("Input.dispatchTouchEvent",
                        {"type": kind, "touchPoints": [] if kind == "touchEnd" else points})  # fmt: skip
        assert picture(tab.page).any()
        assert tab.page.evaluate("scrollY") == 0


def test_one_draws_and_undoes_with_the_keyboard_alone(browser, drawn_page):
    network, path = drawn_page
    with Tab(browser) as tab:
        page = tab.page
        page.goto(path.as_uri())
        press = page.keyboard.press
        for _ in range(2):  # the choice, then the board
            press("Tab")
        assert page.evaluate("document.activeElement.id") == "board"
        outline = page.locator("#board").evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline == "solid"
        for _ in range(8):
            press("ArrowUp")
        press("Space")
        for _ in range(16):
            press("ArrowDown")
        press("Escape")
        one = picture(page)
        assert 5 <= (one.reshape(28, 28).max(axis=1) > 128).sum() <= 22
        np.testing.assert_allclose(shares(page), 100 * probabilities(network, one), atol=0.11)
        for key in "ArrowRight", "Enter", "ArrowRight", "Enter":
            press(key)
        assert (picture(page) != one).any()
        press("Tab")
        press("Enter")  # undo
        assert (picture(page) == one).all()
        press("Shift+Tab")
        press("Delete")
        assert not picture(page).any()
        assert page.locator("#headline").inner_text() == "Draw something"


def test_what_is_spoken_waits_for_the_end(browser, drawn_page):
    _, path = drawn_page
    _, images, _ = digits()
    with Tab(browser) as tab:
        tab.page.goto(path.as_uri())
        tab.page.evaluate(
            """() => { window.said = [];
            new MutationObserver(() => said.push(document.getElementById('spoken').textContent))
              .observe(document.getElementById('spoken'), {childList: true}); }"""
        )
        draw(tab.page, images[0])
        tab.page.wait_for_timeout(1500)
        said = tab.page.evaluate("said")
        assert said[-1] == tab.page.locator("#headline").inner_text()
        assert len(said) == 1


def test_full_ink_is_asked_for_where_it_is_not_known(browser, tmp_path):
    network = fastnn.Network((64, 5), seed=0)
    x = np.random.default_rng(0).uniform(0, 16, (60, 64))
    network.fit(x, np.arange(60) % 5, epochs=3, progress=False)
    network.to_html(tmp_path / "a.html")
    with Tab(browser) as tab:
        page = tab.page
        page.goto((tmp_path / "a.html").as_uri())
        page.get_by_role("radio", name="Draw").check()
        page.get_by_label("Full ink counts as").fill("16")
        box = page.locator("#board").bounding_box()
        page.mouse.move(box["x"] + 90, box["y"] + 90)
        page.mouse.down()
        page.mouse.move(box["x"] + 90, box["y"] + 250, steps=4)
        page.mouse.up()
        row = picture(page) * (16 / 255.0)
        np.testing.assert_allclose(
            shares(page), 100 * network.predict_proba(row[None])[0], atol=0.11
        )
        page.get_by_label("Full ink counts as").fill("x")
        assert "is not a number" in page.locator("#full-error").inner_text()
        page.get_by_label("Full ink counts as").fill("16")
        page.get_by_role("radio", name="Numbers").check()
        typed = page.get_by_label("64 numbers").input_value().split(", ")
        np.testing.assert_allclose(np.array(typed, float), row, rtol=1e-6)


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
            text = f"{rng.integers(1950, 2050)}-{rng.integers(1, 13):02}-11T{rng.integers(24):02}:30:15"
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


# -- for everybody --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(drawn_page, table_page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    network = fastnn.Network((4, 3, 30), class_labels=[f"a rather long name, {k}" for k in range(30)],
                             seed=0)  # fmt: skip
    network.to_html(folder / "many.html")
    return {"digits": drawn_page[1], "table": table_page[1], "many": folder / "many.html"}


@pytest.mark.parametrize("name", ["digits", "table", "many"])
@SCHEMES
@SIZES
def test_the_page_can_be_read(browser, pages, tmp_path, name, size, scheme):
    with Tab(browser, size, scheme) as tab:
        tab.page.goto(pages[name].as_uri())
        if name == "digits":
            draw(tab.page, digits()[1][0])
        tab.page.wait_for_timeout(300)
        tab.page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert not tab.complaints
        assert tab.asked_for() == [pages[name].as_uri()]
        tab.assert_readable(least=30)


def test_the_accessibility_tree_names_everything(browser, pages):
    with Tab(browser) as tab:
        for path in pages.values():
            tab.page.goto(path.as_uri())
            tree = tab.context.new_cdp_session(tab.page).send("Accessibility.getFullAXTree")
            for node in tree["nodes"]:
                role = node.get("role", {}).get("value")
                if role in ("button", "textbox", "combobox", "radio", "slider", "application",
                            "heading", "region", "image", "Canvas", "DateTime"):  # fmt: skip
                    assert node["name"]["value"].strip(), node
        tab.page.goto(pages["digits"].as_uri())
        for role, name in [
            ("heading", "digits"), ("region", "A drawing"), ("region", "Probabilities"),
            ("region", "This network"), ("radio", "Draw"), ("radio", "Numbers"),
            ("application", "Drawing board"), ("button", "Undo"), ("button", "Clear"),
            ("img", "What the network sees: 28 by 28 pixels"), ("columnheader", "Activation"),
        ]:  # fmt: skip
            assert tab.page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
        assert tab.page.get_by_role("status").count() == 1
        assert tab.page.get_by_role("listitem").count() == 10
        help_text = tab.page.locator("#board").get_attribute("aria-describedby")
        assert "arrow keys" in tab.page.locator(f"#{help_text}").inner_text()


def test_nothing_moves_for_those_who_want_no_motion(browser, drawn_page):
    with Tab(browser, reduced_motion="reduce") as tab:
        tab.page.goto(drawn_page[1].as_uri())
        durations = tab.page.evaluate(
            "[...document.querySelectorAll('*')].map(e => getComputedStyle(e))"
            ".filter(s => s.transitionDuration !== '0s' || s.animationName !== 'none').length"
        )
        assert durations == 0


def test_the_page_works_without_webassembly(browser, drawn_page):
    network, path = drawn_page
    with Tab(browser) as tab:
        tab.page.add_init_script("delete globalThis.WebAssembly")
        tab.page.goto(path.as_uri())
        draw(tab.page, digits()[1][0])
        expected = probabilities(network, picture(tab.page))
        np.testing.assert_allclose(shares(tab.page), 100 * expected, atol=0.11)
        assert not tab.complaints
