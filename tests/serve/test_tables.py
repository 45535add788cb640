"""Models that carry columns take each as a tensor, or records."""

import json

import numpy as np
import pytest
from support.learnable_tables import mixed_table
from support.served import ask, binary, infer

import fastnn
import fastnn.serve
from fastnn.tabular import learn_columns

pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def table():
    return mixed_table(200)


@pytest.fixture(scope="module", params=["network", "ensemble"])
def model(request, table):
    columns = learn_columns(table)
    sizes = (columns.n_out, 6, 2)
    if request.param == "network":
        made = fastnn.Network(sizes, class_labels=["no", "yes"], seed=0)
    else:
        made = fastnn.Ensemble(sizes, 2, class_labels=["no", "yes"], seed=0)
    made.columns = columns
    return made


@pytest.fixture
def application(model):
    return fastnn.serve.app({"m": model}, poll_seconds=0)


def records_of(table):
    """Return rows as JSON has them."""
    return json.loads(table.to_json(orient="records", date_format="iso", date_unit="us"))


def without_zone(records):
    return [r | {"since": r["since"].removesuffix("Z")} for r in records]


def columns_of(model, records):
    """Return the columns that are read, as inputs of JSON."""
    described = fastnn.serve.app({"m": model}).models.all[0].served.inputs.described
    return [
        {
            "name": one.name,
            "datatype": one.datatype,
            "shape": [len(records), 1],
            "data": [record[one.name] for record in records],
        }
        for one in described
    ]


def test_columns_and_records_have_the_bits_of_the_table(model, application, table):
    part = table.iloc[:20]
    expected = model.predictor()(part)
    records = without_zone(records_of(part))
    found = infer(application, {"inputs": columns_of(model, records)}).json["outputs"]
    assert np.array(found[1]["data"], np.float32).tobytes() == expected.tobytes()
    assert found[0]["data"] == model.predict(part).tolist()
    body = json.dumps({"records": records}).encode()
    found = ask(application, "POST", "/v2/models/m/records", body).json["predictions"]
    assert [one["label"] for one in found] == model.predict(part).tolist()
    numbers = [[one["probabilities"][name] for name in ("no", "yes")] for one in found]
    assert np.array(numbers, np.float32).tobytes() == expected.tobytes()


def test_binary_columns_with_times_as_numbers(model, application, table):
    part = table.iloc[:9]
    texts = [city.encode() if isinstance(city, str) else b"" for city in part["city"]]
    inputs = [
        ("age", "FP64", [9], part["age"].to_numpy("<f8").tobytes()),
        ("income", "FP64", [9, 1], part["income"].to_numpy("<f8").tobytes()),
        ("city", "BYTES", [9], b"".join(len(t).to_bytes(4, "little") + t for t in texts)),
        ("member", "BOOL", [9], part["member"].to_numpy(bool).tobytes()),
        ("since", "INT64", [9], part["since"].to_numpy("M8[us]").astype("<i8").tobytes()),
    ]
    read = set(model.columns.names)
    body, headers = binary([one for one in inputs if one[0] in read], outputs=False)
    response = infer(application, body, headers=headers)
    assert response.status == 200, response
    found = np.array(response.json["outputs"][1]["data"], np.float32)
    assert found.tobytes() == model.predictor()(part).tobytes()


def test_what_was_guessed_is_said(application, table):
    record = without_zone(records_of(table.iloc[:1]))[0] | {"income": None}
    body = json.dumps({"records": [record]}).encode()
    assert "income" in ask(application, "POST", "/v2/models/m/records", body).json["warning"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": "old"}, "'old'"),
        ({"age": [1]}, "age"),
        ({"agee": 3}, "agee"),
        ({"since": "yesterday"}, "yesterday"),
        ({"member": 7}, "member"),
        ({"age": 10**400}, ""),
        ({"age": {"a": 1}}, "age"),
    ],
)
def test_wrong_records_are_refused(application, table, change, words):
    record = without_zone(records_of(table.iloc[:1]))[0] | change
    body = json.dumps({"records": [record]}).encode()
    response = ask(application, "POST", "/v2/models/m/records", body)
    assert response.status == 400
    assert words in response.error


def test_missing_and_unknown_columns_are_refused(model, application, table):
    records = without_zone(records_of(table.iloc[:3]))
    columns = columns_of(model, records)
    assert "lacks" in infer(application, {"inputs": columns[1:]}).error
    other = columns[0] | {"name": "other"}
    assert "other" in infer(application, {"inputs": [*columns, other]}).error
    short = columns[0] | {"shape": [2, 1], "data": columns[0]["data"][:2]}
    assert "as many rows" in infer(application, {"inputs": [*columns[1:], short]}).error
    del records[1]["age"]
    body = json.dumps({"records": records}).encode()
    assert "record 1" in ask(application, "POST", "/v2/models/m/records", body).error
