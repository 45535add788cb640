"""Servers side by side, as bench/serve.py loads them."""

import http.server
import json
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("uvicorn")

FASTNN_ALONE = ["--servers", "fastnn"]


@pytest.fixture
def serve(bench):
    """The module bench/serve.py."""
    return bench("serve")


def test_a_smoke_run_verifies_and_loads_fastnn(serve, capsys, tmp_path):
    path = tmp_path / "found.json"
    assert serve.main(["--smoke", *FASTNN_ALONE, "--json", str(path)]) == 0
    assert "client: sockets of this benchmark" in capsys.readouterr().out
    (run,) = json.loads(path.read_text())["runs"]
    (case,) = run["cases"]
    (result,) = case["results"]
    assert result["status"] == "timed"
    assert result["distance"] <= result["bound"]
    assert result["requests_per_second"] > 0
    assert 0 < result["p50"] <= result["p90"] <= result["p99"]


def test_servers_whose_python_lacks_them_are_named_and_left_out(serve, capsys):
    nowhere = ["--mlserver-python", "no-such-python", "--fastapi-python", "no-such-python"]
    assert serve.main(["--smoke", *nowhere]) == 0
    out = capsys.readouterr().out
    assert "not measured: MLServer, scikit-learn: " in out
    assert "not measured: FastAPI, ONNX Runtime: " in out
    assert "no-such-python" in out


@pytest.mark.parametrize("wrong", [1e-3, np.nan])
def test_a_server_wrong_in_one_number_is_refused(serve, monkeypatch, capsys, wrong):
    probabilities = serve.verification.Reference.probabilities

    def off(self, parameters, x):
        found = probabilities(self, parameters, x)
        found[-1, -1] += wrong
        return found

    monkeypatch.setattr(serve.verification.Reference, "probabilities", off)
    assert serve.main(["--smoke", *FASTNN_ALONE]) == 1
    assert "fastnn serve: WRONG" in capsys.readouterr().out


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers every other request by 503."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        self.send_response(200 if self.asked % 2 else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("client", ["sockets", "wrk"])
def test_answers_that_are_errors_count_as_errors(bench, client):
    load = bench("harness.load")
    if client == "wrk" and load.client() == "sockets":
        pytest.skip("wrk is not installed")
    with http.server.ThreadingHTTPServer((load.HOST, 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            found = load.loaded(load.client(client), server.server_port, "/", [b"{}"], 2, 0.2)
        finally:
            server.shutdown()
            thread.join()
    assert found["requests"] > 10
    assert found["errors"] == pytest.approx(found["requests"] / 2, abs=2)


def test_a_server_that_ends_is_told_with_what_it_wrote(bench, tmp_path):
    load = bench("harness.load")
    command = [sys.executable, "-c", "raise SystemExit('no model')"]
    with (
        pytest.raises(RuntimeError, match="it wrote: no model"),
        load.running(command, load.free_port(), "/", {}, tmp_path, None),
    ):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_memory_is_that_of_a_process_and_of_those_it_started(bench):
    import os
    import subprocess

    load = bench("harness.load")
    alone = load.memory(os.getpid())
    code = "x = bytearray(b'x' * 50_000_000); print(1, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        both = load.memory(os.getpid())
        process.communicate(b"\n")
    assert 45 < both - alone < 150
