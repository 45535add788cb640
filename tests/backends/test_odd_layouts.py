"""Arrays of any layout give the right answer or are refused in words; nobody's arrays change."""

import array
import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from support.backend_calls import METHODS, is_written, results, right_call
from support.parity import inputs_unchanged
from support.strategies import parts

import fastnn
from fastnn.backends import get_backend
from fastnn.optimizers import SGD, OptimizerState


def strided(values):
    return np.repeat(values, 2, axis=-1)[..., ::2]


def every_other_row(values):
    return np.repeat(values, 3, axis=0)[::3]


def backwards(values):
    return np.ascontiguousarray(values[::-1])[::-1]


def column_major(values):
    return np.asfortranarray(values)


def unaligned(values):
    raw = bytearray(values.nbytes + 1)
    found = np.ndarray(values.shape, values.dtype, raw, offset=1)
    found[...] = values
    return found


def read_only(values):
    found = values.copy()
    found.flags.writeable = False
    return found


def of_a_record(values):
    records = np.zeros(values.shape, [("before", "u1"), ("value", values.dtype), ("after", "i2")])
    records["value"] = values
    return records["value"]


def matrix(values):
    return values.copy().view(np.matrix) if values.ndim == 2 else values.copy()


def other_byte_order(values):
    return values.astype(values.dtype.newbyteorder())


READ = (
    strided, every_other_row, backwards, column_major, unaligned, read_only, of_a_record, matrix,
    other_byte_order,
)  # fmt: skip
WRITTEN = (strided, every_other_row, backwards, column_major, of_a_record)
CSR_PARTS = (strided, backwards, unaligned, read_only, of_a_record, other_byte_order)


def odd_csr(data, x):
    """The same matrix, its three arrays each in a layout of its own."""
    own = x.copy()
    for name in ("data", "indices", "indptr"):
        part = getattr(own, name)
        if name != "data":
            kind = data.draw(st.sampled_from(["int32", "int64", "uint32", "int16"]))
            part = part.astype(kind)
        setattr(own, name, data.draw(st.sampled_from(CSR_PARTS))(part))
    return own


def odd(data, method, name, value):
    """An argument with the same numbers in another layout."""
    if sparse.issparse(value):
        return odd_csr(data, value)
    if isinstance(value, OptimizerState):
        return OptimizerState(value.slots.copy(), value.step)
    if not isinstance(value, np.ndarray):
        return value
    layouts = WRITTEN if is_written(method, name) else READ
    return data.draw(st.sampled_from(layouts))(value)


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_a_layout_gives_the_right_answer_or_an_error_in_words(backend, method, data):
    seed, csr = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.booleans())
    output = data.draw(st.sampled_from(["softmax", "sigmoid", "identity"]))
    plain = right_call(np.random.default_rng(seed), method, "float64", csr, output)
    call = right_call(np.random.default_rng(seed), method, "float64", csr, output)
    call.arguments = {
        name: odd(data, method, name, value) for name, value in call.arguments.items()
    }
    given = [
        value
        for name, value in call.arguments.items()
        if (isinstance(value, np.ndarray) or sparse.issparse(value))
        and not is_written(method, name)
    ]
    before = [parts(value) for value in given if sparse.issparse(value)]
    with inputs_unchanged(*given):
        try:
            returned, refused = call.of(backend), None
        except (TypeError, ValueError) as error:
            refused = str(error)
    if refused is not None:
        assert "must" in refused
        return
    for value, its in zip((v for v in given if sparse.issparse(v)), before, strict=True):
        assert all(part is other for part, other in zip(parts(value), its, strict=True))
    expected = results(plain, plain.of(get_backend("numpy")))
    for mine, theirs in zip(results(call, returned), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


OVERLAPS = {
    "dense_forward": [("x", "out"), ("weight", "out"), ("bias", "preactivation")],
    "softmax": [("z", "out")],
    "softmax_cross_entropy": [("z", "delta"), ("sample_weight", "delta")],
    "elementwise_loss": [("z", "delta"), ("target", "delta")],
    "weight_gradient": [("delta", "weight_grad"), ("x", "weight_grad"), ("x", "bias_grad")],
    "input_gradient": [("y", "out"), ("weight", "out"), ("delta", "out")],
    "update": [("params", "grads"), ("state", "grads")],
    "predict": [("x", "out"), ("params", "out")],
}


@pytest.mark.parametrize(
    ("method", "read", "written"),
    [(method, *pair) for method, pairs in OVERLAPS.items() for pair in pairs],
)
@pytest.mark.parametrize("shift", [0, 1, 3])
def test_an_output_in_an_inputs_memory_gets_what_another_gets(
    backend, method, read, written, shift
):
    plain = right_call(np.random.default_rng(3), method, "float64")
    call = right_call(np.random.default_rng(3), method, "float64")
    a, b = call.arguments[read], call.arguments[written]
    if not a.size:
        pytest.skip("a state of no vectors")
    memory = np.zeros(shift + max(a.size, b.size))
    both = {written: memory[shift : shift + b.size].reshape(b.shape),
            read: memory[: a.size].reshape(a.shape)}  # fmt: skip
    both[written][...], both[read][...] = b, a
    plain.arguments |= {name: values.copy() for name, values in both.items()}
    call.arguments |= both
    returned = call.of(backend)
    expected = results(plain, plain.of(get_backend("numpy")))
    if method == "update":  # params and grads are one array: the gradient is what it was
        expected = expected[: 1 if read == "params" else 2]
    for mine, theirs in zip(results(call, returned), expected, strict=False):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("pair", [("out", "preactivation"), ("weight_grad", "bias_grad")])
def test_two_outputs_in_one_memory_are_refused(backend, pair):
    method = "dense_forward" if pair[0] == "out" else "weight_gradient"
    call = right_call(np.random.default_rng(0), method)
    first, second = pair
    call.arguments[second] = call.arguments[first].reshape(-1)[: call.arguments[second].size]
    call.arguments[second] = call.arguments[second].reshape(
        call.arguments[first].shape if method == "dense_forward" else -1
    )
    with pytest.raises(ValueError, match="share memory"):
        call.of(backend)


@pytest.mark.parametrize("name", ["x", "y", "order", "sample_weight", "state"])
def test_training_on_what_lies_in_the_parameters_is_refused(backend, name):
    call = right_call(np.random.default_rng(0), "train_epoch", "float64", output="identity")
    params, value = call.arguments["params"], call.arguments[name]
    if name == "state":
        call.arguments["options"] = replace(call.arguments["options"], optimizer=SGD(0.1, 0.9))
        call.arguments["state"] = OptimizerState(params.reshape(1, -1))
    else:
        inside = params[: value.size].reshape(value.shape)
        if name == "order":
            inside = inside.view(np.int64)
            inside[...] = value
        call.arguments[name] = inside
    with pytest.raises(ValueError, match="share memory"):
        call.of(backend)


# -- predictors -----------------------------------------------------------------------------------

ROW = np.linspace(-1, 1, 6)


def buffers(values):
    """The same numbers in memory of other owners."""
    kind = {"f": "f", "d": "d", "B": "B"}[values.dtype.char]
    owner = array.array(kind, values.tolist())
    c_type = {"f": ctypes.c_float, "d": ctypes.c_double, "B": ctypes.c_ubyte}[kind]
    found = [owner, memoryview(owner), (c_type * len(values))(*values.tolist())]
    return [*found, bytes(values), bytearray(values)] if kind == "B" else found


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_a_predictor_reads_memory_of_other_owners(backend, dtype):
    values = (
        np.abs(ROW * 100).clip(0, 255).astype(np.uint8) if dtype == "uint8" else ROW.astype(dtype)
    )
    fast = fastnn.Network((6, 5, 3), seed=0, backend=backend.name).predictor()
    expected = fast(values)
    for buffer in buffers(values):
        np.testing.assert_array_equal(fast(buffer), expected)


def test_a_predictor_writes_memory_of_other_owners(backend):
    fast = fastnn.Network((6, 5, 3), seed=0, backend=backend.name).predictor()
    out = array.array("f", [0.0] * 3)
    assert fast(ROW, out) is out
    np.testing.assert_array_equal(np.asarray(out), fast(ROW))


@pytest.mark.parametrize("layout", READ[:-1])
@pytest.mark.parametrize("n_rows", [1, 40, 300])
def test_a_predictor_reads_any_layout(backend, layout, n_rows):
    x = np.random.default_rng(0).normal(size=(n_rows, 6))
    fast = fastnn.Network((6, 5, 3), seed=0, backend=backend.name, dtype="float64").predictor()
    np.testing.assert_allclose(np.asarray(fast(layout(x))), fast(x), rtol=1e-12)


@pytest.mark.parametrize("kind", ["float16", "int64", "bool", "uint16", ">f8", ">f4", "O"])
@pytest.mark.parametrize("n_rows", [None, 3])
def test_a_predictor_converts_the_same_kinds_on_all_backends(backend, kind, n_rows):
    net = fastnn.Network((6, 5, 3), seed=0, backend=backend.name, input_scale=1)
    x = np.random.default_rng(0).integers(0, 2, (n_rows or 1, 6)).astype(kind)
    rows = x if n_rows else x[0]
    expected = net.predict_proba(x)
    np.testing.assert_allclose(net.predictor()(rows), expected if n_rows else expected[0])
    np.testing.assert_allclose(net.predictor()(rows.tolist()), expected if n_rows else expected[0])


@pytest.mark.parametrize("kind", ["complex128", "U1", "M8[s]"])
def test_a_predictor_refuses_the_same_kinds_on_all_backends(backend, kind):
    fast = fastnn.Network((6, 5, 3), seed=0, backend=backend.name).predictor()
    with pytest.raises(TypeError, match="x must hold real numbers"):
        fast(np.zeros(6).astype(kind) if kind != "M8[s]" else np.zeros(6, kind))


@pytest.mark.parametrize("shift", [0, 1, 5])
@pytest.mark.parametrize("n_rows", [1, 200])
def test_a_predictor_may_write_over_its_rows(backend, shift, n_rows):
    rng = np.random.default_rng(0)
    net = fastnn.Network((6, 5, 3), seed=0, backend=backend.name, dtype="float64")
    fast = net.predictor()
    memory = rng.normal(size=6 * n_rows + shift)
    x = memory[: 6 * n_rows].reshape(n_rows, 6)
    out = memory[shift : shift + 3 * n_rows].reshape(n_rows, 3)
    expected = fast(x.copy())
    np.testing.assert_array_equal(fast(x, out), expected)
