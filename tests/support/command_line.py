"""Running the command line in this process, and tables to run it on."""

import json

import numpy as np

import fastnn
from fastnn.cli import main

CENTRES = np.array([[0.0, 0.0, 100.0], [5.0, 5.0, 200.0], [0.0, 9.0, 300.0]])
NAMES = np.array(["ant", "bee", "cat"])


class CommandLine:
    """Runs ``fastnn`` in a folder and keeps what it printed."""

    def __init__(self, folder, capsys):
        self.folder, self._capsys = folder, capsys

    def __call__(self, *words):
        """Return the exit code; `out` and `err` hold what was printed."""
        self._capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        finally:
            fastnn.set_num_threads(None)
        self.out, self.err = self._capsys.readouterr()
        return code

    def ok(self, *words):
        """Run what must succeed; return what it printed."""
        assert self(*words) == 0, self.err
        return self.out

    def json(self, *words):
        """Run what must succeed with --json; return its objects."""
        return [json.loads(line) for line in self.ok(*words, "--json").splitlines()]


def table(n_rows=300, seed=0):
    """Rows (n_rows, 3) of three well separated classes in columns of different ranges."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 3
    return CENTRES[y] + rng.normal(size=(n_rows, 3)) * [1, 1, 10], y


def write_csv(path, x, y=None, label="label"):
    """Write columns a, b, c and, if given, the label column."""
    lines = ["a,b,c" if y is None else f"a,b,c,{label}"]
    for i, row in enumerate(x.tolist()):
        cells = [repr(v) for v in row] + ([] if y is None else [str(y[i])])
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path
