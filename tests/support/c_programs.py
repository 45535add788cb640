"""Compiling exported networks, and running rows through them."""

import itertools
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastnn.exchange.c.header import header
from fastnn.exchange.c.table_header import table_header

COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
CPP_COMPILER = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow",
          "-Wdouble-promotion", "-Wcast-qual", "-Wundef")  # fmt: skip

SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

# Every network's rows come in one after the other, in float or bytes; its outputs go out, and the
# class of each row where it has one. The rows have their exact size, so that a sanitizer sees a
# step past them.
RUN = """
static void run_{name}(int n_rows)
{{
    {kind} *x = malloc(sizeof({kind}) * {name}_N_IN);
    float *out = malloc(sizeof(float) * {name}_N_OUT);
    while (n_rows-- > 0) {{
        if (fread(x, sizeof({kind}), {name}_N_IN, stdin) != {name}_N_IN) {{
            exit(1);
        }}
        {name}_predict{suffix}(x, out);
        fwrite(out, sizeof(float), {name}_N_OUT, stdout);
        {classify}
    }}
    free(x);
    free(out);
}}
"""
CLASSIFY = """{{
            const int32_t c = (int32_t){name}_classify{suffix}(x);
            fwrite(&c, sizeof c, 1, stdout);
        }}"""


class Outputs(NamedTuple):
    """Outputs (n_rows, n_out) in float32, and classes (n_rows,) where there are some."""

    out: np.ndarray
    classes: np.ndarray | None


def compiled(folder, source, *flags, language="c"):
    """Compile a program's text; return its path."""
    compiler = COMPILER if language == "c" else CPP_COMPILER
    if compiler is None:
        pytest.skip(f"there is no compiler of {language} here")
    standard = "-std=c99" if language == "c" else "-std=c++11"
    path = Path(folder, f"program.{language}")
    path.write_text(source)
    program = path.with_suffix("")
    done = subprocess.run(
        [compiler, standard, *STRICT, *flags, path, "-o", program, "-lm"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:4000]
    return program


def sanitizers(folder):
    """Return the flags that look for memory errors and undefined behaviour; skip without them."""
    if COMPILER is None:
        pytest.skip("there is no compiler of c here")
    source = Path(folder, "empty.c")
    source.write_text("int main(void)\n{\n    return 0;\n}\n")
    program = source.with_suffix("")
    done = subprocess.run([COMPILER, *SANITIZED, source, "-o", program], capture_output=True)
    if done.returncode or subprocess.run([program], capture_output=True).returncode:
        pytest.skip(f"{COMPILER} has no sanitizers here")
    return SANITIZED


def output_of(program, data=b""):
    """Run a program; return what it printed, with nothing on standard error."""
    done = subprocess.run([program], input=data, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


def run(folder, networks, rows, *flags, weights="float32", language="c"):
    """Run rows through networks, all in one program; return an `Outputs` for each.

    A row of a network that carries columns is one number for each that is read.
    """
    source = ["#include <stdio.h>", "#include <stdlib.h>"]
    calls, data = [], b""
    for i, (network, x) in enumerate(zip(networks, rows, strict=True)):
        name, in_bytes = f"net{i}", x.dtype == np.uint8
        write = header if network.columns is None else table_header
        Path(folder, f"{name}.h").write_text(write(network, name, weights=weights))
        source.append(f'#include "{name}.h"')
        of_table = network.columns is not None
        words = {"name": name, "kind": "double" if of_table else "float", "suffix": ""}
        if in_bytes:
            words |= {"kind": "uint8_t", "suffix": "_bytes"}
        classes = network.architecture.n_classes
        words["classify"] = CLASSIFY.format(**words) if classes else ""
        text = RUN.format(**words)
        if language != "c":
            text = text.replace("= malloc", f"= ({words['kind']} *)malloc", 1)
            text = text.replace("= malloc", "= (float *)malloc")
        source.append(text)
        calls.append(f"    run_{name}({len(x)});")
        dtype = np.uint8 if in_bytes else np.float64 if of_table else np.float32
        data += x.astype(dtype).tobytes()
    source += ["int main(void)", "{", *calls, "    return 0;", "}", ""]
    program = compiled(folder, "\n".join(source), *flags, language=language)
    found = output_of(program, data)
    results, start = [], 0
    for network, x in zip(networks, rows, strict=True):
        a = network.architecture
        fields = [("out", "<f4", (a.n_out,))] + [("c", "<i4")] * bool(a.n_classes)
        table = np.frombuffer(found, np.dtype(fields), count=len(x), offset=start)
        start += table.nbytes
        results.append(Outputs(table["out"], table["c"] if a.n_classes else None))
    assert start == len(found)
    return results


def batches(items, size):
    """Yield lists of `size` items."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
