"""`Network.predictor`: what `predict_proba` says, frozen, and without a way to crash."""

import contextlib
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import same_bits

import fastnn
from fastnn.architecture import OUTPUTS

RNG = np.random.default_rng(3)


def network(backend, output="softmax", sizes=(20, 9, 4), **options):
    return fastnn.Network(sizes, output=output, seed=5, backend=backend.name, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 2, 33, 700])
def test_a_predictor_says_what_the_network_says(backend, dtype, n_rows):
    net = network(backend, dtype=dtype)
    x = RNG.normal(size=(n_rows, 20))
    expected = net.predict_proba(x)
    np.testing.assert_allclose(
        net.predictor()(x), expected, rtol=16 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny
    )


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("sizes", [(20, 4), (20, 1), (20, 17, 31, 3)])
def test_every_output_and_depth(backend, output, sizes):
    net = network(backend, output, sizes, activation="gelu", dtype="float64")
    x = RNG.normal(size=(5, 20))
    classifies = output in ("softmax", "sigmoid")
    expected = net.predict_proba(x) if classifies else net.predict(x).reshape(5, -1)
    np.testing.assert_allclose(net.predictor()(x), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "zeros", "strided", "readonly"])
def test_every_kind_of_row(backend, kind):
    net = network(backend)
    x = RNG.integers(0, 256, (3, 20))
    rows = {
        "uint8": x.astype(np.uint8),
        "zeros": (x * (x > 230)).astype(np.uint8),
        "strided": np.asfortranarray(x / 255.0),
    }.get(kind, (x / 255.0).astype("float64" if kind == "readonly" else kind, copy=True)
          if kind in ("float32", "float64", "readonly") else None)  # fmt: skip
    rows.flags.writeable = kind != "readonly"
    fast = net.predictor()
    np.testing.assert_allclose(fast(rows), net.predict_proba(rows), rtol=1e-5)
    np.testing.assert_allclose(fast(rows[1]), fast(rows)[1], rtol=1e-6)


def test_csr_rows(backend):
    sparse = pytest.importorskip("scipy.sparse")
    net = network(backend)
    x = sparse.random_array((6, 20), density=0.3, format="csr", rng=1, dtype=np.float32)
    np.testing.assert_allclose(net.predictor()(x), net.predict_proba(x), rtol=1e-5)


@given(
    sizes=st.tuples(st.integers(200, 700), st.integers(30, 130), st.integers(1, 40)),
    dtype=st.sampled_from(["float32", "float64"]),
    density=st.sampled_from([0.1, 0.5, 1.0]),
    form=st.sampled_from(["floats", "bytes", "csr"]),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_few_rows_have_the_bits_they_have_among_others(sizes, dtype, density, form, bias, seed):
    """Their weights lie without padding, where that is read sooner."""
    rng = np.random.default_rng(seed)
    net = fastnn.Network(sizes, output="identity", dtype=dtype, bias=bias, seed=1, backend="cython")
    for values in net.biases:  # one that is left out shows
        if values is not None:
            values[...] = rng.normal(size=values.shape)
    x = rng.integers(1, 256, (8, sizes[0])) * (rng.random((8, sizes[0])) < density)
    rows = x.astype(np.uint8) if form == "bytes" else (x / 255).astype(dtype)
    if form == "csr":
        rows = pytest.importorskip("scipy.sparse").csr_array(rows)
    predict = net.predictor()
    among_others = predict(rows)
    for n_rows in (1, 2, 3):
        assert same_bits(predict(rows[:n_rows]), among_others[:n_rows])
    assert same_bits(net.predict(rows[:1]).reshape(1, -1), among_others[:1])


def test_one_row_gives_one_row(backend):
    assert network(backend).predictor()(np.zeros(20, np.float32)).shape == (4,)


def test_no_rows_give_no_rows(backend):
    assert network(backend).predictor()(np.zeros((0, 20), np.float32)).shape == (0, 4)


def test_out_is_written_and_returned(backend):
    fast, x = network(backend).predictor(), RNG.normal(size=(3, 20)).astype(np.float32)
    out = np.full((3, 4), np.nan, np.float32)
    assert fast(x, out) is out
    np.testing.assert_array_equal(out, fast(x))


def test_the_network_may_change_and_the_predictor_does_not(backend):
    net = network(backend)
    fast, x = net.predictor(), np.ones((2, 20), np.float32)
    before = fast(x)
    net.parameters[...] = 0
    np.testing.assert_array_equal(fast(x), before)


@pytest.mark.parametrize(
    ("x", "out"),
    [
        (np.zeros((2, 19), np.float32), None),
        (np.zeros(21, np.float32), None),
        (np.zeros((2, 2, 20), np.float32), None),
        (np.zeros((2, 20), np.complex64), None),
        (np.zeros((2, 20), np.float32), np.zeros((3, 4), np.float32)),
        (np.zeros((2, 20), np.float32), np.zeros((2, 4), np.float64)),
        (np.zeros((2, 20), np.float32), np.zeros((2, 8), np.float32)[:, ::2]),
        (np.zeros(20, np.float32), np.zeros((1, 4), np.float32)),
    ],
)
def test_wrong_shapes_and_dtypes_are_errors(backend, x, out):
    with pytest.raises((TypeError, ValueError), match="must"):
        network(backend).predictor()(x, out)


@pytest.mark.parametrize("x", [None, 3, "abc", np.array("2024", "M8[s]")], ids=repr)
def test_what_is_no_array_is_named(backend, x):
    with pytest.raises((TypeError, ValueError), match="x must"):
        network(backend).predictor()(x)


@pytest.mark.parametrize("out", [[0.0] * 4, "abc", 1], ids=repr)
def test_an_out_that_is_no_array_is_named(backend, out):
    with pytest.raises(ValueError, match=f"out must .* got {type(out).__name__}"):
        network(backend).predictor()(np.zeros(20, np.float32), out)


def test_a_read_only_out_is_an_error(backend):
    out = np.zeros((2, 4), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writable"):
        network(backend).predictor()(np.zeros((2, 20), np.float32), out)
    assert not out.any()


def test_several_threads_may_call_one_predictor(backend):
    net = network(backend, sizes=(20, 300, 4))
    fast = net.predictor()
    rows = RNG.normal(size=(8, 50, 20)).astype(np.float32)
    expected = [fast(x) for x in rows]
    wrong = []

    def call(x, right):
        wrong.extend(i for i in range(50) if not np.array_equal(fast(x), right))

    threads = [
        threading.Thread(target=call, args=pair) for pair in zip(rows, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_csr_rows_with_indices_outside_are_an_error(backend):
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.csr_array(np.eye(20, dtype=np.float32)[:3])
    x.indices[1] = 10**8
    with pytest.raises(ValueError, match="indices"):
        network(backend).predictor()(x)


@pytest.mark.parametrize("oddity", ["mixed", "bigendian"])
def test_odd_csr_rows(backend, oddity):
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random_array((6, 20), density=0.3, format="csr", rng=1, dtype=np.float32)
    expected = network(backend).predict_proba(x)
    if oddity == "mixed":
        x.indptr = x.indptr.astype("i8")
    else:
        x.data = x.data.astype(">f4")
    np.testing.assert_allclose(network(backend).predictor()(x), expected, rtol=1e-5)


def test_other_sparse_formats_are_an_error(backend):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="CSR"):
        network(backend).predictor()(sparse.csc_array(np.eye(20, dtype=np.float32)))


def test_a_predictor_can_be_pickled(backend):
    fast, x = network(backend).predictor(), RNG.normal(size=(3, 20)).astype(np.float32)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fast))(x), fast(x))


def test_a_compiled_predictor_is_made_once_and_whole(cython):
    fast, row = network(cython).predictor(), np.ones(20, np.float32)
    expected = fast(row)
    with pytest.raises(TypeError):
        type(fast).__new__(type(fast))
    for arguments in ((), (None,) * 6):
        with contextlib.suppress(TypeError):
            fast.__init__(*arguments)
    np.testing.assert_array_equal(fast(row), expected)
