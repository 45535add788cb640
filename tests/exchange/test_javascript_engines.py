"""A JavaScript module in other engines than Node: Chromium, workers, Deno; and TypeScript's checks.

In Chromium as in Node, random networks compute what fastnn computes; `FASTNN_TEST_PROFILE=thorough`
takes 1,000 of them.
"""

import shutil
import subprocess
from functools import partial

import numpy as np
import pytest
from support.browsers import chromium, page_of
from support.c_programs import batches
from support.examples import small_network
from support.javascript_modules import (
    assert_agrees,
    by_deno,
    by_node,
    by_node_worker,
    by_page,
    by_page_worker,
    run,
)
from support.random_networks import N_NETWORKS, THOROUGH, random_network

ENGINES = ("wasm", "plain")
WEIGHTS = ("float32", "float16", "int8")
SEEDS = range(N_NETWORKS if THOROUGH else 24)
BATCH = 100 if THOROUGH else 24


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.mark.parametrize("seeds", list(batches(SEEDS, BATCH)), ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weights", WEIGHTS if THOROUGH else ["float32", "int8"])
def test_random_networks_compute_in_a_page_what_they_compute_in_fastnn(
    tmp_path, browser, seeds, engine, weights
):
    networks, rows = zip(*map(random_network, seeds), strict=True)
    found = run(tmp_path, networks, rows, engine, weights, partial(by_page, browser))
    for network, x, one in zip(networks, rows, found, strict=True):
        assert_agrees(network, x, one, weights)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("where", ["page", "page's worker", "Node's worker", "Deno"])
def test_every_engine_returns_the_same(tmp_path, request, engine, where):
    """In WebAssembly the same bits; in plain JavaScript each engine has its own exp."""
    found_by = {"Node's worker": by_node_worker, "Deno": by_deno}.get(where)
    if found_by is None:
        one = by_page if where == "page" else by_page_worker
        found_by = partial(one, request.getfixturevalue("browser"))
    networks, rows = zip(*map(random_network, range(6)), strict=True)
    here = run(tmp_path, networks, rows, engine, found_by=by_node)
    there = run(tmp_path, networks, rows, engine, found_by=found_by)
    for network, x, mine, its in zip(networks, rows, here, there, strict=True):
        if engine == "wasm":
            assert mine.out.tobytes() == its.out.tobytes()
            assert mine.classes == its.classes
        else:
            assert_agrees(network, x, its)


def test_a_page_whose_policy_forbids_webassembly_computes_in_plain_javascript(tmp_path, browser):
    network = small_network((3, 5, 2))
    network.to_javascript(tmp_path / "net.mjs")
    policy = {"Content-Security-Policy": "script-src 'self'"}
    with page_of(browser, tmp_path, headers=policy) as page:
        engine, out = page.evaluate(
            "async () => { const net = await import('/net.mjs');"
            " return [net.info.engine, [...net.predict([1, 2, 3])]]; }"
        )
    assert engine == "plain"
    assert out == pytest.approx(network.predict_proba(np.array([[1.0, 2, 3]]))[0], abs=1e-6)


# -- TypeScript -----------------------------------------------------------------------------------

USE = """\
import { info, predict, predictClass, predictClasses, type Class, type Rows } from "./net.mjs";
const rows: Rows[] = [
  new Float32Array(3), new Float64Array(3), new Uint8Array(3), new Uint8ClampedArray(3), [1, 2, 3],
];
const out: Float32Array = predict(rows[0]!, new Float32Array(2));
const one: Class = predictClass(rows[1]!), all: Class[] = predictClasses(rows[2]!);
const label: LABEL = one;
const scale: number = info.inputScale, engine: "wasm" | "plain" = info.engine;
console.log(out, all, label, scale, engine, info.layers[0]?.activation, info.classes.length);
// @ts-expect-error
predict("123");
// @ts-expect-error
predict(null);
// @ts-expect-error
predict([[1, 2, 3]]);
// @ts-expect-error
predict(new Int8Array(3));
// @ts-expect-error
predict(rows[0]!, [0, 0]);
// @ts-expect-error
predict();
// @ts-expect-error
info.nIn = 4;
"""

USE_OF_NUMBERS = """\
import * as net from "./net.mjs";
const out: Float32Array = net.predict([1, 2, 3]), none: null = net.info.classes;
console.log(out, none);
// @ts-expect-error
net.predictClass([1, 2, 3]);
"""


@pytest.mark.skipif(shutil.which("tsc") is None, reason="there is no TypeScript here")
@pytest.mark.parametrize(
    ("options", "use"),
    [
        ({"class_labels": ("a", "b")}, USE.replace("LABEL", "string")),
        ({"class_labels": (True, 2)}, USE.replace("LABEL", "boolean | number")),
        ({}, USE.replace("LABEL", "number")),
        ({"output": "identity"}, USE_OF_NUMBERS),
    ],
    ids=["text", "mixed", "numbers", "no-classes"],
)
def test_typescript_checks_the_types(tmp_path, options, use):
    small_network((3, 4, 2), **options).to_javascript(tmp_path / "net.mjs")
    (tmp_path / "use.mts").write_text(use)
    done = subprocess.run(
        ["tsc", "--strict", "--noEmit", "--noUncheckedIndexedAccess", "--target", "es2022",
         "--module", "nodenext", "--lib", "es2022,dom", "use.mts"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
