"""Checkpoints say which backends and instruction sets computed them; others bring a warning."""

import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from support.backends import backends_under_test
from support.checkpointed_fits import SETTINGS, X, Y, fit
from support.examples import same_bits, small_network
from support.processes import run_python

from fastnn import Checkpoint
from fastnn.backends import get_backend
from fastnn.cli import main
from fastnn.system.checksums import file_checksum
from fastnn.training.computed_by import compare, computer
from fastnn.training.fit_description import AnotherFitError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def kept(path):
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["computed_by"])


def rewritten(path, computed_by):
    """Have the checkpoint say so; None removes what it says."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata.pop("computed_by")
    if computed_by is not None:
        metadata["computed_by"] = json.dumps(computed_by)
    metadata["checksum"] = file_checksum(metadata, tensors)
    save_file(tensors, path, metadata)


def resumed_by(path, epochs, backend="auto", exact=False):
    return fit(epochs, Checkpoint(path, resume=True, exact=exact),
               network=small_network(backend=backend))  # fmt: skip


def test_a_checkpoint_says_who_computed_it(path, backend):
    fit(1, Checkpoint(path), network=small_network(backend=backend.name))
    (entry,) = kept(path)
    assert entry["backend"] == backend.name
    assert entry["isa"] == (backend.isa or entry["isa"])
    assert entry["isa"]


def test_the_same_backend_goes_on_in_silence_and_exactly(path, backend):
    fit(1, Checkpoint(path), network=small_network(backend=backend.name))
    resumed_by(path, 2, backend.name)
    again, _ = resumed_by(path, 3, backend.name, exact=True)
    whole, _ = fit(3, network=small_network(backend=backend.name))
    assert same_bits(again.parameters, whole.parameters)
    assert kept(path) == [computer(get_backend(backend.name))]


@pytest.mark.parametrize("other", backends_under_test())
def test_another_backend_brings_a_warning_that_names_both_or_is_refused(path, backend, other):
    if other == backend.name:
        pytest.skip("the same")
    fit(1, Checkpoint(path), network=small_network(backend=other))
    before, network = path.read_bytes(), small_network(backend=backend.name)
    start = network.parameters.copy()
    both = rf"written by {other} \(\w+\), .* {backend.name} \(\w+\)"
    with pytest.raises(AnotherFitError, match=rf"{both}.*not bit-identical.*without exact"):
        fit(2, Checkpoint(path, resume=True, exact=True), network=network)
    assert same_bits(network.parameters, start)
    assert path.read_bytes() == before
    with pytest.warns(UserWarning, match=rf"{both}.*not be bit-identical.*uninterrupted") as caught:
        resumed_by(path, 2, backend.name)
    assert [warning.filename.rpartition("/")[2] for warning in caught] == ["checkpointed_fits.py"]
    assert [entry["backend"] for entry in kept(path)] == [other, backend.name]


def test_that_some_epochs_were_computed_otherwise_is_not_forgotten(path):
    fit(1, Checkpoint(path), network=small_network(backend="numpy"))
    ours = kept(path)[0]
    rewritten(path, [{"backend": "cython", "isa": "neon"}])
    for epochs in (2, 3):  # it warns after the first fit under the new one too
        with pytest.warns(UserWarning, match=r"by cython \(neon\)"):
            resumed_by(path, epochs, "numpy")
        assert kept(path) == [{"backend": "cython", "isa": "neon"}, ours]
    with pytest.raises(ValueError, match=r"by cython \(neon\), then numpy"):
        resumed_by(path, 4, "numpy", exact=True)


def test_a_checkpoint_that_does_not_say_goes_on_in_silence_but_not_exactly(path):
    fit(1, Checkpoint(path))
    rewritten(path, None)
    with pytest.raises(ValueError, match="by an unknown backend"):
        resumed_by(path, 2, exact=True)
    resumed_by(path, 2)
    assert kept(path)[0] is None  # nor does it say later that all was computed here
    resumed_by(path, 3)
    with pytest.raises(ValueError, match="by an unknown backend, then"):
        resumed_by(path, 4, exact=True)


computers = st.fixed_dictionaries(
    {"backend": st.sampled_from(["cython", "numba", "numpy"]),
     "isa": st.sampled_from(["avx2", "avx512", None])}
)  # fmt: skip


@given(theirs=st.lists(st.none() | computers, max_size=4), ours=computers, exact=st.booleans())
def test_it_is_silent_only_if_all_that_is_known_is_the_same(theirs, ours, exact):
    others = [entry for entry in theirs if entry != ours]
    known = [entry for entry in others if entry is not None]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if exact and others:
            with pytest.raises(AnotherFitError) as raised:
                compare("run", theirs, ours, exact=exact, stacklevel=1)
            texts = [str(raised.value)]
        else:
            compare("run", theirs, ours, exact=exact, stacklevel=1)
            texts = [str(warning.message) for warning in caught]
            assert len(texts) == (1 if known else 0)
    for text in texts:
        for entry in [*known, ours]:
            assert entry["backend"] in text
            assert (entry["isa"] or "") in text


@pytest.mark.parametrize(
    "value", [3, "cython", {}, ["cython"], [{}], [{"backend": "cython"}],
              [{"backend": 3, "isa": None}], [{"backend": "numpy", "isa": 2}]],
)  # fmt: skip
def test_a_list_that_is_none_is_refused(path, value):
    fit(1, Checkpoint(path))
    rewritten(path, value)
    with pytest.raises(ValueError, match="its computed_by does not list backends"):
        resumed_by(path, 2)


def test_exact_is_a_flag(path):
    with pytest.raises(TypeError, match="exact"):
        Checkpoint(path, exact="yes")


# -- the command line -----------------------------------------------------------------------------

TRAIN = ("train", "digits", "--layers", "none", "--epochs", "2", "--checkpoint", "run", "--quiet")


@pytest.mark.filterwarnings("default")
def test_the_command_line_warns_in_one_line_or_refuses_with_exact(tmp_path, monkeypatch, capsys):
    from fastnn.datasets import digits

    monkeypatch.chdir(tmp_path)
    few = digits(300, test=50, validation=50)
    monkeypatch.setattr("fastnn.cli.data.digits", lambda **_: few)
    assert main([*TRAIN, "--exact"]) == 0
    rewritten("run", [{"backend": "cython", "isa": "neon"}])
    capsys.readouterr()
    assert main([*TRAIN, "--resume", "--exact", "--backend", "numpy"]) == 2
    error = capsys.readouterr().err
    assert "by cython (neon), but this fit would continue with numpy" in error
    assert error.endswith("(--backend, and FASTNN_ISA)\n")
    assert main([*TRAIN, "--resume", "--backend", "numpy"]) == 0
    error = capsys.readouterr().err
    assert "warning: the checkpoint run was written by cython (neon)" in error
    assert error.count("\n") == 1


def test_exact_needs_a_checkpoint(capsys):
    assert main(["train", "digits", "--exact"]) == 2
    assert "--exact needs --checkpoint FILE" in capsys.readouterr().err


# -- instruction sets of one backend --------------------------------------------------------------

FORCED = """
import sys
from support.checkpointed_fits import fit
from support.examples import small_network
from fastnn import Checkpoint
fit(1, Checkpoint(sys.argv[1]), network=small_network(backend="cython"))
"""


def test_another_instruction_set_of_one_backend_is_told(path, monkeypatch):
    if "cython" not in backends_under_test():
        pytest.skip("cython is not under test here")
    ours = get_backend("cython").isa
    if ours == "baseline":
        pytest.skip("there is one instruction set only")
    monkeypatch.setenv("FASTNN_ISA", "baseline")
    run_python(FORCED, path, check=True)
    assert kept(path) == [{"backend": "cython", "isa": "baseline"}]
    network = small_network(backend="cython")
    with pytest.warns(UserWarning, match=rf"cython \(baseline\), .* cython \({ours}\)"):
        network.fit(X, Y, epochs=2, checkpoint=Checkpoint(path, resume=True), **SETTINGS)
