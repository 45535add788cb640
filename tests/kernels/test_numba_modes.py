"""The Numba backend without its compiler, with every index checked, and what it does not import."""

import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("numba")

# Each option of a step once, against the reference; prints the largest error of any parameter.
PARITY = textwrap.dedent("""
    import itertools
    import numpy as np
    from fastnn.architecture import Architecture
    from fastnn.backends import get_backend
    from fastnn.backends.minibatch import TrainingOptions
    from fastnn.optimizers import SGD, AdamW, OptimizerState, RMSprop

    rng = np.random.default_rng(0)
    x = (rng.random((11, 20)) * 255 * (rng.random((11, 20)) < 0.3)).astype(np.uint8)
    order = rng.permutation(11)
    cases = [
        (Architecture((20, 5, 3), ("sigmoid",), dtype="float64"), SGD(0.1), {}),
        (
            Architecture((20, 5, 4, 3), ("gelu", "tanh"), bias=False, dtype="float64"),
            AdamW(0.01), {"l1": 0.01, "l2": 0.01, "max_norm": 0.5, "dropout": (0.2, 0.5)},
        ),
        (
            Architecture((20, 6, 2), ("softplus",), "identity", "huber", dtype="float64"),
            RMSprop(0.01), {"clip_norm": 0.1, "reduction": "sum"},
        ),
    ]
    worst = 0.0
    for (net, optimizer, options), values in itertools.product(cases, (x, x[:, ::-1] / 255 + 0.1)):
        start = net.allocate()
        for weight in net.weights(start):
            weight[...] = rng.normal(size=weight.shape) / 4
        y = rng.integers(0, 3, 11) if net.output == "softmax" else rng.normal(size=(11, 2))
        results = []
        for name in ("numpy", "numba"):
            backend, params = get_backend(name), start.copy()
            state = OptimizerState(np.zeros((optimizer.n_state, net.n_slots)))
            settings = TrainingOptions(optimizer, 4, **options)
            backend.train_epoch(net, params, state, values, y, order, settings)
            out = np.empty((11, net.n_out))
            backend.predict(net, params, values, out)
            results.append(np.concatenate([params, out.ravel()]))
        worst = max(worst, float(np.abs(results[0] - results[1]).max()))
    print(worst)
""")


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.parametrize(
    "mode", ["NUMBA_DISABLE_JIT", pytest.param("NUMBA_BOUNDSCHECK", marks=pytest.mark.slow)]
)
def test_gives_what_the_reference_gives(mode, tmp_path):
    # the checks are the same in code that is optimised less, and made sooner
    done = run(PARITY, **{mode: "1", "NUMBA_OPT": "1", "NUMBA_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-12  # a few steps on numbers of order 1, in float64


# A non-zero in a column that the other matrix has no row for.
BEYOND = textwrap.dedent("""
    import numpy as np
    from fastnn.kernels.numba.sparse_products import add_sparse_product
    b, out = np.ones(2 * 16, np.float32), np.zeros(16, np.float32)
    starts, value = np.array([0, 1]), np.ones(1, np.float32)
    add_sparse_product(1, 1, starts, np.array([1], np.uint32), value, 16, b, 0, out, 0)
    print(out.sum())
    add_sparse_product(1, 1, starts, np.array([2], np.uint32), value, 16, b, 0, out, 0)
""")


@pytest.mark.parametrize("mode", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_finds_an_index_beyond_the_array(mode):
    done = run(BEYOND, **{mode: "1"})
    assert done.stdout == "16.0\n"
    assert "IndexError" in done.stderr


def test_needs_no_scipy():
    done = run("import sys; sys.modules['scipy'] = None" + PARITY)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-12


def test_absence_says_what_to_install():
    program = "import sys; sys.modules['numba'] = None; import fastnn.backends.numba"
    done = run(program)
    assert 'pip install "fastnn[numba]"' in done.stderr


def test_an_import_that_fails_shows_why():
    done = run(
        textwrap.dedent("""
        import sys
        class Refuses:
            def find_spec(self, name, path=None, target=None):
                if name == "numba":
                    raise ImportError("Numba needs NumPy 2.3 or less. Got NumPy 9.0.")
        sys.meta_path.insert(0, Refuses())
        import fastnn.backends.numba
    """)
    )
    assert "numba cannot be imported: Numba needs NumPy 2.3 or less" in done.stderr


def test_a_numba_that_the_kernels_do_not_know_is_an_absent_backend():
    done = run(
        textwrap.dedent("""
        import numba.core.registry
        del numba.core.registry.CPUDispatcher
        import fastnn
        print(fastnn.available_backends()["numba"])
    """)
    )
    assert done.returncode == 0, done.stderr
    assert "the kernels do not work with numba" in done.stdout
    assert "CPUDispatcher" in done.stdout
