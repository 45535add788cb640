"""The page at the root: who may see it, what it says of models, and what it does in a browser."""

import contextlib
import json

import numpy as np
import pytest
from support.learnable_tables import mixed_table
from support.network_pages import picture, shares
from support.served import ask, serving

import fastnn
import fastnn.serve
from fastnn.tabular import learn_columns

POLICY = b"content-security-policy"


@pytest.fixture
def network():
    return fastnn.Network((3, 4, 2), class_labels=["no", "yes"], seed=0)


# -- the application ------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "root"), [("/", ""), ("", "/nets"), ("/", "/nets")])
def test_the_page_is_at_the_root_and_needs_no_token(network, path, root):
    application = fastnn.serve.app({"m": network}, token="s3cret", poll_seconds=0)
    response = ask(application, "GET", path, root_path=root)
    assert response.status == 200
    assert response.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert response.body.startswith(b"<!DOCTYPE html>")
    assert b"s3cret" not in response.body
    policy = response.headers[POLICY].decode()
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.endswith("connect-src 'self'; frame-ancestors 'none'")
    assert response.headers[b"x-content-type-options"] == b"nosniff"
    assert response.headers[b"referrer-policy"] == b"no-referrer"


def test_the_page_says_nothing_of_the_models(network):
    named = fastnn.serve.app({"secret name": network}, poll_seconds=0)
    other = fastnn.serve.app({"m": network}, poll_seconds=0)
    assert ask(named, "GET", "/").body == ask(other, "GET", "/").body


def test_the_page_is_read_and_not_written(network):
    application = fastnn.serve.app({"m": network}, poll_seconds=0)
    assert ask(application, "HEAD", "/").body == b""
    assert ask(application, "POST", "/").status == 405


def test_models_are_described_to_those_with_the_token(network):
    application = fastnn.serve.app({"m": network}, token="s3cret", poll_seconds=0)
    assert ask(application, "GET", "/v2/models/m/about").status == 401
    headers = [(b"authorization", b"Bearer s3cret")]
    for path in ("/v2/models/m/about", "/v2/models/m/versions/1/about"):
        found = ask(application, "GET", path, headers=headers).json
        assert found["outputs"] == {"kind": "classes", "n": 2, "names": ["no", "yes"]}
        assert found["layers"][0] == ["hidden 1", "3 → 4", "sigmoid", "16"]


def test_ensembles_say_of_how_many_networks_they_are():
    ensemble = fastnn.Ensemble((3, 4, 2), 5, seed=0)
    application = fastnn.serve.app({"m": ensemble}, poll_seconds=0)
    facts = dict(ask(application, "GET", "/v2/models/m/about").json["facts"])
    assert facts["Weights"].startswith("5 networks of 26, float32")


# -- in a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("uvicorn")
    pytest.importorskip("playwright")
    browsers = pytest.importorskip("support.browsers")
    if browsers.CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    with browsers.chromium() as found:
        yield found


@contextlib.contextmanager
def opened(browser, address):
    from support.browsers import Tab

    with Tab(browser) as tab:
        tab.page.goto(address)
        yield tab, tab.page


@pytest.fixture(scope="module")
def table_network():
    table = mixed_table(200)
    columns = learn_columns(table)
    network = fastnn.Network((columns.n_out, 6, 2), class_labels=["no", "yes"], seed=0)
    network.columns = columns
    return network


@pytest.fixture(scope="module")
def models(table_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    table_network.save(folder / "club.safetensors")
    images = fastnn.Network((784, 8, 10), seed=0)
    x = np.random.default_rng(0).integers(0, 256, (50, 784), np.uint8)
    images.fit(x, np.arange(50) % 10, epochs=1, progress=False)
    images.save(folder / "images.safetensors")
    fastnn.Network((3, 1), output="identity", seed=0).save(folder / "rows.safetensors")
    return {name: folder / f"{name}.safetensors" for name in ("images", "club", "rows")}


def settled(page):
    """Wait for the answer to the last change."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(150)


def test_models_are_chosen_and_asked(browser, models):
    with serving(*models.values()) as (port, _):
        home = f"http://127.0.0.1:{port}/"
        with opened(browser, home) as (tab, page):
            page.get_by_label("Model").wait_for()
            assert page.get_by_label("Model").locator("option").all_inner_texts() == [*models]
            box = page.locator("#board").bounding_box()
            page.mouse.move(box["x"] + 60, box["y"] + 60)
            page.mouse.down()
            page.mouse.move(box["x"] + 180, box["y"] + 240, steps=30)
            page.mouse.up()
            settled(page)
            expected = fastnn.load(models["images"]).predict_proba(picture(page)[None])
            np.testing.assert_allclose(shares(page), 100 * expected[0], atol=0.11)

            page.get_by_label("Model").select_option("club")
            page.get_by_role("heading", name="club").wait_for()
            settled(page)
            assert page.title() == "club"
            assert "%" in page.locator("#headline").inner_text()

            page.get_by_label("Model").select_option("rows")
            page.get_by_label("3 numbers").fill("1, 2, 3")
            settled(page)
            expected = fastnn.load(models["rows"]).predict([[1, 2, 3]])
            np.testing.assert_allclose(shares(page), expected, rtol=1e-5)
            assert all(url.startswith(home) for url in tab.asked_for())
            assert not tab.complaints


def test_the_form_asks_what_python_asks(browser, models, table_network):
    columns = [c for c in table_network.columns.table if c.encoding is not None]
    with (
        serving(models["club"]) as (port, _),
        opened(browser, f"http://127.0.0.1:{port}/") as (tab, page),
    ):
        asked = []
        page.on(
            "request", lambda one: asked.append(one.post_data) if one.method == "POST" else None
        )
        page.locator("#field-0").wait_for()
        for i, column in enumerate(columns):
            field = page.locator(f"#field-{i}")
            if field.evaluate("e => e.tagName") == "SELECT":
                field.select_option(index=field.locator("option").count() - 1)
            elif column.encoding.kind == "number":
                field.fill("12.5")
            settled(page)
            body = json.loads(asked[-1])
            assert [one["name"] for one in body["inputs"]] == [c.name for c in columns]
            record = {one["name"]: one["data"] for one in body["inputs"]}
            expected = table_network.predict_proba(record)
            np.testing.assert_allclose(shares(page), 100 * expected[0], atol=0.11)
        assert not tab.complaints


def test_the_token_is_asked_for_and_a_wrong_one_refused_in_words(browser, models, monkeypatch):
    monkeypatch.setenv("FASTNN_TEST_TOKEN", "s3cret")
    with (
        serving(models["rows"], "--token-env", "FASTNN_TEST_TOKEN") as (port, _),
        opened(browser, f"http://127.0.0.1:{port}/") as (_, page),
    ):
        field = page.get_by_label("Token of the server")
        field.wait_for()
        assert page.get_by_role("alert").count() == 0
        assert page.evaluate("document.activeElement.id") == "token"
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("alert").inner_text() == "The server refuses this token."
        assert field.input_value() == ""
        page.keyboard.type("s3cret")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="rows").wait_for()
        assert page.get_by_role("alert").count() == 0
        assert not field.is_visible()
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
            0,
            0,
            "",
        ]


def test_a_server_that_went_away_or_refuses_is_said_in_words(browser, models):
    with (
        serving(models["rows"]) as (port, process),
        opened(browser, f"http://127.0.0.1:{port}/") as (_, page),
    ):
        numbers, alert = page.get_by_label("3 numbers"), page.get_by_role("alert")
        numbers.fill("1, 2, 1e300")
        alert.wait_for()
        assert alert.inner_text().startswith("The server cannot answer: ")
        assert page.locator("#headline").inner_text() == "No answer"
        numbers.fill("1, 2, 3")
        alert.wait_for(state="hidden")
        process.terminate()
        process.wait(30)
        numbers.fill("1, 2, 4")
        alert.wait_for()
        assert alert.inner_text().startswith("The server does not answer.")
        assert page.locator("#bars .share").all_inner_texts() == ["–"]


def test_one_request_is_under_way_and_the_newest_input_is_next(browser, models):
    """While the first answer is held back, many inputs come, of which only the last is asked."""
    with serving(models["rows"]) as (port, _), opened(browser, "about:blank") as (_, page):
        asked, held = [], []

        def hold(route):
            asked.append(json.loads(route.request.post_data)["inputs"][0]["data"])
            if len(asked) == 2:  # the first is of the row that the page begins with
                held.append(route)
            else:
                route.continue_()

        page.route("**/infer", hold)
        page.goto(f"http://127.0.0.1:{port}/")
        numbers = page.get_by_label("3 numbers")
        numbers.wait_for()
        settled(page)
        for i in range(10):
            numbers.fill(f"1, 2, {i}")
        page.wait_for_timeout(100)
        assert asked == [[0, 0, 0], [1, 2, 0]]
        held[0].continue_()
        settled(page)
        assert asked == [[0, 0, 0], [1, 2, 0], [1, 2, 9]]
        expected = fastnn.load(models["rows"]).predict([[1, 2, 9]])
        np.testing.assert_allclose(shares(page), expected, rtol=1e-5)


def test_an_answer_to_what_is_gone_is_not_shown(browser, models):
    with serving(models["rows"]) as (port, _), opened(browser, "about:blank") as (_, page):
        held = []
        page.route("**/infer", lambda route: held.append(route))
        page.goto(f"http://127.0.0.1:{port}/")
        numbers = page.get_by_label("3 numbers")
        numbers.fill("1, 2")
        page.wait_for_timeout(100)
        held[0].continue_()
        settled(page)
        assert page.locator("#headline").inner_text() == "See the numbers"
        assert page.locator("#bars .share").all_inner_texts() == ["–"]
