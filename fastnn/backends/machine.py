"""Description of this machine: backends, instruction set, threads, versions, processor."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import backends
from fastnn.backends import threads
from fastnn.system.version import __version__

PACKAGES = ("numpy", "safetensors", "tqdm", "numba", "scipy", "pooch", "threadpoolctl")
CPUINFO = Path("/proc/cpuinfo")
SYSCTL = "/usr/sbin/sysctl"  # full path: PATH may lack its folder


def describe(backend: str = "auto") -> dict[str, Any]:
    """Return a description of this machine.

    Parameters
    ----------
    backend : str, default "auto"
        The backend in use; by default the currently selected one.

    Returns
    -------
    dict
        ``backend`` is its name, or an error message, ``threads`` the number of threads, or an error
        message; ``backends`` has the reasons why backends are missing, and ``limitation`` what the
        one in use was built without, or None.
    """
    try:
        chosen: Any = backends.get_backend(backend)
    except (ValueError, backends.BackendUnavailableError) as error:
        chosen, in_use = None, str(error)
    else:
        in_use = chosen.name
    return {
        "fastnn": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "backends": backends.available_backends(),
        "backend": in_use,
        "isa": getattr(chosen, "isa", None),
        "limitation": None if chosen is None else chosen.limitation,
        "threads": _threads(),
        "processors": threads.available_processors(),
        "blas": _blas(),
        "packages": {name: _version(name) for name in PACKAGES},
        "location": str(sys.modules["fastnn"].__path__[0]),
    }


def processor() -> str:
    """Return the processor name reported by the system."""
    if sys.platform == "darwin":
        command = [SYSCTL, "-n", "machdep.cpu.brand_string"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return platform.machine()
        return done.stdout.strip() or platform.machine()
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = (line.partition(":") for line in lines)
    names = [value.strip() for name, _, value in fields if name.strip() == "model name"]
    return names[0] if names else platform.processor() or platform.machine()


def _threads() -> int | str:
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
