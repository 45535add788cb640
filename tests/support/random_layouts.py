"""Arrays of any kind and layout, drawn at random: each with its numbers, if it has any to give.

A drawn argument says what a backend is handed, what the same numbers are side by side, and whether
every backend must take it: what it may refuse it must refuse in words.
"""

import array
import ctypes
import mmap
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy import sparse

from support.backend_calls import wrong_csr
from support.strategies import CSR_LAYOUTS, csr, values

DTYPES = ("float32", "float64", "uint8")
SPARSE_FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")


@dataclass
class Drawn:
    """What is handed in, what it stands for (None: nothing), and whether it must be taken."""

    handed: Any
    stands_for: np.ndarray | None
    is_taken: bool
    kind: str


# -- dense ----------------------------------------------------------------------------------------


def dense_view(rng, shape, dtype):
    """A view of `shape` with any strides in both directions, at any address, and numbers in it.

    Its rows or columns may be one in memory, may overlap each other, and may lie backwards.
    """
    dtype = np.dtype(dtype)
    size, (n_rows, n_in) = dtype.itemsize, shape
    gap = int(rng.choice([0, 0, 1, size, 3 * size]))
    column = int(rng.choice([size, size, size + gap, 0]))
    row = int(rng.choice([n_in * column + gap, n_in * column, size, 0]))
    if rng.random() < 0.3:  # column after column
        row = size + gap
        column = int(n_rows * row + rng.choice([0, size, 1]))
    signs = rng.choice([-1, 1], 2, p=[0.25, 0.75])
    strides = (row * int(signs[0]), column * int(signs[1]))
    ends = [s * max(0, n - 1) for s, n in zip(strides, shape, strict=True)]
    begin = -sum(min(0, end) for end in ends) + int(rng.integers(0, 9))
    memory = bytearray(begin + sum(max(0, end) for end in ends) + size)
    view = np.ndarray(shape, dtype, memory, begin, strides)
    for i in range(n_rows):
        view[i] = values(rng, (1, n_in), dtype, rng.choice([0.2, 1.0]))[0]
    if dtype.kind == "f":  # of elements that overlap, some are no numbers
        with np.errstate(invalid="ignore"):
            view[~(np.abs(view) < 1e3)] = 0
        if not (np.abs(view) < 1e3).all():
            return dense_view(rng, shape, dtype)
    return view


def other_owner(rng, rows):
    """The same numbers in memory that NumPy does not own."""
    plain = np.ascontiguousarray(rows)
    if not plain.size:
        return memoryview(plain)
    n_rows, n_in = plain.shape
    c_type = {"f": ctypes.c_float, "d": ctypes.c_double, "B": ctypes.c_ubyte}[plain.dtype.char]
    match rng.integers(6):
        case 0:
            return memoryview(rows)
        case 1:
            return (c_type * n_in * n_rows).from_buffer_copy(plain)
        case 2:
            owner = array.array(plain.dtype.char, plain.reshape(-1).tolist())
            return memoryview(owner).cast("B").cast(plain.dtype.char, plain.shape)
        case 3:
            owner = mmap.mmap(-1, plain.nbytes)
            owner[:] = plain.tobytes()
            return memoryview(owner).cast(plain.dtype.char, plain.shape)
        case 4:
            return memoryview(plain.tobytes()).cast(plain.dtype.char, plain.shape)
        case _:
            owner = bytearray(plain.tobytes())
            return memoryview(owner).cast(plain.dtype.char, plain.shape)


class OnlyDlpack:
    """An array that can be asked for in no other way."""

    def __init__(self, rows):
        self.rows = np.array(rows)

    def __dlpack__(self, **options):
        return self.rows.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.rows.__dlpack_device__()


def tensor(rows):
    """A tensor of PyTorch's with the strides of rows, where it can have them."""
    import torch

    if any(s < 0 or s % rows.itemsize for s in rows.strides) or not rows.flags.aligned:
        rows = np.array(rows)
    return torch.from_numpy(rows if rows.flags.writeable else np.array(rows))


def odd_dense(rng, shape):
    """Rows of any dtype that is read, in any layout, owned by anybody."""
    rows = dense_view(rng, shape, rng.choice(DTYPES))
    match rng.integers(9):
        case 0:
            return Drawn(other_owner(rng, rows), rows, True, "memory of another owner")
        case 1:
            swapped = rows.astype(rows.dtype.newbyteorder())
            return Drawn(swapped, rows, True, "another byte order")
        case 2:
            rows.flags.writeable = False
            return Drawn(rows, rows, True, "read-only")
        case 3:
            records = np.zeros(shape, [("before", "u1"), ("value", rows.dtype), ("after", "i2")])
            records["value"] = rows
            return Drawn(records["value"], rows, True, "a field of records")
        case 4 if find_spec("torch"):
            return Drawn(tensor(rows), rows, True, "a tensor")
        case 5:
            return Drawn(OnlyDlpack(rows), rows, False, "an object with DLPack only")
        case 6:
            return Drawn(rows.view(np.matrix) if rows.size else rows, rows, True, "a matrix")
        case _:
            return Drawn(rows, rows, True, "any strides")


def wrong_dense(rng, shape):
    """What has no rows of that shape to give."""
    n_rows, n_in = shape
    rows = dense_view(rng, shape, rng.choice(DTYPES))
    wrong = {
        "a column less": rows[:, :-1],
        "a column more": np.zeros((n_rows, n_in + 1)),
        "three dimensions": rows[None],
        "no dimension": rows.reshape(-1)[:1].sum(),
        "complex": rows.astype(complex),
        "text": rows.astype(str),
        "objects": np.full(shape, None),
        "dates": np.zeros(shape, "M8[s]"),
        "records": np.zeros(shape, [("a", "f4"), ("b", "f4")]),
        "rows of several lengths": [[0.0] * (n_in + i % 2) for i in range(n_rows + 2)],
        "bytes that are no rows": b"x" * (n_in + 1),
        "None": None,
    }
    kind = str(rng.choice(sorted(wrong)))
    return Drawn(wrong[kind], None, False, kind)


# -- sparse ---------------------------------------------------------------------------------------


def odd_part(rng, part):
    """One of a CSR matrix's arrays in a layout of its own."""
    match rng.integers(6):
        case 0:
            return np.repeat(part, 2)[::2]
        case 1:
            return np.ascontiguousarray(part[::-1])[::-1]
        case 2:
            found = np.ndarray(part.shape, part.dtype, bytearray(part.nbytes + 1), 1)
            found[...] = part
            return found
        case 3:
            return part.astype(part.dtype.newbyteorder())
        case 4:
            found = part.copy()
            found.flags.writeable = False
            return found
        case _:
            return part


def odd_sparse(rng, shape):
    """A sound sparse matrix of any format; if CSR, its arrays of any integers and layouts."""
    rows = values(rng, shape, rng.choice(DTYPES), rng.choice([0.0, 0.3, 0.9]))
    if rows.dtype.kind == "f":  # so that entries stored in two parts add up to the last bit
        rows = np.round(rows * 64) / 64
    if rng.random() < 0.3:
        kind = str(rng.choice(SPARSE_FORMATS))
        return Drawn(sparse.coo_array(rows).asformat(kind), rows, False, kind)
    kind = str(rng.choice(CSR_LAYOUTS))
    x = csr(rng, rows, kind)
    for name in ("data", "indices", "indptr"):
        part = getattr(x, name)
        if name != "data" and rng.random() < 0.5:
            part = part.astype(rng.choice(["int32", "int64", "uint32", "int16", "uint64"]))
        setattr(x, name, odd_part(rng, part))
    return Drawn(x, rows, True, kind)


def wrong_sparse(rng, shape):
    """A CSR matrix that lies."""
    n_rows, n_in = shape
    x = sparse.random_array((n_rows, n_in), density=0.9, format="csr", rng=rng, dtype=np.float64)
    if n_rows < 3 or x.nnz < 5:
        return wrong_dense(rng, shape)
    lies = wrong_csr(x)
    harmless = {"CSC", "COO", "data of integers", "a row more"}
    kind = str(rng.choice(sorted(set(lies) - harmless)))
    return Drawn(lies[kind](), None, False, kind)


def inputs(rng, shape):
    """Rows of any kind: most of them right."""
    draw = rng.choice([odd_dense, odd_sparse, wrong_dense, wrong_sparse], p=[0.5, 0.25, 0.1, 0.15])
    return draw(rng, shape)


# -- targets, weights, outputs --------------------------------------------------------------------


def laid_out(rng, values):
    """The same numbers in another layout, read-only or in another byte order or not."""
    view = np.ndarray(
        values.shape, values.dtype, bytearray(2 * values.nbytes + 9), int(rng.integers(0, 9)),
        [2 * s for s in values.strides],
    ) if rng.random() < 0.6 else values.copy()  # fmt: skip
    view[...] = values
    if values.ndim == 2 and rng.random() < 0.3:
        view = np.asfortranarray(view)
    if rng.random() < 0.2:
        view = view.astype(view.dtype.newbyteorder())
    view.flags.writeable = bool(rng.random() < 0.7)
    return view


def outputs(rng, shape, dtype, x):
    """An array to write to, or what is none; it may lie in the memory of x."""
    kinds = ["right", "over x", "other", "strided", "read-only", "unaligned", "a row more", "bytes"]
    kind = str(rng.choice(kinds, p=[0.3, 0.2, *[0.1] * 3, 0.05, 0.05, 0.1]))
    out = np.full(shape, -7.0, dtype)
    match kind:
        case "over x" if isinstance(x, np.ndarray) and x.base is not None:
            memory = np.frombuffer(owner_of(x), np.uint8)
            at = int(rng.integers(0, 3)) * out.itemsize
            if len(memory) - at < out.nbytes or at + out.nbytes == 0 or not memory.flags.writeable:
                return out, True
            return np.ndarray(shape, dtype, memory.data, at), False
        case "other":
            return np.zeros(shape, "float64" if dtype == "float32" else "float32"), False
        case "strided":
            return np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2], False
        case "read-only":
            out.flags.writeable = False
            return out, False
        case "unaligned":
            return np.ndarray(shape, dtype, bytearray(out.nbytes + 1), 1), False
        case "a row more":
            return np.zeros((shape[0] + 1, *shape[1:]), dtype), False
        case "bytes":
            return bytearray(out.nbytes), False
    return out, True


def owner_of(view):
    """Whose memory a view is of."""
    while isinstance(view, np.ndarray) and view.base is not None:
        view = view.base
    return view
