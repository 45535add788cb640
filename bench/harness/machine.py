"""The machine stamp: on what, with what, and next to what load figures were measured."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from fastnn.system.control_groups import processor_quota
from harness.peak import VECTOR_BITS

PACKAGES = (
    "fastnn", "numpy", "numba", "torch", "scikit-learn", "scipy", "jax", "jaxlib", "onnxruntime",
    "openvino", "ai-edge-litert", "executorch", "tract", "tinygrad",
)  # fmt: skip
FLAGS = (
    "sse2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "asimdhp", "bf16", "sve", "sve2",
)  # fmt: skip
CPUINFO = Path("/proc/cpuinfo")


def stamp(variables: dict[str, str]) -> dict[str, Any]:
    """Describe machine, libraries, threads and load; `variables` is the environment they got."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "instruction_sets": instruction_sets(),
        "vector_bits": vector_bits(),
        "processors": os.cpu_count(),
        "processors_allowed": allowed_processors(),
        "control_group_quota": processor_quota(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "packages": versions(),
        "environment": variables,
        "thread_pools": thread_pools(),
        "load_average": load_average(),
    }


def cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    fields = ("model name", "cpu family", "model", "stepping")
    found = {name: value for name in fields if (value := _cpuinfo(name))}
    if "model name" not in found:
        return platform.processor() or platform.machine()
    numbers = ", ".join(f"{name} {found[name]}" for name in fields[1:] if name in found)
    return f"{found['model name']} ({numbers})" if numbers else found["model name"]


def instruction_sets() -> list[str]:
    """Return the CPU's vector flags, narrowest first; empty where the system does not say."""
    flags = (_cpuinfo("flags") or _cpuinfo("Features") or "").split()
    return [name for name in FLAGS if name in flags]


def vector_bits() -> int:
    """Return the width of the FMA units, or of those that FASTNN_ISA allows."""
    if os.environ.get("FASTNN_ISA", "").lower() == "avx2":
        return VECTOR_BITS["avx2"]
    known = [bits for flag, bits in VECTOR_BITS.items() if flag in instruction_sets()]
    if known:
        return known[0]
    return 128 if platform.machine().lower() in ("arm64", "aarch64") else 256


def allowed_processors() -> int | None:
    """Return how many processors the affinity of this process allows."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def versions() -> dict[str, str]:
    """Return the versions of the packages that take part."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def thread_pools() -> list[dict[str, Any]] | None:
    """Return the BLAS and OpenMP libraries loaded, their kernels and threads (threadpoolctl)."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return None
    keys = ("user_api", "internal_api", "version", "architecture", "num_threads")
    return [
        {"library": Path(pool["filepath"]).name} | {key: pool[key] for key in keys if key in pool}
        for pool in threadpool_info()
    ]


def load_average() -> list[float] | None:
    """Return the load of the last 1, 5 and 15 minutes."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _cpuinfo(name: str) -> str | None:
    if not CPUINFO.exists():
        return None
    for line in CPUINFO.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
