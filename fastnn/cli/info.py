"""``fastnn info``: what fastnn found here, and why it did not find the rest."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.backends import machine
from fastnn.cli import options as words
from fastnn.datasets import cache_folder


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "info",
        help="say what fastnn can use on this machine",
        description="Backends and why the absent ones are absent, instruction set, threads, "
        "versions and folders.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Collect and print."""
    found = machine.describe() | {"cache_folder": str(cache_folder())}
    if options.json:
        words.print_json(found)
        return 0
    print(f"fastnn {found['fastnn']} on {found['platform']}, Python {found['python']}")
    print("backends")
    if found["backend"] not in found["backends"]:
        print(f"  none in use: {found['backend']}")
    for name, reason in found["backends"].items():
        isa = f" ({found['isa']})" if name == found["backend"] and found["isa"] else ""
        chosen = "  <- in use" if name == found["backend"] else ""
        print(f"  {name:<7} {'available' if reason is None else reason}{isa}{chosen}")
    if isinstance(found["threads"], int):
        print(
            f"threads   {found['threads']} of {found['processors']} allowed, for large work of "
            "cython and NumPy's BLAS; numba uses one"
        )
    else:
        print(f"threads   unknown: {found['threads']}")
    print(f"BLAS      {found['blas']} (NumPy's)")
    print("packages  " + ", ".join(f"{k} {v or 'absent'}" for k, v in found["packages"].items()))
    print(f"cache     {found['cache_folder']}")
    print(f"installed {found['location']}")
    return 0
