"""`fastnn.warmup`: compiling before it is needed, and harmless where nothing is compiled."""

import inspect
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from support.backends import under_test

import fastnn
from fastnn.architecture import Architecture
from fastnn.backends.minibatch import TrainingOptions
from fastnn.optimizers import SGD, OptimizerState

# Counts what is compiled, or loaded from disk, by networks of the dtype that was warmed up, and by
# one of the other.
PROGRAM = textwrap.dedent("""
    import sys
    import numpy as np
    import fastnn

    dtype, other = sys.argv[1:]
    fastnn.warmup("numba", dtype)
    from fastnn.kernels.numba import compiling
    loads = []
    load = compiling._Store.load
    compiling._Store.load = lambda self, key: loads.append(self._name) or load(self, key)
    rng = np.random.default_rng(0)

    def loaded_by(dtype, hidden):
        loads.clear()
        for x in (rng.normal(size=(300, 20)), rng.integers(0, 2, (300, 20)).astype(np.uint8)):
            for output, y in (("softmax", np.arange(300) % 3), ("identity", np.ones((300, 3)))):
                net = fastnn.Network((20, hidden, 3), output=output, dtype=dtype, backend="numba")
                net.fit(x, y, epochs=1, batch_size=300, progress=False, dropout=0.1)
                net.predict(x)
                net.evaluate(x, y)
        return len(loads)

    compiled_loops, blas = 8, 4000
    print(loaded_by(dtype, compiled_loops), loaded_by(dtype, blas), loaded_by(other, blas))
""")


def loads_after(dtype, other):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, dtype, other],
        env=os.environ | {"FASTNN_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return [int(n) for n in done.stdout.split()]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="nothing is compiled")
@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
def test_nothing_is_left_to_compile_of_what_was_named(dtypes):
    under_test("numba")
    compiled_loops, blas, of_the_other = loads_after(*dtypes)
    assert compiled_loops == blas == 0
    assert of_the_other > 0  # the measure measures


def test_backends_that_compile_nothing_have_nothing_to_do(backend, capfd):
    if backend.name == "numba":
        pytest.skip("it compiles")
    assert fastnn.warmup(backend.name, ("float32", "float64")) is None
    assert capfd.readouterr() == ("", "")


def test_asks_the_switch(monkeypatch):
    reference, asked = fastnn.get_backend("numpy"), []
    monkeypatch.setattr(type(reference), "warmup", lambda self, dtypes: asked.append(dtypes))
    with fastnn.use_backend("numpy"):
        fastnn.warmup()
        fastnn.warmup(dtypes="float64")
        fastnn.warmup("auto", [np.float32, "float64"])
        fastnn.warmup(dtypes=np.float32)
        fastnn.warmup(dtypes=np.dtype("float64"))
    assert asked == [["float32"], ["float64"], ["float32", "float64"], ["float32"], ["float64"]]


def test_says_what_it_was_not_given():
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got 'int8'"):
        fastnn.warmup("numpy", ("int8",))
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got 3"):
        fastnn.warmup("numpy", 3)
    with pytest.raises(ValueError, match=r"must be one of 'cython', .*, got 'cuda'"):
        fastnn.warmup("cuda")


def test_ctrl_c_is_held_back_by_training_but_not_by_compiling_it(monkeypatch):
    """Compiling takes seconds; a call with no steps does it first, and changes nothing."""
    backend = type(under_test("numba")._inside)()
    from fastnn.kernels.numba import programs

    seen, real = [], programs.train
    rates_at = list(inspect.signature(getattr(real, "py_func", real)).parameters).index("rates")

    def train(*arguments):
        seen.append((len(arguments[rates_at]), signal.getsignal(signal.SIGINT)))
        real(*arguments)

    monkeypatch.setattr(programs, "train", train)
    a, optimizer = Architecture((2, 3), (), "softmax"), SGD(0.1)
    params, state = a.allocate(), OptimizerState(np.empty((0, a.n_slots), "float32"))
    x, y, order = np.ones((5, 2), "float32"), np.zeros(5, np.int64), np.arange(5)
    for _ in range(2):
        backend.train_epoch(a, params, state, x, y, order, TrainingOptions(optimizer, 2))
    handler = signal.getsignal(signal.SIGINT)
    assert [n_steps for n_steps, _ in seen] == [0, 3, 3]
    assert [held is not handler for _, held in seen] == [False, True, True]
    assert state.step == 6
