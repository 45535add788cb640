"""``fastnn export``: a saved network as a C header or an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastnn.cli import options as words
from fastnn.network import Network
from fastnn.persistence import load

SUFFIXES = {"c": ".h", "onnx": ".onnx"}


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "export",
        help="write a saved network for C programs or ONNX runtimes",
        description="Write a saved network as one C99 header without allocation, for firmware and "
        "plugins, or as an ONNX file.",
    )
    parser.add_argument("model", help="a file that fastnn train or Network.save wrote")
    parser.add_argument("--format", choices=SUFFIXES, required=True, help="what to write")
    parser.add_argument(
        "--weights",
        choices=("float32", "int8"),
        help="of a C header: int8 takes a quarter of the memory and is less exact (default: "
        "float32)",
    )
    parser.add_argument(
        "--name",
        help="of a C header: what all its names begin with (default: the name of the file)",
    )
    parser.add_argument(
        "--input-dtype",
        choices=("float32", "float64", "uint8"),
        help="of an ONNX file's inputs: uint8 for bytes, which are scaled inside (default: the "
        "network's own)",
    )
    parser.add_argument(
        "--output",
        type=words.output_path,
        metavar="FILE",
        help="where to write it (default: the model's name with .h or .onnx, here)",
    )
    words.add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, write and report."""
    for option, format_ in (("weights", "c"), ("name", "c"), ("input_dtype", "onnx")):
        if getattr(options, option) is not None and options.format != format_:
            raise ValueError(
                f"--{option.replace('_', '-')} is for --format {format_} alone, the format is "
                f"{options.format}"
            )
    default = Path(options.model).stem + SUFFIXES[options.format]
    path = options.output or words.output_path(default)
    words.check_distinct({"the model": Path(options.model), "--output": path})
    network = load(options.model)
    if options.format == "c":
        _to_c(options, network, path)
    else:
        _to_onnx(options, network, path)
    return 0


def _to_c(options: argparse.Namespace, network: Network, path: Path) -> None:
    from fastnn.exchange.c_header import constant_bytes, largest_weight_error, name_for

    weights, a = options.weights or "float32", network.architecture
    name = name_for(path, options.name)
    network.to_c(path, weights=weights, name=name)
    size = constant_bytes(a, weights)
    error = largest_weight_error(network, weights)
    if options.json:
        words.print_json(
            {
                "format": "c",
                "file": path,
                "name": name,
                "weights": weights,
                "n_parameters": a.n_parameters,
                "bytes": size,
                "largest_weight_error": error,
            }
        )
        return
    print(
        f"{path}: {name}_predict, {a.n_parameters:,} numbers in {size:,} bytes ({weights}), "
        f"largest error of a weight {error:.3g}"
    )


def _to_onnx(options: argparse.Namespace, network: Network, path: Path) -> None:
    network.to_onnx(path, input_dtype=options.input_dtype)
    size = path.stat().st_size
    if options.json:
        n_parameters = network.architecture.n_parameters
        words.print_json(
            {"format": "onnx", "file": path, "n_parameters": n_parameters, "bytes": size}
        )
    else:
        print(f"{path}: {network.architecture.n_parameters:,} numbers, {size:,} bytes")
