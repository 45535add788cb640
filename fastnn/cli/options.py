"""Shared options of the commands: their help, their checks, and printing of results."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastnn import validation
from fastnn.cli import streams
from fastnn.datasets.readers.formats import FORMATS, names_of, that_take
from fastnn.ensemble import Ensemble
from fastnn.loading import load
from fastnn.network import Network
from fastnn.system.printable import named
from fastnn.system.terminal import is_terminal
from fastnn.validation.parameters import Value
from fastnn.validation.values import shortened
from fastnn.vocabulary import BackendName

STANDARD_INPUT = STANDARD_OUTPUT = "-"
DATA_SETS = ("mnist", "digits")
"""Built-in data sets; any other name is a file."""

DATA_DIR_HELP = (
    "folder with the four MNIST files (default: FASTNN_MNIST_DIR, or fastnn's cache, filled by "
    "download)"
)


TABLES = (
    f"a file: a table as {names_of(f for f in FORMATS if f.labels)} (columns of CSV separated by "
    "comma, semicolon or tab; - is standard input), optionally compressed by gzip, bzip2, xz or zip"
)
ARRAYS = f"an {names_of(that_take('targets'))} file"
"""Which files hold tables, and rows without labels, for the help of an argument."""

NETWORK = "a network saved by fastnn train, Network.save or Ensemble.save"


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the file of a saved network."""
    parser.add_argument("model", help=f"a file with {NETWORK} (.safetensors)")


def model(path: str, backend: BackendName = "auto") -> Network | Ensemble:
    """Return what was saved, or raise an error that says what the path is instead."""
    if not os.path.lexists(path):
        raise FileNotFoundError(f"No such file or directory: {path!r}; expected {NETWORK}")
    if Path(path).exists() and not Path(path).is_file():
        what = "a folder" if Path(path).is_dir() else "a pipe or a device"
        raise ValueError(f"{path!r} is {what}; expected the file of {NETWORK}")
    loaded: Network | Ensemble = load(path, backend=backend)
    if getattr(loaded, "group_labels", None) is not None:
        raise ValueError(
            f"{path!r} holds an ensemble with a network for each group of rows, which is for "
            "Python: fastnn.load(path).predict(x, groups=…)"
        )
    return loaded


def network(path: str, backend: BackendName = "auto") -> Network:
    """Return a saved network that is one, or raise an error that says what it is instead."""
    loaded = model(path, backend)
    if not isinstance(loaded, Network):
        raise ValueError(
            f"{path!r} holds an ensemble of {len(loaded)} networks; expected a single network"
        )
    return loaded


def add_backend_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--backend`` and ``--threads``."""
    from fastnn.backends import NAMES

    parser.add_argument(
        "--backend",
        choices=(*NAMES, "auto"),
        default="auto",
        help="backend to use (default: FASTNN_BACKEND, or the fastest available)",
    )
    parser.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="maximum number of threads for large operations; numba uses one (default: "
        "FASTNN_NUM_THREADS, or the number of available processors)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-dir``, ``--label`` and ``--targets``."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help=DATA_DIR_HELP,
    )
    parser.add_argument(
        "--target",
        "--label",
        dest="label",
        metavar="COLUMN",
        help=f"column of a {names_of(that_take('label'))} file that is predicted, by name or index "
        "(default: label, target, class, species, y or another usual name, otherwise the last)",
    )
    add_header_option(parser)
    parser.add_argument(
        "--targets",
        metavar="FILE",
        help=f"{ARRAYS} with the labels or target values for the rows of the data file",
    )


def add_header_option(parser: Any) -> None:
    """Add ``--header`` and ``--no-header``."""
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help=f"whether the first line of a {names_of(that_take('header'))} file names the columns "
        "(default: detected from its contents)",
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet`` and ``--json``."""
    parser.add_argument("--quiet", action="store_true", help="print only errors and results")
    parser.add_argument("--json", action="store_true", help="print results as JSON lines")


def apply_backend_options(options: argparse.Namespace) -> None:
    """Set the thread count, or check the environment variable; networks select their backend."""
    from fastnn.backends.threads import get_num_threads, set_num_threads

    if options.threads is not None:
        set_num_threads(options.threads)
    get_num_threads()


LARGEST = 2**31 - 1
"""The largest whole number for an option: a C int, as used by libraries."""


def whole_number(minimum: int) -> Callable[[str], int]:
    """Return an argument type: a whole number from `minimum` to `LARGEST`."""

    def number(text: str) -> int:
        limits = f"at least {minimum}"
        try:
            value = validation.check_count("it", int(text), minimum)
            if value <= LARGEST:
                return value
            limits = f"at most {LARGEST:,}"
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(
            f"must be a whole number of {limits}, got {shortened(repr(text))}"
        )

    return number


def positive_number(text: str) -> float:
    """Return an argument's value: a finite number above 0."""
    try:
        return validation.check_positive("it", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0, got {shortened(repr(text))}"
        ) from None


def quantiles(text: str) -> tuple[float, ...]:
    """Return the quantiles in ``"0.5"`` or ``"0.1,0.5,0.9"``."""
    try:
        return validation.check_quantiles([float(q) for q in text.split(",")], "quantile")
    except ValueError:
        raise argparse.ArgumentTypeError(
            "must be numbers between 0 and 1 such as 0.5 or 0.1,0.5,0.9, got "
            f"{shortened(repr(text))}"
        ) from None


def share(text: str) -> float:
    """Return an argument's value: a number of at least 0 and below 1."""
    try:
        return validation.check_in_range("it", float(text), 0.0, 1.0, open_high=True)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number from 0 to below 1, got {shortened(repr(text))}"
        ) from None


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Return the widths in ``"100"``, ``"128,64"`` or ``"none"``."""
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(validation.check_count("a width", int(part)) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be widths such as 100 or 128,64, or none, got {shortened(repr(text))}"
        ) from None


def output_path(text: str) -> Path:
    """Return a path, checked to be writable before any work is done."""
    if text == STANDARD_OUTPUT:
        raise argparse.ArgumentTypeError(
            "cannot be standard output; give a file name (./- is a file called -)"
        )
    path = Path(text)
    try:
        _check_output(path)
    except OSError as error:  # for example a name that is too long
        raise argparse.ArgumentTypeError(
            f"cannot write {shortened(named(text))}: {error.strerror}"
        ) from None
    return path


def _check_output(path: Path) -> None:
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{named(path)} is a folder; give a file in it")
    folder, its_name = path.absolute().parent, named(path.parent)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"the folder {its_name} does not exist")
    if not os.access(folder, os.W_OK) and (path.is_file() or not path.exists()):
        raise argparse.ArgumentTypeError(f"cannot write to the folder {its_name}")


def check_file(path: str) -> str:
    """Return the path of a file with data, or of standard input, if there is such a file."""
    if path == STANDARD_INPUT:
        return path
    if "://" in path:
        raise ValueError(f"{named(path)} is a URL: download it and give the local file")
    if not Path(path).exists():
        raise FileNotFoundError(
            f"there is no file {path!r}, and no such data set: the data sets are mnist and digits"
        )
    if Path(path).is_dir():
        raise IsADirectoryError(f"{named(path)} is a folder; give a file in it")
    return path


def data_file(data: str) -> Path | None:
    """Return the file with the data; None for a built-in data set or standard input."""
    return None if data in (*DATA_SETS, STANDARD_INPUT) else Path(data)


def check_distinct(paths: Mapping[str, Path | None]) -> None:
    """Check that no two paths of a command are the same file, to overwrite no input.

    `paths` maps the purpose of each to its path.
    """
    taken: dict[object, str] = {}
    for name, path in paths.items():
        if path is None or (path.exists() and not path.is_file()):  # a device may be two things
            continue
        where = path.stat() if path.exists() else None  # one file may have two names
        key = os.path.realpath(path) if where is None else (where.st_dev, where.st_ino)
        other = taken.setdefault(key, name)
        if other != name:
            raise ValueError(f"{name} and {other} are the same file, {named(path)}")


def as_option(name: str, value: Value) -> str:
    """Return a parameter of the library as the option that sets it."""
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{'' if value else 'no-'}{name}"
    names = {"folder": "--data-dir", "label": "--target", "kinds": "--kind"}
    option = names.get(name, f"--{name}")
    if value is ...:
        return option
    if isinstance(value, Mapping):
        column, choice = next(iter(value.items()))
        value = column if choice is None else f"{column}={choice}"
    word = shlex.quote(str(value))
    is_negative = isinstance(value, int)  # which argparse tells from an option
    return f"{option}={word}" if word[:1] == "-" and not is_negative else f"{option} {word}"


def print_json(record: Mapping[str, Any]) -> None:
    """Print one object as one line of JSON."""
    streams.write_results([f"{as_json(record)}\n"])


def as_json(record: Mapping[str, Any]) -> str:
    """Return one object as JSON; NaN and infinity become null."""
    return json.dumps(_plain(record)).replace("\x7f", r"\u007f")  # the rest is printable ASCII


def note(text: str, options: argparse.Namespace) -> None:
    """Print a note on standard error, unless ``--quiet``."""
    if not options.quiet:
        streams.remark(text)


def note_at_the_end(text: str, options: argparse.Namespace) -> None:
    """Print a note after the command has succeeded; after an error print only the error."""
    if not options.quiet:
        options.remarks += (text,)


def shows_progress(options: argparse.Namespace) -> bool:
    """Return whether to show a progress bar: on a terminal, and not with ``--quiet``."""
    return not options.quiet and is_terminal(sys.stderr)


def size_shown(n_bytes: int) -> str:
    """Return the size of a file: ``79 kB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes} bytes"


def measures(values: Mapping[str, float]) -> str:
    """Return metrics as text: ``loss 0.0704  accuracy 97.91 %``."""
    return "  ".join(
        f"{name.replace('_', ' ')} {value:.2%}"
        if name.endswith("accuracy") or name == "largest_class"
        else f"{name.replace('_', ' ')} {_measured(name, value)}"
        for name, value in values.items()
    ).replace("%", " %")


def _measured(name: str, value: float) -> str:
    small = name in ("rmse", "mae") and 0 < abs(value) < 0.01  # in units of any size
    return f"{value:{'.4g' if small or abs(value) >= 1e6 else '.4f'}}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
