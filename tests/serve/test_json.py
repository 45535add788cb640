"""JSON is read alike with and without orjson: what is refused, and the bits of what is not."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.served import infer

import fastnn
import fastnn.serve
from fastnn.serve import message

pytest.importorskip("orjson")

NETWORK = fastnn.Network((3, 2), output="identity", dtype="float64", seed=0)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-10, 10, width=32).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
ODD = st.sampled_from(
    ["true", "null", '"1"', "[1]", "{}", "NaN", "-Infinity", "01", "1.", ".5", "+1", "1e", "-", "",
     "0x1", "1_0", "1e999", "9" * 400, "\u0663", "-0", "-0.0", '"\\ud800"', "1 2"]
)  # fmt: skip


def answered(body):
    response = infer(fastnn.serve.app({"m": NETWORK}, poll_seconds=0), body)
    if response.status != 200:
        assert response.error
        return response.status
    return response.status, response.json["outputs"][0]["data"], response.json.get("id")


@given(
    st.lists(st.one_of(NUMBERS, ODD), min_size=3, max_size=3),
    st.sampled_from(["FP16", "FP32", "FP64", "UINT8", "UINT64", "BOOL", "BYTES"]),
    st.sampled_from(['"7"', '"\\ud800"', '"\u00fc"', "7", "null"]),
)
def test_it_is_the_same_with_and_without_orjson(numbers, datatype, key):
    body = (
        f'{{"id": {key}, "inputs": [{{"name": "x", "shape": [1, 3], "datatype": "{datatype}", '
        f'"data": [{", ".join(numbers)}]}}]}}'
    ).encode()
    found = answered(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message, "orjson", None)
        assert answered(body) == found


@given(st.lists(NUMBERS, min_size=3, max_size=3), st.sampled_from(["FP32", "FP64"]))
def test_numbers_are_rounded_once_to_float64_and_then_to_the_datatype(numbers, datatype):
    dtype = {"FP32": np.float32, "FP64": np.float64}[datatype]
    described = [message.Description("x", datatype, (-1, 3))]
    entry = (
        f'{{"name": "x", "shape": [3], "datatype": "{datatype}", "data": [{",".join(numbers)}]}}'
    )
    try:
        wide = [float(json.loads(number)) for number in numbers]
    except OverflowError:
        return
    if not all(abs(number) <= float(np.finfo(dtype).max) for number in wide):
        return
    assert all(map(math.isfinite, wide))
    body = f'{{"inputs": [{entry}]}}'.encode()
    found = message.request_of(body, None, described, takes_null=False).inputs["x"].values
    assert found.tobytes() == np.array(wide, dtype).tobytes()
