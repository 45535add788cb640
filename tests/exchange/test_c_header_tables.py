"""C headers of tables: columns far from zero and of different sizes keep their accuracy."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from support.c_programs import batches, compiled, output_of, run, sanitizers
from support.examples import same_bits, small_network
from support.propagation import propagated
from support.tables import folded_network, random_table

import fastnn
from fastnn.exchange.c.eight_bits import QuantizedWeight
from fastnn.exchange.c.header import header
from fastnn.exchange.c.literals import comment_text
from fastnn.exchange.c.parameters import folded, known_columns, rounded
from fastnn.exchange.quantization import dequantized
from fastnn.model.standardization import Standardization, fold
from fastnn.rows.trained_on import TrainedOn

ROUNDINGS = 6
"""Of a product in the first layer, in units of eps, with those of one in the same form in float64:
of the difference, the factor, the product, the weight; in eight bits of the scale twice."""


def tables(seeds):
    for seed in seeds:
        rng = np.random.default_rng([seed, 17])
        x = random_table(rng)
        yield folded_network(rng, x), x


def bounded(network, x, weights):
    """Outputs of a network for rows that float32 holds, and how far C's may lie from them.

    The first layer is written as C has it, (x − m) f @ V + c, but in float64.
    """
    parameters = rounded(network, weights, known_columns(network))
    mean, factor = (part.astype(np.float64) for part in parameters.inputs[:2])
    model = network
    if weights == "int8":
        model = fastnn.Network.from_model(folded(network, parameters))
    form = fastnn.Network.from_architecture(network.architecture)
    form.parameters = model.parameters
    first = model.weights[0]
    form.weights[0][...] = np.divide(
        first, factor[:, None], where=factor[:, None] > 0, out=np.zeros_like(first)
    )
    form.biases[0][...] = model.biases[0] + mean @ first
    _, bound = propagated(form, (x - mean) * factor, extra_roundings=ROUNDINGS)
    if network.architecture.classifies:
        return model.predict_proba(x), bound
    return model.predict(x).reshape(len(x), -1), bound


@pytest.mark.parametrize("seeds", list(batches(range(24), 8)), ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_random_tables_give_in_c_what_they_give_in_fastnn(tmp_path, seeds, weights):
    networks, rows = zip(*tables(seeds), strict=True)
    found = run(tmp_path, networks, rows, "-O1", weights=weights)
    for network, x, outputs in zip(networks, rows, found, strict=True):
        expected, bound = bounded(network, x, weights)
        wrong = ~(np.abs(outputs.out - expected) <= bound)
        assert not wrong.any(), (network, np.argwhere(wrong)[:3], bound[wrong][:3])
        if network.architecture.output == "softmax":
            best = np.sort(expected, axis=1)
            decided = best[:, -1] - best[:, -2] > 2 * bound.max(axis=1)
            assert (outputs.classes == expected.argmax(axis=1))[decided].all()


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_no_undefined_behaviour_in_headers_of_tables_and_they_are_cpp_too(tmp_path, weights):
    networks, rows = zip(*tables(range(50, 54)), strict=True)
    plain = run(tmp_path, networks, rows, weights=weights, language="cpp")
    checked = run(tmp_path, networks, rows, *sanitizers(tmp_path), weights=weights)
    for network, cpp, c in zip(networks, plain, checked, strict=True):
        np.testing.assert_allclose(cpp.out, c.out, rtol=1e-3, atol=1e-4, err_msg=str(network))


def test_a_pressure_and_a_time_classify_in_float_as_in_float64(tmp_path):
    """The class hangs on both: float would round the plain sums by more than they vary."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(101325, 5, 400), rng.integers(0, 86400, 400) + 1.7e9])
    x = x.astype(np.float32).astype(np.float64)
    inputs = Standardization.of(x)
    network = fastnn.Network((2, 2), dtype="float64", seed=0)
    network.weights[0][...] = [[1, -1], [1, -1]]
    fold(network, inputs, Standardization.none(2))
    margin = np.abs(inputs.apply(x, np.float64).sum(axis=1))
    (found,) = run(tmp_path, [network], [x])
    sure = margin > 1e-5  # far more than float rounds what varies by
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found.classes[sure], network.predict(x)[sure])


def test_bytes_of_a_standardised_table_are_taken_too(tmp_path):
    rng = np.random.default_rng(1)
    x = rng.integers(100, 256, (64, 5), np.uint8)
    network = folded_network(rng, x.astype(np.float64), input_scale=0.5, output="softmax")
    network.architecture = replace(network.architecture, input_scale=0.5)
    (found,) = run(tmp_path, [network], [x])
    np.testing.assert_allclose(found.out, network.predict_proba(x * 0.5), rtol=1e-4, atol=1e-6)


# -- columns that float cannot tell ---------------------------------------------------------------


def nanoseconds():
    """A network of a second in nanoseconds since 1970, steps of float: 137 s, and a width."""
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.uniform(0, 1e9, 300) + 1.7e18, rng.normal(size=300)])
    network = small_network((2, 8, 2), activation="tanh")
    fold(network, Standardization.of(x), Standardization.none(2))
    return network, x


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_a_column_that_float_cannot_tell_counts_as_its_mean(tmp_path, weights):
    network, x = nanoseconds()
    (found,) = run(tmp_path, [network], [x], weights=weights)
    at_mean = x.copy()
    at_mean[:, 0] = network.trained_on.mean[0]
    np.testing.assert_allclose(found.out, network.predict_proba(at_mean), atol=0.01)
    if weights == "float32":
        np.testing.assert_allclose(found.out, network.predict_proba(at_mean), atol=1e-5)


@pytest.mark.parametrize("named", [True, False])
def test_a_column_that_is_left_out_is_named(tmp_path, named):
    network, _ = nanoseconds()
    name = "time" if named else "column 1"
    if named:
        network.trained_on = replace(network.trained_on, feature_names=("time", "width"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network.to_c(tmp_path / "net.h")
    assert f"the C header leaves out '{name}'" in str(caught[0].message)
    text = (tmp_path / "net.h").read_text()
    expected = "x[0]   time, left out" if named else "from their means: x[0]."
    assert expected in text


def test_columns_without_weights_are_not_warned_of(tmp_path):
    x = np.column_stack([np.full(50, 1.7e18), np.linspace(-1, 1, 50)])
    network = small_network((2, 3))
    fold(network, Standardization.of(x), Standardization.none(3))
    network.trained_on = replace(network.trained_on, feature_names=("id", "width"))
    network.to_c(tmp_path / "net.h")
    assert "x[0]   id, not used: its weights are zero" in (tmp_path / "net.h").read_text()


# -- eight bits -----------------------------------------------------------------------------------

TABLES = ("breast_cancer", "wine", "iris", "diabetes")


def trained(name):
    """A network trained on a table of scikit-learn as the command line does, and test rows."""
    datasets = pytest.importorskip("sklearn.datasets")
    options = {"scaled": False} if name == "diabetes" else {}
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    test, train = order[: len(x) // 4], order[len(x) // 4 :]
    inputs = Standardization.of(x[train])
    regression = name == "diabetes"
    n_out = 1 if regression else int(y.max()) + 1
    targets = Standardization.of(y[train]) if regression else Standardization.none(n_out)
    network = fastnn.Network(
        (x.shape[1], 32, n_out), activation="relu", dtype="float64", seed=0,
        output="identity" if regression else "softmax",
    )  # fmt: skip
    learned = targets.apply(y[train][:, None], float) if regression else y[train]
    network.fit(inputs.apply(x[train], float), learned, epochs=60, batch_size=16,
                optimizer=fastnn.Adam(0.003), progress=False)  # fmt: skip
    fold(network, inputs, targets)
    return network, x[test], y[test]


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("name", TABLES)
def test_eight_bits_lose_little_on_tables(tmp_path, name, remembers):
    network, x, y = trained(name)
    if not remembers:
        network.trained_on = None
    found = network.to_c(tmp_path / "net.h", weights="int8", rows=(x, y)).agreement
    assert found.network > (0.3 if name == "diabetes" else 0.9)
    assert abs(found.lost) <= 0.01
    assert found.agreement >= 0.98
    measure = "r2" if name == "diabetes" else "accuracy"
    assert dequantized(network, x).evaluate(x, y)[measure] == pytest.approx(found.header, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_in_eight_bits_each_input_keeps_seven_bits_of_its_own_largest_weight(seed):
    network, _ = next(tables([100 + seed]))
    exact = network.weights[0]
    network.weights[0][0] *= 1e-4  # of no weight beside the others, in the column's own deviation
    largest = np.abs(exact).max(axis=1, keepdims=True)
    error = np.abs(dequantized(network).weights[0] - exact)
    assert (error <= largest / 254 * (1 + 1e-5)).all()


def unequal(ratio):
    """A network without memory of its rows, of columns whose sizes differ by a factor."""
    network = small_network((2, 16, 3), class_labels=("a", "b", "c"))
    network.weights[0][0] *= ratio
    return network


def test_inputs_of_different_sizes_have_a_factor_each_in_eight_bits():
    network = unequal(1e4)
    exact = network.weights[0]
    for model in (dequantized(network), dequantized(unequal(1e-4))):
        scale = np.abs(model.weights[0]).max(axis=1) / np.abs(exact).max(axis=1)
        assert scale.min() > 0
    error = np.abs(dequantized(network).weights[0] - exact)
    assert (error <= np.abs(exact).max(axis=1, keepdims=True) / 127).all()


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_inputs_of_about_one_size_have_none(ratio):
    network = small_network()
    network.weights[0][...] = np.sign(network.weights[0])
    network.weights[0][0] *= ratio
    assert "factor" not in header(network, "net", weights="int8")


def test_bytes_have_none():
    network = unequal(1e4)
    assert "factor" in header(network, "net", weights="int8")
    network.trained_on = TrainedOn("bytes")
    assert "factor" not in header(network, "net", weights="int8")


# -- rows to measure and to calibrate on ----------------------------------------------------------


def far_network(rng):
    """A folded network that does not remember its columns, and rows of them."""
    x = rng.normal([1e6, -3e7, 0], [1, 10, 1], (200, 3))
    x = x.astype(np.float32).astype(np.float64)
    network = folded_network(rng, x, output="softmax")
    network.trained_on = None
    return network, x


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_rows_give_the_means_that_a_network_does_not_remember(tmp_path, weights):
    network, x = far_network(np.random.default_rng(4))
    written = network.to_c(tmp_path / "net.h", weights=weights, rows=x)
    assert written.agreement.agreement >= 0.99
    assert (written.agreement.n_rows, written.agreement.synthetic) == (200, False)
    assert "net_mean[3]" in (tmp_path / "net.h").read_text()


def test_what_float_loses_without_means_is_measured():
    """In the header's own arithmetic: in float64 the same weights would lose nothing."""
    from fastnn.exchange.c.accuracy import measured

    network, x = far_network(np.random.default_rng(4))
    found = measured(network, rounded(network, "float32", None), None, x, None)
    assert found.agreement < 0.99


def test_rows_near_zero_leave_the_header_as_it_is(tmp_path):
    network, x = small_network(), np.random.default_rng(0).normal(size=(40, 4))
    network.to_c(tmp_path / "a.h", name="net")
    network.to_c(tmp_path / "b.h", name="net", rows=x)
    assert (tmp_path / "a.h").read_bytes() == (tmp_path / "b.h").read_bytes()


def test_labels_are_measured_beside_the_agreement(tmp_path):
    network, x = (
        small_network(class_labels=("a", "b", "c")),
        np.random.default_rng(0).normal(size=(40, 4)),
    )
    y = network.predict(x)
    y[:10] = "a"
    found = network.to_c(tmp_path / "net.h", rows=(x, y)).agreement
    assert found.network == network.evaluate(x, y)["accuracy"]
    assert found.header == pytest.approx(found.network, abs=0.03)
    assert f"accuracy {found.header:.2%}".replace("%", " %") in str(found)


def test_without_rows_synthetic_ones_are_drawn_from_the_columns(tmp_path):
    rng = np.random.default_rng(5)
    x = random_table(rng)
    network = folded_network(rng, x, output="identity")
    found = network.to_c(tmp_path / "net.h").agreement
    assert found.synthetic
    assert found.n_rows == 2000
    assert found.agreement > 0.99
    assert "2,000 synthetic rows" in str(found)
    assert small_network().to_c(tmp_path / "net.h").agreement is None


def test_a_header_that_loses_accuracy_is_warned_of(tmp_path):
    network, x = small_network((4, 3)), np.random.default_rng(0).normal(size=(500, 4))
    apart = np.array([1e-3, -1e-3, 1e-3, -1e-3])  # by less than half a step of the weights
    network.weights[0][:, 1] = network.weights[0][:, 0] + apart
    network.biases[0][2] = -9
    with pytest.warns(UserWarning, match=r"the C header in int8 loses accuracy: .* Use weights="):
        network.to_c(tmp_path / "net.h", weights="int8", rows=x)


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("kind", ["bytes", "sparse", "frame"])
def test_rows_of_every_kind_are_taken(tmp_path, kind, weights):
    sparse, pandas = pytest.importorskip("scipy.sparse"), pytest.importorskip("pandas")
    network = small_network()
    x = np.random.default_rng(0).integers(0, 256, (30, 4), np.uint8)
    rows = {
        "bytes": x,
        "sparse": sparse.csr_matrix(x.astype(np.float64)),
        "frame": pandas.DataFrame(x / 255, columns=list("abcd")),
    }[kind]
    for model in (network, unequal_like(network)):
        found = model.to_c(tmp_path / "net.h", weights=weights, rows=rows).agreement
        assert (found.n_rows, found.agreement > 0.8) == (30, True)


def unequal_like(network):
    other = small_network()
    other.parameters = network.parameters
    other.weights[0][0] *= 100
    return other


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.zeros((3, 5)), "x has 5 columns, but the network takes 4"),
        (np.zeros((0, 4)), "x has no rows"),
        ((np.zeros((3, 4)), [0, 1]), "x has 3 rows, but y has 2"),
        (np.full((3, 4), 1e39), r"rows hold 1e\+39, which does not fit in a C float"),
        (np.full((3, 4), -1e39), r"rows hold -1e\+39, which"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, rows, words):
    with pytest.raises(ValueError, match=words):
        small_network().to_c(tmp_path / "net.h", rows=rows)
    assert not list(tmp_path.iterdir())


# -- what the header says -------------------------------------------------------------------------

NAMES = [
    "age",
    "*/ int x; /*",
    "a\nb\r\t",
    "??/",
    "??\\",
    "**//**/",
    "é日本🙂",
    "\ud800",
    "",
    "x" * 300,
    "\\",
    "/*",
]


def test_names_of_columns_label_and_classes_stand_in_comments(tmp_path):
    network = small_network((len(NAMES), 3), class_labels=("no", "*/", "yes\n"))
    network.trained_on = TrainedOn(feature_names=tuple(NAMES), label_name="what */ ??/")
    network.to_c(tmp_path / "net.h")
    text = (tmp_path / "net.h").read_text()
    assert " *     x[0]    age\n" in text
    assert " *     x[6]    \\xe9\\u65e5\\u672c\\U0001f642\n" in text
    assert " * What is predicted: what *\\/ ?\\?/\n" in text
    assert " *     1   *\\/\n" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    source = '#include "net.h"\nint main(void)\n{\n    return net_class_labels[0] == 0;\n}\n'
    for language in ("c", "cpp"):
        program = compiled(tmp_path, source, "-trigraphs", language=language)
        assert output_of(program) == b""


@pytest.mark.parametrize("text", ["*/", "/*", "/*/", "*/*", "????/", "\\\n", "*\\\n/", "\u202e"])
def test_no_text_ends_or_begins_a_comment(text):
    shown = comment_text(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert not re.search(r"\*/|/\*|\?\?", shown)


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("n_hidden", [0, 1])
def test_the_size_counts_means_and_factors(tmp_path, weights, n_hidden):
    rng = np.random.default_rng(6)
    x = rng.normal(50, 1, (20, 5))
    network = small_network((5, *[4] * n_hidden, 3))
    fold(network, Standardization.of(x), Standardization.none(3))
    n_bytes = network.to_c(tmp_path / "net.h", weights=weights).n_bytes
    text = (tmp_path / "net.h").read_text()
    arrays = re.findall(r"const (?:float|int8_t) (net_(?:mean|factor|\w+_\d))\[", text)
    assert {"net_mean", "net_factor"} < set(arrays)
    sizes = " + ".join(f"sizeof {array}" for array in arrays)
    program = compiled(
        tmp_path,
        '#include "net.h"\n#include <stdio.h>\nint main(void)\n{\n'
        f'    printf("%d", (int)({sizes}));\n    return 0;\n}}\n',
    )
    assert int(output_of(program)) == n_bytes
    assert ("net_dense(" in text) == bool(n_hidden)


def test_the_folded_network_in_float64_is_what_was_quantised():
    network, _ = next(tables([3]))
    parameters = rounded(network, "int8", known_columns(network))
    assert isinstance(parameters.weights[0], QuantizedWeight)
    model = folded(network, parameters)
    assert same_bits(model.parameters, dequantized(network).parameters)
    np.testing.assert_allclose(
        model.weights[0],
        parameters.weights[0].dequantized() * parameters.inputs.factor[:, None].astype(float),
        rtol=1e-15,
    )
