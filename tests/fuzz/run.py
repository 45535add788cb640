"""Fuzz one target with Atheris: ``python -m fuzz.run TARGET SECONDS FOLDER``, in tests/.

What is new goes into FOLDER/corpus; what fails into FOLDER, with the traceback on standard error,
and ends the run with an error. ``FOLDER/counts`` says how many inputs there were, and how many of
them were read, not refused.
"""

import importlib
import resource
import sys
import tempfile
from pathlib import Path

import atheris

from fuzz.mutation import Mutator

INSTRUMENTED = ["fastnn", "zipfile", "gzip"]
LONGEST = 16_384
"""Bytes of an input."""

MOST_MEMORY = 1 << 30
"""Bytes of address space that an input may ask for beyond what the process has."""

UNBOUNDED = ("parquet_files",)
"""Polars reserves what a file claims to hold, and Rust ends the process where it cannot."""

AFRESH = 0.3
"""How often a sound file is changed: most of what is new is a refusal, and leads to others."""

COUNTED = 64  # inputs from one count to the next: libFuzzer ends the process without a word
TIMEOUT = 20
"""Seconds for one input."""


def loaded(name):
    """Return a target; what it uses of fastnn is imported on the way, and counts its branches."""
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module(f"fuzz.{name}").TARGET
        with tempfile.TemporaryDirectory() as folder:
            for data in target.seeds():
                target.check(data, Path(folder))  # readers import others when they are used
    return target


def bound_memory():
    """Make a request for far more memory than there is an error in the process."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, resource.RLIM_INFINITY))


def main(name, seconds, folder):
    target = loaded(name)
    folder = Path(folder)
    first, corpus, scratch = (folder / name for name in ("first", "corpus", "scratch"))
    for place in (first, corpus, scratch):
        place.mkdir(parents=True, exist_ok=True)
    seeds = target.seeds()
    for i, data in enumerate([*seeds, *target.found()]):
        (first / str(i)).write_bytes(data)
    n_inputs = n_read = 0

    def one_input(data):
        nonlocal n_inputs, n_read
        n_inputs += 1
        n_read += target.check(data, scratch)
        if n_inputs % COUNTED == 0:
            (folder / "counts").write_text(f"{n_inputs} {n_read}")

    def mutated(data, max_size, seed):
        mutator = Mutator(seed, atheris.Mutate, max_size)
        if mutator.coin(AFRESH):
            data = mutator.choice(seeds)
        return target.mutate(data, mutator)[:max_size]

    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={TIMEOUT}",
        "-rss_limit_mb=4096",
        "-len_control=0",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/",
        str(corpus),
        str(first),
    ]
    atheris.Setup(arguments, one_input, custom_mutator=mutated)
    if name not in UNBOUNDED:
        bound_memory()
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
