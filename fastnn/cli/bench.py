"""``fastnn bench``: a short form of the benchmarks, against the libraries that are installed."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastnn.backends import NAMES
from fastnn.cli import options as words
from fastnn.cli import streams

# For each script: the most informative cases in the least time.
SHORT_FORM = {
    "train": ("mnist-sgd", "small-sgd", "small-adam"),
    "predict": ("small-random-1", "medium-mnist-1", "medium-mnist-10000"),
}

PEERS = (
    "numpy", "numpy-kernels", "torch", "torch-compile", "sklearn", "jax", "onnxruntime",
    "onnxruntime-bound", "openvino", "litert", "executorch", "tract", "tinygrad", "fann",
)  # fmt: skip


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "bench",
        help="compare fastnn with other libraries on this machine",
        description="Time training and prediction against the installed peers (NumPy, "
        "PyTorch, scikit-learn, JAX, ONNX Runtime), each verified first. For all benchmarks run "
        "the scripts in bench/ of the source.",
    )
    parser.add_argument(
        "--backend", nargs="+", choices=NAMES, default=[], help="default: all available"
    )
    parser.add_argument(
        "--threads", nargs="+", type=words.whole_number(1), default=[1], help="default: 1"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        metavar="NAME",
        help=f"{', '.join(PEERS)} (default: those installed)",
    )
    parser.add_argument(
        "--seconds", type=words.positive_number, default=3.0, help="per case, default: 3"
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder with the four MNIST files (default: FASTNN_MNIST_DIR, or else synthetic "
        "digits)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the scripts one after the other, each in its own process."""
    code = 0
    for script, cases in SHORT_FORM.items():
        command = [sys.executable, str(_folder() / f"{script}.py"), "--cases", *cases]
        command += ["--seconds", str(options.seconds)]
        command += ["--threads", *map(str, options.threads)]
        if options.backend:
            command += ["--backend", *options.backend]
        if options.peers is not None:
            command += ["--peers", *options.peers]
        if options.data_dir:
            command += ["--data-dir", options.data_dir]
        code = _run(command)
        if code:
            break
    return code


def _run(command: list[str]) -> int:
    """Run a script, forward its output, and return its exit code.

    It starts other processes: they form a process group, if supported, and end together.
    """
    group: dict[str, Any] = {} if os.name == "nt" else {"process_group": 0}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        **group,
    ) as script:
        assert script.stdout is not None
        try:
            for line in script.stdout:
                streams.say_verbatim(line)
        except BaseException:  # the reader is gone, or Ctrl-C
            if sys.platform == "win32":
                script.terminate()
            else:
                os.killpg(script.pid, signal.SIGTERM)
            raise
    return script.returncode


def _folder() -> Path:
    spec = find_spec("fastnn.bench")
    if spec is None or spec.origin is None:
        raise ImportError("the benchmarks are not installed; run them from fastnn's source, bench/")
    return Path(spec.origin).parent
