"""How a JavaScript module is called, what it refuses, and what it says about itself."""

import json
import re

import numpy as np
import pytest
from support.examples import small_network
from support.javascript_modules import in_node, run, script
from support.random_networks import random_network

import fastnn
from fastnn.exchange.javascript.module import module

# -- how it is called -----------------------------------------------------------------------------

CALLS = """\
import * as net from "./net.mjs";
const caught = (call) => { try { return call(); } catch (error) { return String(error); } };
const list = (x) => typeof x === "string" ? x : [...x];
const row = [0.5, -1, 0.25], out = new Float32Array(3);
const long = Float32Array.from({ length: 600 }, (_, i) => Math.sin(i)), apart = net.predict(long);
console.log(JSON.stringify({
  array: list(net.predict(row)),
  float32: list(net.predict(Float32Array.from(row))),
  float64: list(net.predict(Float64Array.from(row))),
  bytes: list(net.predict(Uint8Array.from([1, 2, 3]))),
  clamped: list(net.predict(Uint8ClampedArray.from([1, 2, 3]))),
  buffer: list(net.predict(Buffer.from([1, 2, 3]))),
  scaled: list(net.predict([1, 2, 3].map((x) => x * net.info.inputScale))),
  same: net.predict(row, out) === out,
  over: list(net.predict(long, long)).every((value, i) => value === apart[i]),
  class: net.predictClass(row),
  short: caught(() => net.predict([1, 2])),
  empty: caught(() => net.predict([])),
  text: caught(() => net.predict(["1", 2, 3])),
  integers: caught(() => net.predict(Int8Array.from(row))),
  none: caught(() => net.predict()),
  out: caught(() => net.predict(row, new Float32Array(2))),
  rows: caught(() => net.predictClass([...row, ...row])),
  nan: caught(() => net.predictClasses([...row, NaN, 1, 1])),
  infinite: caught(() => net.predict(Float32Array.from([1, 1, -Infinity]))),
  beyond: caught(() => net.predict(Float64Array.from([1, 1e39, 1]))),
  far: caught(() => net.predict(Array.from({ length: 300 }, (_, i) => i === 299 ? NaN : i))),
  sparse: caught(() => net.predict([0, , 1])),
  nested: caught(() => net.predict([[1, 2, 3]])),
  word: caught(() => net.predict("123")),
  number: caught(() => net.predict(5)),
  null: caught(() => net.predict(null)),
  object: caught(() => net.predict({ length: 3, 0: 1, 1: 2, 2: 3 })),
  big: caught(() => net.predict(new BigInt64Array(3))),
  view: caught(() => net.predict(new DataView(new ArrayBuffer(12)))),
  rawBuffer: caught(() => net.predict(new ArrayBuffer(12))),
  classOfNull: caught(() => net.predictClass(null)),
  classOfNone: caught(() => net.predictClass()),
  classOfWord: caught(() => net.predictClass("abc")),
  classesOfNull: caught(() => net.predictClasses(null)),
  outNull: caught(() => net.predict(row, null)),
  outArray: caught(() => net.predict(row, [0, 0, 0])),
  after: list(net.predict(row)),
  frozen: caught(() => { net.info.nIn = 4; return "changed"; }),
}));
"""


def test_what_it_takes_and_what_it_refuses(tmp_path):
    network = small_network((3, 5, 3), input_scale=1 / 128, class_labels=("a", "b", "c"))
    network.to_javascript(tmp_path / "net.mjs")
    found = script(tmp_path, CALLS)
    assert found["array"] == found["float32"] == found["float64"]
    assert found["bytes"] == found["clamped"] == found["buffer"] == found["scaled"]
    assert found["after"] == found["array"]
    assert found["same"]
    assert found["over"]
    assert found["class"] in network.class_labels
    for key, words in {
        "short": "RangeError: x holds 2 numbers: pass rows of 3 numbers, one after the other",
        "empty": "RangeError: x holds 0 numbers",
        "text": "TypeError: x[0] is of type string",
        "integers": "TypeError: x is of type Int8Array, not Float32Array",
        "none": "TypeError: x is of type Undefined",
        "out": "TypeError: out must be a Float32Array of 3 numbers",
        "rows": "RangeError: predictClass takes one row of 3 numbers",
        "nan": "RangeError: x[3] is NaN: pass numbers within float32's range",
        "infinite": "RangeError: x[2] is -Infinity: pass numbers",
        "beyond": "RangeError: x[1] is 1e+39: pass numbers within float32's range",
        "far": "RangeError: x[299] is NaN",
        "sparse": "TypeError: x[1] is of type undefined: pass rows of 3 numbers",
        "nested": "TypeError: x[0] is of type object: pass rows of 3 numbers",
        "word": "TypeError: x is of type String, not Float32Array",
        "number": "TypeError: x is of type Number",
        "null": "TypeError: x is of type Null",
        "object": "TypeError: x is of type Object",
        "big": "TypeError: x is of type BigInt64Array",
        "view": "TypeError: x is of type DataView",
        "rawBuffer": "TypeError: x is of type ArrayBuffer",
        "classOfNull": "TypeError: x is of type Null",
        "classOfNone": "TypeError: x is of type Undefined",
        "classOfWord": "TypeError: x is of type String",
        "classesOfNull": "TypeError: x is of type Null",
        "outNull": "TypeError: out must be a Float32Array of 3 numbers",
        "outArray": "TypeError: out must be a Float32Array of 3 numbers",
        "frozen": "TypeError: Cannot assign",
    }.items():
        assert found[key].startswith(words), (key, found[key])


def test_bytes_as_numbers_are_refused_by_a_network_trained_on_bytes(tmp_path):
    rng = np.random.default_rng(0)
    network = fastnn.Network((4, 2), seed=0)
    network.fit(rng.integers(0, 256, (50, 4), np.uint8), np.arange(50) % 2, epochs=1)
    network.to_javascript(tmp_path / "net.mjs")
    found = script(tmp_path, """\
import { predict, info } from "./net.mjs";
const bytes = [0, 3, 200, 255];
let refused;
try { predict(bytes); } catch (error) { refused = error.message; }
const taken = predict(Float32Array.from(bytes, (x) => x * info.inputScale));
const same = predict(Uint8Array.from(bytes));
console.log(JSON.stringify({ refused, apart: Math.max(...taken.map((x, i) => x - same[i])) }));
""")  # fmt: skip
    assert "the network was trained on bytes: pass a Uint8Array" in found["refused"]
    assert abs(found["apart"]) < 1e-6


@pytest.mark.parametrize("broken", ["validate", "Module", "Memory"])
def test_an_engine_that_refuses_webassembly_computes_in_plain_javascript(tmp_path, broken):
    """As pages do whose security policy forbids it, and engines without vectors."""
    small_network((3, 5, 3)).to_javascript(tmp_path / "net.mjs")
    engine, total = script(tmp_path, f"""\
WebAssembly.{broken} = function () {{ throw new Error("refused"); }};
const {{ predict, info }} = await import("./net.mjs");
console.log(JSON.stringify([info.engine, predict([1, 2, 3]).reduce((a, b) => a + b)]));
""")  # fmt: skip
    assert engine == ("wasm" if broken == "validate" else "plain")
    assert total == pytest.approx(1, abs=1e-6)


# -- what it says -------------------------------------------------------------------------------

LABELS = ['"', "\\", "a\nb", "é日本🙂", "</script>", "*/", "", "\u2028", "${x}"]


@pytest.mark.parametrize(
    "labels", [LABELS, [-1, 0, 2**53], [True, False, 2], [0.1, -1e300, 5e-324]]
)
def test_labels_are_the_same(tmp_path, labels):
    network = small_network((2, len(labels)), class_labels=labels)
    network.to_javascript(tmp_path / "net.mjs")
    text = (tmp_path / "net.mjs").read_text()
    assert text.isascii()
    assert "</script" not in text
    found = script(tmp_path, """\
import { info } from "./net.mjs";
console.log(JSON.stringify(info.classes));
""")  # fmt: skip
    assert found == labels


def test_names_of_columns_and_of_what_is_predicted_are_in_info(tmp_path):
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({"*/ age": [1.0, 2, 3, 4], "</script>": [0.5, 1, 1, 0]})
    network = fastnn.Network((2, 2), seed=0)
    network.fit(x, np.array([0, 1, 0, 1]), epochs=1)
    (found,) = run(tmp_path, [network], [x.to_numpy(np.float32)])
    assert found.info["columns"] == ["*/ age", "</script>"]
    assert found.info["inputs"] == "numbers"


def test_the_same_network_makes_the_same_bytes():
    texts = {module(random_network(3)[0], weights="float32") for _ in range(2)}
    assert len(texts) == 1


def test_the_text_has_100_columns_but_for_its_data():
    for seed in range(8):
        text = module(random_network(seed)[0], weights="int8")
        long = [line for line in text.splitlines() if len(line) > 100]
        assert all(re.match(r"const (DATA|KERNEL) =|export const info =", line) for line in long)


def test_its_types_are_beside_it(tmp_path):
    for name, types in (("net.js", "net.d.ts"), ("net.mjs", "net.d.mts")):
        network = small_network((2, 3), class_labels=("a", "b", "c"))
        assert network.to_javascript(tmp_path / name).types == tmp_path / types
        text = (tmp_path / types).read_text()
        assert "export type Class = string;" in text
        assert "export declare function predictClass(x: Rows): Class;" in text
    small_network((2, 3), output="identity").to_javascript(tmp_path / "net.js")
    assert "predictClass" not in (tmp_path / "net.d.ts").read_text()


@pytest.mark.parametrize("options", [{}, {"output": "identity"}, {"output": "exp"}])
def test_types_declare_what_is_exported(tmp_path, options):
    small_network(**options).to_javascript(tmp_path / "net.mjs")
    declared = re.findall(r"export declare \w+ (\w+)", (tmp_path / "net.d.mts").read_text())
    exported = script(tmp_path, """\
import * as net from "./net.mjs";
console.log(JSON.stringify(Object.keys(net)));
""")  # fmt: skip
    assert sorted(declared) == sorted(exported)


# -- refusals -------------------------------------------------------------------------------------


def test_rows_measure_what_is_lost(tmp_path):
    network = small_network((4, 6, 3))
    x = np.random.default_rng(0).normal(size=(50, 4))
    written = network.to_javascript(tmp_path / "net.js", rows=(x, network.predict(x)))
    assert written.agreement.agreement == 1
    assert written.largest_weight_error < 1e-7


def test_a_loss_is_a_warning(tmp_path):
    network = fastnn.Network((2, 1), output="identity", seed=0)
    network.weights[0][...] = [[1e-6], [1]]
    x = np.random.default_rng(0).normal(size=(50, 2)) * [1e6, 1e-3]
    network.weights[0][0] = 3e-8  # a subnormal number in float16
    with pytest.warns(UserWarning, match="the JavaScript module in float16 loses accuracy"):
        network.to_javascript(tmp_path / "net.js", weights="float16", rows=x)


@pytest.mark.parametrize("name", ["net", "net.ts", "net.h", "net.js.txt"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"a file such as digits\.js or digits\.mjs"):
        small_network().to_javascript(tmp_path / name)


@pytest.mark.parametrize(("weights", "error"), [("int4", ValueError), (8, TypeError)])
def test_other_weights_are_refused(tmp_path, weights, error):
    with pytest.raises(error, match="weights must be one of 'float32', 'float16', 'int8'"):
        small_network().to_javascript(tmp_path / "net.js", weights=weights)


@pytest.mark.parametrize(
    ("value", "weights"), [(np.nan, "float32"), (1e39, "int8"), (7e4, "float16")]
)
def test_weights_without_a_place_are_refused(tmp_path, value, weights):
    network = small_network()
    network.weights[1][0, 0] = value
    with pytest.raises(ValueError, match=r"the weights of layer 2 (holds|reach)"):
        network.to_javascript(tmp_path / "net.js", weights=weights)
    assert not list(tmp_path.iterdir())


def test_labels_beyond_exact_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="9007199254740993 is beyond 2\\^53"):
        small_network((2, 2), class_labels=(2**53 + 1, 0)).to_javascript(tmp_path / "net.js")


def test_a_network_that_takes_tables_is_refused(tmp_path):
    from fastnn.sklearn import TabularClassifier

    table = {"a": np.arange(60.0), "b": np.array(["x", "y"] * 30)}
    model = TabularClassifier(max_iter=2, random_state=0).fit(table, np.arange(60) % 2)
    with pytest.raises(ValueError, match="the network takes tables: to_onnx"):
        model.ensemble_[0].to_javascript(tmp_path / "net.js")


def test_it_needs_no_file_beside_it(tmp_path):
    """A module that is imported as text of a data address, as bundlers do, has no files to find."""
    text = json.dumps(module(small_network((2, 2)), weights="float32"))
    (tmp_path / "script.mjs").write_text(
        f"const text = {text};\n"
        'const net = await import("data:text/javascript;base64," + btoa(text));\n'
        "console.log(net.predict([1, 2]).length);\n"
    )
    assert in_node(str(tmp_path / "script.mjs")) == "2\n"
