"""Python programs in processes of their own, which import `support` as the tests do."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = str(Path(__file__).parents[1])


def run_python(code, *arguments, env=os.environ, **options):
    """Run a program; return what `subprocess.run` does."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env | {"PYTHONPATH": TESTS}, **options
    )
