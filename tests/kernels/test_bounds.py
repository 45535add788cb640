"""The comparisons of `parity` and `programs`: right twins pass, one wrong element fails.

The right twin is the reference in extended precision, rounded at the end: it differs from the
reference in nearly every last place. The wrong ones are the reference with one element of one
output moved by a thousand roundings of the largest, with an input overwritten, or with an element
beside an output set.
"""

import inspect
from itertools import count

import numpy as np
import pytest
from scipy import sparse
from support import parity
from support.programs import (
    Jittered,
    Problem,
    assert_trains_like_the_reference,
    parameters,
    targets,
)
from support.strategies import values

from fastnn.architecture import ACTIVATIONS, LOSSES, Architecture
from fastnn.backends.base import Backend
from fastnn.backends.minibatch import TrainingOptions
from fastnn.backends.reference import Reference
from fastnn.optimizers import SGD, Adam, AdamW, RMSprop

N, N_IN, N_OUT = 100, 31, 17
OPTIMIZERS = (SGD(), SGD(0.1, 0.9), SGD(0.1, 0.9, True), RMSprop(), Adam(), AdamW())

OUTPUTS = {
    "dense_forward": ("out", "preactivation"),
    "softmax": ("out",),
    "softmax_cross_entropy": ("delta",),
    "elementwise_loss": ("delta",),
    "weight_gradient": ("weight_grad", "bias_grad"),
    "input_gradient": ("out",),
    "update": ("params", "state"),
}
ONE_INPUT = {
    "dense_forward": "weight",
    "softmax": "z",
    "softmax_cross_entropy": "z",
    "elementwise_loss": "target",
    "weight_gradient": "delta",
    "input_gradient": "delta",
    "update": "grads",
}


def calls(dtype):
    """Every comparison with every option: (kernel, what tells it apart, arguments)."""
    rng = np.random.default_rng(0)
    x, delta = rng.normal(size=(N, N_IN)).astype(dtype), rng.normal(size=(N, N_OUT)).astype(dtype)
    weight, bias = rng.normal(size=(N_IN, N_OUT)).astype(dtype) / 8, np.ones(N_OUT, dtype)
    labels, w = rng.integers(0, N_OUT, N), rng.random(N).astype(dtype)
    target = rng.random((N, N_OUT)).astype(dtype)
    csr = sparse.csr_array(np.where(rng.random(x.shape) < 0.3, x, 0))
    for activation in (*ACTIVATIONS, "exp"):
        yield "dense_forward", activation, (x, weight, bias, activation, True)
    yield "dense_forward", "csr", (csr, weight, None, "tanh")
    yield "softmax", "", (delta,)
    yield "softmax_cross_entropy", "", (delta, labels, None)
    yield "softmax_cross_entropy", "weighted", (delta, labels, w)
    yield "softmax_cross_entropy", "smoothed", (delta, labels, w, 0.1)
    constants = rng.uniform(0.2, 0.8, N_OUT).astype(dtype)
    for loss, activation in parity.ELEMENTWISE_LOSSES:
        of = f"{loss} of {activation}"
        args = (loss, activation, delta, target)
        yield "elementwise_loss", of, (*args, None, constants)
        yield "elementwise_loss", f"{of}, weighted", (*args, w, constants)
    yield "weight_gradient", "", (x, delta)
    yield "weight_gradient", "csr", (csr, delta)
    for activation in ACTIVATIONS:
        yield "input_gradient", activation, (delta, weight, activation, x)
    for optimizer in OPTIMIZERS:
        state = target[1 : 1 + optimizer.n_state]
        yield "update", optimizer.rule, (optimizer, 3, delta[0], target[0], state)


def each_call(*kernels):
    """Parametrise a test with the calls of some kernels, or of all."""
    return pytest.mark.parametrize(
        ("kernel", "args"),
        [
            pytest.param(kernel, args, id=f"{kernel}-{option}-{dtype}")
            for dtype in ("float64", "float32")
            for kernel, option, args in calls(dtype)
            if kernel in kernels or not kernels
        ],
    )


def altered(kernel, alter):
    """The reference with one kernel changed: ``alter(arguments, compute)`` stands in its place."""

    def method(self, *args, **kwargs):
        bound = inspect.signature(getattr(Reference, kernel)).bind(self, *args, **kwargs)
        bound.apply_defaults()
        compute = getattr(Reference, kernel)
        return alter(bound.arguments, lambda: compute(**bound.arguments))

    return type("Altered", (Reference,), {kernel: method})()


def wrong_in_one_element(name, roundings=1000, call=None):
    """Move one element of an output: at every call of the kernel, or only at one of them."""
    calls_so_far = count()

    def alter(arguments, compute):
        result, out = compute(), arguments[name]
        if call in (None, next(calls_so_far)):
            i = np.unravel_index(out.size // 3, out.shape)
            out[i] += roundings * np.finfo(out.dtype).eps * np.abs(out).max()
        return result

    return alter


def in_extended_precision(kernel):
    """Compute in longdouble and round: another right implementation."""
    names = OUTPUTS[kernel]

    def alter(arguments, _):
        wide = dict(arguments)
        for name, value in arguments.items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                wide[name] = value.astype(np.longdouble)
            elif sparse.issparse(value):
                wide[name] = value.toarray().astype(np.longdouble)
        result = getattr(Reference, kernel)(**wide)
        for name in names:
            if arguments[name] is not None:
                arguments[name][...] = wide[name]
        return result

    return alter


@each_call()
def test_a_right_twin_passes(kernel, args):
    twin = altered(kernel, in_extended_precision(kernel))
    getattr(parity, kernel)(twin, *args)


@each_call()
def test_one_wrong_element_is_caught(kernel, args):
    for name in OUTPUTS[kernel]:
        if name == "preactivation" and len(args) < 5:
            continue
        if name == "state" and not args[0].n_state:
            continue
        with pytest.raises(AssertionError, match=f"{kernel}|preactivation"):
            getattr(parity, kernel)(altered(kernel, wrong_in_one_element(name)), *args)


@each_call("softmax_cross_entropy", "elementwise_loss")
def test_a_wrong_loss_is_caught(kernel, args):
    eps = np.finfo(args[0 if kernel == "softmax_cross_entropy" else 2].dtype).eps
    wrong = altered(kernel, lambda _, compute: compute() * (1 + 1000 * eps))
    with pytest.raises(AssertionError, match="out of bounds"):
        getattr(parity, kernel)(wrong, *args)


@pytest.mark.parametrize("kernel", OUTPUTS)
def test_one_element_that_becomes_nan_or_stays_unwritten_is_caught(kernel):
    args = next(args for name, _, args in calls("float64") if name == kernel)

    def alter(arguments, compute):
        result = compute()
        arguments[OUTPUTS[kernel][0]].flat[5] = np.nan  # what outputs hold before a kernel writes
        return result

    with pytest.raises(AssertionError, match=kernel):
        getattr(parity, kernel)(altered(kernel, alter), *args)


@pytest.mark.parametrize("kernel", OUTPUTS)
def test_an_overwritten_input_is_caught(kernel):
    args = next(args for name, _, args in calls("float64") if name == kernel)

    def alter(arguments, compute):
        result = compute()
        arguments[ONE_INPUT[kernel]].flat[7] += 1
        return result

    with pytest.raises(AssertionError, match="an input was modified"):
        getattr(parity, kernel)(altered(kernel, alter), *args)


@pytest.mark.parametrize("kernel", OUTPUTS)
def test_an_element_written_beside_an_output_is_caught(kernel):
    args = next(args for name, _, args in calls("float64") if name == kernel)

    def alter(arguments, compute):
        result, out = compute(), arguments[OUTPUTS[kernel][0]]
        row = out if out.ndim == 1 else out[-1]
        np.lib.stride_tricks.as_strided(row, (row.size + 1,), row.strides[-1:])[-1] = 0
        return result

    with pytest.raises(AssertionError, match="written outside the output"):
        getattr(parity, kernel)(altered(kernel, alter), *args)


# -- programs -------------------------------------------------------------------------------------


def training_problem(dtype, output="softmax", optimizer=None):
    rng = np.random.default_rng(5)
    architecture = Architecture(
        (31, 17, 16, 7), ("tanh", "gelu"), output, LOSSES[output][0], True, dtype
    )
    x = values(rng, (40, 31), dtype)
    orders = [rng.permutation(40), rng.permutation(40)]
    options = TrainingOptions(optimizer or SGD(0.05, momentum=0.5), batch_size=16, clip_norm=0.5)
    y = targets(rng, architecture, 40)
    return Problem(architecture, parameters(rng, architecture), x, y, orders, options)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", [SGD(0.05), Adam(epsilon=1e-3)])
def test_training_within_the_kernels_bounds_passes(dtype, optimizer):
    for seed in range(100, 110):
        problem = training_problem(dtype, optimizer=optimizer)
        assert_trains_like_the_reference(Jittered(seed, problem.options), problem)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("kernel", "name", "output"),
    [
        ("dense_forward", "out", "softmax"),
        ("softmax_cross_entropy", "delta", "softmax"),
        ("elementwise_loss", "delta", "identity"),
        ("weight_gradient", "weight_grad", "softmax"),
        ("weight_gradient", "bias_grad", "softmax"),
        ("input_gradient", "out", "softmax"),
        ("update", "params", "softmax"),
        ("update", "state", "softmax"),
    ],
)
def test_training_with_one_wrong_element_in_one_step_is_caught(kernel, name, output, dtype):
    """Off by 2e-11 of the largest element in double precision, 1e-2 in single."""
    wrong = altered(kernel, wrong_in_one_element(name, roundings=1e5, call=3))
    with pytest.raises(AssertionError, match="parameter tensor"):
        assert_trains_like_the_reference(wrong, training_problem(dtype, output))


def test_every_kernel_has_its_comparison():
    assert set(OUTPUTS) == Backend.__abstractmethods__
    assert {kernel for kernel, _, _ in calls("float64")} == set(OUTPUTS)
