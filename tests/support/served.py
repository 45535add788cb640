"""Requests to an ASGI application, without a network, and servers on loopback."""

import asyncio
import contextlib
import json
import subprocess
import sys
from typing import NamedTuple


class Response(NamedTuple):
    """A status, headers and a body."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """Return the words of an error, which must be the protocol's."""
        assert self.status >= 400, self
        assert list(self.json) == ["error"]
        return self.json["error"]


async def asked(application, method, path, body=b"", headers=(), *, parts=None, root_path=""):
    """Return the response to a request whose body comes in parts."""
    messages = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts or [body]
    ]
    messages[-1]["more_body"] = False
    sent = []

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": root_path + path, "root_path": root_path,
             "headers": list(headers), "client": ("127.0.0.1", 1)}  # fmt: skip
    await application(scope, receive, send)
    start, *rest = sent
    return Response(start["status"], dict(start["headers"]), b"".join(m["body"] for m in rest))


def ask(application, method, path, body=b"", headers=(), **options):
    """Return the response to one request, in an event loop of its own."""

    async def run():
        try:
            return await asked(application, method, path, body, headers, **options)
        finally:
            await application.close()

    return asyncio.run(run())


def infer(application, request, name="m", **options):
    """Return the response to a request of JSON."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return ask(application, "POST", f"/v2/models/{name}/infer", body, **options)


def tensor(x, name="x", datatype="FP32"):
    """Return an array as an input of JSON."""
    return {"name": name, "shape": list(x.shape), "datatype": datatype, "data": x.tolist()}


def binary(inputs, outputs=True):
    """Return body and headers of a request of tensors as (name, datatype, shape, bytes)."""
    entries = [
        {"name": n, "datatype": d, "shape": s, "parameters": {"binary_data_size": len(b)}}
        for n, d, s, b in inputs
    ]
    head = json.dumps({"inputs": entries, "parameters": {"binary_data_output": outputs}}).encode()
    length = (b"inference-header-content-length", b"%d" % len(head))
    return head + b"".join(b for *_, b in inputs), [length]


@contextlib.contextmanager
def serving(*arguments):
    """Yield the port of a server in a process of its own; end it by SIGTERM."""
    command = [sys.executable, "-m", "fastnn", "serve", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline().decode()
            assert line, process.stderr.read().decode()
            yield int(line.partition("127.0.0.1:")[2].partition("/")[0]), process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0
