"""The command, as a process of its own on loopback."""

import contextlib
import http.client
import json
import socket
import sys
import time

import numpy as np
import pytest
from support.served import serving, tensor

import fastnn

pytest.importorskip("uvicorn")

X = np.ones((2, 3), np.float32)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.safetensors"
    fastnn.Network((3, 2), class_labels=["no", "yes"], seed=0).save(path)
    return path


def call(port, method, path, body=None, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_answers_and_ends_on_sigterm(model):
    body = json.dumps({"inputs": [tensor(X)]})
    with serving(model, "--log-requests") as (port, process):
        assert call(port, "GET", "/v2/health/ready")[0] == 200
        status, found = call(port, "POST", "/v2/models/m/infer", body)
        assert status == 200
        numbers = np.array(json.loads(found)["outputs"][1]["data"], np.float32)
        assert numbers.tobytes() == fastnn.load(model).predict_proba(X).tobytes()
        assert json.loads(process.stderr.readline())["path"] == "/v2/health/ready"
        line = json.loads(process.stderr.readline())
        assert (line["model"], line["rows"], line["status"]) == ("m", 2, 200)


def test_slow_clients_and_large_bodies_are_sent_away(model):
    with serving(model, "--timeout", 1, "--max-body", 1) as (port, _):
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 20) as slow:
            slow.sendall(b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            with socket.create_connection(("127.0.0.1", port), 20) as half:
                half.sendall(
                    b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{"
                )
                assert half.recv(1000).startswith(b"HTTP/1.1 408")
            with contextlib.suppress(ConnectionResetError):
                assert slow.recv(1000) == b""
        assert time.monotonic() - started < 10
        with socket.create_connection(("127.0.0.1", port), 20) as large:
            large.sendall(
                b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
            )
            assert large.recv(1000).startswith(b"HTTP/1.1 413")
        assert call(port, "GET", "/v2/health/live")[0] == 200


def test_a_connection_too_many_is_refused_and_the_others_go_on(model):
    def status(connection):
        connection.request("GET", "/v2/health/live")
        response = connection.getresponse()
        response.read()
        return response.status

    with serving(model, "--max-connections", 2) as (port, _), contextlib.ExitStack() as open_ones:
        held = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(2)]
        for one in held:
            open_ones.callback(one.close)
            assert status(one) == 200
        with socket.create_connection(("127.0.0.1", port), 20) as third:
            assert third.recv(1000).startswith(b"HTTP/1.1 503")
        assert status(held[0]) == 200
        open_ones.close()
        time.sleep(0.2)
        assert call(port, "GET", "/v2/health/live")[0] == 200


def test_tritonclient_understands_it(model):
    client_of = pytest.importorskip("tritonclient.http")
    network = fastnn.load(model)
    with serving(model) as (port, _):
        client = client_of.InferenceServerClient(f"127.0.0.1:{port}")
        try:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("m")
            assert client.get_model_metadata("m", "1")["inputs"][0]["name"] == "x"
            for is_binary in (True, False):
                x = client_of.InferInput("x", [2, 3], "FP32")
                x.set_data_from_numpy(X, binary_data=is_binary)
                outputs = [
                    client_of.InferRequestedOutput(name, binary_data=is_binary)
                    for name in ("label", "probabilities")
                ]
                found = client.infer("m", [x], outputs=outputs)
                numbers = found.as_numpy("probabilities")
                assert numbers.tobytes() == network.predict_proba(X).tobytes()
                labels = [v.decode() if is_binary else v for v in found.as_numpy("label").tolist()]
                assert labels == network.predict(X).tolist()
        finally:
            client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="workers share a socket by fork or spawn")
def test_workers_add_up_their_counters(model):
    body = json.dumps({"inputs": [tensor(X)]})
    with serving(model, "--workers", 2) as (port, _):
        for _ in range(20):
            assert call(port, "POST", "/v2/models/m/infer", body)[0] == 200
        text = call(port, "GET", "/metrics")[1].decode()
    assert 'fastnn_rows_total{model="m",version="1"} 40' in text


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_a_unix_socket_is_used_again_and_removed(tmp_path):
    from fastnn.serve.sockets import listening

    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    another = pytest.raises(OSError, match="another server")
    with listening("", 0, str(path)), another, listening("", 0, str(path)):
        pass
    assert not path.exists()
    path.write_text("a file")
    with pytest.raises(OSError, match="not a socket"), listening("", 0, str(path)):
        pass
    assert path.read_text() == "a file"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--token-env", "FASTNN_NO_SUCH_TOKEN"], "must hold a token"),
        (["--port", "70000"], "at most 65535"),
    ],
)
def test_wrong_options_are_refused(model, capsys, words, error):
    from fastnn.cli import main

    assert main(["serve", str(model), *words]) == 2
    assert error in capsys.readouterr().err
