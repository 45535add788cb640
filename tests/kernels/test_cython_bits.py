"""Results of the C kernels that do not depend, to the bit, on which of their ways was taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

kernels = pytest.importorskip("fastnn.kernels.cython._kernels")

SETS = kernels.instruction_sets()
N_ROWS = 39  # a part of a vector more than any number of lanes


@pytest.fixture(
    params=[(isa, dtype) for isa in SETS for dtype in ("float32", "float64")],
    ids=str,
    scope="module",
)
def table(request):
    isa, dtype = request.param
    made = kernels.Kernels(isa, dtype == "float64")
    made_for = np.dtype(dtype)
    return made, made_for


def logits(n_out, dtype):
    """Rows of all sizes; some with ties, some with infinities or no numbers."""
    rng = np.random.default_rng(n_out)
    z = (rng.normal(size=(N_ROWS, n_out)) * np.logspace(-3, 2, N_ROWS)[:, None]).astype(dtype)
    z[3] = z[3, 0]
    z[5, -1] = np.inf
    z[7, n_out // 2] = np.nan
    z[9] = -np.inf
    return z


# Around the numbers of lanes (2 to 16), and where rows are too long to go together.
@pytest.mark.parametrize("n_out", [1, 2, 3, 10, 16, 17, 33, 64, 65, 100])
def test_softmax_of_a_row_is_the_same_by_itself_and_among_others(table, n_out):
    made, dtype = table
    z = logits(n_out, dtype)
    together, alone = np.empty_like(z), np.empty_like(z)
    made.softmax(z, together)
    for i in range(N_ROWS):
        made.softmax(z[i : i + 1], alone[i : i + 1])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n_out", [1, 2, 3, 10, 16, 17, 33, 64, 65, 100])
def test_cross_entropy_of_a_row_is_the_same_by_itself_and_among_others(table, n_out, smoothing):
    made, dtype = table
    z = logits(n_out, dtype)
    labels = np.arange(N_ROWS) % n_out
    weight = np.linspace(0, 2, N_ROWS)
    together, alone = np.empty_like(z), np.empty_like(z)
    losses = [
        made.softmax_cross_entropy(
            z[i : i + 1], labels[i : i + 1], weight[i : i + 1], smoothing, alone[i : i + 1]
        )
        for i in range(N_ROWS)
    ]
    numbers = np.isfinite(losses)
    total = made.softmax_cross_entropy(
        z[numbers], labels[numbers], weight[numbers], smoothing, np.empty_like(z[numbers])
    )
    made.softmax_cross_entropy(z, labels, weight, smoothing, together)
    np.testing.assert_array_equal(together, alone)
    assert total == sum(loss for loss, is_number in zip(losses, numbers, strict=True) if is_number)


# As many rows as lanes and more: the last columns are then summed with rows in the lanes.
@given(
    n_rows=st.integers(1, 60), n_in=st.integers(1, 150), n_out=st.integers(1, 40),
    activation=st.sampled_from(["identity", "relu", "sigmoid"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_sums_of_a_row_are_the_same_by_itself_and_among_others(
    table, n_rows, n_in, n_out, activation, seed
):
    made, dtype = table
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_in)).astype(dtype)
    weight = rng.normal(size=(n_in, n_out)).astype(dtype)
    bias = rng.normal(size=n_out).astype(dtype)
    code = kernels.ACTIVATIONS.index(activation)
    together, alone = np.empty((2, n_rows, n_out), dtype)
    z_together, z_alone = np.empty((2, n_rows, n_out), dtype)
    made.dense_forward(x, weight, bias, code, together, z_together)
    for i in range(n_rows):
        row = slice(i, i + 1)
        made.dense_forward(x[row], weight, bias, code, alone[row], z_alone[row])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(z_together, z_alone)
    sizes = np.abs(x.astype(float)) @ np.abs(weight) + np.abs(bias)
    exact = x.astype(float) @ weight + bias
    assert np.all(np.abs(z_together - exact) <= n_in * np.finfo(dtype).eps * sizes)


@given(
    n_rows=st.integers(1, 150), n_in=st.integers(1, 60), n_out=st.integers(1, 40),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_gradients_of_a_column_are_the_same_by_itself_and_among_others(
    table, n_rows, n_in, n_out, seed
):
    made, dtype = table
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, n_in)).astype(dtype)
    delta = rng.normal(size=(n_rows, n_out)).astype(dtype)
    together, alone = np.empty((2, n_in, n_out), dtype)
    made.weight_gradient(x, delta, together, None)
    for i in range(n_in):
        made.weight_gradient(x[:, i : i + 1], delta, alone[i : i + 1], None)
    np.testing.assert_array_equal(together, alone)
    exact = x.T.astype(float) @ delta
    sizes = np.abs(x.T.astype(float)) @ np.abs(delta)
    assert np.all(np.abs(together - exact) <= n_rows * np.finfo(dtype).eps * sizes)


@pytest.mark.parametrize("kind", ["u1", "own"])
@pytest.mark.parametrize("n_rows", [30, 100, 200])
@pytest.mark.parametrize("n_out", [3, 100, 128, 300])
def test_gradient_of_images_is_that_of_columns_taken_one_by_one(table, n_rows, n_out, kind):
    # Runs of pixels: the kernel takes two columns of x at once where their zeros agree.
    made, dtype = table
    rng = np.random.default_rng(n_rows + n_out)
    kept = rng.random((n_rows, 41)) < 0.2
    kept = np.repeat(kept, 5, axis=1)[:, 2:]  # 203 columns; a run may begin at an even or odd one
    kept[:, 60:70] = False
    x = (rng.integers(1, 256, kept.shape) * kept).astype("u1" if kind == "u1" else dtype)
    spread = np.zeros((n_rows, 2 * x.shape[1]), x.dtype)
    spread[:, ::2] = x  # neighbours that never agree
    delta = rng.normal(size=(n_rows, n_out)).astype(dtype)
    near = np.empty((x.shape[1], n_out), dtype)
    apart = np.empty((spread.shape[1], n_out), dtype)
    made.weight_gradient(x, delta, near, None)
    made.weight_gradient(spread, delta, apart, None)
    np.testing.assert_array_equal(near, apart[::2])
    np.testing.assert_array_equal(apart[1::2], 0)
    exact = x.astype(np.float64).T @ delta
    bound = 2 * np.sqrt(n_rows) * np.finfo(dtype).eps * (x.astype(float).T @ np.abs(delta))
    assert np.all(np.abs(near - exact) <= bound + np.finfo(dtype).tiny)
