"""An installed Chromium, driven by Playwright, and what is asked of every page in it."""

import contextlib
import shutil

import numpy as np
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-component-update", "--disable-sync",
)  # fmt: skip

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

PHONE, DESK = (390, 844), (1280, 900)
SIZES = pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])

TEXTS = """
() => [...document.querySelectorAll('body *')]
  .filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)'))
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .map(e => {
    const svg = e.closest('svg'), style = getComputedStyle(e);
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    let ground = e;
    while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)')
      ground = ground.parentElement;
    return {text: e.textContent.trim(), size: parseFloat(style.fontSize) * scale,
            color: svg ? style.fill : style.color,
            ground: getComputedStyle(ground).backgroundColor};
  })
"""
PIXEL = """
color => {
  const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
"""


ADDRESS = "http://fastnn.test"
"""Of a folder; no request leaves the browser."""


@contextlib.contextmanager
def chromium():
    """Yield a browser; skip the test if there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def page_of(browser, folder, headers=None):
    """Yield an empty page whose address has a folder's modules beside it."""
    types = {".mjs": "text/javascript", ".js": "text/javascript"}

    def answer(route):
        path = folder / route.request.url.removeprefix(ADDRESS).lstrip("/")
        if path.suffix in types:
            body = path.read_text()
            route.fulfill(body=body, content_type=types[path.suffix], headers=headers)
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html", headers=headers)

    context = browser.new_context()
    page = context.new_page()
    context.route("**/*", answer)
    page.goto(f"{ADDRESS}/")
    yield page
    context.close()


class Tab:
    """A page that is opened, with all its complaints and requests."""

    def __init__(self, browser, size=DESK, scheme="light", **options):
        viewport = {"width": size[0], "height": size[1]}
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme, **options)
        self.page = self.context.new_page()
        self.complaints, self.requests, self.scheme = [], [], scheme
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def _hear(self, message):
        if not message.text.startswith("Canvas2D: Multiple readback"):  # of the test
            self.complaints.append(message.text)

    def asked_for(self):
        """The addresses that were requested, but for data in the page."""
        return [url for url in self.requests if not url.startswith("data:")]

    def assert_readable(self, least=50):
        """Nothing is wider than the page, and every text is large and distinct enough."""
        wide, inner = self.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        assert wide <= inner
        body = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (luminance(self.page.evaluate(PIXEL, body)) < 0.05) == (self.scheme == "dark")
        texts = self.page.evaluate(TEXTS)
        colors = {text[key] for text in texts for key in ("color", "ground")}
        pixels = {color: self.page.evaluate(PIXEL, color) for color in colors}
        assert len(texts) > least
        for text in texts:
            assert text["size"] >= 12, text
            assert contrast(pixels[text["color"]], pixels[text["ground"]]) >= 4.5, text


def luminance(rgb):
    """Relative luminance (WCAG 2.2) of sRGB bytes."""
    c = np.array(rgb) / 255.0
    return float(
        np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    )


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
