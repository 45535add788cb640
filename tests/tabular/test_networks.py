"""A network that carries columns takes tables wherever rows come in, with the same bits."""

import copy
import inspect
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from support.examples import same_bits

import fastnn
import fastnn.dask
from fastnn.exchange.quantization import dequantized
from fastnn.model.persistence import _named, metadata_of, packed
from fastnn.plots.classified import classify
from fastnn.rows.trained_on import TrainedOn
from fastnn.tabular import as_frame, learn_columns

N = 60
RNG = np.random.default_rng(3)
TABLE = pd.DataFrame(
    {
        "age": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(40, 10, N)),
        "sex": RNG.choice(["f", "m"], N),
        "city": RNG.choice(["Rome", "Oslo", "Lima", None], N),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, N), "D"),
        "member": RNG.random(N) < 0.5,
    }
)
COLUMNS = learn_columns(TABLE)
ROWS = COLUMNS.rows(TABLE)
WIDE = learn_columns(TABLE[["age", "member"]], missing_indicators=False)  # two, as it takes
Y = pd.Series(RNG.integers(0, 2, N), name="bought")
FORMS = {
    "frame": TABLE,
    "read": as_frame(TABLE),
    "other order": TABLE[TABLE.columns[::-1]],
    "with its labels": TABLE.assign(bought=Y),
    "dict": {name: TABLE[name].to_list() for name in TABLE},
    "records": TABLE.astype(object).where(TABLE.notna(), None).to_dict("records"),
    "array": TABLE.to_numpy(),
}


def pair(make, backend):
    """Two equal models, of which the first takes tables."""
    one, other = make(backend), make(backend)
    one.columns = COLUMNS
    return one, other


def network(backend):
    return fastnn.Network((COLUMNS.n_out, 5, 2), seed=0, backend=getattr(backend, "name", backend))


def ensemble(backend):
    return fastnn.Ensemble(
        (COLUMNS.n_out, 5, 2), n_models=2, seed=0, backend=getattr(backend, "name", backend)
    )


def trained(make, backend):
    models = pair(make, backend)
    for model, x in zip(models, (TABLE, ROWS), strict=True):
        model.fit(x, Y, epochs=1, progress=False)
    return models


CALLS = {
    fastnn.Network: {
        "fit": lambda model, x: model.fit(
            x, Y, epochs=2, validation_data=(x, Y), progress=False)["val_loss"],
        "partial_fit": lambda model, x: model.partial_fit(x, Y)["loss"],
        "predict": lambda model, x: model.predict(x),
        "predict_proba": lambda model, x: model.predict_proba(x),
        "hidden": lambda model, x: model.hidden(x),
        "evaluate": lambda model, x: list(model.evaluate(x, Y).values()),
    },
    fastnn.Ensemble: {
        "fit": lambda model, x: model.fit(
            x, Y, epochs=2, validation_data=(x, Y), progress=False)["val_loss"],
        "predict": lambda model, x: model.predict(x),
        "predict_proba": lambda model, x: model.predict_proba(x, reduce=None),
        "evaluate": lambda model, x: list(model.evaluate(x, Y).values()),
    },
    fastnn.Trainer: {
        "__call__": lambda trainer, x: trainer(x, Y),
        "forward": lambda trainer, x: trainer.forward(x),
        "value_and_gradient": lambda trainer, x: trainer.value_and_gradient(x, Y)[1],
    },
    fastnn.Predictor: {"__call__": lambda predictor, x: predictor(x)},
}  # fmt: skip


def test_every_public_method_that_takes_rows_is_among_those_tested():
    for kind, calls in CALLS.items():
        found = {
            name
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if (not name.startswith("_") or name == "__call__")
            and "x" in inspect.signature(method).parameters
        }
        assert found == set(calls)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", CALLS[fastnn.Network])
def test_a_network_takes_tables(method, form, backend):
    call = CALLS[fastnn.Network][method]
    one, other = trained(network, backend)
    assert same_bits(np.asarray(call(one, FORMS[form])), np.asarray(call(other, ROWS)))
    assert same_bits(one.parameters, other.parameters)
    assert one.columns == COLUMNS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", CALLS[fastnn.Ensemble])
def test_an_ensemble_takes_tables(method, form, backend):
    call = CALLS[fastnn.Ensemble][method]
    one, other = trained(ensemble, backend)
    assert same_bits(np.asarray(call(one, FORMS[form])), np.asarray(call(other, ROWS)))
    assert same_bits(one.parameters, other.parameters)
    assert one.columns == one[0].columns == one[1:].columns == COLUMNS


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", CALLS[fastnn.Trainer])
def test_a_trainer_takes_tables(method, form, backend):
    call = CALLS[fastnn.Trainer][method]
    knows_its_labels = form == "with its labels"
    one, other = (trained if knows_its_labels else pair)(network, backend)
    trainers = one.trainer(max_rows=N), other.trainer(max_rows=N)
    for _ in range(2):  # the second time they are held
        results = [call(t, x) for t, x in zip(trainers, (FORMS[form], ROWS), strict=True)]
        assert same_bits(*map(np.asarray, results))
    assert same_bits(one.parameters, other.parameters)


@pytest.mark.parametrize("make", [network, ensemble])
def test_a_predictor_takes_tables(make, backend):
    one, other = trained(make, backend)
    wanted = other.predictor()(ROWS)
    predictor = one.predictor()
    for form in FORMS.values():
        assert same_bits(predictor(form), wanted)
    if make is network:
        assert same_bits(pickle.loads(pickle.dumps(predictor))(TABLE), wanted)
        out = np.empty_like(wanted)
        assert predictor(TABLE, out) is out
        assert same_bits(out, wanted)


ONE_ROW = {
    "series": TABLE.iloc[3],
    "dict": TABLE.iloc[3].to_dict(),
    "list": TABLE.iloc[3].tolist(),
    "array": TABLE.to_numpy()[3],
    "record": TABLE.to_records(index=False)[3],
}


@pytest.mark.parametrize("form", ONE_ROW)
def test_a_single_row_is_read_as_one(form, backend):
    one, other = trained(network, backend)
    row = ONE_ROW[form]
    assert same_bits(one.predictor()(row), other.predictor()(ROWS[3]))
    trainers = one.trainer(), other.trainer()
    for _ in range(2):
        assert trainers[0](row, Y[3]) == trainers[1](ROWS[3], Y[3])
        assert same_bits(trainers[0].forward(row), trainers[1].forward(ROWS[3]))
    assert same_bits(one.parameters, other.parameters)


@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(np.float64), (ROWS > 0).astype(np.uint8)])
def test_prepared_rows_are_refused_by_every_method(rows, backend):
    model, _ = trained(network, backend)
    trainer = model.trainer(max_rows=N)
    trainer(TABLE, Y)
    before = model.parameters.copy()
    for called, kind in (
        (model, fastnn.Network),
        (trainer, fastnn.Trainer),
        (model.predictor(), fastnn.Predictor),
    ):
        for call in CALLS[kind].values():
            with pytest.raises(ValueError, match="the 5 columns of the training table"):
                call(called, rows)
    assert same_bits(model.parameters, before)


# -- the attribute ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [network, ensemble])
def test_without_its_columns_a_network_takes_prepared_rows_again(make, backend):
    one, other = trained(make, backend)
    one.columns = None
    assert one.columns is None
    assert same_bits(one.predict_proba(ROWS), other.predict_proba(ROWS))
    one.columns = COLUMNS
    assert same_bits(one.predict_proba(TABLE), other.predict_proba(ROWS))


def test_columns_must_fit_the_network():
    with pytest.raises(ValueError, match=f"rows of {COLUMNS.n_out} numbers, .* 3 inputs"):
        fastnn.Network((3, 2)).columns = COLUMNS
    with pytest.raises(TypeError, match="learn_columns"):
        fastnn.Network((3, 2)).columns = ["a", "b", "c"]


def test_a_network_that_saw_no_rows_is_as_new_without_its_columns():
    model = network("numpy")
    model.columns = COLUMNS
    model.columns = None
    assert model.trained_on is None


def test_columns_of_a_network_are_those_of_its_ensemble():
    model = ensemble("numpy")
    model[1].columns = COLUMNS
    assert model.columns == model[0].columns == COLUMNS


def test_inputs_are_numbers_whatever_the_outputs_look_like():
    flags = pd.DataFrame({"a": [0.0, 1.0] * 10, "b": RNG.random(20)})
    columns = learn_columns(flags[["a"]])
    model = fastnn.Network((columns.n_out, 2), seed=0)
    model.columns = columns
    model.fit(flags[["a"]], [0, 1] * 10, epochs=1, progress=False)
    assert model.trained_on == TrainedOn(columns=columns)
    assert model.architecture.input_scale == 1.0


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [network, ensemble])
def test_columns_are_saved_pickled_and_copied(make, backend, tmp_path):
    model, _ = trained(make, backend)
    path = tmp_path / "net.safetensors"
    model.save(path)
    for again in (fastnn.load(path), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert again.columns == COLUMNS
        assert again.trained_on == model.trained_on
        again.backend = backend.name
        assert same_bits(again.predict_proba(TABLE), model.predict_proba(TABLE))


def test_a_file_of_a_network_without_columns_does_not_mention_them():
    assert "columns" not in metadata_of(trained(network, "numpy")[1])["trained_on"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("{", "damaged"),
        (3, "must be JSON text"),
        (WIDE.to_json(), f"rows of 2 numbers, but the network has {COLUMNS.n_out} inputs"),
        (COLUMNS.to_json().replace('"scale": ', '"scale": -'), "scale must be above 0"),
        (COLUMNS.to_json().replace('"tag": "scaled"', '"tag": "eval"'), "tag of an encoding"),
    ],
)
def test_a_file_with_damaged_columns_is_refused_in_words(columns, words, tmp_path):
    model, _ = trained(network, "numpy")
    metadata = metadata_of(model)
    fields = json.loads(metadata["trained_on"]) | {"columns": columns}
    metadata["trained_on"] = json.dumps(fields)
    path = tmp_path / "net.safetensors"
    path.write_bytes(packed(_named(model.architecture, model.parameters), metadata))
    with pytest.raises(ValueError, match=words):
        fastnn.load(path)


def test_a_checkpoint_resumes_with_columns(tmp_path, backend):
    whole, _ = pair(network, backend)
    whole.fit(TABLE, Y, epochs=4, progress=False)
    path = tmp_path / "fit.checkpoint"
    for epochs, resume in ((2, False), (4, True)):
        part, _ = pair(network, backend)
        part.fit(TABLE, Y, epochs=epochs, progress=False,
                 checkpoint=fastnn.Checkpoint(path, resume=resume))  # fmt: skip
    assert same_bits(part.parameters, whole.parameters)
    assert part.columns == COLUMNS


def test_a_summary_says_that_it_takes_tables():
    model, _ = trained(network, "numpy")
    assert f"tables of 5 columns, as {COLUMNS.n_out} numbers" in model.summary()
    assert "age, sex, city, since, member" in model.summary()


# -- what would lose them -------------------------------------------------------------------------


def test_pytorch_is_refused_a_network_whose_preparation_would_be_lost():
    model, _ = trained(network, "numpy")
    with pytest.raises(ValueError, match="set columns = None on a copy"):
        model.to_torch()


def test_a_dequantized_network_takes_the_same_tables():
    model, _ = trained(network, "numpy")
    exact = dequantized(model)
    assert exact.columns == COLUMNS
    p = model.predict_proba(TABLE)
    np.testing.assert_allclose(exact.predict_proba(TABLE), p, atol=0.05)
    assert (exact.predict_proba(TABLE) != p).any()


# -- plots, the command line and clusters ----------------------------------------------------------

WIDE = learn_columns(
    TABLE[["age", "member"]], missing_indicators=False
)  # as many outputs as columns


@pytest.mark.parametrize("columns", [COLUMNS, WIDE])
def test_plots_convert_tables_once(columns):
    table = TABLE[list(columns.names)]
    models = [fastnn.Network((columns.n_out, 4, 2), seed=0) for _ in range(2)]
    models[0].columns = columns
    one, other = (
        classify(model, x, Y) for model, x in zip(models, (table, columns.rows(table)), strict=True)
    )
    assert same_bits(one.predicted, other.predicted)
    assert same_bits(one.probability, other.probability)


def test_plots_of_numbers_convert_tables_once():
    model = fastnn.Network((WIDE.n_out, 1), output="identity", seed=0)
    model.columns = WIDE
    figure = fastnn.plots.predictions(model, TABLE[["age", "member"]], np.arange(N) / N)
    predicted = model.predict(TABLE[["age", "member"]])
    assert any(np.allclose(line.get_ydata(), predicted) for line in figure.axes[0].lines
               if len(line.get_ydata()) == N)  # fmt: skip


def test_plots_name_inputs_by_the_outputs_of_the_columns():
    model, _ = trained(network, "numpy")
    names = [text.get_text() for text in fastnn.plots.weights(model).axes[0].get_yticklabels()]
    assert {"age", "age is missing"} <= set(names)


@pytest.mark.parametrize("form", ["frame", "tables"])
@pytest.mark.parametrize("persist", [True, False])
def test_a_cluster_takes_tables(form, persist, dask_client):
    delayed, frames = pytest.importorskip("dask").delayed, pytest.importorskip("dask.dataframe")
    parts = [slice(0, 25), slice(25, N)]
    x = [delayed(TABLE[part]) for part in parts]
    rows, y = [delayed(ROWS[part]) for part in parts], [delayed(Y[part]) for part in parts]
    if form == "frame":
        x = frames.from_delayed(x, meta=TABLE[:0])
    models = pair(network, "numpy")
    for model, table in zip(models, (x, rows), strict=True):
        fastnn.dask.fit(model, table, y, client=dask_client, epochs=2, persist=persist,
                        validation_data=(table, y), progress=False)  # fmt: skip
    one, other = models
    assert same_bits(one.parameters, other.parameters)
    assert one.columns == COLUMNS
    found, wanted = (
        fastnn.dask.evaluate(model, table, y, client=dask_client)
        for model, table in zip(models, (x, rows), strict=True)
    )
    assert found == wanted
    if form == "frame":
        proba = fastnn.dask.predict_proba(one, x).compute(scheduler="synchronous")
        assert same_bits(proba.to_numpy(), other.predict_proba(ROWS))


def test_a_cluster_names_the_partition_of_a_wrong_cell(dask_client):
    delayed = pytest.importorskip("dask").delayed
    model, _ = pair(network, "numpy")
    x = [delayed(TABLE[:30]), delayed(TABLE[30:].assign(age="old"))]
    y = [delayed(Y[:30]), delayed(Y[30:])]
    with pytest.raises(ValueError, match=r"partition 1: .* 'age', got 'old' .* in row 0"):
        fastnn.dask.fit(model, x, y, client=dask_client)
