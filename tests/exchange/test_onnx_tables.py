"""Networks that carry columns as ONNX models: ONNX Runtime prepares a table as fastnn does."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.export_bounds import prediction, same_classes
from support.mixed_tables import tables
from support.table_inputs import graph_inputs, random_table

import fastnn
from fastnn.architecture import ACTIVATIONS
from fastnn.exchange.onnx.table_inputs import as_unicode
from fastnn.tabular import learn_columns

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx.reference")
onnxruntime = pytest.importorskip("onnxruntime")

SEEDS = range(40)


def runtime(path, inputs):
    """What ONNX Runtime computes, by the outputs' names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def learned(seed, n_bins=None):
    """Columns of a random table, and a later one with the rows that fastnn makes of it."""
    train, later, kinds = random_table(seed)
    if n_bins is None:
        n_bins = (0, 0, 1, 7)[seed % 4]
    columns = learn_columns(train, kinds=kinds, n_bins=n_bins, min_count=1 + seed % 3)
    return columns, later, rows_of(columns, later)


def rows_of(columns, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of missing cells where there were none
        return columns.rows(table)


def showing_rows(columns):
    """A network whose predictions are its rows."""
    n = columns.n_out
    network = fastnn.Network((n, n), output="identity", dtype="float64")
    network.weights[0][...] = np.eye(n)
    network.columns = columns
    return network


def ensemble_of(columns, seed):
    rng = np.random.default_rng(seed)
    output = ("softmax", "sigmoid", "identity", "exp")[rng.integers(4)]
    n_out = int(rng.integers(2, 5)) if output == "softmax" else 1
    labels = ["no", "yes", "?", "¿"][:n_out] if output == "softmax" else None
    ensemble = fastnn.Ensemble(
        (columns.n_out, 7, 5, n_out), int(rng.integers(1, 5)), output=output, seed=seed,
        activation=ACTIVATIONS[seed % len(ACTIVATIONS)], class_labels=labels,
        dtype=("float32", "float64")[seed % 2],
    )  # fmt: skip
    for bias in ensemble.biases:
        bias[...] = rng.normal(size=bias.shape)
    ensemble.columns = columns
    return ensemble


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_those_of_fastnn_to_the_last_bit(seed, tmp_path):
    columns, later, rows = learned(seed)
    showing_rows(columns).to_onnx(tmp_path / "net.onnx")
    inputs = graph_inputs(columns, later)
    np.testing.assert_array_equal(runtime(tmp_path / "net.onnx", inputs)["prediction"], rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_ensemble_predicts_what_fastnn_does(seed, tmp_path):
    columns, later, rows = learned(seed)
    ensemble = ensemble_of(columns, seed)
    ensemble.to_onnx(tmp_path / "net.onnx")
    found = runtime(tmp_path / "net.onnx", graph_inputs(columns, later))
    classifies = ensemble.architecture.classifies
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        labels = ensemble.predict(later)
        expected = ensemble.predict_proba(later) if classifies else labels.reshape(len(rows), -1)
    bound = np.mean([prediction(network, rows) for network in ensemble], axis=0)
    bound += np.finfo(expected.dtype).eps * np.abs(expected)  # of the mean, rounded on both sides
    values = found["probabilities" if classifies else "prediction"]
    assert values.dtype == ensemble.architecture.dtype
    assert (np.abs(values - expected) <= bound).all()
    if classifies:
        assert same_classes(ensemble, expected, bound, labels, found["label"])


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_the_graph_means_the_same_to_the_standards_own_evaluator(seed, tmp_path):
    columns, later, rows = learned(seed)
    showing_rows(columns).to_onnx(tmp_path / "net.onnx")
    evaluator = onnx.reference.ReferenceEvaluator(onnx.load(tmp_path / "net.onnx"))
    with np.errstate(all="ignore"):  # what overflows is bounded
        (found,) = evaluator.run(None, graph_inputs(columns, later))
    np.testing.assert_array_equal(found, rows)


@settings(deadline=None)
@given(data=st.data(), later=st.data())
def test_tables_of_python_objects_are_read_as_fastnn_does(data, later, tmp_path_factory):
    table, _ = data.draw(tables())
    names = [name for name in table if later.draw(st.booleans())] or ["always"]
    columns = learn_columns(table, drop=[name for name in table if name not in names])
    shuffled = {n: later.draw(st.permutations(cells)) for n, cells in table.items()}
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    showing_rows(columns).to_onnx(path)
    found = runtime(path, graph_inputs(columns, shuffled))["prediction"]
    np.testing.assert_array_equal(found, rows_of(columns, shuffled))


def test_the_bound_shows_one_wrong_weight():
    shown = []
    for seed in SEEDS:
        columns, _, rows = learned(seed)
        network, rng = ensemble_of(columns, seed)[0], np.random.default_rng(seed)
        network.columns = None
        predict = network.predict_proba if network.architecture.classifies else network.predict
        before = predict(rows).reshape(len(rows), -1)
        weight = network.weights[1]
        weight[rng.integers(weight.shape[0]), rng.integers(weight.shape[1])] += 0.1
        wrong = np.abs(predict(rows).reshape(len(rows), -1) - before)
        shown.append((wrong > prediction(network, rows)).any())
    assert np.mean(shown) > 0.85  # the rest lead to outputs that are off or saturated


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_a_model_of_a_table_takes_any_number_of_rows(n_rows, tmp_path):
    columns, later, _ = learned(3)
    later = {name: cells[:n_rows] for name, cells in later.items()}
    inputs = {k: v[:n_rows] for k, v in graph_inputs(columns, learned(3)[1]).items()}
    ensemble_of(columns, 3).to_onnx(tmp_path / "net.onnx")
    assert {len(found) for found in runtime(tmp_path / "net.onnx", inputs).values()} == {n_rows}


def test_every_calendar_day_of_four_centuries_is_read(tmp_path):
    days = np.arange("1899-12-25", "2301-01-05", dtype="datetime64[D]")
    times = days.astype("datetime64[us]") + np.arange(len(days)) * 1_234_567_891 % 86_400_000_000
    columns = learn_columns({"t": times})
    assert columns.table[0].encoding.parts == ("month", "day of week", "hour")
    showing_rows(columns).to_onnx(tmp_path / "net.onnx")
    found = runtime(tmp_path / "net.onnx", graph_inputs(columns, {"t": times}))
    np.testing.assert_array_equal(found["prediction"], columns.rows({"t": times}))


EXTREME_TIMES = np.array(
    [-(2**63) + 2 * 86_400_000_000, -(2**62), -1, 0, 1, 2**62, 2**63 - 1], "datetime64[us]"
)


def test_times_as_far_as_64_bits_go_are_read(tmp_path):
    columns = learn_columns({"t": np.arange("2020", "2023", dtype="datetime64[D]")})
    showing_rows(columns).to_onnx(tmp_path / "net.onnx")
    found = runtime(tmp_path / "net.onnx", {"t": EXTREME_TIMES.astype(np.int64)[:, None]})
    np.testing.assert_array_equal(found["prediction"], columns.rows({"t": EXTREME_TIMES}))


@pytest.mark.parametrize("missing", [None, np.nan, "", "   ", "\u00a0"])
def test_text_without_a_value_is_missing_however_it_comes(missing, tmp_path):
    table = {"city": ["Rome", "Oslo", None, "Lima"] * 5}
    columns = learn_columns(table)
    showing_rows(columns).to_onnx(tmp_path / "net.onnx")
    cells = np.array([[missing], ["Rome"]], object)
    found = runtime(tmp_path / "net.onnx", {"city": cells})["prediction"]
    np.testing.assert_array_equal(found, columns.rows({"city": [None, "Rome"]}))


def test_infinite_numbers_are_bounded(tmp_path):
    columns = learn_columns({"x": np.linspace(0, 1, 20), "y": np.linspace(0, 1, 20) ** 2})
    showing_rows(columns).to_onnx(tmp_path / "net.onnx")
    inputs = {"x": [[np.inf]], "y": [[-np.inf]]}
    found = runtime(tmp_path / "net.onnx", {k: np.array(v) for k, v in inputs.items()})
    np.testing.assert_array_equal(found["prediction"], [[3, -3]])


# -- inputs and outputs ---------------------------------------------------------------------------


def test_inputs_are_the_columns_that_are_read(tmp_path):
    table = {
        "constant": [1] * 12,
        "size": [1.5, 2.5, np.nan] * 4,
        "city": ["Rome", "Oslo"] * 6,
        "member": [True, False, True] * 4,
        "since": np.arange("2020-01", "2021-01", dtype="datetime64[M]"),
    }
    network = showing_rows(learn_columns(table))
    network.to_onnx(tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert {i.name: i.type for i in session.get_inputs()} == {
        "size": "tensor(double)",
        "city": "tensor(string)",
        "member": "tensor(double)",
        "since": "tensor(int64)",
    }
    assert {tuple(i.shape) for i in session.get_inputs()} == {("rows", 1)}
    model = onnx.load(tmp_path / "net.onnx")
    assert all("missing" in i.doc_string for i in model.graph.input)
    props = {p.key: p.value for p in model.metadata_props}
    stored = json.loads(props["fastnn.trained_on"])["columns"]
    assert type(network.columns).from_json(stored) == network.columns


def test_the_same_network_gives_the_same_bytes(tmp_path):
    columns, *_ = learned(2)
    for name in ("a", "b"):
        ensemble_of(columns, 2).to_onnx(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_columns_called_as_parts_of_the_graph_are_told_apart(tmp_path):
    names = ("label", "probabilities", "label_", "cast_1", "model_0_weights.0", "prepared.0", "x")
    rng = np.random.default_rng(0)
    table = {name: rng.normal(size=30) for name in names}
    ensemble = fastnn.Ensemble((7, 3, 2), 2, seed=0)
    ensemble.columns = learn_columns(table)
    with pytest.warns(UserWarning, match="inputs of other names"):
        ensemble.to_onnx(tmp_path / "net.onnx")
    inputs = graph_inputs(ensemble.columns, table)
    inputs["label__"], inputs["probabilities_"] = inputs.pop("label"), inputs.pop("probabilities")
    found = runtime(tmp_path / "net.onnx", inputs)
    np.testing.assert_allclose(found["probabilities"], ensemble.predict_proba(table), atol=1e-6)


def test_names_and_categories_that_are_no_unicode_are_written(tmp_path):
    table = {"\ud800": np.linspace(0, 1, 20) ** 2, "t": ["\udfff", "b"] * 10}
    network = showing_rows(learn_columns(table))
    with pytest.warns(UserWarning, match="inputs of other names"):
        network.to_onnx(tmp_path / "net.onnx")
    found = runtime(
        tmp_path / "net.onnx", {as_unicode("\ud800"): np.array([[0.5]]), "t": np.array([["b"]])}
    )
    expected = network.columns.rows({"\ud800": [0.5], "t": ["b"]})
    np.testing.assert_array_equal(found["prediction"], expected)


def test_a_column_without_a_name_is_refused(tmp_path):
    network = showing_rows(learn_columns({"": np.linspace(0, 1, 20) ** 2}))
    with pytest.raises(ValueError, match="no input called"):
        network.to_onnx(tmp_path / "net.onnx")


def test_numbers_may_be_float32_where_that_loses_little(tmp_path):
    columns = learn_columns({"x": np.linspace(0, 1, 20) ** 2, "f": [True, False] * 10})
    network = showing_rows(columns)
    network.to_onnx(tmp_path / "net.onnx", input_dtype="float32")
    x = np.array([[0.3], [np.nan]], np.float32)
    found = runtime(tmp_path / "net.onnx", {"x": x, "f": np.array([[1], [0]], np.float32)})
    expected = rows_of(columns, {"x": x[:, 0], "f": [1, 0]})
    np.testing.assert_array_equal(found["prediction"], expected)


@pytest.mark.parametrize("far", [1e9, 1e300, 1e-300])
@pytest.mark.parametrize("n_bins", [0, 4])
def test_float32_is_refused_where_it_loses_digits(far, n_bins, tmp_path):
    x = np.linspace(0, 1, 20) ** 2
    table = {"near": x, "far": far * (1 + 1e-6 * x)}
    network = showing_rows(learn_columns(table, n_bins=n_bins))
    with pytest.raises(ValueError, match=r"would lose digits of 'far', whose"):
        network.to_onnx(tmp_path / "net.onnx", input_dtype="float32")


def test_tables_are_not_bytes(tmp_path):
    network = showing_rows(learned(0)[0])
    with pytest.raises(ValueError, match="input_dtype must be"):
        network.to_onnx(tmp_path / "net.onnx", input_dtype="uint8")


# -- ensembles of rows, and reading back -----------------------------------------------------------


@pytest.mark.parametrize("input_dtype", ["float32", "float64", "uint8"])
def test_an_ensemble_of_rows_takes_x(input_dtype, tmp_path):
    ensemble = fastnn.Ensemble((4, 6, 3), 5, seed=0, class_labels=["a", "b", "c"])
    x = np.random.default_rng(0).integers(0, 200, (50, 4)).astype(input_dtype)
    ensemble.to_onnx(tmp_path / "net.onnx", input_dtype=input_dtype)
    found = runtime(tmp_path / "net.onnx", {"x": x})
    np.testing.assert_allclose(found["probabilities"], ensemble.predict_proba(x), atol=1e-6)
    assert (found["label"] == ensemble.predict(x)).mean() > 0.95
    model = onnx.load(tmp_path / "net.onnx")
    assert {p.key: p.value for p in model.metadata_props}["fastnn.n_models"] == "5"


@pytest.mark.parametrize("several", [False, True])
def test_a_model_of_a_table_or_of_several_networks_is_not_read_back(several, tmp_path):
    model = showing_rows(learned(0)[0])
    if several:
        model = fastnn.Ensemble((4, 3), 2)
    model.to_onnx(tmp_path / "net.onnx")
    what = "an ensemble" if several else "the columns of a table"
    with pytest.raises(ValueError, match=f"{what}, which fastnn wrote and does not read back"):
        fastnn.from_onnx(tmp_path / "net.onnx")
