"""``fastnn export``: a saved network as a C header, ONNX, a JavaScript module or a page."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np

from fastnn.cli import options as words
from fastnn.cli import saved_table
from fastnn.cli.data import prediction_rows, test_data
from fastnn.cli.reading import TEXT_ONLY, add_text_options, check_text_options
from fastnn.cli.streams import say
from fastnn.datasets import read_table
from fastnn.datasets.readers.formats import format_by_name
from fastnn.ensemble import Ensemble
from fastnn.exchange.c.accuracy import Agreement
from fastnn.exchange.javascript.module import WrittenModule, path_of_types
from fastnn.exchange.page.writing import WrittenPage
from fastnn.network import Network
from fastnn.system.printable import named
from fastnn.vocabulary import ModuleWeightType, WeightType

SUFFIXES = {"c": ".h", "onnx": ".onnx", "javascript": ".js", "html": ".html"}

FORMATS = {
    "weights": ("c", "javascript", "html"),
    "arithmetic": ("c",),
    "calibration": ("c",),
    "name": ("c",),
    "rows": ("c", "javascript", "html"),
    "input_dtype": ("onnx",),
}
"""The formats that an option is for."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "export",
        help="export a saved network as a C header, ONNX, a JavaScript module or a page",
        description="Write a saved network as one C99 header without allocation, for firmware and "
        "plugins, as an ONNX file, as one JavaScript module, for browsers and Node, or as one HTML "
        "file, a page to try the network. Of a network that takes tables, or several, a header, an "
        "ONNX file or a page takes the columns as they come: a header numbers and flags, the "
        "others all columns.",
    )
    words.add_model_argument(parser)
    parser.add_argument("--format", choices=SUFFIXES, required=True, help="what to write")
    parser.add_argument(
        "--weights",
        choices=get_args(ModuleWeightType),
        help="for a C header, a JavaScript module or a page: int8 takes a quarter of the memory "
        "and is less accurate; float16, not for a header, half (default: float32)",
    )
    parser.add_argument(
        "--arithmetic",
        choices=("float32", "int32"),
        help="for a C header: int32 computes without floats, for microcontrollers, and needs "
        "--weights int8 and --calibration (default: float32)",
    )
    parser.add_argument(
        "--calibration",
        metavar="DATA",
        help="for --arithmetic int32: rows such as the network will meet, with or without labels, "
        "which give the ranges of its numbers",
    )
    parser.add_argument(
        "--name",
        help="for a C header: prefix of all its names (default: the name of the file)",
    )
    parser.add_argument(
        "--rows",
        metavar="DATA",
        help="for a C header, a JavaScript module or a page: rows to measure its loss of accuracy "
        "on, as in fastnn evaluate, with or without labels, and for a page the accuracy that it "
        "states (default: synthetic rows, if the model stores column statistics)",
    )
    words.add_data_options(parser)
    of_tables = "of the file of --rows, for a network that takes tables"
    add_text_options(parser.add_argument_group(of_tables), header=False)
    parser.add_argument(
        "--input-dtype",
        choices=("float32", "float64", "uint8"),
        help="for an ONNX file: dtype of its inputs; uint8 for bytes, which the model scales "
        "(default: the network's dtype; of a network that takes tables float64)",
    )
    parser.add_argument(
        "--output",
        type=words.output_path,
        metavar="FILE",
        help="file to write (default: the model's name with .h, .onnx, .js or .html, in the "
        "current folder); types of a module are written beside it",
    )
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, write and report."""
    for option, formats in FORMATS.items():
        if getattr(options, option) is not None and options.format not in formats:
            taking = " and ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))
            raise ValueError(
                f"--{option.replace('_', '-')} is only for --format {taking}, but the format is "
                f"{options.format}"
            )
    if options.weights == "float16" and options.format == "c":
        raise ValueError(
            "--weights float16 is only for --format javascript and html, but the format is c"
        )
    for option in ("data_dir", "label", "header", "targets", *TEXT_ONLY):
        if getattr(options, option) is not None and not (options.rows or options.calibration):
            raise ValueError(
                f"--{option.replace('_', '-')} describes --rows or --calibration, and neither is "
                "given"
            )
    default = Path(options.model).stem + SUFFIXES[options.format]
    path = options.output or words.output_path(default)
    words.check_distinct(
        {
            "the model": Path(options.model),
            "--rows": None if options.rows is None else words.data_file(options.rows),
            "--output": path,
        }
    )
    if options.calibration is not None:
        words.check_distinct(
            {"--calibration": words.data_file(options.calibration), "--output": path}
        )
    network = words.model(options.model)
    if not saved_table.takes_tables(network):
        check_text_options(options, options.model)
    if options.format == "c":
        _to_c(options, network, path)
    elif options.format == "javascript":
        _to_javascript(options, network, path)
    elif options.format == "html":
        _to_html(options, network, path)
    else:
        _to_onnx(options, network, path)
    return 0


def _to_c(options: argparse.Namespace, network: Network | Ensemble, path: Path) -> None:
    weights: WeightType = options.weights or "float32"
    n_parameters = _n_parameters(network)
    rows = None if options.rows is None else _rows(options, network, options.rows)
    chosen = _arithmetic(options, network)
    written = network.to_c(path, weights=weights, name=options.name, rows=rows, **chosen)
    agreement = written.agreement
    in_integers = {"largest_logit_error": written.largest_logit_error}
    if options.json:
        words.print_json(
            {
                "format": "c",
                "file": path,
                "name": written.name,
                "weights": weights,
                "n_parameters": n_parameters,
                "bytes": written.n_bytes,
                "largest_weight_error": written.largest_weight_error,
                "agreement": None if agreement is None else agreement._asdict(),
            }
            | (in_integers if written.largest_logit_error is not None else {})
        )
        return
    say(
        f"{named(path)}: {written.name}_predict, {n_parameters:,} parameters in "
        f"{written.n_bytes:,} bytes ({weights}), largest weight error "
        f"{written.largest_weight_error:.3g}"
    )
    if written.largest_logit_error is not None:
        say(f"computed in int32: largest difference of outputs {written.largest_logit_error:.3g}")
    _say_agreement(options, agreement, weights)


def _to_javascript(options: argparse.Namespace, network: Network | Ensemble, path: Path) -> None:
    if isinstance(network, Ensemble):
        raise ValueError(
            f"{options.model} holds {len(network)} networks, and a JavaScript module one: "
            "--format onnx writes them all"
        )
    weights: ModuleWeightType = options.weights or "float32"
    words.check_distinct({"the model": Path(options.model), "the types": path_of_types(path)})
    rows = None if options.rows is None else _rows(options, network, options.rows)
    written = network.to_javascript(path, weights=weights, rows=rows)
    _report(options, network, path, weights, written, types=written.types)


def _to_html(options: argparse.Namespace, network: Network | Ensemble, path: Path) -> None:
    weights: ModuleWeightType = options.weights or "float32"
    rows = None if options.rows is None else _rows(options, network, options.rows)
    written = network.to_html(path, weights=weights, rows=rows)
    _report(options, network, path, weights, written)


def _report(
    options: argparse.Namespace,
    network: Network | Ensemble,
    path: Path,
    weights: ModuleWeightType,
    written: WrittenModule | WrittenPage,
    types: Path | None = None,
) -> None:
    """Say what was written for browsers."""
    agreement = written.agreement
    if options.json:
        words.print_json(
            {"format": options.format, "file": path}
            | ({} if types is None else {"types": types})
            | {
                "weights": weights,
                "n_parameters": _n_parameters(network),
                "bytes": written.n_bytes,
                "weight_bytes": written.n_weight_bytes,
                "largest_weight_error": written.largest_weight_error,
                "agreement": None if agreement is None else agreement._asdict(),
            }
        )
        return
    say(
        f"{named(path)}: {_n_parameters(network):,} parameters, {written.n_bytes:,} bytes "
        f"({weights}), largest weight error {written.largest_weight_error:.3g}"
        + ("" if types is None else f"; types in {named(types)}")
    )
    _say_agreement(options, agreement, weights)


def _say_agreement(options: argparse.Namespace, agreement: Agreement | None, weights: str) -> None:
    if agreement is not None:
        say(f"compared with the network: {agreement}")
    elif weights != "float32":
        words.note(
            f"the accuracy lost by {weights} was not measured: give rows with --rows", options
        )


def _arithmetic(options: argparse.Namespace, network: Network | Ensemble) -> dict[str, Any]:
    """Return the arguments that --arithmetic and --calibration stand for."""
    if options.arithmetic is None and options.calibration is None:
        return {}
    if isinstance(network, Ensemble):
        raise ValueError(
            "--arithmetic and --calibration are for one network that takes numbers or bytes, and "
            f"{named(options.model)} holds several that take a table"
        )
    found = {"arithmetic": options.arithmetic or "float32"}
    if options.calibration is None:
        return found
    return found | {"calibration": _rows(options, network, options.calibration)}


def _n_parameters(network: Network | Ensemble) -> int:
    n_models = len(network) if isinstance(network, Ensemble) else 1
    return n_models * network.architecture.n_parameters


def _rows(options: argparse.Namespace, network: Network | Ensemble, data: str) -> Any:
    """Return what --rows or --calibration names: (x, y), or x if it has no labels."""
    source = argparse.Namespace(**vars(options) | {"data": data})
    if saved_table.takes_tables(network):
        return _table(source, network)
    if _has_labels(source, network):
        rows = test_data(source, network)
        return rows.x, rows.y
    return prediction_rows(source, network)


def _table(source: argparse.Namespace, network: Network | Ensemble) -> Any:
    """Return the table that --rows names, with its labels or targets if it has them."""
    found = saved_table.rows(source, network, given=source.label)
    if found.target is None:
        return found.frame
    rows = saved_table.labelled(source, network)
    classes = saved_table.classes_of(network)
    return rows.frame, rows.y if classes is None else np.array(classes)[rows.y]


def _has_labels(source: argparse.Namespace, network: Network | Ensemble) -> bool:
    """Return whether data have labels: an array file has none, a table may have a column."""
    if source.data in words.DATA_SETS or source.targets is not None or source.label is not None:
        return True
    found = format_by_name(source.data)
    if found and found.labels == "array" and zipfile.is_zipfile(source.data):
        with zipfile.ZipFile(source.data) as arrays:
            return any(name.lower().startswith("y") for name in arrays.namelist())
    if not Path(source.data).is_file() or (found and found.labels == "array"):
        return True
    if found and found.labels is None:
        return False
    try:
        table = read_table(source.data, header=source.header, trained_on=network.trained_on)
    except ValueError:  # no labels, or an invalid file, which reading without labels reports
        return False
    return bool(table.x.shape[1] == network.architecture.n_in)


def _to_onnx(options: argparse.Namespace, network: Network | Ensemble, path: Path) -> None:
    network.to_onnx(path, input_dtype=options.input_dtype)
    size = path.stat().st_size
    if options.json:
        n_parameters = _n_parameters(network)
        words.print_json(
            {"format": "onnx", "file": path, "n_parameters": n_parameters, "bytes": size}
        )
    else:
        say(f"{named(path)}: {_n_parameters(network):,} parameters, {size:,} bytes")
