"""Rows of any strides: the same bits as of a row-major array, and no copy of a large one."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import same_bits, small_network

from fastnn.rows import strides


def misaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    at_odd = raw[1:].view(x.dtype) if x.itemsize == 1 else np.frombuffer(
        raw.data, x.dtype, x.size, offset=1
    )  # fmt: skip
    view = at_odd.reshape(x.shape)
    view[...] = x
    return view


def field(x):
    records = np.zeros(x.shape, [("pad", "u1"), ("value", x.dtype)])
    records["value"] = x
    return records["value"]


def every_other(x, axis):
    shape = list(x.shape)
    shape[axis] *= 2
    wide = np.zeros(shape, x.dtype)
    part = wide[::2] if axis == 0 else wide[:, ::2]
    part[...] = x
    return part


def backwards(x):
    return x[::-1, ::-1].copy()[::-1, ::-1]


LAYOUTS = {
    "column-major": np.asfortranarray,
    "column-major, backwards": lambda x: backwards(np.asfortranarray(x).T).T,
    "every other row": lambda x: every_other(x, 0),
    "every other column": lambda x: every_other(x, 1),
    "every other row, column-major": lambda x: every_other(x.T, 1).T,
    "backwards": backwards,
    "a field of records": field,
    "misaligned": misaligned,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(
    seed=st.integers(0, 2**32),
    n_rows=st.integers(1, 300),
    n_in=st.sampled_from([1, 2, 3, 16, 17, 64, 130]),
    dtype=st.sampled_from(["uint8", "float32", "float64"]),
    density=st.sampled_from([0.1, 1.0]),
)
def test_any_strides_train_and_predict_to_the_same_bits(
    backend, layout, seed, n_rows, n_in, dtype, density
):
    rng = np.random.default_rng(seed)
    x = (rng.integers(1, 256, (n_rows, n_in)) * (rng.random((n_rows, n_in)) < density)).astype(
        dtype
    )
    if dtype != "uint8":
        x[x > 0] -= 0.25  # whole numbers would be asked about
    y = rng.integers(0, 3, n_rows)
    y[:2] = range(min(2, n_rows))
    strided = LAYOUTS[layout](x)
    assert np.array_equal(strided, x)
    nets = []
    for rows in (x, strided):
        net = small_network(
            (n_in, 5, 3), backend=backend.name, dtype="float32", input_scale=1 / 255, seed=1
        )
        net.partial_fit(rows, y, batch_size=64)
        nets.append(net)
    assert same_bits(nets[0].parameters, nets[1].parameters)
    assert same_bits(nets[0].predict_proba(x), nets[0].predict_proba(strided))
    assert nets[0].evaluate(x, y) == nets[0].evaluate(strided, y)


@given(
    n_rows=st.integers(1, 3000),
    n_columns=st.integers(1, 40),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_a_copy_made_tile_by_tile_is_the_array(n_rows, n_columns, layout):
    x = np.arange(n_rows * n_columns, dtype=np.float32).reshape(n_rows, n_columns)
    copy = strides.copied_by_rows(LAYOUTS[layout](x))
    assert np.array_equal(copy, x)
    assert copy.flags.c_contiguous


@pytest.mark.parametrize("order", ["C", "F"])
def test_training_copies_what_is_column_major_and_not_large(monkeypatch, backend, order):
    rng = np.random.default_rng(0)
    x = np.array(rng.random((150_000, 20)), order=order)  # 24 MB
    y = rng.integers(0, 2, len(x))
    for largest in (2**26, 2**20):
        monkeypatch.setattr(strides, "LARGEST_COPY", largest)
        net = small_network((20, 4, 2), backend=backend.name)
        net.fit(x[:200], y[:200], epochs=1, progress=False)  # what is paid once
        tracemalloc.start()
        net.fit(x, y, epochs=1, progress=False)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        copied = order == "F" and largest > x.nbytes
        assert (peak > x.nbytes) == copied
