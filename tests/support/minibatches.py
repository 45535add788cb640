"""Minibatches of every kind that people hand in: rows, labels or targets, and weights.

Each is made for a network, since it may lie in the memory of that network's parameters.
"""

import tempfile
from importlib.util import find_spec

import numpy as np
from scipy import sparse

from support.handed_in import LABELS, LAYOUTS, ODD
from support.random_layouts import inputs, laid_out

if HAS_FRAMES := bool(find_spec("pandas") and find_spec("polars")):
    import pandas as pd
    import polars as pl

N_IN, N_OUT = 4, 3
DTYPES = (
    *("float32", "float64", "uint8", "float16", "int8", "int16", "int32", "int64", "uint16"),
    *("uint32", "uint64", "bool", "complex64", "complex128", "longdouble", "U4", "S2", "M8[s]"),
)


def over_parameters(net, shape, dtype):
    """An array in the memory of the parameters, as far as these reach."""
    dtype = np.dtype(dtype)
    wanted = int(np.prod(shape)) * dtype.itemsize
    memory = net.parameters.view(np.uint8)
    return memory[:wanted].view(dtype).reshape(shape) if len(memory) >= wanted else np.zeros(shape)


def mapped(x, *_):
    """The same in a file's memory map."""
    if not x.size:
        return x
    with tempfile.NamedTemporaryFile() as file:
        np.save(file, x)
        file.flush()
        return np.load(file.name, mmap_mode="r")


def as_csr(x, index="int32", form=sparse.csr_array):
    found = form(x)
    if hasattr(found, "indptr"):
        found.indptr, found.indices = found.indptr.astype(index), found.indices.astype(index)
    return found


def broken(x, how):
    """A CSR matrix whose structure does not hold."""
    found = as_csr(np.where(x == 0, 1, x))
    if found.nnz < 2:
        return found
    if how == "indices":
        found.indices[-1] = N_IN + 100
    elif how == "negative":
        found.indices[0] = -1
    elif how == "falls":
        found.indptr[1] = found.nnz + 5
    elif how == "short":
        found.indptr = found.indptr[:-1]
    elif how == "data":
        found.data = found.data[:-1]
    return found


FORMS = {
    **{
        name: (lambda x, rng, net, lay=lay: lay(x))
        for name, lay in LAYOUTS.items()
        if name != "flat"  # one row, which trainers take
    },
    "plain": lambda x, rng, net: x,
    "any strides": lambda x, rng, net: laid_out(rng, x),
    "memmap": lambda x, rng, net: mapped(x),
    "view of a memmap": lambda x, rng, net: np.asarray(mapped(x)),
    "zero dimensions": lambda x, rng, net: np.array(1.0),
    "wide": lambda x, rng, net: np.concatenate([x, x], axis=1),
    "no rows": lambda x, rng, net: x[:0],
    "none": lambda x, rng, net: None,
    "csr": lambda x, rng, net: as_csr(x),
    "csr of int64": lambda x, rng, net: as_csr(x, "int64"),
    "csr of uint16": lambda x, rng, net: as_csr(x, "uint16"),
    "csr of floats": lambda x, rng, net: as_csr(x, "float64"),
    "csr matrix": lambda x, rng, net: as_csr(x, form=sparse.csr_matrix),
    "csc": lambda x, rng, net: sparse.csc_array(x),
    "coo": lambda x, rng, net: sparse.coo_array(x),
    **{
        f"csr, {how}": (lambda x, rng, net, how=how: broken(x, how))
        for how in ("indices", "negative", "falls", "short", "data")
    },
    "over the parameters": lambda x, rng, net: over_parameters(net, x.shape, x.dtype),
    "drawn": lambda x, rng, net: inputs(rng, x.shape).handed,
}
"""Rows (n, 4) in a form; a few ask for what they are of."""

MORE_LABELS = {
    **LABELS,
    **{dtype: (lambda y, dtype=dtype: y.astype(dtype)) for dtype in (*DTYPES, "object")},
    "zeros of text": lambda y: np.zeros(len(y), "U3"),
    "zeros of bytes": lambda y: np.zeros(len(y), "S1"),
    "bytes of one": lambda y: np.full(len(y), b"\x01", "S1"),
    "zeros of records": lambda y: np.zeros(len(y), [("a", "i4"), ("b", "i4")]),
    "zeros that are complex": lambda y: np.zeros(len(y), complex),
    "void": lambda y: np.zeros(len(y), "V1"),
    "durations": lambda y: y.astype("m8[s]"),
    "none": lambda y: None,
    "masked": lambda y: np.ma.masked_array(y, y == 1),
    "deep": lambda y: y[None, None],
    "one": lambda y: np.array(1),
}
TARGETS = {name: LAYOUTS[name] for name in sorted(LAYOUTS)} | {
    **{dtype: (lambda y, dtype=dtype: y.astype(dtype)) for dtype in DTYPES},
    "one less": lambda y: y[1:],
    "a column less": lambda y: y[:, :-1],
    "beyond": lambda y: y + 1e39,
    "NaN": lambda y: y * np.nan,
    "none": lambda y: None,
}
WEIGHTS = {
    "none": lambda w: None,
    "ones": np.ones_like,
    "float32": lambda w: w.astype(np.float32),
    "float64": lambda w: w,
    "integers": lambda w: (9 * w).astype(int) + 1,
    "every other": lambda w: np.repeat(w, 2)[::2],
    "backwards": lambda w: w[::-1],
    "unaligned": LAYOUTS["unaligned"],
    "swapped": LAYOUTS["swapped"],
    "list": list,
    "zeros": np.zeros_like,
    "negative": lambda w: -w,
    "NaN": lambda w: w * np.nan,
    "infinite": lambda w: w + np.inf,
    "huge": lambda w: w + 1e308,
    "tiny": lambda w: w * 1e-320,
    "short": lambda w: w[1:],
    "column": lambda w: w[:, None],
    "complex": lambda w: w.astype(complex),
    "text": lambda w: w.astype(str),
    "masked": lambda w: np.ma.masked_array(w, w > 0.5),
    "number": lambda w: 1.0,
}


if HAS_FRAMES:
    FORMS |= {
        "pandas": lambda x, rng, net: pd.DataFrame(x),
        "pandas, named": lambda x, rng, net: pd.DataFrame(x, columns=list("abcd")),
        "polars": lambda x, rng, net: pl.DataFrame(np.ascontiguousarray(x)),
    }
    MORE_LABELS |= {"series": pd.Series, "polars": lambda y: pl.Series("label", y)}
    TARGETS["frame"], WEIGHTS["series"] = pd.DataFrame, pd.Series


def rows_of(rng, n_rows, dtype, form, odd, net):
    """Rows of a dtype in a form, with an odd number among them or not."""
    x = rng.random((n_rows, N_IN)) * rng.choice([1, 1, 200])
    if odd is not None and x.size:
        x.flat[rng.integers(x.size)] = ODD[odd]
    with np.errstate(all="ignore"):
        return FORMS[form](x.astype("f8" if dtype == "M8[s]" else dtype).astype(dtype), rng, net)
