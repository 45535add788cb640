"""Networks that carry columns as C headers: tables of numbers and flags give what they do here."""

import warnings

import numpy as np
import pytest
from support.c_programs import batches, compiled, output_of, run, sanitizers
from support.propagation import propagated
from support.table_inputs import numbers_of, random_table

import fastnn
from fastnn.architecture import ACTIVATIONS
from fastnn.exchange.c.parameters import folded, rounded
from fastnn.exchange.c.table_header import table_header
from fastnn.tabular import learn_columns

ROUNDINGS = {"float32": 0, "int8": 6}
"""Of a product, besides those of a sum of products: of the factor, the product, the scale twice."""


def rows_of(columns, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of missing cells where there were none
        return columns.rows(table)


def learned(seed):
    """Columns of a random table of numbers and flags, and a later one."""
    train, later, _ = random_table(seed, numbers_only=True)
    return learn_columns(train, n_bins=(0, 0, 1, 7)[seed % 4]), later


def model_of(columns, seed):
    """A network or an ensemble that takes such a table, with random biases."""
    rng = np.random.default_rng(seed)
    output = ("softmax", "sigmoid", "identity", "exp")[rng.integers(4)]
    n_out = int(rng.integers(2, 5)) if output == "softmax" else 1
    hidden = rng.integers(1, 9, rng.integers(3)).tolist()
    ensemble = fastnn.Ensemble(
        (columns.n_out, *hidden, n_out), int(rng.integers(1, 5)), output=output, seed=seed,
        activation=ACTIVATIONS[seed % len(ACTIVATIONS)], dtype=("float32", "float64")[seed % 2],
        bias=seed % 5 > 0,
    )  # fmt: skip
    for bias in ensemble.biases:
        if bias is not None:
            bias[...] = rng.normal(size=bias.shape)
    ensemble.columns = columns
    return ensemble[0] if seed % 3 == 0 else ensemble


def members(model):
    return list(model) if isinstance(model, fastnn.Ensemble) else [model]


def bounded(model, rows, weights):
    """What the header computes of prepared rows, exactly, and how far C's may lie from it."""
    exact, bounds = [], []
    for network in members(model):
        written = folded(network, rounded(network, weights, None))
        of_c = fastnn.Network.from_model(written)
        of_c.columns = None
        out, bound = propagated(of_c, rows, extra_roundings=ROUNDINGS[weights])
        exact.append(out)
        bounds.append(bound)
    exact = np.mean(exact, axis=0)
    return exact, np.mean(bounds, axis=0) + np.finfo("f4").eps * np.abs(exact)


@pytest.mark.parametrize("seeds", list(batches(range(24), 8)), ids=lambda seeds: f"from {seeds[0]}")
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_random_tables_give_in_c_what_they_give_in_fastnn(tmp_path, seeds, weights):
    sweep(tmp_path, seeds, "-O1", weights=weights)


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_no_undefined_behaviour_and_no_step_past_an_array(tmp_path, weights):
    sweep(tmp_path, range(50, 54), *sanitizers(tmp_path), weights=weights)


def test_it_is_cpp_too(tmp_path):
    sweep(tmp_path, range(60, 63), language="cpp")


def sweep(folder, seeds, *flags, weights="float32", language="c"):
    models, tables = [], []
    for seed in seeds:
        columns, later = learned(seed)
        models.append(model_of(columns, seed))
        tables.append(later)
    numbers = [numbers_of(m.columns, t) for m, t in zip(models, tables, strict=True)]
    found = run(folder, models, numbers, *flags, weights=weights, language=language)
    for model, table, outs in zip(models, tables, found, strict=True):
        expected, bound = bounded(model, rows_of(model.columns, table), weights)
        wrong = ~(np.abs(outs.out - expected) <= bound)
        assert not wrong.any(), (model, np.argwhere(wrong)[:3], bound[wrong][:3])
        if outs.classes is not None:
            yes = model.architecture.output == "sigmoid"
            classes = outs.out[:, 0] > 0.5 if yes else outs.out.argmax(axis=1)
            np.testing.assert_array_equal(outs.classes, classes)


@pytest.mark.parametrize("n_bins", [0, 5])
def test_prepared_rows_are_those_of_fastnn(n_bins, tmp_path):
    columns, later = learn_columns(random_table(3, numbers_only=True)[0], n_bins=n_bins), None
    later = random_table(3, numbers_only=True)[1]
    network = fastnn.Network((columns.n_out, columns.n_out), output="identity")
    network.weights[0][...] = np.eye(columns.n_out)
    network.columns = columns
    (found,) = run(tmp_path, [network], [numbers_of(columns, later)])
    expected = rows_of(columns, later)
    np.testing.assert_array_almost_equal_nulp(found.out, expected, nulp=1)  # x87 and FMA may round


def test_a_regression_kept_within_its_range_is_so_in_c(tmp_path):
    pytest.importorskip("sklearn")
    from fastnn.sklearn import TabularRegressor

    y = 1000 + np.arange(40.0)
    options = {"n_estimators": 3, "hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
    model = TabularRegressor(**options).fit(TABLE, y)
    later = {"constant": [1] * 4, "age": [-1e9, 200.0, 1e9, None], "is */ member": [True] * 4}
    (found,) = run(tmp_path, [model.ensemble_], [numbers_of(model.columns_, later)])
    np.testing.assert_allclose(found.out[:, 0], model.predict(later), rtol=1e-6)
    assert found.out.min() >= 1000
    assert found.out.max() <= 1039


# -- what is written ------------------------------------------------------------------------------

TABLE = {
    "constant": [1] * 40,
    "age": [*np.linspace(20, 60, 39) ** 1.5, None],
    "is */ member": [True, False] * 20,
}


def of_table(table=TABLE, n_models=3, sizes=(8, 2), **options):
    columns = learn_columns(table)
    ensemble = fastnn.Ensemble((columns.n_out, *sizes), n_models, seed=0, **options)
    ensemble.columns = columns
    return ensemble


def test_the_introduction_says_how_to_call_it(tmp_path):
    ensemble = of_table(class_labels=["no", "yes"])
    written = ensemble.to_c(tmp_path / "club.h")
    text = (tmp_path / "club.h").read_text()
    assert text == table_header(ensemble, "club", weights="float32")
    assert "3 dense neural networks of 2 columns and 2 outputs" in text
    assert "double x[club_N_IN];" in text
    assert "x[0]   age" in text
    assert "x[1]   is *\\/ member   1 for true, 0 for false" in text
    assert "Not among them: constant." in text
    assert "The outputs are the mean" in text
    assert "bytes(" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert written.n_bytes == 3 * 4 * (3 * 8 + 8 + 8 * 2 + 2)
    assert f"{written.n_bytes:,} bytes of constants" in text
    assert written.agreement is None


def test_a_program_calls_it_as_the_introduction_says(tmp_path):
    ensemble = of_table(class_labels=["no", "yes"])
    ensemble.to_c(tmp_path / "club.h")
    program = compiled(
        tmp_path,
        '#include <stdio.h>\n#include "club.h"\n'
        "int main(void)\n{\n    double x[club_N_IN] = {NAN, 1.0};\n"
        '    printf("%s", club_class_labels[club_classify(x)]);\n    return 0;\n}\n',
    )
    expected = ensemble.predict({"age": [None], "is */ member": [True]})
    assert [output_of(program).decode()] == expected.tolist()


def test_a_single_network_has_no_number(tmp_path):
    text = table_header(of_table()[1], "net", weights="float32")
    assert "N_MODELS" not in text
    assert "size_t m" not in text


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_rows_measure_what_is_lost(weights, tmp_path):
    ensemble = of_table(class_labels=["no", "yes"])
    labels = ensemble.predict(TABLE)
    written = ensemble.to_c(tmp_path / "club.h", weights=weights, rows=(TABLE, labels))
    assert written.agreement.n_rows == 40
    assert written.agreement.network == 1
    assert written.agreement.header == written.agreement.agreement >= 0.95
    assert ensemble.to_c(tmp_path / "club.h", rows=TABLE).agreement.agreement == 1


def test_a_large_header_is_a_warning(tmp_path):
    ensemble = of_table(n_models=4, sizes=(300, 300, 2))
    with pytest.warns(
        UserWarning, match=r"of 4 networks is large: 1,473,632 bytes .* n_estimators=1"
    ):
        ensemble.to_c(tmp_path / "club.h")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ensemble[0].to_c(tmp_path / "club.h")


# -- what is refused ------------------------------------------------------------------------------

DATES = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")
REFUSED = {
    "text": ({"city": ["a", "b"] * 20}, "the text of 'city':"),
    "times": ({"day": DATES}, "the times of 'day':"),
    "both": ({"city": ["a", "b"] * 20, "day": DATES}, "the text of 'city' or the times of 'day'"),
    "text of one value": ({"city": ["a", None] * 20}, "the text of 'city'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_text_and_times_are_refused_by_name(case, tmp_path):
    table, words = REFUSED[case]
    (tmp_path / "club.h").write_text("before")
    with pytest.raises(ValueError, match=words):
        of_table(TABLE | table).to_c(tmp_path / "club.h")
    assert (tmp_path / "club.h").read_text() == "before"


def test_an_ensemble_of_rows_is_written_network_by_network(tmp_path):
    with pytest.raises(ValueError, match=r"ensemble\[0\].to_c writes one"):
        fastnn.Ensemble((4, 3), 2).to_c(tmp_path / "net.h")
