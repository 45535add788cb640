"""Running a benchmark in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"


def run(script, *arguments):
    """Run a benchmark in a process of its own; return its exit code, stdout and stderr."""
    # the tests' own thread limits and choices are not the benchmark's
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FASTNN_BENCH")}
    done = subprocess.run(
        [sys.executable, BENCH / script, *arguments],
        env=inherited,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
