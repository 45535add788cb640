"""What a fit takes in: every kind of input, options, data in pieces."""

import copy

import numpy as np
import pytest
from scipy import sparse
from support.examples import blobs, same_bits, small_network

import fastnn
from fastnn import SGD, Adam, RMSprop

X, Y = blobs()
BYTES = np.random.default_rng(1).integers(0, 256, (120, 4), np.uint8)


def trained(x, y=Y, net=None, **options):
    net = net or small_network()
    net.fit(x, y, **{"epochs": 2, "batch_size": 7} | options)
    return net


def assert_same_network(a, b):
    assert same_bits(a.parameters, b.parameters)


# -- inputs ---------------------------------------------------------------------------------------


class Frame:
    """What pandas hands to NumPy."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def memory_map(x, path):
    np.save(path / "x.npy", x)
    return np.load(path / "x.npy", mmap_mode="r")


KINDS = {
    "Fortran": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "read-only": read_only,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "list of lists": lambda x: x.tolist(),
    "frame": Frame,
    "matrix": lambda x: x.view(np.matrix),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_the_layout_of_x_changes_nothing(backend, kind):
    net = small_network(backend=backend.name)
    same = small_network(backend=backend.name)
    trained(KINDS[kind](X), net=net)
    trained(X, net=same)
    np.testing.assert_allclose(net.parameters, same.parameters, rtol=0, atol=1e-12)


def test_x_may_be_a_memory_map(backend, tmp_path):
    x = memory_map(X, tmp_path)
    a = trained(x, net=small_network(backend=backend.name))
    assert_same_network(a, trained(X, net=small_network(backend=backend.name)))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "uint64", "bool", "float16"])
def test_other_real_dtypes_are_taken_by_value(dtype):
    x = (X > 0) if dtype == "bool" else np.round(np.abs(X) * 4)
    a, b = trained(x.astype(dtype)), trained(x.astype(np.float64))
    assert_same_network(a, b)


def test_float32_and_float64_rows_mean_the_same_numbers(backend):
    x = X.astype(np.float32)
    a = trained(x, net=small_network(backend=backend.name))
    b = trained(x.astype(np.float64), net=small_network(backend=backend.name))
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-12)


def test_bytes_are_multiplied_by_input_scale(backend):
    def one():
        return small_network(backend=backend.name, input_scale=0.25)

    a, b = trained(BYTES, net=one()), trained(BYTES * 0.25, net=one())
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a.predict_proba(BYTES), a.predict_proba(BYTES * 0.25), atol=1e-14)


def test_only_bytes_are_scaled():
    assert_same_network(
        trained(X, net=small_network(input_scale=0.25)), trained(X, net=small_network())
    )


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "csr_matrix", "int64 indices"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int16"])
def test_a_sparse_x_trains_as_the_dense_one_does(backend, kind, dtype):
    dense = np.where(BYTES > 99, BYTES % 8, 0).astype(dtype)
    dense[5] = 0  # an empty row
    if kind == "csr_matrix":
        x = sparse.csr_matrix(dense)
    elif kind == "int64 indices":
        x = sparse.csr_array(dense)
        x.indices, x.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
    else:
        x = sparse.csr_array(dense).asformat(kind)
    a = trained(x, net=small_network(backend=backend.name, input_scale=1 / 255))
    b = trained(dense, net=small_network(backend=backend.name, input_scale=1 / 255))
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-12)
    np.testing.assert_allclose(a.predict_proba(x), b.predict_proba(dense), rtol=0, atol=1e-12)


def test_a_fit_does_not_write_into_its_data(backend):
    x, y, w = X.copy(), Y.copy(), np.ones(120)
    trained(x, y, net=small_network(backend=backend.name), sample_weight=w, dropout=0.5)
    assert same_bits(x, X)
    assert same_bits(y, Y)
    assert same_bits(w, np.ones(120))


# -- options --------------------------------------------------------------------------------------


def step(backend=None, **options):
    """The change of the weights in one step of rate 1 on all rows."""
    net = small_network((4, 3), bias=False)
    before = net.weights[0].copy()
    net.fit(X, Y, epochs=1, batch_size=120, shuffle=False, optimizer=SGD(1.0), **options)
    return net.weights[0] - before, before


def test_reduction_sum_is_the_mean_times_the_rows():
    np.testing.assert_allclose(step(reduction="sum")[0], 120 * step()[0], rtol=1e-12)


def test_l2_adds_its_share_of_the_weights():
    (plain, before), (change, _) = step(), step(l2=0.125)
    np.testing.assert_allclose(change, plain - 0.125 * before, rtol=0, atol=1e-14)


def test_l1_adds_the_sign_of_the_weights():
    (plain, before), (change, _) = step(), step(l1=0.125)
    np.testing.assert_allclose(change, plain - 0.125 * np.sign(before), rtol=0, atol=1e-14)


def test_clip_norm_bounds_the_gradient():
    plain, _ = step()
    change, _ = step(clip_norm=0.01)
    assert np.linalg.norm(plain) > 0.02
    np.testing.assert_allclose(change, plain * (0.01 / np.linalg.norm(plain)), rtol=1e-12)


def test_max_norm_bounds_the_weights_into_each_unit():
    change, before = step(max_norm=0.05)
    assert np.linalg.norm(before + change, axis=0) == pytest.approx([0.05] * 3, rel=1e-12)


def test_dropout_drops_in_the_named_layer_only(backend):
    net = small_network((4, 500, 400, 3), backend=backend.name)
    before = [weight.copy() for weight in net.weights]
    net.partial_fit(X[:1], Y[:1], optimizer=SGD(1.0), dropout=(0.0, 0.5))  # one row, one mask
    unmoved = [(w == b).all(axis=1).mean() for w, b in zip(net.weights, before, strict=True)]
    assert unmoved[1] == 0.0  # a unit that was kept teaches the weights that leave it
    assert 0.4 < unmoved[2] < 0.6  # of 400; 0.1 is 4 deviations


def test_dropout_is_for_learning_only():
    net = trained(X, dropout=0.5)
    assert same_bits(net.predict_proba(X), net.predict_proba(X))
    assert net.evaluate(X, Y) == net.evaluate(X, Y)


def test_dropout_needs_no_hidden_layer():
    assert_same_network(
        trained(X, net=small_network((4, 3)), dropout=0.5), trained(X, net=small_network((4, 3)))
    )


WRONG = {
    "epochs": ({"epochs": -1}, ValueError, "epochs must be at least 0, got -1"),
    "epochs: fraction": ({"epochs": 1.5}, TypeError, "epochs must be an integer, got 1.5"),
    "batch_size": ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    "optimizer": ({"optimizer": "adam"}, TypeError, r"such as fastnn.SGD\(0.5\), got 'adam'"),
    "reduction": ({"reduction": "avg"}, ValueError, "one of 'mean', 'sum', got 'avg'"),
    "shuffle": (
        {"shuffle": "no"},
        TypeError,
        "shuffle must be True, False or \"blocks\", got 'no'",
    ),
    "l1": ({"l1": -1}, ValueError, r"l1 must be in \[0, inf\), got -1"),
    "l2: NaN": ({"l2": np.nan}, ValueError, r"l2 must be in \[0, inf\), got nan"),
    "max_norm": ({"max_norm": 0}, ValueError, "max_norm must be above 0 and finite, got 0"),
    "clip_norm": ({"clip_norm": -2}, ValueError, "clip_norm must be above 0 and finite, got -2"),
    "dropout": ({"dropout": 1}, ValueError, r"dropout must be in \[0, 1\), got 1"),
    "dropout: layers": ({"dropout": [0.1, 0.2]}, ValueError, "1 hidden layers, got 2 values"),
    "dropout: one": ({"dropout": [-1]}, ValueError, r"dropout\[0\] must be in"),
    "callbacks": ({"callbacks": 3}, TypeError, r"a function f\(network, epoch, record\), got 3"),
    "progress": ({"progress": 3}, TypeError, r"progress must be True or False, got 3 \(int\)"),
    "callback of nothing": (
        {"callbacks": lambda: None},
        TypeError,
        r"called as f\(network, epoch, record\), but .* does not accept these arguments: too many",
    ),
    "callback class": ({"callbacks": fastnn.EarlyStopping}, TypeError, "a callback must be"),
    "validation": ({"validation_data": X}, TypeError, r"must be a tuple \(x, y\) or"),
    "validation x": (
        {"validation_data": (X[:, :2], Y)},
        ValueError,
        "validation_data: x has 2 columns, but the network takes 4",
    ),
    "validation y": (
        {"validation_data": (X, ["a"] * 120)},
        TypeError,
        "validation_data: y must hold class indices",
    ),
    "weights": ({"sample_weight": np.ones(3)}, ValueError, "x has 120 rows, but sample_weight"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_option_is_named_and_changes_nothing(case):
    options, error, words = WRONG[case]
    net = small_network()
    before, random_state = net.parameters.copy(), net.rng.bit_generator.state
    with pytest.raises(error, match=words):
        net.fit(X, Y, **options)
    assert same_bits(net.parameters, before)
    assert net.rng.bit_generator.state == random_state


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X[:0], Y[:0], "no rows: training and evaluation need"),
        (X, np.zeros(120, int), "only one class, 0"),
        (np.where(X.max() <= X, np.nan, X), Y, "x must be finite, got nan in row"),
        (X, Y + 1, "class indices 0 to 2, got 3 in row 2"),
        (X, Y[:50], "x has 120 rows, but y has 50"),
    ],
    ids=["empty", "one class", "NaN", "label out of range", "rows"],
)
def test_bad_data_are_refused_and_change_nothing(backend, x, y, words):
    net = small_network(backend=backend.name)
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=words):
        net.fit(x, y)
    assert same_bits(net.parameters, before)


def test_one_class_is_named_by_its_label():
    net = small_network(class_labels=["a", "b", "c"])
    with pytest.raises(ValueError, match="only one class, 'b'"):
        net.fit(X, ["b"] * 120)


def test_a_batch_larger_than_the_data_is_one_batch(backend):
    a = trained(X, net=small_network(backend=backend.name), batch_size=10**30)
    b = trained(X, net=small_network(backend=backend.name), batch_size=120)
    assert_same_network(a, b)


# -- data in pieces -------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), RMSprop(), Adam()], ids=repr)
def test_partial_fit_is_a_fit_of_one_epoch(backend, optimizer):
    options = {"batch_size": 7, "shuffle": False, "optimizer": optimizer, "dropout": 0.2}
    a, b = (small_network(backend=backend.name) for _ in range(2))
    seen_a, seen_b = a.fit(X, Y, epochs=1, **options), b.partial_fit(X, Y, **options)
    assert_same_network(a, b)
    assert seen_a["loss"] == seen_b["loss"]


def test_partial_fits_go_on_where_the_last_one_ended(backend):
    options = {"batch_size": 10, "shuffle": False, "optimizer": Adam(0.01), "dropout": 0.2}
    a, b = (small_network(backend=backend.name) for _ in range(2))
    a.fit(X, Y, epochs=1, **options)
    for part in (slice(0, 50), slice(50, 120)):
        b.partial_fit(X[part], Y[part], **options)
    assert_same_network(a, b)
    assert b.optimizer_state.step == 12


def test_partial_fit_keeps_the_optimizer_used_last():
    a, b = small_network(), small_network()
    for net, again in ((a, None), (b, SGD(0.2, momentum=0.5))):
        net.fit(X, Y, epochs=1, optimizer=SGD(0.2, momentum=0.5))
        net.partial_fit(X, Y, optimizer=again)
    assert_same_network(a, b)


def test_partial_fit_takes_a_new_rate_on_with_the_old_state():
    net = small_network()
    net.partial_fit(X, Y, optimizer=SGD(0.2, momentum=0.5))
    momentum = net.optimizer_state.slots
    net.partial_fit(X, Y, optimizer=SGD(0.1, momentum=0.5))
    assert net.optimizer_state.slots is momentum
    assert net.optimizer_state.step == 4
    twin = copy.deepcopy(net)
    net.partial_fit(X, Y)
    twin.partial_fit(X, Y, optimizer=SGD(0.1, momentum=0.5))
    assert_same_network(net, twin)


@pytest.mark.parametrize("other", [RMSprop(), SGD(0.2)], ids=repr)
def test_partial_fit_with_another_kind_of_optimizer_starts_afresh(other):
    net = small_network()
    net.partial_fit(X, Y, optimizer=SGD(0.2, momentum=0.5))
    net.partial_fit(X, Y, optimizer=other)
    assert net.optimizer_state.step == 2
    assert len(net.optimizer_state.slots) == other.n_state


def test_a_fit_starts_with_a_fresh_optimizer():
    a, b = small_network(), small_network()
    for net in (a, b):
        net.fit(X, Y, epochs=1, shuffle=False)
    b.optimizer_state.slots[...] = 99
    for net in (a, b):
        net.fit(X, Y, epochs=1, shuffle=False)
    assert_same_network(a, b)


def test_partial_fit_takes_rows_of_one_class():
    assert small_network().partial_fit(X[:1], Y[:1]).n_epochs == 1
