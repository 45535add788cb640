"""µs a call of a JavaScript module in Node, one row of 784-100-10, beside onnxruntime-web.

    python bench/javascript.py [--seconds 20] [--node node] [--data-dir DIR] [--json FILE]

MNIST's digits, 81 % zeros, and rows without a zero. onnxruntime-web (WebAssembly, one thread) is
installed by npm into a temporary folder. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import cases
import fastnn

ROWS = 1024
NET = cases.PREDICT_NETS["medium"]
PEER = "onnxruntime-web"


def measured(seconds: float, node: str = "node", data_dir: str | None = None) -> dict[str, Any]:
    """Return the versions, where the digits are from, and the times of each candidate."""
    images, _ = cases.images(ROWS, data_dir)
    sets = {
        "digits": cases.as_float32(images.x[:ROWS]),
        "dense": np.random.default_rng(0).uniform(0.01, 1, (ROWS, 784)).astype(np.float32),
    }
    network = fastnn.Network(NET.sizes, activation=NET.activation, seed=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", PEER], cwd=folder, check=True, timeout=300)
        network.to_javascript(folder / "net.mjs")
        write_onnx(network, folder / "net.onnx")
        for which, x in sets.items():
            x.tofile(folder / f"{which}.x")
            network.predict_proba(x).astype(np.float32).tofile(folder / f"{which}.p")
        script = Path(__file__).with_suffix(".mjs")
        done = subprocess.run(
            [node, str(script), name, str(seconds)], capture_output=True, text=True
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"digits": images.source, **found}


def write_onnx(network: fastnn.Network, path: Path) -> None:
    """Write the network without the labels, which the peer would compute and nobody reads."""
    import onnx

    network.to_onnx(path)
    (softmax,) = (node for node in onnx.load(path).graph.node if node.op_type == "Softmax")
    onnx.utils.extract_model(path, path, ["x"], [softmax.output[0]])
    model = onnx.load(path)
    model.graph.node[-1].output[0] = model.graph.output[0].name = "probabilities"
    onnx.save(model, path)


def lines(found: dict[str, Any]) -> list[str]:
    """Return a table of medians, and of how many times faster than the peer each is."""
    result = [f"{found['versions']}, digits: {found['digits']}", ""]
    peers = {one["set"]: one["median"] for one in found["times"] if one["name"] == PEER}
    for one in found["times"]:
        low, high = one["quartiles"]
        result.append(
            f"{one['set']:8} {one['name']:22} {one['median']:7.2f} µs  ({low:.2f} to {high:.2f})"
            + (f" {peers[one['set']] / one['median']:6.1f} times" if peers else "")
        )
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--node", default="node", help="the Node to run, a path or a name")
    parser.add_argument("--data-dir", help="folder with MNIST's files")
    parser.add_argument("--json", type=Path, help="file to write the times to")
    options = parser.parse_args()
    results = measured(options.seconds, options.node, options.data_dir)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))
    print("\n".join(lines(results)))
