"""The programs in examples/: each runs from the command line and says what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNS = {
    "mnist.py": (("--epochs", "1"), "bit-identical after loading: True"),
    "tabular.py": ((), "columns standardized"),
    "out_of_core.py": (("--rows", "40000", "--epochs", "1"), "memory map:"),
    "serving_loop.py": (("--requests", "2000"), "99.9 % within"),
    "custom_callback.py": ((), "mean of epochs 6 to 15"),
    "groups.py": (("20",), "one network for all"),
    "search.py": (("12",), "the ten best together"),
    "optuna_study.py": (("--trials", "12"), "12 trials,"),
}
"""For each program small options, and words of what it prints."""

NEEDS = {"optuna_study.py": ("optuna", "sklearn")}

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="an installed package has no examples"
)


def test_every_example_is_run_here():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_it_runs(name, tmp_path):
    options, words = RUNS[name]
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *options],
        cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert not list(tmp_path.iterdir()), "it left files behind in the folder it was run in"
