"""Ensembles in files."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

import fastnn


def ensemble_of(**options):
    return fastnn.Ensemble((4, 6, 3), 5, **{"seed": 1, **options})


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "shops.safetensors"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4))
    y = rng.choice(["a", "b", "c"], 50)
    labels = ("n", "e", "s", "w", "x")
    ensemble = ensemble_of(class_labels=("a", "b", "c"), group_labels=labels, dtype="float64")
    ensemble.fit(x, y, groups=rng.choice(labels, 50), epochs=2, progress=False)
    ensemble.save(path)
    loaded = fastnn.load(path, backend="numpy")
    assert type(loaded) is fastnn.Ensemble
    assert loaded.parameters.tobytes() == ensemble.parameters.tobytes()
    for name in ("architecture", "class_labels", "group_labels", "trained_on", "chooses_scale"):
        assert getattr(loaded, name) == getattr(ensemble, name), name
    assert (loaded.backend, loaded.seeds) == ("numpy", None)
    assert len({network.rng.integers(2**62) for network in loaded}) == 5
    np.testing.assert_array_equal(loaded.predict(x), ensemble.predict(x))
    again = tmp_path / "again.safetensors"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    with safe_open(path, "np") as file:
        assert file.get_tensor("weights.0").shape == (5, 4, 6)


def test_a_network_is_loaded_as_before(tmp_path):
    network = fastnn.Network((4, 3), seed=0)
    network.save(tmp_path / "network")
    assert type(fastnn.load(tmp_path / "network")) is fastnn.Network


@given(st.data())
def test_a_flipped_bit_is_seen(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flipped") / "ensemble"
    ensemble_of().save(path)
    contents = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(contents) - 1))
    contents[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(contents)
    with pytest.raises((ValueError, OSError)):
        fastnn.load(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n_models": "0"}, "n_models"),
        ({"n_models": "six"}, "n_models"),
        ({"n_models": "6"}, "weights.0"),
        ({"n_models": "9" * 18}, "weights.0"),
        ({"group_labels": "{}"}, "group_labels"),
        ({"group_labels": '["a"]'}, "group_labels"),
        ({"group_labels": "[1, 1, 2, 3, 4]"}, "distinct"),
        ({"format_version": "9"}, "version"),
    ],
)
def test_damaged_metadata_are_refused(tmp_path, changed, words):
    path = tmp_path / "ensemble"
    ensemble_of().save(path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] |= changed
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    with pytest.raises(ValueError, match=words):
        fastnn.load(path)


def test_the_command_line_predicts_with_an_ensemble(tmp_path, capsys):
    from fastnn.cli import main

    ensemble = ensemble_of()
    ensemble.save(tmp_path / "shops")
    (tmp_path / "rows.csv").write_text("1,2,3,4\n-4,3,-2,1\n")
    assert main(["predict", str(tmp_path / "shops"), str(tmp_path / "rows.csv")]) == 0
    expected = ensemble.predict([[1.0, 2, 3, 4], [-4, 3, -2, 1]])
    assert [int(line) for line in capsys.readouterr().out.split()] == expected.tolist()
