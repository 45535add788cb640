"""Files that are no networks: each a clear error with the path, little memory, nothing run."""

import json
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as to_safetensors
from support.examples import small_network

import fastnn
from fastnn.model.persistence import to_bytes

GOOD = to_bytes(small_network(class_labels=["a", "b", "c"]))
HEADER_SIZE = int.from_bytes(GOOD[:8], "little")
HEADER = json.loads(GOOD[8 : 8 + HEADER_SIZE])
DATA = GOOD[8 + HEADER_SIZE :]
ARCHITECTURE = json.loads(HEADER["__metadata__"]["architecture"])


def file_of(header, data=DATA):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_metadata(**changes):
    metadata = {k: v for k, v in (HEADER["__metadata__"] | changes).items() if v is not None}
    return file_of(HEADER | {"__metadata__": metadata})


def with_architecture(**changes):
    return with_metadata(architecture=json.dumps(ARCHITECTURE | changes))


def with_trained_on(**changes):
    fields = {"inputs": "numbers", "feature_names": None, "label_name": None}
    fields |= {"mean": None, "deviation": None}
    return with_metadata(trained_on=json.dumps(fields | changes))


def with_tensor(name="weights.0", **changes):
    return file_of(HEADER | {name: HEADER[name] | changes})


def load(path, contents):
    path.write_bytes(contents)
    return fastnn.load(path, backend="numpy")


def test_the_file_that_the_others_are_made_from_is_good(tmp_path):
    assert load(tmp_path / "net", file_of(HEADER)).class_labels == ("a", "b", "c")


HOSTILE = {
    "empty": (b"", "it is empty"),
    "seven bytes": (GOOD[:7], "header too small"),
    "a header and no more": (GOOD[: 8 + HEADER_SIZE], ""),
    "one byte short": (GOOD[:-1], ""),
    "one byte long": (GOOD + b"\0", ""),
    "huge header": (struct.pack("<Q", 2**63) + GOOD[8:], "header"),
    "header past the end": (struct.pack("<Q", len(GOOD)) + GOOD[8:], "header"),
    "header is no JSON": (file_of(b"x" * 64), "header"),
    "header is a list": (file_of([1, 2]), "header"),
    "header is deep": (file_of(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "header"),
    "zip": (b"PK\x03\x04" + GOOD, "it is a zip file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "it is an HDF5 file"),
    "text": (b"a,b,label\n1,2,x\n" * 99, "it is text"),
    "no metadata": (to_safetensors({"w": np.ones(3)}), "format None, expected 'fastnn'"),
    "another format": (with_metadata(format="pt"), "format 'pt', expected 'fastnn'"),
    "a later version": (with_metadata(format_version="3"), "format version '3', this fastnn .*'2'"),
    "no architecture": (with_metadata(architecture=None), "damaged"),
    "architecture is no JSON": (with_metadata(architecture="{"), "damaged"),
    "architecture is a list": (with_metadata(architecture="[]"), "architecture must hold sizes"),
    "architecture is deep": (with_metadata(architecture="[" * 10**6), "damaged"),
    "architecture has more": (with_architecture(shell="rm"), "architecture must hold sizes"),
    "metadata are no text": (file_of(HEADER | {"__metadata__": {"format": 1}}), "header"),
    "labels are deep": (with_metadata(class_labels="[" * 10**6), "damaged"),
    "labels are an object": (with_metadata(class_labels='{"a": 1}'), "class_labels must be a list"),
    "labels of labels": (with_metadata(class_labels="[[1], [2], [3]]"), "all strings or all num"),
    "labels too few": (with_metadata(class_labels='["a"]'), "must hold 3 labels, got 1"),
    "labels twice": (with_metadata(class_labels='["a", "a", "b"]'), "must be distinct"),
    "labels NaN": (with_metadata(class_labels="[1, 2, NaN]"), "must be finite"),
    "trained_on is no JSON": (with_metadata(trained_on="{"), "damaged"),
    "trained_on is deep": (with_metadata(trained_on="[" * 10**6), "damaged"),
    "trained_on is a list": (with_metadata(trained_on="[]"), "trained_on must hold inputs"),
    "trained_on has more": (with_trained_on(shell="rm"), "trained_on must hold inputs"),
    "trained on code": (
        with_trained_on(inputs="code"),
        "inputs must be one of 'bytes', 'fractions', ",
    ),
    "names are text": (with_trained_on(feature_names="abcd"), "feature_names must be a list"),
    "names too few": (with_trained_on(feature_names=["a"]), "feature_names must hold 4 values"),
    "names are numbers": (with_trained_on(feature_names=[1, 2, 3, 4]), "must hold 4 values"),
    "names twice": (with_trained_on(feature_names=["a", "b", "a", "c"]), "must be distinct"),
    "label's name is a list": (with_trained_on(label_name=["y"]), "label_name must be text"),
    "means NaN": (with_trained_on(mean=[1.0, 2.0, 3.0, float("nan")]), "finite ones"),
    "means are text": (with_trained_on(mean=["1", "2", "3", "4"]), "mean must hold 4 values"),
    "deviations of 0": (with_trained_on(deviation=[1.0, 0.0, 1.0, 1.0]), "must be above 0"),
    "widths of 10^18": (with_architecture(sizes=[10**18, 10**18, 10**18]), "than fit in memory"),
    "widths of 10^12": (with_architecture(sizes=[10**12, 6, 3]), "tensor weights.0 has shape"),
    "widths past C": (with_architecture(sizes=[10**400, 6, 3]), "than fit in memory"),
    "widths below zero": (with_architecture(sizes=[-4, -6, 3]), r"sizes\[0\] must be at least 1"),
    "widths of nothing": (with_architecture(sizes=[4, 0, 3]), r"sizes\[1\] must be at least 1"),
    "widths are fractions": (
        with_architecture(sizes=[4.0, 6, 3]),
        r"sizes\[0\] must be an integer",
    ),
    "widths are text": (with_architecture(sizes="463"), "sizes must be a sequence"),
    "a million layers": (with_architecture(sizes=[1] * 10**6), "activation must be a single value"),
    "more layers": (
        with_architecture(sizes=[4, 6, 3, 3], activations=["relu", "relu"]),
        "tensors do not match its architecture: biases.2, weights.2",
    ),
    "activation unknown": (with_architecture(activations=["exec"]), "got 'exec'"),
    "activation nested": (with_architecture(activations=[["relu"]]), r"got \['relu'\]"),
    "output unknown": (with_architecture(output="os"), "got 'os'"),
    "loss of another output": (with_architecture(loss="huber"), "loss must be"),
    "bias is a number": (with_architecture(bias=1), "bias must be True or False"),
    "no bias, but biases": (with_architecture(bias=False), "do not match .*: biases.0, biases.1"),
    "dtype of objects": (with_architecture(dtype="object"), "dtype must be one of"),
    "dtype is code": (with_architecture(dtype="f4,("), "dtype must be one of"),
    "dtype is none": (with_architecture(dtype=None), "dtype must be one of"),
    "dtype is another": (
        with_architecture(dtype="float32"),
        "dtype F64, but its .* F32",
    ),
    "input_scale NaN": (with_architecture(input_scale=float("nan")), "input_scale must be above 0"),
    "input_scale infinite": (with_architecture(input_scale=float("inf")), "input_scale must be ab"),
    "input_scale 10^400": (with_architecture(input_scale=10**400), "fits in a float"),
    "quantiles of another loss": (with_architecture(quantiles=[0.5]), 'of loss="quantile"'),
    "quantiles that are none": (
        with_architecture(output="identity", loss="quantile", quantiles=[0.5, "a"]),
        "quantiles.1. must be a number",
    ),
    "label_smoothing of one": (with_architecture(label_smoothing=1), "label_smoothing must be in"),
    "huber_delta below zero": (with_architecture(huber_delta=-1), "huber_delta must be above 0"),
    "tensor missing": (
        file_of({k: v for k, v in HEADER.items() if k != "weights.1"}),
        "",
    ),
    "tensor too many": (
        file_of(HEADER | {"evil": {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]}}),
        "do not match its architecture: evil",
    ),
    "shape of another": (
        with_tensor(shape=[6, 4]),
        r"shape \[6, 4\].* requires \[4, 6\]",
    ),
    "shape past the data": (with_tensor(shape=[4, 10**9]), ""),
    "shape overflows": (with_tensor(shape=[2**33, 2**33]), ""),
    "shape below zero": (with_tensor(shape=[-4, -6]), ""),
    "dtype half": (with_tensor(dtype="F16"), ""),
    "dtype as wide": (with_tensor(dtype="I64"), "dtype I64, but its architecture requires .* F64"),
    "dtype unknown": (with_tensor(dtype="OBJ"), ""),
    "offsets overlap": (
        file_of(HEADER | {"weights.0": HEADER["weights.1"] | {"shape": [4, 6]}}),
        "",
    ),
    "offsets backwards": (with_tensor(data_offsets=[200, 8]), ""),
    "offsets below zero": (with_tensor(data_offsets=[-8, 184]), ""),
    "offsets past the end": (with_tensor(data_offsets=[10**12, 10**12 + 192]), ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_path_and_the_reason(name, tmp_path):
    contents, words = HOSTILE[name]
    path = tmp_path / "net.safetensors"
    with pytest.raises(ValueError, match=f"(?s)^{path} is not a network that .*{words}") as caught:
        load(path, contents)
    assert len(str(caught.value)) < 1000


def test_what_is_not_a_file_is_named_in_the_systems_words(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/absent"):
        fastnn.load(tmp_path / "absent")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        fastnn.load(tmp_path)


class Trap:
    """What a pickle can do to those who load it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    with pytest.raises(ValueError, match="is not a network"):
        load(tmp_path / "net", trap)
    np.savez(tmp_path / "net.npz", x=np.array([Trap(tmp_path / "sprung")], object))
    with pytest.raises(ValueError, match="is not a network"):
        fastnn.load(tmp_path / "net.npz")
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)
    assert (tmp_path / "sprung").exists()  # the trap does work


# -- files damaged at random ----------------------------------------------------------------------

offsets = st.integers(0, len(GOOD) - 1)
flips = st.lists(st.tuples(offsets, st.integers(1, 255)), min_size=1, max_size=4)
damage = st.one_of(
    st.tuples(st.just("flip"), flips),
    st.tuples(st.just("truncate"), offsets),
    st.tuples(st.just("extend"), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("insert"), st.tuples(offsets, st.binary(min_size=1, max_size=9))),
    st.tuples(st.just("delete"), st.tuples(offsets, st.integers(1, 9))),
)


def damaged(how, what):
    match how:
        case "flip":
            contents = bytearray(GOOD)
            for offset, bits in what:
                contents[offset] ^= bits
            return bytes(contents)
        case "truncate":
            return GOOD[:what]
        case "extend":
            return GOOD + what
        case "insert":
            return GOOD[: what[0]] + what[1] + GOOD[what[0] :]
        case "delete":
            return GOOD[: what[0]] + GOOD[what[0] + what[1] :]


def loads_or_is_refused(path, contents):
    """Load the file; the only errors allowed are those of the door, with the path."""
    path.write_bytes(contents)
    try:
        net = fastnn.load(path, backend="numpy")
    except (ValueError, OSError) as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert net.predict_proba(np.zeros((2, net.architecture.n_in))).shape[0] == 2


often = settings(
    max_examples=5 * settings().max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@often
@given(change=damage)
def test_a_damaged_file_loads_or_is_refused(tmp_path, change):
    loads_or_is_refused(tmp_path / "net", damaged(*change))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10)
    | st.sampled_from([2**31, 2**63, 2**64, 10**18, -(10**30), 10**400, 1e308, 5e-324])
    | st.floats()
    | st.sampled_from(["relu", "softmax", "identity", "exp", "float32", "F32", "", "\0", "ü"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@often
@given(field=st.sampled_from([*ARCHITECTURE, "class_labels"]), value=json_values)
def test_an_architecture_of_any_json_loads_or_is_refused(tmp_path, field, value):
    if field == "class_labels":
        contents = with_metadata(class_labels=json.dumps(value))
    else:
        contents = with_architecture(**{field: value})
    loads_or_is_refused(tmp_path / "net", contents)


@often
@given(
    name=st.sampled_from([name for name in HEADER if name != "__metadata__"]),
    field=st.sampled_from(["dtype", "shape", "data_offsets"]),
    value=json_values,
)
def test_a_tensor_of_any_json_loads_or_is_refused(tmp_path, name, field, value):
    loads_or_is_refused(tmp_path / "net", with_tensor(name, **{field: value}))


# -- memory ---------------------------------------------------------------------------------------

PEAK_GROWTH = """
import resource, sys
import fastnn
good, *hostile = sys.argv[1:]
fastnn.load(good, backend="numpy")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in hostile:
    try:
        fastnn.load(path, backend="numpy")
    except ValueError:
        continue
    raise SystemExit(f"{path} was loaded")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_refusing_takes_no_more_memory_than_the_file_is_worth(tmp_path):
    big = {name: case for name, case in HOSTILE.items() if len(case[0]) < 100_000}
    assert len(big) > 50
    paths = [tmp_path / "good"]
    paths[0].write_bytes(GOOD)
    for name, (contents, _) in big.items():
        paths.append(tmp_path / name.replace(" ", "_"))
        paths[-1].write_bytes(contents)
    done = subprocess.run(
        [sys.executable, "-c", PEAK_GROWTH, *paths], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 4_000  # kilobytes


def test_a_file_of_the_first_version_loads_and_says_that_it_has_no_checksum(tmp_path):
    old = with_metadata(format_version="1", checksum=None, trained_on=None)
    with pytest.warns(UserWarning, match=r"net has no checksum: .*Save the network again"):
        network = load(tmp_path / "net", old)
    network.save(tmp_path / "net")
    assert fastnn.load(tmp_path / "net").weights[0].tobytes() == network.weights[0].tobytes()


def test_every_flipped_bit_of_a_file_is_refused(tmp_path):
    path = tmp_path / "net"
    for bit in range(len(GOOD) * 8):
        flipped = bytearray(GOOD)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="is not a network that fastnn can load"):
            load(path, flipped)
