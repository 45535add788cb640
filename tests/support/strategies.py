"""What hypothesis draws: shapes, dtypes, memory layouts, CSR matrices, optimizers."""

import tempfile
from dataclasses import fields, replace

import numpy as np
from hypothesis import strategies as st
from scipy import sparse

from fastnn.optimizers import SGD, Adam, AdamW, Optimizer, RateFactors, RMSprop
from fastnn.schedules import Constant, Cosine, CosLog, FlatCosine, InverseScaling, StepDecay

widths = st.sampled_from([1, 2, 7, 15, 16, 17, 31, 100, 257])
small_widths = st.sampled_from([1, 2, 7, 15, 16, 17, 31])
rows = st.sampled_from([0, 1, 3, 100, 513])
dtypes = st.sampled_from(["float64", "float64", "float32"])
seeds = st.integers(0, 2**32 - 1)
densities = st.sampled_from([0.0, 0.2, 1.0])

DENSE_LAYOUTS = (
    "C",
    "Fortran",
    "sliced",
    "every other row",
    "every other column",
    "negative",
    "one row repeated",
    "memory-mapped",
)
CSR_LAYOUTS = ("CSR int32", "CSR int64", "CSR unsorted", "CSR duplicates", "CSR matrix")
layouts = st.sampled_from(DENSE_LAYOUTS + CSR_LAYOUTS)
dense_layouts = st.sampled_from(DENSE_LAYOUTS)


def values(rng, shape, dtype, density=1.0):
    """Normal numbers, or bytes, of which a fraction is not zero."""
    dtype = np.dtype(dtype)
    if dtype == np.uint8:
        dense = rng.integers(0, 256, shape, np.uint8)
    else:
        dense = rng.normal(size=shape).astype(dtype)
    return np.where(rng.random(shape) < density, dense, dtype.type(0))


def lay_out(rng, array, layout):
    """The rows of `array` in another memory layout or as CSR; the values may repeat, not change."""
    n, k = array.shape
    match layout:
        case "C":
            return np.ascontiguousarray(array)
        case "Fortran":
            return np.asfortranarray(array)
        case "sliced":
            whole = np.full((n + 2, k + 5), 99, array.dtype)
            whole[1:-1, 2:-3] = array
            return whole[1:-1, 2:-3]
        case "every other row":
            return np.repeat(array, 2, axis=0)[::2]
        case "every other column":
            return np.repeat(array, 2, axis=1)[:, ::2]
        case "negative":
            return np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
        case "one row repeated":
            return np.broadcast_to(array[:1] if n else np.zeros((1, k), array.dtype), (n, k))
        case "memory-mapped":
            return memory_mapped(array)
        case _:
            return csr(rng, array, layout)


def memory_mapped(array):
    """A read-only memory map; NumPy has none of zero length."""
    if not array.size:
        return array
    with tempfile.TemporaryFile() as file:
        file.write(np.ascontiguousarray(array).tobytes())
        file.flush()
        return np.memmap(file, array.dtype, "r", shape=array.shape)


def csr(rng, array, layout):
    """CSR of `array`; with duplicates, every entry is stored in two parts."""
    row, column = np.nonzero(array)
    data = array[row, column]
    if layout == "CSR duplicates":
        half = data // 2 if data.dtype == np.uint8 else data * array.dtype.type(0.25)
        row, column = np.tile(row, 2), np.tile(column, 2)
        data = np.concatenate([half, data - half])
    within = rng.random(len(row)) if layout in ("CSR unsorted", "CSR duplicates") else column
    order = np.lexsort([within, row])
    kind = np.int64 if layout == "CSR int64" else np.int32
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(array)))])
    make = sparse.csr_matrix if layout == "CSR matrix" else sparse.csr_array
    result = make((data[order], column[order], starts), shape=array.shape)
    # the constructor narrows indices that fit
    result.indices, result.indptr = result.indices.astype(kind), result.indptr.astype(kind)
    return result


def freeze(*arrays):
    """Make inputs read-only; CSR matrices too."""
    for array in arrays:
        if array is None:
            continue
        for part in (array,) if isinstance(array, np.ndarray) else parts(array):
            part.flags.writeable = False


def parts(matrix):
    """The three arrays of a CSR matrix."""
    return matrix.data, matrix.indices, matrix.indptr


class Guarded:
    """An output: a view of NaN inside a larger buffer whose every other element must stay."""

    SENTINEL = -77.25

    def __init__(self, shape, dtype, margin=3):
        shape = (shape,) if isinstance(shape, int) else shape
        self.whole = np.full([n + 2 * margin for n in shape], self.SENTINEL, dtype)
        self.inside = tuple(slice(margin, margin + n) for n in shape)
        self.view = self.whole[self.inside]
        self.view[...] = np.nan

    def assert_untouched_around(self):
        around = self.whole.copy()
        around[self.inside] = self.SENTINEL
        assert (around == self.SENTINEL).all(), "written outside the output"


# -- what trains ----------------------------------------------------------------------------------


@st.composite
def learning_rates(draw, rate):
    """A number or one of the schedules, with or without a warm-up."""
    warmup = draw(st.sampled_from([0, 3]))
    return draw(
        st.sampled_from(
            [
                rate,
                Constant(rate, warmup=warmup),
                InverseScaling(rate, warmup=warmup),
                StepDecay(rate, every=2, factor=0.5, warmup=warmup),
                Cosine(rate, n_steps=5, final=rate / 10, warmup=warmup),
                FlatCosine(rate, n_steps=6, warmup=warmup),
                CosLog(rate, n_steps=6, cycles=2, warmup=warmup),
            ]
        )
    )


OPTIMIZERS = {
    "sgd": SGD,
    "momentum": lambda rate: SGD(rate, momentum=0.9),
    "nesterov": lambda rate: SGD(rate, momentum=0.5, nesterov=True),
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": lambda rate: AdamW(rate, weight_decay=0.1),
}
"""One for each rule. Tests take the rules from ``Optimizer.RULES``, and fail if one is missing."""


RATE_FACTORS = (
    None,
    None,
    RateFactors(0.5, 2.0, decays_biases=False),
    RateFactors("fan_in", 0.5, feature_scales=0.5),
    RateFactors(biases=0.0, feature_scales=2.0),
)
"""For networks of any depth."""


@st.composite
def optimizers(draw, epsilon=1e-8, rate=0.05, in_groups=True):
    """Every rule; RMSprop and Adam may magnify a small gradient's rounding by up to 1 / epsilon.

    With `in_groups`, groups of parameters may have rates of their own, and features be scaled.
    """
    fast, slow = draw(learning_rates(rate)), draw(learning_rates(0.005))
    beta_2 = draw(st.sampled_from([0.9, 0.999]))
    drawn = {
        "beta_1": draw(st.sampled_from([0.0, 0.9])),
        "beta_2": beta_2,
        "rho": beta_2,
        "epsilon": epsilon,
        "rate_factors": draw(st.sampled_from(RATE_FACTORS)) if in_groups else None,
    }
    make = OPTIMIZERS[draw(st.sampled_from(Optimizer.RULES))]
    own = {field.name for field in fields(make(fast))}
    return replace(
        make(slow if "epsilon" in own else fast),
        **{name: value for name, value in drawn.items() if name in own},
    )
