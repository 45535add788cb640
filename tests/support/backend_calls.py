"""Right calls of a backend's kernels and programs, and what may be wrong with each argument.

`right_call` draws one of the contract's methods with arguments that fit each other; everything that
may be written lies between guard bands. `spoils` names the ways to make one argument not fit.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from fastnn.architecture import ACTIVATIONS, LOSS_ACTIVATIONS, Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, Adam, OptimizerState, RMSprop
from support.strategies import parts

METHODS = (
    "dense_forward",
    "softmax",
    "softmax_cross_entropy",
    "elementwise_loss",
    "weight_gradient",
    "input_gradient",
    "update",
    "predict",
    "train_epoch",
)
BAND = 64
OPTIMIZERS = (SGD(0.1), SGD(0.1, momentum=0.9), RMSprop(0.01), Adam(0.01))


@dataclass
class Call:
    """A method's name, its arguments in order, and memory that a refused call must not touch."""

    method: str
    arguments: dict
    watched: list = field(default_factory=list)

    def banded(self, values, offset=0):
        """Return a copy between guard bands, `offset` bytes past where it would be aligned."""
        whole = np.full(values.nbytes + 2 * BAND + offset, 0xA5, np.uint8)
        self.watched.append(whole)
        inside = whole[BAND + offset : BAND + offset + values.nbytes]
        if not values.size:
            return np.empty(values.shape, values.dtype)
        view = np.ndarray(values.shape, values.dtype, inside.data)
        view[...] = values
        return view

    def bands_are_whole(self):
        """Say whether nothing was written around what is watched."""
        return all(
            (band == 0xA5).all() for whole in self.watched for band in (whole[:BAND], whole[-BAND:])
        )

    def memory(self):
        """Return the bytes of all that is watched, and of the arguments."""
        found = [whole.tobytes() for whole in self.watched]
        for value in self.arguments.values():
            found += [array.tobytes() for array in arrays_of(value) if array.dtype != object]
            if isinstance(value, OptimizerState):
                found.append(str(value.step))
        return found

    def of(self, backend):
        """Make the call."""
        return getattr(backend, self.method)(*self.arguments.values())


def arrays_of(value):
    """The arrays that an argument holds."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, OptimizerState):
        return arrays_of(value.slots)
    if sparse.issparse(value) and value.format == "csr":
        return [part for part in parts(value) if isinstance(part, np.ndarray)]
    return []


def right_call(rng, method, dtype="float32", csr=False, output="softmax"):
    """Return a call that is right."""
    call = Call(method, {})
    n, n_in, n_out = 5, 7, 4
    real = lambda *shape: call.banded(rng.normal(size=shape).astype(dtype))  # noqa: E731
    dense = rng.normal(size=(n, n_in)).astype(dtype) * (rng.random((n, n_in)) < 0.6)
    x = sparse.csr_array(dense) if csr else call.banded(dense)
    labels = call.banded(rng.integers(0, n_out, n))
    weights = call.banded(rng.random(n))
    activation = str(rng.choice(ACTIVATIONS))
    match method:
        case "dense_forward":
            call.arguments = {
                "x": x, "weight": real(n_in, n_out), "bias": real(n_out), "activation": activation,
                "out": real(n, n_out), "preactivation": real(n, n_out),
            }  # fmt: skip
        case "softmax":
            call.arguments = {"z": real(n, n_out), "out": real(n, n_out)}
        case "softmax_cross_entropy":
            call.arguments = {
                "z": real(n, n_out), "labels": labels, "sample_weight": weights,
                "label_smoothing": 0.1, "delta": real(n, n_out),
            }  # fmt: skip
        case "elementwise_loss":
            call.arguments = {
                "loss": "huber", "activation": str(rng.choice(LOSS_ACTIVATIONS)),
                "z": real(n, n_out), "target": real(n, n_out), "sample_weight": weights,
                "constants": np.abs(real(n_out)), "delta": real(n, n_out),
            }  # fmt: skip
        case "weight_gradient":
            call.arguments = {
                "x": x, "delta": real(n, n_out), "weight_grad": real(n_in, n_out),
                "bias_grad": real(n_out),
            }  # fmt: skip
        case "input_gradient":
            call.arguments = {
                "delta": real(n, n_out), "weight": real(n_in, n_out), "activation": activation,
                "y": real(n, n_in), "out": real(n, n_in),
            }  # fmt: skip
        case "update":
            optimizer = OPTIMIZERS[rng.integers(len(OPTIMIZERS))]
            call.arguments = {
                "optimizer": optimizer, "step": 3, "params": real(20), "grads": real(20),
                "state": np.abs(real(optimizer.n_state, 20)),
            }  # fmt: skip
            call.arguments["state"] = call.banded(call.arguments["state"])
        case "predict" | "train_epoch":
            a = Architecture((n_in, 6, 3, n_out), ("relu", "gelu"), output, dtype=dtype)
            params = call.banded(a.allocate())
            for weight in a.weights(params):
                weight[...] = rng.normal(size=weight.shape)
            call.arguments = {"architecture": a, "params": params, "x": x}
            if method == "predict":
                call.arguments["out"] = real(n, n_out)
            else:
                optimizer = OPTIMIZERS[rng.integers(len(OPTIMIZERS))]
                slots = call.banded(np.zeros((optimizer.n_state, a.n_slots), dtype))
                targets = np.abs(real(n, n_out)) % 1
                call.arguments = {
                    "architecture": a, "params": params, "state": OptimizerState(slots, 2), "x": x,
                    "y": labels if output == "softmax" else call.banded(targets),
                    "order": call.banded(rng.permutation(n)),
                    "options": TrainingOptions(optimizer, 2, dropout=(0.1, 0.2), dropout_seed=3),
                    "sample_weight": weights,
                }  # fmt: skip
    return call


# -- what may be wrong ----------------------------------------------------------------------------

WRITTEN = {"out", "preactivation", "delta", "weight_grad", "bias_grad", "params", "state"}
"""Names of arguments that are written, of some method."""
READ_TOO = {("weight_gradient", "delta"), ("input_gradient", "delta"), ("predict", "params")}
FLAT = {"params"}


def is_written(method, name):
    """Say whether a method writes an argument."""
    return name in WRITTEN and (method, name) not in READ_TOO


def spoils(call, name):
    """Return what may be wrong with an argument: names to functions that return it so."""
    value = call.arguments[name]
    if name == "x" and not isinstance(value, np.ndarray):
        found = wrong_csr(value)
    elif isinstance(value, np.ndarray):
        found = wrong_arrays(call, name, value)
    elif name == "state":
        slots = value.slots
        found = {
            f"slots, {what}": lambda make=make: OptimizerState(make(), 2)
            for what, make in wrong_arrays(call, name, slots).items()
        }
        if len(slots):
            found["slots of SGD"] = lambda: OptimizerState(slots[:0], 2)
        found["slots of another"] = lambda: OptimizerState(
            call.banded(np.zeros((len(slots) + 1, slots.shape[1]), slots.dtype)), 2
        )
        found |= {f"step {step!r}": lambda step=step: OptimizerState(slots, step)
                  for step in (-1, 1.5, None, "2", True)}  # fmt: skip
        found["no state"] = lambda: None
    elif name == "options":
        found = wrong_options(value)
    elif name == "architecture":
        found = wrong_architectures(value)
    else:
        found = {repr(wrong): lambda wrong=wrong: wrong for wrong in WRONG_VALUES[name]}
    return found


class Liar(SGD):
    """An optimizer whose rule needs more vectors than it says."""

    @property
    def rule(self):
        return "adam"


class Unruly(SGD):
    """An optimizer of an unknown rule."""

    @property
    def rule(self):
        return "newton"


WRONG_VALUES = {
    "activation": ("softmax", "nonsense", "", None, 3, b"relu"),
    "loss": ("cross_entropy", "nonsense", None, 2),
    "label_smoothing": (float("nan"), -0.1, 1.5, None, "0.1"),
    "step": (0, -1, 1.5, None, "1", True),
    "optimizer": (None, "adam", Liar(0.1), Unruly(0.1), SGD),
}


def wrong_arrays(call, name, array):
    """Arrays that do not fit, and what is none."""
    written = is_written(call.method, name)
    wrong = {"None": lambda: None, "a list": lambda: array.tolist(), "a number": lambda: 3.5,
             "text": lambda: "abc", "an object": object}  # fmt: skip
    if (call.method, name) in OPTIONAL:
        del wrong["None"]
    for axis in range(array.ndim) if name != "order" else ():  # which may be of any length
        for change in (-1, 1, 64):
            shape = list(array.shape)
            shape[axis] = max(0, shape[axis] + change)
            if tuple(shape) != array.shape:
                wrong[f"axis {axis} by {change}"] = lambda shape=shape: call.banded(
                    np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
                )
        if array.shape[axis]:
            wrong[f"axis {axis} empty"] = lambda axis=axis: array.take([], axis)
    wrong["one axis more"] = lambda: array[None]
    wrong["one axis less"] = lambda: array.reshape(-1) if array.ndim > 1 else array[0]
    for dtype in WRONG_DTYPES:
        if array.dtype.kind == "i" and dtype == "int64":
            continue
        wrong[dtype] = lambda dtype=dtype: array.astype(dtype)
    wrong["another byte order"] = lambda: array.astype(array.dtype.newbyteorder())
    both_floats = name in ("x", "sample_weight", "y")
    if array.dtype.kind == "f" and not both_floats:
        other = "float64" if array.dtype == np.float32 else "float32"
        wrong[other] = lambda: call.banded(array.astype(other))
    if name in ("labels", "order") or (name == "y" and array.dtype.kind == "i"):
        for number in (-1, -(2**63), 5 if name == "order" else 4, 2**40):
            wrong[f"holds {number}"] = lambda number=number: with_one(array, number)
    if written:
        wrong["read-only"] = lambda: frozen(array)
        wrong["unaligned"] = lambda: call.banded(array, offset=1)
        if array.size > 1:
            wrong["one place for all"] = lambda: np.lib.stride_tricks.as_strided(
                array, array.shape, (0,) * array.ndim
            )
        if name in FLAT or name == "state":
            wrong["strided"] = lambda: call.banded(np.repeat(array, 2, axis=-1))[..., ::2]
            if name == "state" and not len(array):
                for what in ("read-only", "unaligned", "strided"):
                    del wrong[what]
    return wrong


OPTIONAL = {
    ("dense_forward", "bias"), ("dense_forward", "preactivation"), ("weight_gradient", "bias_grad"),
    ("softmax_cross_entropy", "sample_weight"), ("elementwise_loss", "sample_weight"),
    ("train_epoch", "sample_weight"),
}  # fmt: skip

WRONG_DTYPES = ("float16", "complex64", "bool", "int32", "int64", "U5", "O", "M8[s]")


def with_one(array, number):
    """A copy with one wrong number."""
    copy = array.copy()
    copy[len(copy) // 2] = number
    return copy


def frozen(array):
    """A read-only view."""
    view = array[...]
    view.flags.writeable = False
    return view


def wrong_csr(x):
    """CSR matrices that lie, and sparse matrices of other kinds."""

    def lie(name, at, number, dtype=None):
        def make():
            copy = x.copy()
            part = getattr(copy, name)
            part = part.astype(dtype or part.dtype)
            part[at] = number
            setattr(copy, name, part)
            return copy

        return make

    def swap(**new):
        def make():
            copy = x.copy()
            for name, values in new.items():
                setattr(copy, name, values)
            return copy

        return make

    n, k = x.shape
    found = {"CSC": x.tocsc, "COO": x.tocoo, "None": lambda: None, "text": lambda: "abc"}
    for wide in ("int32", "int64"):
        for number in (-1, k, 10**8, -(2**31)):
            found[f"column {number}, {wide}"] = lie("indices", 3, number, wide)
        for number in (-5, 10**6, 2**31 - 1, -(2**31)):
            found[f"indptr {number}, {wide}"] = lie("indptr", 2, number, wide)
        found[f"end {wide}"] = lie("indptr", n, x.nnz + 1, wide)
        found[f"begin {wide}"] = lie("indptr", 0, 1, wide)
    return found | {
        "indptr of another length": swap(indptr=x.indptr[:-1]),
        "indices of another length": swap(indices=x.indices[:-1]),
        "data of another length": swap(data=x.data[:-1]),
        "empty indptr": swap(indptr=x.indptr[:0]),
        "indices of two dimensions": swap(indices=x.indices[:, None]),
        "indices that are floats": swap(indices=x.indices.astype(float)),
        "indices that are no array": swap(indices=None),
        "data of integers": swap(data=x.data.astype(np.int64)),
        "complex data": swap(data=x.data.astype(complex)),
        "a column more": lambda: sparse.csr_array((x.data, x.indices, x.indptr), shape=(n, k + 1)),
        "a row more": lambda: sparse.csr_array(
            (x.data, x.indices, np.append(x.indptr, x.nnz)), shape=(n + 1, k)
        ),
    }


def wrong_options(options):
    """Options of a training step that are none."""
    changes = {
        "batch_size": (0, -1, 1.5, None, True, "2"),
        "dropout": ((0.1,), (0.1, 0.2, 0.3), (0.1, 1.0), (-0.1, 0.1), (float("nan"), 0.0), None,
                    0.5, ("a", "b")),
        "reduction": ("max", None),
        "optimizer": (None, Liar(0.1), Unruly(0.1)),
        "dropout_seed": (None, 1.5),
    }  # fmt: skip
    for name in ("l1", "l2", "max_norm", "clip_norm"):
        changes[name] = (-1.0, float("nan"), float("inf"), None, "1")
    found = {
        f"{name}={value!r}": lambda name=name, value=value: replace(options, **{name: value})
        for name, values in changes.items()
        for value in values
    }
    others = [o for o in OPTIMIZERS if o.n_state != options.optimizer.n_state]
    for other in others:
        found[f"of {other}"] = lambda other=other: replace(options, optimizer=other)
    return found | {"None": lambda: None, "a dict": lambda: {"batch_size": 2}}


def wrong_architectures(architecture):
    """Architectures that are not that of the other arguments, or none."""
    sizes = architecture.sizes
    other_dtype = "float64" if architecture.dtype == "float32" else "float32"
    return {
        "a wider input": lambda: replace(architecture, sizes=(sizes[0] + 1, *sizes[1:])),
        "a wider output": lambda: replace(architecture, sizes=(*sizes[:-1], sizes[-1] + 64)),
        "a hidden layer less": lambda: replace(
            architecture, sizes=(sizes[0], *sizes[2:]), activations=architecture.activations[1:]
        ),
        "no biases": lambda: replace(architecture, bias=False),
        "another dtype": lambda: replace(architecture, dtype=other_dtype),
        "an unknown activation": lambda: replace(architecture, activations=("relu", "swoosh")),
        "an unknown output": lambda: replace(architecture, output="none", loss="squared_error"),
        "a smoothing that is no number": lambda: replace(
            architecture, label_smoothing=float("nan")
        ),
        "quantiles of other outputs": lambda: replace(
            architecture, output="identity", loss="quantile", quantiles=(0.1, 0.9)
        ),
        "an unknown loss": lambda: replace(architecture, loss="hinge"),
        "an activation less": lambda: replace(architecture, activations=("relu",)),
        "a negative size": lambda: replace(architecture, sizes=(sizes[0], -1, *sizes[2:])),
        "a size that is a float": lambda: replace(
            architecture, sizes=(float(sizes[0]), *sizes[1:])
        ),
        "a size of 0": lambda: replace(architecture, sizes=(sizes[0], 0, *sizes[2:])),
        "None": lambda: None,
        "its sizes": lambda: sizes,
    }


def results(call, returned):
    """What a call returned and wrote."""
    found = [] if returned is None else [np.array(returned, float)]
    for name, value in call.arguments.items():
        if is_written(call.method, name):
            found.append(np.array(value.slots if isinstance(value, OptimizerState) else value))
    return found
