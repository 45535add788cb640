"""Wrong requests get the protocol's error in words, and the server goes on."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.served import ask, asked, binary, infer, tensor

import fastnn
import fastnn.serve

NETWORK = fastnn.Network((3, 4, 2), seed=0)
RIGHT = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
LENGTH = b"inference-header-content-length"


@pytest.fixture
def application():
    return fastnn.serve.app({"m": NETWORK}, poll_seconds=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [1, 4], "data": [1, 2, 3, 4]}, "[rows, 3]"),
        ({"shape": [3]}, "for one row, [1, 3]"),
        ({"shape": [1, 1, 3]}, "[rows, 3]"),
        ({"shape": [-1, 3]}, "at least 0"),
        ({"shape": [True, 3]}, "whole numbers"),
        ({"shape": "1, 3"}, "'1, 3'"),
        ({"shape": None}, "None"),
        ({"shape": [2**62, 2**62, 3]}, "elements"),
        ({"shape": [2, 3]}, "6 elements"),
        ({"data": [1, 2]}, "3 elements"),
        ({"data": [[1, 2, 3], [4, 5, 6]]}, "nested"),
        ({"data": [[1, 2], [3]]}, "nested"),
        ({"data": [[1, [2], 3]]}, "[2]"),
        ({"data": [1, "2", 3]}, "'2'"),
        ({"data": [1, None, 3]}, "None"),
        ({"data": [1, True, 3]}, "True"),
        ({"data": {"a": 1}}, "a list"),
        ({"data": [1, 1e39, 3]}, "FP32 cannot hold"),
        ({"data": [1, 10**400, 3]}, "cannot hold"),
        ({"datatype": "FP64", "data": [1, 10**400, 3]}, "cannot hold"),
        ({"datatype": "UINT8", "data": [1, 256, 3]}, "256"),
        ({"datatype": "UINT8", "data": [1, 2.5, 3]}, "2.5"),
        ({"datatype": "FLOAT"}, "'FLOAT'"),
        ({"datatype": "INT64"}, "INT64"),
        ({"datatype": ["FP32"]}, "FP32"),
        ({"name": "y"}, "'y'"),
        ({"name": 3}, "3"),
        ({"parameters": []}, "object"),
        ({"parameters": {"shared_memory_region": "a"}}, "shared_memory_region"),
        ({"parameters": {"binary_data_size": 12}}, "both"),
    ],
)
def test_a_wrong_input_is_refused_in_words(application, change, words):
    response = infer(application, {"inputs": [RIGHT | change]})
    assert response.status == 400
    assert words in response.error


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"inputs": []}', "inputs"),
        (b'{"inputs": [1]}', "object"),
        (b"[" * 30000, "nested too deeply"),
        (b'{"a":' * 5000, "nested too deeply"),
        (b"1" * 5000, "JSON"),
        (json.dumps({"inputs": [RIGHT, RIGHT]}).encode(), "twice"),
        (json.dumps({"inputs": [RIGHT, RIGHT | {"name": "y"}]}).encode(), "'y'"),
        (json.dumps({"inputs": [RIGHT], "outputs": [{"name": "z"}]}).encode(), "'z'"),
        (json.dumps({"inputs": [RIGHT], "outputs": 3}).encode(), "outputs"),
        (json.dumps({"inputs": [RIGHT], "id": 3}).encode(), "id"),
        (json.dumps({"inputs": [RIGHT | {"data": [1, float("nan"), 2]}]}).encode(), "NaN"),
    ],
)
def test_a_wrong_body_is_refused_in_words(application, body, words):
    response = infer(application, body)
    assert response.status == 400
    assert words in response.error


@pytest.mark.parametrize("size", [0, 11, 13, 10**30, -4, "12", True])
def test_binary_sizes_must_match(application, size):
    entry = {"name": "x", "shape": [1, 3], "datatype": "FP32",
             "parameters": {"binary_data_size": size}}  # fmt: skip
    head = json.dumps({"inputs": [entry]}).encode()
    response = infer(application, head + bytes(12), headers=[(LENGTH, b"%d" % len(head))])
    assert response.status == 400
    assert "binary_data_size" in response.error


@pytest.mark.parametrize("length", [b"-1", b"x", b"99999", b"9" * 40, b"", b"1e2"])
def test_the_header_length_must_fit(application, length):
    assert "Content-Length" in infer(application, b"{}", headers=[(LENGTH, length)]).error


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(application, value):
    x = np.array([[1, value, 2]], np.float32)
    body, headers = binary([("x", "FP32", [1, 3], x.tobytes())])
    response = infer(application, body, headers=headers)
    assert response.status == 400
    assert "column 1" in response.error


def test_unknown_models_and_paths_are_not_found(application):
    for path in ("/v2/models/other", "/v2/models/m/versions/2", "/v2/models/m/x", "/x", "/v3",
                 "/v2/models/m/versions/1/infer/x", "/v2/models/" + "é\n" * 99):  # fmt: skip
        response = ask(application, "GET", path)
        assert response.status == 404, path
        assert response.error
    assert ask(application, "GET", "/v2/models/m/infer").status == 405
    assert ask(application, "DELETE", "/v2/models/m").headers[b"allow"] == b"GET, HEAD"


def test_bodies_rows_and_time_are_bounded():
    limits = fastnn.serve.Limits(body_bytes=1000, rows=2, seconds=0.05)
    application = fastnn.serve.app({"m": NETWORK}, limits=limits)
    headers = [(b"content-length", b"1001")]
    assert infer(application, b"", headers=headers).status == 413
    assert ask(application, "POST", "/v2/models/m/infer", parts=[b" " * 600] * 9).status == 413
    assert infer(application, {"inputs": [tensor(np.ones((3, 3)))]}).status == 413
    assert infer(application, {"inputs": [tensor(np.ones((2, 3)))]}).status == 200
    assert infer(application, b"", headers=[(b"content-encoding", b"gzip")]).status == 415

    async def slow():
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v2/models/m/infer", "headers": []}
        await application(scope, lambda: asyncio.sleep(9), send)
        await application.close()
        return sent[0]["status"]

    assert asyncio.run(slow()) == 408


def test_a_client_that_goes_away_gets_nothing(application):
    sent = []

    async def run():
        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v2/models/m/infer", "headers": []}
        await application(scope, receive, send)

    asyncio.run(run())
    assert not sent


def test_the_token_is_asked_for_but_for_health():
    application = fastnn.serve.app({"m": NETWORK}, token="secret")
    for given_header in (
        b"",
        b"secret",
        b"Bearer",
        b"Bearer secre",
        b"Basic secret",
        b"Bearer \xff",
    ):
        response = ask(application, "GET", "/metrics", headers=[(b"authorization", given_header)])
        assert response.status == 401
        assert response.headers[b"www-authenticate"] == b"Bearer"
    right = [(b"authorization", b"Bearer secret")]
    assert ask(application, "GET", "/v2/models/m", headers=right).status == 200
    assert ask(application, "GET", "/v2/health/ready").status == 200
    assert ask(application, "GET", "/v2/models/other").status == 401


def test_metrics_count_requests_rows_and_errors(application):
    infer(application, {"inputs": [tensor(np.ones((2, 3)))]})
    infer(application, b"{")
    ask(application, "GET", "/nothing")
    lines = ask(application, "GET", "/metrics").body.decode().splitlines()
    model = 'model="m",version="1"'
    assert f'fastnn_requests_total{{{model},status="400"}} 1' in lines
    assert f"fastnn_errors_total{{{model}}} 1" in lines
    assert 'fastnn_errors_total{model="",version=""} 1' in lines
    assert f"fastnn_rows_total{{{model}}} 2" in lines
    assert f'fastnn_request_seconds_bucket{{{model},le="+Inf"}} 1' in lines


def right_bodies():
    x = np.ones((2, 3), np.float32)
    yield json.dumps({"inputs": [tensor(x)], "outputs": [{"name": "label"}]}).encode(), []
    yield binary([("x", "FP32", [2, 3], x.tobytes())])


@given(st.sampled_from(list(right_bodies())), st.data())
def test_broken_bytes_never_fail_the_server(right, data):
    body, headers = right
    body = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "put"]))
        if kind == "set":
            body[place] = data.draw(st.integers(0, 255))
        elif kind == "put":
            body[place:place] = data.draw(st.sampled_from([b"-", b"9", b"[", b'"', b"null", b"\0"]))
        elif len(body) > 9:
            del body[place : place + data.draw(st.integers(1, 8))]
    response = infer(fastnn.serve.app({"m": NETWORK}, poll_seconds=0), bytes(body), headers=headers)
    assert response.status in (200, 400, 413), response
    assert response.status == 200 or response.error


def test_answers_of_many_clients_are_their_own(application):
    rng = np.random.default_rng(0)

    async def run():
        async def one():
            x = rng.normal(size=(int(rng.integers(1, 900)), 3)).astype(np.float32)
            body, headers = binary([("x", "FP32", list(x.shape), x.tobytes())])
            path = "/v2/models/m/infer"
            response = await asked(application, "POST", path, body, headers)
            assert response.body.endswith(NETWORK.predict_proba(x).tobytes())

        await asyncio.gather(*(one() for _ in range(60)))
        await application.close()

    asyncio.run(run())
