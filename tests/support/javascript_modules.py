"""Networks as JavaScript modules, run in Node: one process for all of them, in both kernels."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastnn.exchange.javascript.module import module

NODE = shutil.which("node")

# Each job names a module, its rows and where outputs go. Rows are computed together, in reverse and
# one by one, whose bits must be the same; classes, if there are some, are returned as JSON.
DRIVER = """\
import fs from "node:fs";
const [folder, plain] = process.argv.slice(2);
if (plain === "plain") delete globalThis.WebAssembly;
const results = [];
for (const { name, isBytes } of JSON.parse(fs.readFileSync(`${folder}/jobs.json`))) {
  const net = await import(`${folder}/${name}.mjs`);
  const bytes = Uint8Array.from(fs.readFileSync(`${folder}/${name}.x`));
  const x = isBytes ? bytes : new Float32Array(bytes.buffer);
  const { nIn, nOut, engine } = net.info, n = x.length / nIn;
  const out = net.predict(x), again = new Float32Array(n * nOut);
  for (let i = n - 1; i >= 0; i--) {
    again.set(net.predict(x.slice(i * nIn, (i + 1) * nIn)), i * nOut);
  }
  const words = new Uint32Array(out.buffer), same = new Uint32Array(again.buffer);
  results.push({
    engine,
    alone: words.every((word, i) => word === same[i]),
    classes: net.predictClasses ? net.predictClasses(x) : null,
    info: net.info,
  });
  fs.writeFileSync(`${folder}/${name}.out`, out);
}
console.log(JSON.stringify(results));
"""


class Found(NamedTuple):
    """Outputs (n_rows, n_out) in float32, classes where there are some, and the module's info."""

    out: np.ndarray
    classes: list | None
    info: dict


def in_node(*arguments):
    """Run Node; return what it printed, with nothing on standard error."""
    if NODE is None:
        pytest.skip("there is no Node here")
    done = subprocess.run([NODE, *arguments], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:4000]
    return done.stdout


def script(folder, text):
    """Run a script beside modules in `folder`; return what it prints, as JSON."""
    path = Path(folder, "script.mjs")
    path.write_text(text)
    return json.loads(in_node(str(path)))


def run(folder, networks, rows, engine="wasm", weights="float32"):
    """Run rows through networks; return a `Found` for each."""
    jobs = []
    for i, (network, x) in enumerate(zip(networks, rows, strict=True)):
        is_bytes = x.dtype == np.uint8
        Path(folder, f"net{i}.mjs").write_text(module(network, weights=weights))
        (x if is_bytes else x.astype(np.float32)).tofile(Path(folder, f"net{i}.x"))
        jobs.append({"name": f"net{i}", "isBytes": is_bytes})
    Path(folder, "jobs.json").write_text(json.dumps(jobs))
    driver = Path(folder, "driver.mjs")
    driver.write_text(DRIVER)
    found = json.loads(in_node(str(driver), str(folder), engine))
    results = []
    for i, (network, one) in enumerate(zip(networks, found, strict=True)):
        assert one["engine"] == engine
        assert one["alone"], network
        out = np.fromfile(Path(folder, f"net{i}.out"), np.float32)
        results.append(
            Found(out.reshape(-1, network.architecture.n_out), one["classes"], one["info"])
        )
    return results
