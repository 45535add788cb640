"""Rows and CSR matrices of any dtype and memory layout, handed to a predictor.

They are refused in words, or predicted as the reference predicts a plain copy of them; and nothing
is written but the output. Values are moderate: what is drawn are dtypes, strides, lengths, row
starts and column numbers.
"""

import warnings
from functools import cache, partial

import numpy as np
from scipy import sparse

import fastnn
from fastnn.rows.trained_on import TrainedOn
from fuzz.draws import Draws
from fuzz.target import Target

DTYPES = (
    "<f4", "<f8", "|u1", "<f4", "<f8", "|u1", ">f4", ">f8", "<f2", "|i1", "<i4", ">i8", "<u8",
    "|b1", "<c8", "<M8[s]", "|S4", "<U1", "<f4,<f4", "|O", "<f16",
)  # fmt: skip
BACKENDS = ("cython", "numpy")
SIZES = ((3, 2), (5, 4, 3), (1, 1), (17, 16, 2), (100, 84, 2))
BAND = 32
FEWEST_WORDS = 4
INDEX_DTYPES = ("<i4", "<i8", "<i4", ">i4", "|i1", "<u4", "<u8", "<f4")


def seeds():
    rng = np.random.default_rng(0)
    return [bytes(rng.integers(0, 256, 96, np.uint8)) for _ in range(24)]


@cache
def _network(backend, sizes, dtype):
    network = fastnn.Network(sizes, backend=backend, dtype=dtype, seed=1, output="identity")
    network.trained_on = TrainedOn("numbers")
    return network, network.predictor()


def check(data, folder):
    draws = Draws(data)
    sizes, dtype = draws.choice(SIZES), draws.choice(("float32", "float64"))
    network, predict = _network(draws.choice(BACKENDS), sizes, dtype)
    x = _matrix(draws, sizes[0]) if draws.number(0, 2) == 0 else _array(draws, sizes[0])
    out = _output(draws, x, sizes[-1], dtype) if draws.number(0, 2) == 0 else None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = _or_refused(lambda: predict(x, out))
        of_network = _or_refused(lambda: network.predict(x, progress=False))
    if out is not None and out.base is not None:
        _check_bands(out)
    if found is None:
        return False
    plain = _plain(x)
    expected = _network("numpy", sizes, dtype)[1](plain)
    assert found.shape == expected.shape
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)  # of numbers up to 1e4
    close(found, expected)
    if of_network is not None:
        close(np.ravel(of_network), np.ravel(found))
    return True


def _or_refused(call):
    try:
        return call()
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError) or len(str(error).split()) < FEWEST_WORDS:
            raise
        return None


def _plain(x):
    """Return the rows as a C-contiguous array of float64 or bytes."""
    if sparse.issparse(x):
        dense = np.zeros(x.shape, np.uint8 if x.dtype in (np.uint8, np.bool_) else np.float64)
        for row in range(x.shape[0]):
            for i in range(int(x.indptr[row]), int(x.indptr[row + 1])):
                dense[row, int(x.indices[i])] += x.data[i]
        return dense
    x = np.asarray(x)
    return np.array(x, np.uint8 if x.dtype in (np.uint8, np.bool_) else np.float64)


# -- arrays ---------------------------------------------------------------------------------------


def _buffer(draws, dtype, n_bytes):
    """Return bytes that are moderate numbers of the dtype wherever they are read aligned."""
    if dtype.kind in "fc":
        item = dtype if dtype.names is None else np.dtype("<f4")
        n = -(-n_bytes // item.itemsize)
        values = np.frombuffer(draws.bytes(n % 64 + 1), np.int8)
        return np.resize(values, n).astype(item).view(np.uint8)[:n_bytes].copy()
    return np.resize(np.frombuffer(draws.bytes(n_bytes % 64 + 1), np.uint8), n_bytes).copy()


def _array(draws, n_in):
    """Return rows with any strides inside a buffer; or an object that has such a buffer."""
    dtype = np.dtype(draws.choice(DTYPES))
    n_dims = draws.choice((2, 2, 2, 1, 1, 0, 3))
    shape = [draws.choice((0, 1, 2, 3, 7, 40)) for _ in range(n_dims)]
    if shape and draws.number(0, 7):
        shape[-1] = n_in
    if dtype.kind == "O":
        return np.full(shape, draws.choice((1.5, "a", None)), object)
    item = dtype.itemsize
    strides = [item * draws.choice((1, 0, -1, 2, n_in, -n_in, 3)) for _ in shape]
    if draws.number(0, 1) and shape:
        strides = list(np.empty(shape, dtype).strides)
    if draws.number(0, 9) == 0 and shape:
        strides[0] += 1  # unaligned, and of other numbers
        dtype = np.dtype("|u1") if dtype.kind in "fc" else dtype
    before = -sum(min(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True) if n)
    after = sum(max(0, s * (n - 1)) for s, n in zip(strides, shape, strict=True) if n) + item
    buffer = _buffer(draws, dtype, before + after)
    x = np.ndarray(shape, dtype, buffer.data, before, strides)
    match draws.number(0, 9):
        case 0:
            x.flags.writeable = False
        case 1:
            return x.view(np.ma.MaskedArray) if dtype.kind != "V" else x
        case 2 if not dtype.hasobject and dtype.kind not in "Mm":
            return _exported(x)
    return x


def _exported(x):
    try:
        return memoryview(x)
    except (ValueError, BufferError):  # a dtype that buffers do not have
        return x


def _output(draws, x, n_out, dtype):
    """Return where to write: between guard bands, and mostly of the right shape."""
    rows = np.shape(x)[:-1] if np.ndim(x) in (1, 2) else (2,)
    shape = (*rows, n_out) if draws.number(0, 3) else (draws.number(0, 5), n_out)
    dtype = np.dtype(draws.choice((dtype, dtype, dtype, "<f4", "<f8", "<i8")))
    n_bytes = int(np.prod(shape)) * dtype.itemsize
    whole = np.full(n_bytes + 2 * BAND, 0xA5, np.uint8)
    out = np.ndarray(shape, dtype, whole.data, BAND)
    if draws.number(0, 7) == 0:
        out.flags.writeable = False
    return out


def _check_bands(out):
    whole = np.frombuffer(out.base, np.uint8)
    assert (whole[:BAND] == 0xA5).all()
    assert (whole[-BAND:] == 0xA5).all()


# -- matrices -------------------------------------------------------------------------------------


def _matrix(draws, n_in):
    """Return a CSR matrix whose three arrays hold what was drawn, right or not."""
    n_rows, n_entries = draws.number(0, 6), draws.number(0, 12)
    rng = np.random.default_rng(draws.number(0, 255))
    starts = np.sort(rng.integers(0, n_entries + 1, n_rows + 1))
    starts[0], starts[-1] = 0, n_entries
    columns = rng.integers(0, n_in, n_entries)
    dtype = np.dtype(draws.choice(("<f4", "<f8", "|u1", ">f4", "<f8", "<i4", "<c8", "|b1")))
    data = rng.integers(0, 9, n_entries).astype(dtype)
    x = sparse.csr_array((n_rows, n_in), dtype=np.float32)
    parts = {"data": data, "indices": columns, "indptr": starts}
    kind = np.dtype(draws.choice(INDEX_DTYPES))
    other = np.dtype(draws.choice(INDEX_DTYPES)) if draws.number(0, 5) == 0 else kind
    parts["indices"], parts["indptr"] = columns.astype(kind), starts.astype(other)
    for _ in range(draws.number(0, 3)):
        name = draws.choice(tuple(parts))
        parts[name] = _spoiled(draws, parts[name])
    x.data, x.indices, x.indptr = parts["data"], parts["indices"], parts["indptr"]
    return x


def _spoiled(draws, array):
    """Return an array with an odd number in it, of another length, or with other strides."""
    match draws.number(0, 5):
        case 0:
            return array[: draws.number(0, 12)]
        case 1:
            return np.repeat(array, 2)[::2]
        case 2:
            return array[::-1]
        case 3:
            return np.concatenate([array, array[: draws.number(1, 3)]])
    if array.size:
        array = array.copy()
        number = draws.bytes(8)[: array.itemsize]
        if array.dtype.kind in "iu":
            array[draws.number(0, len(array) - 1)] = np.frombuffer(number, array.dtype)[0]
    return array


TARGET = Target("predictors", seeds, check, lambda data, mutator: mutator.bytes(data))
