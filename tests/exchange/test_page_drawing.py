"""Drawing on the page of a network in a real browser: by mouse, finger and keyboard."""

import numpy as np
import pytest
from support.network_pages import N_DRAWN, digits, draw, picture, shares

import fastnn

pytest.importorskip("playwright")

from support.browsers import PHONE, Tab, chromium, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


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


def probabilities(network, image):
    of_bytes = network.trained_on.inputs == "bytes"
    return network.predict_proba((image if of_bytes else image / 255.0)[None])[0]


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
            touch = {"type": kind, "touchPoints": [] if kind == "touchEnd" else points}
            client.send("Input.dispatchTouchEvent", touch)
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


def test_the_policy_of_the_page_allows_webassembly(browser, drawn_page):
    count = """
        globalThis.nCompiled = 0;
        WebAssembly.Module = new Proxy(WebAssembly.Module, { construct(Module, bytes) {
            const module = new Module(...bytes);
            nCompiled++;
            return module;
        } });
    """
    with Tab(browser) as tab:
        tab.page.add_init_script(count)
        tab.page.goto(drawn_page[1].as_uri())
        assert tab.page.evaluate("nCompiled") == 1


def test_the_page_works_without_webassembly(browser, drawn_page):
    network, path = drawn_page
    with Tab(browser) as tab:
        tab.page.add_init_script("delete globalThis.WebAssembly")
        tab.page.goto(path.as_uri())
        draw(tab.page, digits()[1][0])
        expected = probabilities(network, picture(tab.page))
        np.testing.assert_allclose(shares(tab.page), 100 * expected, atol=0.11)
        assert not tab.complaints
