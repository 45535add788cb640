"""The page of a training in a real browser: on a phone and a desk, in light and in dark."""

import numpy as np
import pytest
from support.browsers import chromium
from support.examples import blobs, small_network

from fastnn.datasets import Dataset, Split

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from fastnn import report

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


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def dataset(x, y, labels, names=None):
    parts = (Split(x[:60], y[:60]), Split(x[60:90], y[60:90]), Split(x[90:], y[90:]))
    return Dataset("rows", *parts, labels, feature_names=names)


def images():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (120, 64), dtype=np.uint8)
    return (64, 6, 10), dataset(x, np.arange(120) % 10, np.arange(10)), "softmax"


def many_classes():
    x, y = blobs(300, 4, 30)
    labels = np.array([f"a rather long name, {k}" for k in range(30)])
    return (4, 30), dataset(x, y, labels, ("width", "height", "x" * 40, "colour")), "softmax"


def numbers():
    x, _ = blobs()
    return (4, 6, 2), dataset(x, x[:, :2] * 1000, None), "identity"


@pytest.fixture(scope="module", params=[images, many_classes, numbers], ids=lambda f: f.__name__)
def page_file(request, tmp_path_factory):
    sizes, data, output = request.param()
    network = small_network(sizes, output=output)
    history = network.fit(*data.train, epochs=3, validation_data=data.validation, progress=False)
    path = tmp_path_factory.mktemp("report") / f"{request.param.__name__}.html"
    report.write(path, network, history, data, options={"file": "/a/long/path" * 12})
    return path


def luminance(rgb):
    """Relative luminance (WCAG 2.2) of sRGB bytes."""
    c = np.array(rgb) / 255.0
    return float(
        np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    )


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_the_page_can_be_read(browser, page_file, tmp_path, size, scheme):
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri(), wait_until="load")
    page.screenshot(path=tmp_path / "page.png", full_page=True)

    assert not complaints
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    wide, inner = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide <= inner
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    drawn = page.evaluate(
        "[...document.querySelectorAll('svg')]"
        ".map(s => [s.getBoundingClientRect().width, s.querySelectorAll('path').length])"
    )
    assert all(200 < width <= size[0] and paths > 3 for width, paths in drawn)

    ground = page.evaluate(PIXEL, page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (luminance(ground) < 0.05) == (scheme == "dark")
    texts = page.evaluate(TEXTS)
    pixels = {
        color: page.evaluate(PIXEL, color)
        for color in {text[key] for text in texts for key in ("color", "ground")}
    }
    assert len(texts) > 50
    for text in texts:
        assert text["size"] >= 12, text
        assert contrast(pixels[text["color"]], pixels[text["ground"]]) >= 4.5, text
    context.close()
