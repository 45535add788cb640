"""Pictures in the page: in its colours, with ids of their own, and texts as they were written."""

import re
from html import unescape

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastnn.report import pictures

EVIL = 'id="a" url(#b) href="#c" #010203 font: 9px x; <!-- d --> <e id="f">'


def test_texts_in_a_picture_stay_as_they_were_written():
    svg = pictures.svg("name", "what it shows", 2.0, lambda ax: ax.set_title(EVIL))
    assert EVIL in [unescape(text) for text in re.findall("<text[^>]*>([^<]*)</text>", svg)]


def test_what_a_picture_shows_is_told_in_the_same_words():
    svg = pictures.svg("name", EVIL, 2.0, lambda ax: ax.plot([1, 2]))
    assert unescape(re.search('aria-label="([^"]*)"', svg)[1]) == EVIL
