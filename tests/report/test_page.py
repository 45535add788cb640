"""One page for everybody: it asks for nothing, and its parts refer to each other rightly."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from support.report_pages import Page, X, dataset, rendered, trained

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def pages():
    """A page of classes in images and one of numbers in a table."""
    x = np.abs(np.random.default_rng(0).normal(size=(120, 64)))
    return [
        rendered(*trained((64, 3), dataset(x=x))),
        rendered(*trained((4, 5, 2), dataset(None, y=X[:, :2]), output="identity")),
    ]


def test_the_page_asks_for_nothing(pages):
    for html in pages:
        page = Page(html)
        assert not page.all("script")
        assert "//" not in re.sub(r"base64,[\w+/=\s]*", "", html)
        assert "@import" not in html
        for tag, attributes in page.tags:
            for name in ("src", "href", "xlink:href"):
                target = attributes.get(name, "data:")
                assert target.startswith(("data:", "#")), (tag, target)
        assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_ids_are_unique_and_what_refers_to_one_finds_it(pages):
    for html in pages:
        ids = re.findall(r'\bid="([^"]*)"', html)
        assert len(ids) == len(set(ids))
        referred = re.findall(r'(?:href="#|url\(#|labelledby=")([^")]*)', html)
        assert referred
        assert set(referred) <= set(ids)


def test_pictures_are_in_the_colours_of_the_page(pages):
    for html in pages:
        assert "currentColor" in html
        assert "var(--first)" in html.partition("</style>")[2]
        assert "#01020" not in html


def test_headings_are_in_order_and_the_page_has_title_and_language(pages):
    for html in pages:
        page = Page(html)
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert page.all("html") == [{"lang": "en"}]
        assert re.search("<title>blobs · .+</title>", html)
        assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))


def test_what_users_named_is_text_and_never_markup():
    evil = ('<script>alert("1")</script>', "'\"><img src=x>", "$\\frac{$")
    names = ("<i>", "</td>", "&amp;", "{{ 7 * 7 }}")
    data = replace(dataset(evil, names=names), name="<b>&")
    network, history, _ = trained(data=data, class_labels=evil)
    network.parameters[...] *= -1
    html = rendered(network, history, data, options={"<u>": "</dl>"}, note="<em>")
    page = Page(html)
    assert not page.open
    assert not {"script", "img", "i", "u", "em", "b"} & {tag for tag, _ in page.tags}
    assert page.says(evil[0])
    assert page.says("{{ 7 * 7 }}")


def test_letters_that_no_font_of_matplotlib_has_go_through():
    labels = ("猫", "Ω", "👍")
    network, history, data = trained((4, 3), dataset(labels), class_labels=labels)
    assert Page(rendered(network, history, data)).says("👍")


def test_the_page_says_the_same_twice():
    made = trained()
    first, second = (re.sub(r"<p>\d{4}-.*", "", rendered(*made)) for _ in range(2))
    assert first == second
