"""The page of a training in a real browser: on a phone and a desk, in light and in dark."""

import numpy as np
import pytest
from support.examples import blobs, small_network

from fastnn.datasets import Dataset, Split

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytest.importorskip("playwright")

from support.browsers import SCHEMES, SIZES, Tab, chromium, needs_chromium

from fastnn import report

pytestmark = needs_chromium


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


@SCHEMES
@SIZES
def test_the_page_can_be_read(browser, page_file, tmp_path, size, scheme):
    with Tab(browser, size, scheme) as tab:
        page = tab.page
        page.goto(page_file.as_uri(), wait_until="load")
        page.screenshot(path=tmp_path / "page.png", full_page=True)

        assert not tab.complaints
        assert tab.asked_for() == [page_file.as_uri()]
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        drawn = page.evaluate(
            "[...document.querySelectorAll('svg')]"
            ".map(s => [s.getBoundingClientRect().width, s.querySelectorAll('path').length])"
        )
        assert all(200 < width <= size[0] and paths > 3 for width, paths in drawn)
        tab.assert_readable()
