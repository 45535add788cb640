"""Requests per second of servers of a network: `fastnn serve`, FastAPI with ONNX Runtime, MLServer.

    python bench/serve.py [--cases small medium] [--servers fastnn fastapi mlserver]
                          [--fastnn-python PYTHON] [--fastapi-python PYTHON]
                          [--mlserver-python PYTHON] [--client wrk]
                          [--connections 32] [--seconds 10] [--rounds 5] [--json FILE] [--smoke]

One row per request, as JSON of the Open Inference Protocol V2, answered by class probabilities. All
servers have one process on one processor, and are loaded in turn, from another processor. Before
they are timed the answers to all rows must be fastnn's reference in float64. See README.md beside
this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import cases
from harness import load, machine, report, verification
from harness.load import MemoryWatch, Processors
from peers.servers import ONE_THREAD, SERVERS, Served

NETS = {name: cases.PREDICT_NETS[name] for name in ("small", "medium")}
BIAS_RADIUS = 0.5  # no bias is zero: one that is left out shows
ROWS = 256  # that requests go round
WARM_UP = 1.0  # seconds


def bodies(x: cases.Array, output: str) -> list[bytes]:
    """Return a request for each row of x (n, n_in), float32, with the shortest digits it has."""
    return [
        json.dumps({
            "inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP32",
                        "data": [float(str(value)) for value in row]}],
            "outputs": [{"name": output}],
        }).encode()
        for row in x
    ]  # fmt: skip


def verified(served: Served, requests: Sequence[bytes], expected: cases.Array) -> dict[str, Any]:
    """Return the verdict on the answers to these requests."""
    apart = []
    for request, p in zip(requests, expected, strict=True):
        status, body = load.exchange(served.port, "POST", served.path, request)
        if status != 200:
            raise RuntimeError(f"answered {status}: {body[:300]!r}")
        (output,) = json.loads(body)["outputs"]
        found = np.asarray(output["data"], np.float64)
        if output["name"] != served.output or found.shape != p.shape:
            raise RuntimeError(f"answered {found.shape} as {output['name']}")
        apart.append(np.abs(found - p).max())
    return verification.judged(float(np.max(apart)), verification.PROBABILITY_BOUND)


def run_case(
    name: str, pythons: dict[str, str], options: argparse.Namespace, where: Processors
) -> dict[str, Any]:
    """Start the servers of one network, verify them, load those that are right in turn."""
    net = NETS[name]
    parameters = net.initial_parameters(BIAS_RADIUS)
    data = cases.random(net, options.rows)
    expected = verification.Reference(net).probabilities(parameters, data.x)
    results: list[dict[str, Any]] = []
    running: dict[str, tuple[int, Served, list[bytes]]] = {}
    with ExitStack() as stack:
        for key, python in pythons.items():
            server = SERVERS[key]
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                served = server.make(python, net, parameters, folder)
                variables = ONE_THREAD | served.variables
                pid = stack.enter_context(
                    load.running(
                        served.command, served.port, served.ready, variables, folder, where.server
                    )
                )
                requests = bodies(data.x, served.output)
                verdict = verified(served, requests, expected)
            except Exception as error:  # one server that breaks does not cost the others' figures
                verdict = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
            if verdict["status"] == "verified":
                running[server.label] = pid, served, requests
            results.append({"name": server.label, "ours": server.ours} | verdict)
        with load.pinned(where.client):
            rounds = _rounds(running, options)
    for result in results:
        if result["name"] in rounds:
            result |= _summary(rounds[result["name"]])
    by_processor_time = [r for r in results if r.get("processor_median")]
    return {
        "case": name,
        "description": f"{net}, 1 row per request, {options.connections} connections",
        "unit": "request",
        "data": str(data),
        "body_bytes": int(np.mean([len(body) for body in bodies(data.x, "probabilities")])),
        "results": results,
        "ratios": report.ratios(results),
        "ratios_of_processor_time": report.ratios(by_processor_time, "processor_median"),
    }


def _rounds(
    running: dict[str, tuple[int, Served, list[bytes]]], options: argparse.Namespace
) -> dict[str, list[dict[str, Any]]]:
    """Load the servers in turn; return what each round found."""
    found: dict[str, list[dict[str, Any]]] = {label: [] for label in running}
    labels = list(running)
    for round_number in range(options.rounds + 1):  # the first only warms up
        first = round_number % max(len(labels), 1)
        seconds = options.seconds / options.rounds if round_number else options.warm_up
        for label in (*labels[first:], *labels[:first]):
            pid, served, requests = running[label]
            before = load.processor_seconds(pid)
            with MemoryWatch(pid) as watch:
                one = load.loaded(
                    options.client, served.port, served.path, requests, options.connections,
                    seconds,
                )  # fmt: skip
            after = load.processor_seconds(pid)
            busy = None if before is None or after is None else (after - before) / one["seconds"]
            found[label].append(one | {"busy": busy, "memory": watch.seen})
    return found


def _summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a server's result: medians of its rounds, without the first."""
    warm_up, *timed = rounds
    errors = sum(one["errors"] for one in rounds)
    if errors or not all(one["requests"] for one in timed):
        n = sum(one["requests"] for one in rounds)
        return {"status": "failed", "reason": f"{errors} errors, {n} answers", "rounds": rounds}
    per_second = [one["requests"] / one["seconds"] for one in timed]
    busy = [one["busy"] for one in timed if one["busy"]]
    by_processor = [n / share for n, share in zip(per_second, busy, strict=False)]
    seen = [value for one in timed for value in one["memory"] if value is not None]
    return {
        "status": "timed",
        "median": 1.0 / median(per_second),
        "requests_per_second": median(per_second),
        "slowest_round": min(per_second),
        "fastest_round": max(per_second),
        **{name: median(one[name] for one in timed) for name in ("p50", "p90", "p99")},
        "busy": median(busy) if busy else None,
        "processor_median": 1.0 / median(by_processor) if by_processor else None,
        "memory_before": warm_up["memory"][0],
        "memory_most": max(seen, default=None),
        "memory_after": timed[-1]["memory"][-1],
        "rounds": rounds,
    }


def case_table(case: dict[str, Any]) -> str:
    """Return a case as text: requests per second, and how many times as many fastnn answers."""
    ratios: dict[str, float] = next(iter(case["ratios"].values()), {})
    rows = [["", "requests/s", "min … max", "fastnn ÷", "p50", "p90", "p99", "busy", "before",
             "most", "after"]]  # fmt: skip
    notes = []
    for result in case["results"]:
        name = result["name"]
        if result["status"] != "timed":
            notes.append(f"  {name}: {result['status'].upper()}: {result['reason']}")
            continue
        megabytes = [result[f"memory_{when}"] for when in ("before", "most", "after")]
        rows.append([
            name,
            f"{result['requests_per_second']:,.0f}",
            f"{result['slowest_round']:,.0f} … {result['fastest_round']:,.0f}",
            f"{ratios[name]:.2f}" if name in ratios else "",
            *(f"{1e3 * result[quantile]:.2f}" for quantile in ("p50", "p90", "p99")),
            "" if result["busy"] is None else f"{result['busy']:.0%}",
            *("" if value is None else f"{value:.0f}" for value in megabytes),
        ])  # fmt: skip
    head = [
        f"{case['case']}: {case['description']}, {case['body_bytes']:,} bytes each",
        f"  data: {case['data']}; times of answers in ms, memory of the server in MB",
    ]
    for name, by_peer in case["ratios_of_processor_time"].items():
        figures = ", ".join(f"{ratio:.2f} × {peer}" for peer, ratio in by_peer.items())
        notes += [f"  {name}, requests per second of processor time: {figures}"] if figures else []
    return "\n".join([*head, *report.aligned(rows), *notes, ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table for each network."""
    options = _options(argv)
    where = load.processors()
    found, absent, told = {}, {}, {}
    for key in options.servers:
        python = getattr(options, f"{key}_python")
        try:
            versions = SERVERS[key].versions(python)
        except ImportError as error:
            absent[SERVERS[key].label] = str(error)
        else:
            found[key], told[SERVERS[key].label] = python, versions
            print(f"{SERVERS[key].label}: {versions}")
    if absent:
        print(report.absent_lines(absent))
    sockets = options.client == "sockets"
    client = "sockets of this benchmark" if sockets else f"{options.client}, 1 thread"
    print(f"client: {client}; {where}\n", flush=True)
    before = machine.load_average()
    outcomes = []
    for name in options.cases:
        outcomes.append(run_case(name, found, options, where))
        print(case_table(outcomes[-1]), flush=True)
    stamp = machine.stamp(ONE_THREAD) | {"load_average_before": before}
    print(report.machine_lines(stamp, 1))
    if options.json:
        run = {
            "threads": 1,
            "client": client,
            "machine": stamp,
            "absent": absent,
            "cases": outcomes,
        }
        written = json.dumps({"benchmark": "serve", "runs": [run]}, indent=1) + "\n"
        Path(options.json).write_text(written, encoding="utf-8")
    results = [result for outcome in outcomes for result in outcome["results"]]
    return 1 if any(result["status"] != "timed" for result in results) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--cases", nargs="+", choices=NETS, default=list(NETS), help="networks, default all")
    add("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), help="default all")
    for key in SERVERS:
        variable = f"FASTNN_BENCH_{key.upper()}_PYTHON"
        add(
            f"--{key}-python",
            metavar="PYTHON",
            default=os.environ.get(variable, sys.executable),
            help=f"Python that has {', '.join(SERVERS[key].imports)}; default ${variable}, else "
            "the one that runs this",
        )
    add(
        "--client",
        choices=("auto", "wrk", "sockets"),
        default="auto",
        help="who sends the requests; auto is wrk where it is installed",
    )
    add("--connections", type=int, default=32, metavar="N", help="kept open, %(default)s")
    add("--seconds", type=float, default=10.0, help="of load on each server, %(default)s")
    add("--rounds", type=int, default=5, metavar="N", help="that they are in, %(default)s")
    add("--json", metavar="FILE", help="write all results there")
    add("--smoke", action="store_true", help="only check that it runs")
    options = parser.parse_args(argv)
    if min(options.connections, options.rounds) < 1 or options.seconds < options.rounds:
        parser.error("expected at least one connection, one round, and one second for each round")
    options.rows, options.warm_up = ROWS, WARM_UP
    if options.smoke:
        options.cases, options.rounds, options.connections = ["small"], 1, 2
        options.seconds, options.warm_up, options.rows = 0.2, 0.1, 8
        options.client = "sockets" if options.client == "auto" else options.client
    options.client = load.client(options.client)
    return options


if __name__ == "__main__":
    raise SystemExit(main())
