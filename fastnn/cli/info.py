"""``fastnn info``: the available backends, and why others are missing."""

from __future__ import annotations

import argparse
from typing import Any

from fastnn.backends import machine
from fastnn.cli import options as words
from fastnn.cli.streams import say
from fastnn.datasets import cache_folder


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "info",
        help="show what fastnn can use on this machine",
        description="Show the backends and why some are missing, the instruction set, threads, "
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
    say(f"fastnn {found['fastnn']} on {found['platform']}, Python {found['python']}")
    say("backends")
    if found["backend"] not in found["backends"]:
        say(f"  none in use: {found['backend']}", indent="    ")
    for name, reason in found["backends"].items():
        isa = f" ({found['isa']})" if name == found["backend"] and found["isa"] else ""
        chosen = "  <- in use" if name == found["backend"] else ""
        said = "available" if reason is None else reason
        say(f"  {name:<7} {said}{isa}{chosen}", indent=" " * 10)
        if name == found["backend"] and found["limitation"]:
            say(f"          {found['limitation']}", indent=" " * 10)
    if isinstance(found["threads"], int):
        threads = (
            f"{found['threads']} of {found['processors']} allowed, for large operations of cython "
            "and NumPy's BLAS; numba uses one"
        )
    else:
        threads = f"unknown: {found['threads']}"
    packages = ", ".join(
        f"{name} {version or 'absent'}" for name, version in found["packages"].items()
    )
    for name, value in (
        ("threads", threads),
        ("BLAS", f"{found['blas']} (NumPy's)"),
        ("packages", packages),
        ("cache", found["cache_folder"]),
        ("installed", found["location"]),
    ):
        say(f"{name:<9} {value}", indent=" " * 10)
    return 0
