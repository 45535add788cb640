"""`Application`: the Open Inference Protocol V2 over HTTP, as an ASGI application.

    GET  /                                       a page to try the models; without the token
    GET  /v2                                     name, version and extensions of the server
    GET  /v2/health/live, /v2/health/ready       200 once models are loaded; without the token
    GET  /v2/models                              names and versions
    GET  /v2/models/{name}[/versions/{v}]        metadata
    GET  /v2/models/{name}[/versions/{v}]/ready
    GET  /v2/models/{name}[/versions/{v}]/about  what the page shows of a model, an extension
    POST /v2/models/{name}[/versions/{v}]/infer  tensors, in JSON or binary
    POST /v2/models/{name}[/versions/{v}]/records  {"records": [{"age": 3, …}]}, an extension
    GET  /metrics                                counters, for Prometheus

Reading a small request and predicting few rows takes less time than waking a thread: it is done in
the event loop. What is estimated to take longer than `LOOP_SECONDS` is done in a thread.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from fastnn.backends.threads import get_num_threads
from fastnn.serve.answer import Answer
from fastnn.serve.body import GoneError, Receive, body_of
from fastnn.serve.front_page import front_page
from fastnn.serve.limits import Limits
from fastnn.serve.message import HEADER_LENGTH, JSON, encoded, parsed, request_of, response_of
from fastnn.serve.metrics import CONTENT_TYPE, Metrics
from fastnn.serve.refused import RefusedError, shown
from fastnn.serve.repository import Repository, Version
from fastnn.serve.served_model import ServedModel
from fastnn.system.version import __version__

Send = Callable[[Any], Awaitable[None]]

LOG = logging.getLogger("fastnn.serve")
REQUESTS = logging.getLogger("fastnn.serve.requests")

LOOP_SECONDS = 1e-3
"""Estimated time from which work leaves the event loop."""

LOOP_BYTES = 32 << 10
"""Size of a body from which parsing leaves the event loop: JSON takes about 20 ns per byte."""

EXTENSIONS = ("binary_tensor_data", "records", "about")

_OPEN = ((), ("v2", "health", "live"), ("v2", "health", "ready"))


class Exchange:
    """What is known of a request while it is answered, for counters and logs."""

    __slots__ = ("n_rows", "version")

    def __init__(self) -> None:
        self.version: Version | None = None
        self.n_rows = 0


class Application:
    """An ASGI application that serves models; made by `fastnn.serve.app`.

    Parameters
    ----------
    models : Repository
    limits : Limits
    token : str or None
        What requests must carry, as ``Authorization: Bearer token``.
    poll_seconds : float
        How often files are looked at for changes; 0 for never.
    metrics_folder : path-like or None
        As of `Metrics`.
    """

    def __init__(
        self,
        models: Repository,
        limits: Limits,
        token: str | None = None,
        poll_seconds: float = 1.0,
        metrics_folder: str | None = None,
    ) -> None:
        self.models, self.limits = models, limits
        self._token = None if token is None else token.encode()
        self._poll_seconds = poll_seconds
        self.metrics = Metrics([(one.name, one.version) for one in models.all], metrics_folder)
        self._waiting = 0
        self._pool: ThreadPoolExecutor | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI 3 says."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        self._watch()
        start, exchange = time.perf_counter(), Exchange()
        try:
            answer = await self._answer(scope, receive, exchange)
        except RefusedError as refusal:
            answer = _error(refusal)
        except GoneError:
            return
        except MemoryError:
            answer = _error(RefusedError(503, "there is not enough memory for this request"))
        except Exception:
            LOG.exception("a request failed: %s %s", scope["method"], shown(scope["path"]))
            answer = _error(RefusedError(500, "the server failed; its log says why"))
        seconds, version = time.perf_counter() - start, exchange.version
        number = None if version is None else version.number
        self.metrics.count(number, answer.status, seconds, exchange.n_rows)
        if REQUESTS.isEnabledFor(logging.INFO):
            REQUESTS.info(_line(scope, answer, exchange, seconds))
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # -- life -----------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._watch()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def close(self) -> None:
        """Stop looking at files, and wait for the threads."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _watch(self) -> None:
        """Look at files from now on, of a mounted application too, which is not told of a start."""
        if self._poll_seconds and (self._watching is None or self._watching.done()):
            self._watching = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await asyncio.to_thread(self.models.refresh)
            except Exception:
                LOG.exception("looking at the models' files failed")

    # -- routes ---------------------------------------------------------------------------------

    async def _answer(self, scope: Any, receive: Receive, exchange: Exchange) -> Answer:
        path, root = scope["path"], scope.get("root_path", "")
        if root and path.startswith(root):
            path = path[len(root) :]
        parts = tuple(path.strip("/").split("/")) if path.strip("/") else ()
        headers = dict(scope["headers"])
        if self._token is not None and parts not in _OPEN:
            self._check_token(headers)
        if parts[:2] == ("v2", "models") and len(parts) > 2:
            version, what = self._model(parts[2:])
            exchange.version = version
            if what in ("infer", "records"):
                _check_method(scope, "POST")
                return await self._work(what, version, headers, receive, exchange)
            _check_method(scope, "GET", "HEAD")
            if what == "about":
                return _json(version.served.about)
            return _json(self._metadata(version) if what is None else {"ready": True})
        found = self._general(parts)
        if found is None:
            raise RefusedError(404, f"there is nothing at {shown(path)}; models are at /v2/models")
        _check_method(scope, "GET", "HEAD")
        return found

    def _check_token(self, headers: Mapping[bytes, bytes]) -> None:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        right = hmac.compare_digest(given.strip(), self._token or b"")
        if not (right and scheme.lower() == b"bearer"):
            raise RefusedError(
                401,
                "the request must carry the server's token, as Authorization: Bearer TOKEN",
                ((b"www-authenticate", b"Bearer"),),
            )

    def _general(self, parts: tuple[str, ...]) -> Answer | None:
        match parts:
            case ():
                return front_page()
            case ("v2",):
                about = {"name": "fastnn", "version": __version__, "extensions": EXTENSIONS}
                return _json(about)
            case ("v2", "health", "live"):
                return _json({"live": True})
            case ("v2", "health", "ready"):
                return _json({"ready": True})
            case ("v2", "models"):
                names = dict.fromkeys(one.name for one in self.models.all)
                listed = [{"name": n, "versions": self.models.versions(n)} for n in names]
                return _json({"models": listed})
            case ("metrics",):
                return Answer(200, [CONTENT_TYPE], self.metrics.text().encode())
        return None

    def _model(self, parts: tuple[str, ...]) -> tuple[Version, str | None]:
        """Return the version of a model that a path names, and what it asks for."""
        name, number, rest = parts[0], None, parts[1:]
        if len(rest) >= 2 and rest[0] == "versions":
            number, rest = rest[1], rest[2:]
        version = self.models.find(name, number)
        if rest not in ((), ("ready",), ("about",), ("infer",), ("records",)):
            raise RefusedError(
                404,
                f"there is nothing at …/{shown('/'.join(rest))} of a model; there is ready, about, "
                "infer and records",
            )
        return version, rest[0] if rest else None

    def _metadata(self, version: Version) -> dict[str, Any]:
        about = {"name": version.name, "versions": self.models.versions(version.name)}
        return about | version.served.metadata()

    # -- work -----------------------------------------------------------------------------------

    async def _work(
        self,
        what: str,
        version: Version,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        exchange: Exchange,
    ) -> Answer:
        body = await body_of(receive, headers, self.limits)  # slow clients keep nobody waiting
        if self._waiting >= self.limits.waiting:
            raise RefusedError(
                503,
                f"the server is busy with {self._waiting} requests; ask again later",
                ((b"retry-after", b"1"), (b"connection", b"close")),
            )
        self._waiting += 1
        try:
            served = version.served  # one and the same for all of the request
            work = (_Inference if what == "infer" else _Records)(version, served, headers)
            if len(body) <= LOOP_BYTES:
                work.read(body)
                exchange.n_rows = self._checked(work.n_rows)
                if served.seconds(work.n_rows) <= LOOP_SECONDS:
                    return work.answer()
                return await self._in_thread(work.answer)

            def all_of_it() -> Answer:
                work.read(body)
                exchange.n_rows = self._checked(work.n_rows)
                return work.answer()

            return await self._in_thread(all_of_it)
        finally:
            self._waiting -= 1

    def _checked(self, n_rows: int) -> int:
        if n_rows > self.limits.rows:
            raise RefusedError(
                413, f"a request must have at most {self.limits.rows:,} rows, got {n_rows:,}"
            )
        return n_rows

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(get_num_threads(), "fastnn-serve")
        loop, seconds = asyncio.get_running_loop(), self.limits.seconds
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._pool, work), seconds)
        except TimeoutError:
            raise RefusedError(
                503, f"the request was not answered within {seconds:g} seconds"
            ) from None


class _Inference:
    """A request of tensors."""

    def __init__(
        self, version: Version, served: ServedModel, headers: Mapping[bytes, bytes]
    ) -> None:
        self._version, self._served = version, served
        self._header_length = headers.get(HEADER_LENGTH)
        self.n_rows = 0

    def read(self, body: bytes) -> None:
        inputs = self._served.inputs
        self._request = request_of(body, self._header_length, inputs.described, inputs.takes_null)
        self._served.check_outputs(self._request.outputs)
        self._rows, self._remarks = inputs.read(self._request.inputs)
        self.n_rows = len(self._rows)

    def answer(self) -> Answer:
        outputs = self._served.predict(self._rows, self._request.outputs)
        remark = ". ".join(self._remarks) or None
        name, version = self._version.name, self._version.version
        return Answer(200, *response_of(name, version, self._request, outputs, remark))


class _Records:
    """A request of records."""

    def __init__(
        self, version: Version, served: ServedModel, headers: Mapping[bytes, bytes]
    ) -> None:
        self._version, self._served = version, served
        self.n_rows = 0

    def read(self, body: bytes) -> None:
        records = parsed(body).get("records")
        if not isinstance(records, list) or not all(type(one) is dict for one in records):
            raise RefusedError(
                400,
                'the request must have "records", a list of objects with a value for each column; '
                f"got {shown(records)}",
            )
        self._rows, self._remarks = self._served.inputs.read_records(records)
        self.n_rows = len(records)

    def answer(self) -> Answer:
        found: dict[str, Any] = {
            "model_name": self._version.name,
            "model_version": self._version.version,
            "predictions": self._served.records(self._rows),
        }
        if self._remarks:
            found["warning"] = ". ".join(self._remarks)
        return _json(found)


def _json(found: Any) -> Answer:
    return Answer(200, [JSON], encoded(found))


def _error(refusal: RefusedError) -> Answer:
    text = refusal.text.encode("utf-8", "backslashreplace").decode()
    return Answer(refusal.status, [JSON, *refusal.headers], encoded({"error": text}))


def _check_method(scope: Any, *methods: str) -> None:
    if scope["method"] not in methods:
        raise RefusedError(
            405,
            f"{shown(scope['path'])} takes {' and '.join(methods)}, got {scope['method']}",
            ((b"allow", ", ".join(methods).encode()),),
        )


def _line(scope: Any, answer: Answer, exchange: Exchange, seconds: float) -> str:
    """Return a request as one line of JSON."""
    version, client = exchange.version, scope.get("client")
    return json.dumps(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "client": client[0] if client else None,
            "method": scope["method"],
            "path": scope["path"],
            "status": answer.status,
            "milliseconds": round(seconds * 1e3, 3),
            "model": None if version is None else version.name,
            "version": None if version is None else version.version,
            "rows": exchange.n_rows,
            "bytes": len(answer.body),
        }
    )
