"""A Chromium that is installed, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-component-update", "--disable-sync",
)  # fmt: skip

ADDRESS = "http://fastnn.test"
"""Of a folder; no request leaves the browser."""


@contextmanager
def chromium():
    """Yield a browser; skip the test if there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
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
