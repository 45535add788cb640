"""What users see of fastnn's names and words: no more than they need, and typed."""

import inspect
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

import fastnn
from fastnn import backends, vocabulary
from fastnn.architecture import ACTIVATIONS, LOSSES, OUTPUTS
from fastnn.drawing.curves import PANELS
from fastnn.model.initialization import _RADIUS


def test_dir_shows_the_public_names_and_nothing_else():
    assert set(dir(fastnn)) == {*fastnn.__all__, "sklearn"}
    for name in dir(fastnn):
        assert getattr(fastnn, name) is not None
    assert fastnn.sklearn.MLPClassifier


def test_dir_loads_nothing():
    code = "import sys, fastnn; a = set(sys.modules); dir(fastnn); print(set(sys.modules) - a)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("literal", "words"),
    [
        (vocabulary.Activation, ACTIVATIONS),
        (vocabulary.Output, OUTPUTS),
        (vocabulary.Loss, {loss for losses in LOSSES.values() for loss in losses}),
        (vocabulary.BackendName, ["auto", *backends.NAMES]),
        (vocabulary.Initial, _RADIUS),
        (vocabulary.Measure, PANELS),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "",
)
def test_types_name_the_words_that_are_taken(literal, words):
    assert sorted(get_args(literal)) == sorted(words)


def takes(call):
    """Whether a call raises no error about its arguments."""
    try:
        call()
    except (TypeError, ValueError):
        return False
    return True


X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.arange(20) % 2


def small(**options):
    return fastnn.Network((3, 4, 2), **{"seed": 0, **options})


def test_each_typed_word_is_taken_and_another_is_not(tmp_path):
    every = {
        vocabulary.NumberType: lambda word: small(dtype=word),
        vocabulary.InputType: lambda word: small().to_onnx(tmp_path / "n", input_dtype=word),
        vocabulary.WeightType: lambda word: small().to_c(tmp_path / "n", weights=word),
        vocabulary.ModuleWeightType: lambda word: small().to_javascript(
            tmp_path / "n.js", weights=word
        ),
        vocabulary.Reduction: lambda word: small().fit(X, Y, epochs=1, reduction=word),
        vocabulary.Mode: lambda word: fastnn.EarlyStopping(mode=word),
        vocabulary.Initial: lambda word: small(init=word),
    }
    for literal, call in every.items():
        for word in get_args(literal):
            assert takes(lambda: call(word)), (literal, word)  # noqa: B023
        assert not takes(lambda: call("something else")), literal  # noqa: B023
    for shuffle, taken in ((True, True), (False, True), ("blocks", True), ("rows", False)):
        assert takes(lambda: small().fit(X, Y, epochs=1, shuffle=shuffle)) == taken  # noqa: B023


STRINGS_OF_THE_USERS = {"name", "path", "monitor", "label", "fget"}


@pytest.mark.parametrize(
    "function",
    [
        fastnn.Network,
        fastnn.Network.fit,
        fastnn.Network.partial_fit,
        fastnn.Network.to_c,
        fastnn.Network.to_javascript,
        fastnn.Network.to_onnx,
        fastnn.Network.from_architecture,
        fastnn.load,
        fastnn.from_onnx,
        fastnn.from_torch,
        fastnn.from_sklearn,
        fastnn.EarlyStopping,
        fastnn.set_backend,
        fastnn.use_backend,
        fastnn.warmup,
        fastnn.History.plot,
    ],
    ids=lambda function: function.__qualname__,
)
def test_parameters_that_take_one_of_few_words_say_which(function):
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in STRINGS_OF_THE_USERS and not name.startswith("_"):
            assert "str" not in str(parameter.annotation).replace("Sequence[str]", ""), name
