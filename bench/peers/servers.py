"""Servers of a network by the Open Inference Protocol V2: fastnn's, and what else serves one.

Each runs in the Python that is named for it, in one process. Thread pools have one thread.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cases import Array, Net
from harness.load import HOST, free_port
from javascript import write_onnx
from peers import ours

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                            "FASTNN_NUM_THREADS"), "1")  # fmt: skip
VERSIONS = """
from importlib import metadata
def told(name):
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"no {name}"
print(", ".join(map(told, NAMES)))
"""


@dataclass(frozen=True)
class Served:
    """A server that can be started: its command, where it will be, and what to ask it for."""

    command: list[str]
    port: int
    output: str
    variables: dict[str, str] = field(default_factory=dict)

    ready = "/v2/health/ready"
    path = "/v2/models/net/infer"


@dataclass(frozen=True)
class Server:
    """A kind of server.

    Attributes
    ----------
    imports : tuple of str
        Modules that its Python must have.
    packages : tuple of str
        Whose versions are told; those it also works without may be missing.
    make : callable
        ``make(python, net, parameters, folder)`` writes the model there, and returns a `Served`.
    """

    label: str
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    make: Callable[[str, Net, list[Array], Path], Served]
    ours: bool = False

    def versions(self, python: str) -> str:
        """Return the versions of its packages.

        Raises
        ------
        ImportError
            If one is missing.
        """
        code = f"import {', '.join(self.imports)}\nNAMES = {self.packages}{VERSIONS}"
        try:
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120)
        except OSError as error:
            raise ImportError(str(error)) from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it ended"])[-1]
            raise ImportError(f"{reason} ({python})")
        return done.stdout.strip().splitlines()[-1]


def _fastnn(python: str, net: Net, parameters: list[Array], folder: Path) -> Served:
    ours.network(net, parameters, "auto").save(folder / "net.safetensors")
    port = free_port()
    command = [python, "-m", "fastnn", "serve", "net.safetensors", "--host", HOST]
    return Served([*command, "--port", str(port), "--threads", "1"], port, "probabilities")


def _fastapi(python: str, net: Net, parameters: list[Array], folder: Path) -> Served:
    write_onnx(ours.network(net, parameters, "auto"), folder / "net.onnx")
    port = free_port()
    command = [
        python, "-m", "uvicorn", "fastapi_onnx:application", "--app-dir",
        str(Path(__file__).parent), "--host", HOST, "--port", str(port), "--loop", "uvloop",
        "--http", "httptools", "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    variables = {"FASTNN_BENCH_ONNX": str(folder / "net.onnx")}
    return Served(command, port, "probabilities", variables)


def _mlserver(python: str, net: Net, parameters: list[Array], folder: Path) -> Served:
    n_layers = len(parameters) // 2
    names = [f"{kind}{i}" for kind in ("weight", "bias") for i in range(n_layers)]
    np.savez(folder / "net.npz", **dict(zip(names, parameters, strict=True)))
    script = Path(__file__).with_name("mlserver_model.py")
    activation = "logistic" if net.activation == "sigmoid" else net.activation
    arguments = [str(folder / "net.npz"), activation, str(folder / "model.joblib")]
    subprocess.run([python, str(script), *arguments], check=True, timeout=120)
    port = free_port()
    settings = {
        "debug": False, "host": HOST, "http_port": port, "grpc_port": free_port(),
        "parallel_workers": 0,  # predictions in the process that answers, without a queue between
        "metrics_endpoint": None, "gzip_enabled": False,
    }  # fmt: skip
    model = {
        "name": "net",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = [python, "-c", "from mlserver.cli import main; main()", "start", str(folder)]
    return Served(command, port, "predict_proba")


SERVERS = {
    "fastnn": Server(
        "fastnn serve",
        ("fastnn", "uvicorn"),
        ("fastnn", "uvicorn", "uvloop", "httptools", "orjson"),
        _fastnn,
        ours=True,
    ),
    "fastapi": Server(
        "FastAPI, ONNX Runtime",
        ("fastapi", "uvicorn", "uvloop", "httptools", "orjson", "onnxruntime"),
        ("fastapi", "uvicorn", "uvloop", "httptools", "orjson", "onnxruntime"),
        _fastapi,
    ),
    "mlserver": Server(
        "MLServer, scikit-learn",
        ("mlserver", "mlserver_sklearn"),
        ("mlserver", "mlserver-sklearn", "scikit-learn", "uvicorn", "fastapi"),
        _mlserver,
    ),
}
