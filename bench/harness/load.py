"""Servers under load: a server on one processor, a client on another, memory all the while.

The client is `wrk` where it is installed, else sockets of this process. Both keep connections open,
and send the next request on one when the answer to the last has arrived.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HOST = "127.0.0.1"
START = 120.0  # seconds until a server must answer
END = 15.0  # seconds until it must have ended
BETWEEN_LOOKS = 0.5  # seconds between two looks at the memory
LATE = 10.0  # seconds after which an answer counts as an error
SCRIPT = """\
local requests, last = {}, 0
wrk.headers["Content-Type"] = "application/json"
function init(arguments)
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, nil, line)
  end
end
function request()
  last = last % #requests + 1
  return requests[last]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "errors": %d, "p50": %f, "p90": %f, "p99": %f}',
    summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e6, latency:percentile(90) / 1e6, latency:percentile(99) / 1e6))
end
"""


@dataclass(frozen=True)
class Processors:
    """Which processor the server and the client run on; None where they cannot be chosen."""

    server: int | None
    client: int | None

    def __str__(self) -> str:
        if self.server is None:
            return "not pinned to processors"
        both = f"server on processor {self.server}, client on {self.client}"
        return both + (" too: there is no other" if self.server == self.client else "")


def processors() -> Processors:
    """Return the first and the last processor that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return Processors(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    return Processors(allowed[0], allowed[-1])


@contextmanager
def pinned(processor: int | None) -> Iterator[None]:
    """Keep this thread, and the processes that it starts, on a processor."""
    if processor is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port of loopback that nothing listens at."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    ready: str,
    variables: Mapping[str, str],
    folder: Path,
    processor: int | None,
) -> Iterator[int]:
    """Start a server on a processor; yield the id of its process once it answers.

    Parameters
    ----------
    ready : str
        Path that is answered by 200 when the server is ready.

    Raises
    ------
    RuntimeError
        If it ends, or does not answer in time; with the end of what it wrote.
    """
    log = folder / "server.log"
    with log.open("wb") as output, pinned(processor):
        process = subprocess.Popen(
            command, env=os.environ | variables, cwd=folder, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, port, ready, log)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, ready: str, log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            if exchange(port, "GET", ready)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    wrote = log.read_text(errors="replace").strip()[-800:]
    raise RuntimeError(f"the server did not answer; it wrote: {wrote or 'nothing'}")


def exchange(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Return status and body of the answer to a request."""
    import http.client

    connection = http.client.HTTPConnection(HOST, port, timeout=LATE)
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"not an answer: {error!r}") from error
    finally:
        connection.close()


# -- what a server uses ---------------------------------------------------------------------------


def memory(pid: int) -> float | None:
    """Return the MB that a process and those it started hold in memory; None if unknown."""
    lines = [line for process in _tree(pid) for line in _text(process / "status").splitlines()]
    total = sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total / 1024 or None


def processor_seconds(pid: int) -> float | None:
    """Return the processor time of a process and of those it started; None if unknown."""
    total = 0
    for process in _tree(pid):
        fields = _text(process / "stat").rpartition(")")[2].split()  # the name may hold spaces
        total += sum(map(int, fields[11:13]))  # utime and stime, proc_pid_stat(5)
    return total / os.sysconf("SC_CLK_TCK") if total else None


def _tree(pid: int) -> Iterator[Path]:
    """Yield the folders in /proc of a process and of those it started."""
    waiting = [pid]
    while waiting:
        process = Path("/proc", str(waiting.pop()))
        yield process
        for children in process.glob("task/*/children"):
            waiting += map(int, _text(children).split())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended, or the system has no /proc
        return ""


class MemoryWatch:
    """Looks at a server's memory now and then: `seen` has MB, in the order of the looks."""

    def __init__(self, pid: int) -> None:
        self.seen: list[float | None] = []
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self.seen.append(memory(self._pid))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self.seen.append(memory(self._pid))

    def _look(self) -> None:
        while not self._ended.wait(BETWEEN_LOOKS):
            self.seen.append(memory(self._pid))


# -- clients -------------------------------------------------------------------------------------


def client(name: str = "auto") -> str:
    """Return which client there is: the path of `wrk`, or "sockets"."""
    if name == "sockets":
        return name
    found = shutil.which("wrk")
    if name == "wrk" and found is None:
        raise SystemExit("wrk is not installed; --client sockets is the client of this benchmark")
    return found or "sockets"


def loaded(
    which: str, port: int, path: str, bodies: Sequence[bytes], connections: int, seconds: float
) -> dict[str, Any]:
    """Send requests for some seconds; return their number, errors and times.

    Parameters
    ----------
    which : str
        As `client` returns it. It runs where this thread does.
    bodies : sequence of bytes
        Without line breaks; each request takes the next.

    Returns
    -------
    dict
        ``requests`` that were answered, ``seconds``, ``errors``, and the quantiles ``p50``, ``p90``
        and ``p99`` of the time from request to answer, in seconds.
    """
    if which == "sockets":
        return _through_sockets(port, path, bodies, connections, seconds)
    with tempfile.TemporaryDirectory() as name:
        script, lines = Path(name, "load.lua"), Path(name, "bodies")
        script.write_text(SCRIPT)
        lines.write_bytes(b"\n".join(bodies) + b"\n")
        command = [
            which, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s",
            f"--timeout={LATE:.0f}s", "-s", str(script), f"http://{HOST}:{port}{path}",
            "--", str(lines),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    found = [line for line in done.stdout.splitlines() if line.startswith('{"requests"')]
    if done.returncode or not found:
        raise RuntimeError(f"wrk failed: {(done.stderr or done.stdout).strip()[-300:]}")
    result: dict[str, Any] = json.loads(found[0])
    return result


class _Connection:
    """One that is open: what has arrived of an answer, and when its request was sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), LATE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.arrived = b""
        self.sent = 0.0

    def send(self, request: bytes) -> None:
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def answered(self) -> bool | None:
        """Read; return whether the answer is good, or None while there is more to come."""
        part = self.socket.recv(1 << 16)
        self.arrived += part
        head, end, body = self.arrived.partition(b"\r\n\r\n")
        if part and not end:
            return None
        lengths = [
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        if part and lengths and len(body) < lengths[0]:
            return None
        self.arrived = b""
        return bool(lengths) and head.startswith(b"HTTP/1.1 200")


def _through_sockets(
    port: int, path: str, bodies: Sequence[bytes], connections: int, seconds: float
) -> dict[str, Any]:
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        for body in bodies
    ]  # fmt: skip
    times: list[float] = []
    errors = n_sent = 0
    start = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for _ in range(connections):
            opened = _Connection(port)
            waiting.register(opened.socket, selectors.EVENT_READ, opened)
            opened.send(requests[n_sent % len(requests)])
            n_sent += 1
        while (now := time.perf_counter()) < start + seconds and waiting.get_map():
            for key, _ in waiting.select(0.1):
                connection: _Connection = key.data
                try:
                    good = connection.answered()
                    if good is None:
                        continue
                    times.append(time.perf_counter() - connection.sent)
                    errors += not good
                    connection.send(requests[n_sent % len(requests)])
                    n_sent += 1
                except OSError:
                    errors += 1
                    waiting.unregister(connection.socket)
                    connection.socket.close()
        for key in waiting.get_map().values():
            errors += now - key.data.sent > LATE
            key.data.socket.close()
    p50, p90, p99 = np.percentile(times, [50, 90, 99]) if times else [float("nan")] * 3
    return {
        "requests": len(times), "seconds": time.perf_counter() - start, "errors": errors,
        "p50": float(p50), "p90": float(p90), "p99": float(p99),
    }  # fmt: skip
