"""Networks as JavaScript modules, run by an engine: one process or page for all of them."""

import json
import shutil
import subprocess
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import fastnn
from fastnn.exchange.javascript.module import module
from fastnn.exchange.quantization import dequantized
from support.browsers import page_of
from support.propagation import propagated

NODE, DENO = shutil.which("node"), shutil.which("deno")

# Each job names a module and has its rows in base64. Rows are computed together, in reverse and one
# by one, whose bits must be the same; classes, if there are some, are returned too.
DRIVER = """\
import jobs from "./jobs.mjs";
export async function results(plain) {
  if (plain) delete globalThis.WebAssembly;
  const found = [];
  for (const { name, isBytes, rows } of jobs) {
    const net = await import(`./${name}.mjs`);
    const bytes = Uint8Array.from(atob(rows), (c) => c.charCodeAt(0));
    const x = isBytes ? bytes : new Float32Array(bytes.buffer);
    const { nIn, nOut, engine } = net.info, n = x.length / nIn;
    const out = net.predict(x), again = new Float32Array(n * nOut);
    for (let i = n - 1; i >= 0; i--) {
      again.set(net.predict(x.slice(i * nIn, (i + 1) * nIn)), i * nOut);
    }
    const words = [...new Uint32Array(out.buffer)], same = new Uint32Array(again.buffer);
    found.push({
      engine,
      alone: words.every((word, i) => word === same[i]),
      classes: net.predictClasses ? net.predictClasses(x) : null,
      info: net.info,
      out: words,
    });
  }
  return found;
}
"""

# What each kind of engine runs; PLAIN is whether WebAssembly is taken away first.
MAIN = """\
import { results } from "./driver.mjs";
console.log(JSON.stringify(await results(PLAIN)));
"""
NODE_WORKER = """\
import { results } from "./driver.mjs";
import { Worker, isMainThread, parentPort } from "node:worker_threads";
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  worker.once("message", (found) => console.log(JSON.stringify(found)));
} else {
  parentPort.postMessage(await results(PLAIN));
}
"""
PAGE = "async () => (await import('/driver.mjs')).results(PLAIN)"
WORKER = """\
import { results } from "./driver.mjs";
postMessage(await results(PLAIN));
"""
PAGE_WORKER = """\
() => new Promise((done, fail) => {
  const worker = new Worker('/worker.mjs', { type: 'module' });
  worker.onmessage = (message) => done(message.data);
  worker.onerror = (error) => fail(new Error(error.message));
})
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


def run(folder, networks, rows, engine="wasm", weights="float32", found_by=None):
    """Run rows through networks; return a `Found` for each.

    Parameters
    ----------
    found_by : callable, optional
        It takes the folder and whether the engine is to be the plain one, and returns what the
        driver found; by default `by_node`.
    """
    jobs = []
    for i, (network, x) in enumerate(zip(networks, rows, strict=True)):
        is_bytes = x.dtype == np.uint8
        Path(folder, f"net{i}.mjs").write_text(module(network, weights=weights))
        data = (x if is_bytes else x.astype(np.float32)).tobytes()
        jobs.append(
            {"name": f"net{i}", "isBytes": is_bytes, "rows": b64encode(data).decode("ascii")}
        )
    Path(folder, "jobs.mjs").write_text(f"export default {json.dumps(jobs)};\n")
    Path(folder, "driver.mjs").write_text(DRIVER)
    results = []
    found = (found_by or by_node)(Path(folder), engine == "plain")
    for network, one in zip(networks, found, strict=True):
        assert one["engine"] == engine
        assert one["alone"], network
        out = np.array(one["out"], np.uint32).view(np.float32)
        results.append(
            Found(out.reshape(-1, network.architecture.n_out), one["classes"], one["info"])
        )
    return results


def by_node(folder, plain, text=MAIN):
    """Return what the driver finds in Node."""
    return script(folder, text.replace("PLAIN", json.dumps(plain)))


def by_node_worker(folder, plain):
    """Return what the driver finds in a worker of Node."""
    return by_node(folder, plain, NODE_WORKER)


def by_page(browser, folder, plain):
    """Return what the driver finds in a page."""
    with page_of(browser, folder) as page:
        return page.evaluate(PAGE.replace("PLAIN", json.dumps(plain)))


def by_page_worker(browser, folder, plain):
    """Return what the driver finds in a worker of a page."""
    Path(folder, "worker.mjs").write_text(WORKER.replace("PLAIN", json.dumps(plain)))
    with page_of(browser, folder) as page:
        return page.evaluate(PAGE_WORKER)


def by_deno(folder, plain):
    """Return what the driver finds in Deno, which may read its folder and do nothing else."""
    if DENO is None:
        pytest.skip("there is no Deno here")
    Path(folder, "main.mjs").write_text(MAIN.replace("PLAIN", json.dumps(plain)))
    done = subprocess.run(
        [DENO, "run", "--no-prompt", f"--allow-read={folder}", str(Path(folder, "main.mjs"))],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:4000]
    return json.loads(done.stdout)


# -- what fastnn computes --------------------------------------------------------------------------


def computed(network, weights):
    """The network that a module computes: of parameters in float32, or of what they became."""
    if weights == "int8":
        return dequantized(network)
    result = fastnn.Network.from_architecture(
        replace(network.architecture, dtype="float32"),
        class_labels=network.class_labels,
        backend="numpy",
    )
    kind = np.float16 if weights == "float16" else np.float32
    for mine, its in zip(result.weights, network.weights, strict=True):
        mine[...] = its.astype(np.float32).astype(kind)
    for mine, its in zip(result.biases, network.biases, strict=True):
        if mine is not None:
            mine[...] = its
    return result


def outputs(network, x):
    """What fastnn computes."""
    if network.architecture.classifies:
        return network.predict_proba(x)
    return network.predict(x).reshape(len(x), -1)


def assert_agrees(network, x, found, weights="float32"):
    """Compare with fastnn's outputs within the bounds of C headers, and classes with outputs."""
    x = x if x.dtype == np.uint8 else x.astype(np.float32)
    model = computed(network, weights)
    _, bound = propagated(model, x, extra_roundings=4 if weights == "int8" else 0)
    expected = outputs(model, x).astype(np.float64)
    wrong = ~(np.abs(found.out - expected) <= bound)
    assert not wrong.any(), (network, np.argwhere(wrong)[:3], found.out[wrong][:3])
    a = model.architecture
    if a.n_classes:
        yes = a.output == "sigmoid"
        indices = (found.out[:, 0] > 0.5).astype(int) if yes else found.out.argmax(axis=1)
        labels = range(a.n_classes) if network.class_labels is None else network.class_labels
        assert found.classes == [labels[i] for i in indices]
    else:
        assert found.classes is None
