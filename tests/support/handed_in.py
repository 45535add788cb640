"""Rows and labels of every kind that people hand in, and what a call makes of them."""

import warnings

import numpy as np
from hypothesis import strategies as st

N_IN = 5


class Subclass(np.ndarray):
    """An array that is not a plain one."""


def _read_only(x):
    x.flags.writeable = False
    return x


def _unaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype) if x.size else x.ravel()
    raw = raw.reshape(x.shape)
    raw[...] = x
    return raw


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1, ::-1],
    "one row, again and again": lambda x: np.broadcast_to(x[:1], x.shape),
    "read-only": lambda x: _read_only(x.copy()),
    "unaligned": _unaligned,
    "subclass": lambda x: x.view(Subclass),
    "matrix": lambda x: x.view(np.matrix),
    "masked": lambda x: np.ma.masked_array(x, np.zeros(x.shape, bool)),
    "partly masked": lambda x: np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) == 1),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "list": lambda x: x.tolist(),
    "rows in a list": list,
    "objects": lambda x: x.astype(object),
    "flat": lambda x: x.ravel(),
    "deep": lambda x: x[None],
    "of a buffer": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}
DTYPES = ("float32", "float64", "uint8", "float16", "int64", "int8", "bool", "complex64", "U4")
ODD = (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 1e39, -1e200, 1e308, 255.0, 2.0, -1.0, 1e-310)


@st.composite
def rows(draw):
    """Rows of every kind that people hand in, some of which are none."""
    n_rows = draw(st.sampled_from([0, 1, 2, 7, 130, 2000]))
    n_in = draw(st.sampled_from([N_IN] * 6 + [N_IN - 1, N_IN + 1, 0]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.random((n_rows, n_in)) * draw(st.sampled_from([1, 1, 1, 200]))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for value in draw(st.lists(st.sampled_from(ODD), max_size=2)):
            if x.size:
                x.flat[draw(st.integers(0, x.size - 1))] = value
        x = x.astype(draw(st.sampled_from(DTYPES)))
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x)


LABELS = {
    "int64": lambda y: y,
    "every other": lambda y: np.repeat(y, 2)[::2],
    "backwards": lambda y: y[::-1],
    "int32": lambda y: y.astype(np.int32),
    "floats": lambda y: y.astype(np.float32),
    "list": lambda y: y.tolist(),
    "text": lambda y: y.astype(str),
    "column": lambda y: y[:, None],
    "short": lambda y: y[1:],
    "one below": lambda y: np.where(np.arange(len(y)) == len(y) - 1, -1, y),
    "one above": lambda y: np.where(np.arange(len(y)) == len(y) // 2, 3, y),
    "subclass": lambda y: y.view(Subclass),
    "swapped": lambda y: y.astype(y.dtype.newbyteorder()),
    "read-only": lambda y: _read_only(y.copy()),
}


def outcome(call):
    """Return what a call gives, as bytes, or its error; and its warnings."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            result = call()
        except Exception as error:
            result = type(error), str(error)
    return result, [str(warning.message) for warning in heard]
