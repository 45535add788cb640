"""µs a call of a JavaScript module in Node, one row of 784-100-10, beside onnxruntime-web.

    python bench/javascript.py [--seconds 2]

onnxruntime-web (WebAssembly, one thread) is installed by npm into a temporary folder. Outputs are
compared with fastnn's before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import fastnn


def measured(seconds: float) -> dict[str, float]:
    """Return the median µs of a call of each."""
    network = fastnn.Network((784, 100, 10), activation="sigmoid", seed=0)
    x = np.random.default_rng(0).random((1, 784), np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text("{}")
        subprocess.run(
            ["npm", "install", "--silent", "onnxruntime-web"], cwd=folder, check=True, timeout=300
        )
        network.to_javascript(folder / "net.mjs")
        network.to_onnx(folder / "net.onnx")
        x.tofile(folder / "x.bin")
        network.predict_proba(x).tofile(folder / "expected.bin")
        script = Path(__file__).with_suffix(".mjs")
        done = subprocess.run(
            ["node", str(script), name, str(seconds)], capture_output=True, text=True, check=True
        )
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    for engine, microseconds in measured(parser.parse_args().seconds).items():
        print(f"{engine:16} {microseconds:8.2f} µs")
