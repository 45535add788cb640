"""The page of a network for everybody: sizes, contrast, names and roles, motion."""

import pytest
from support.learnable_tables import mixed_table
from support.network_pages import digits, draw

import fastnn
from fastnn.tabular import learn_columns

pytest.importorskip("playwright")
pytest.importorskip("pandas")

from support.browsers import SCHEMES, SIZES, Tab, chromium, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of an image, of a table, and of numbers with many classes."""
    table = learn_columns(mixed_table(200))
    club = fastnn.Network((table.n_out, 6, 2), class_labels=["no", "yes"], seed=0)
    club.columns = table
    labels = [f"a rather long name, {k}" for k in range(30)]
    many = fastnn.Network((4, 3, 30), class_labels=labels, seed=0)
    folder = tmp_path_factory.mktemp("pages")
    networks = {"digits": digits()[0], "table": club, "many": many}
    paths = {name: folder / f"{name}.html" for name in networks}
    for name, network in networks.items():
        network.to_html(paths[name])
    return paths


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


def test_nothing_moves_for_those_who_want_no_motion(browser, pages):
    with Tab(browser, reduced_motion="reduce") as tab:
        tab.page.goto(pages["digits"].as_uri())
        durations = tab.page.evaluate(
            "[...document.querySelectorAll('*')].map(e => getComputedStyle(e))"
            ".filter(s => s.transitionDuration !== '0s' || s.animationName !== 'none').length"
        )
        assert durations == 0
