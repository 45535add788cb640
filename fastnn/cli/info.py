"""``fastnn info``: what fastnn found here, and why it did not find the rest."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from fastnn import backends, threads
from fastnn._version import __version__
from fastnn.cli import options as words
from fastnn.datasets import cache_folder

PACKAGES = ("numpy", "safetensors", "tqdm", "numba", "scipy", "pooch", "threadpoolctl")


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
    found = _collect()
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


def _collect() -> dict[str, Any]:
    try:
        backend: Any = backends.get_backend()
    except (ValueError, backends.BackendUnavailableError) as error:
        backend, in_use = None, str(error)
    else:
        in_use = backend.name
    return {
        "fastnn": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "backends": backends.available_backends(),
        "backend": in_use,
        "isa": getattr(backend, "isa", None),
        "threads": _threads(),
        "processors": threads.available_processors(),
        "blas": _blas(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cache_folder": str(cache_folder()),
        "location": str(sys.modules["fastnn"].__path__[0]),
    }


def _threads() -> int | str:
    """Return the number of threads, or what is wrong with the one that was asked for."""
    try:
        return threads.get_num_threads()
    except ValueError as error:
        return str(error)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _blas() -> str:
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
