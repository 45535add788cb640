"""Compiling networks in integers, and running rows through them: here, and on a Cortex-M."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fastnn.exchange.c.integers.calibration import calibrated
from fastnn.exchange.c.integers.header import integer_header
from fastnn.rows.checked import checked_x
from support.c_programs import CLASSIFY, compiled, output_of

PROGRAMS = Path(__file__).parents[1] / "exchange" / "programs"
ARM_COMPILER = shutil.which("arm-none-eabi-gcc")
ARM_NM = shutil.which("arm-none-eabi-nm")
EMULATOR = shutil.which("qemu-system-arm")

# The rows have their exact size, so that a sanitizer sees a step past them.
RUN = """
static void run_{name}(int n_rows)
{{
    {kind} *x = ({kind} *)malloc(sizeof({kind}) * {name}_N_IN);
    int32_t *out = (int32_t *)malloc(sizeof(int32_t) * {name}_N_OUT);
    while (n_rows-- > 0) {{
        if (fread(x, sizeof({kind}), {name}_N_IN, stdin) != {name}_N_IN) {{
            exit(1);
        }}
        {name}_predict{suffix}(x, out);
        fwrite(out, sizeof(int32_t), {name}_N_OUT, stdout);
        {classify}
    }}
    free(x);
    free(out);
}}
"""


def integers_of(network, x):
    """The network in integers, calibrated on rows."""
    return calibrated(network, checked_x(network.architecture, network.trained_on, x))


def names_of(network, integers, name):
    """The words of a program for one network."""
    in_bytes = integers.inputs is None
    words = {"name": name, "kind": "uint8_t" if in_bytes else "int16_t"}
    words["suffix"] = "_bytes" if in_bytes else ""
    words["classify"] = CLASSIFY.format(**words) if network.architecture.n_classes else ""
    return words


def run_integers(folder, cases, *flags, language="c"):
    """Run rows through networks, all in one program.

    Parameters
    ----------
    cases : list of (network, IntegerNetwork, rows of bytes or int16)

    Returns
    -------
    list of (outputs (n_rows, n_out) int32, classes (n_rows,) int32 or None)
    """
    source, calls, data = ["#include <stdio.h>", "#include <stdlib.h>"], [], b""
    for i, (network, integers, rows) in enumerate(cases):
        name = f"net{i}"
        Path(folder, f"{name}.h").write_text(integer_header(network, integers, name))
        source += [f'#include "{name}.h"', RUN.format(**names_of(network, integers, name))]
        calls.append(f"    run_{name}({len(rows)});")
        data += rows.tobytes()
    source += ["int main(void)", "{", *calls, "    return 0;", "}", ""]
    found = output_of(compiled(folder, "\n".join(source), *flags, language=language), data)
    return split(np.frombuffer(found, "<i4"), cases)


def split(numbers, cases):
    """Return the outputs and classes of each network from all numbers that were printed."""
    results, start = [], 0
    for network, _, rows in cases:
        a = network.architecture
        width = a.n_out + bool(a.n_classes)
        table = numbers[start : start + len(rows) * width].reshape(len(rows), width)
        start += table.size
        results.append((table[:, : a.n_out], table[:, -1] if a.n_classes else None))
    assert start == len(numbers)
    return results


def general_registers(folder):
    """Return the flag with which the compiler refuses floats; skip where there is none."""
    flag = "-mgeneral-regs-only"
    source = Path(folder, "general.c")
    for text, fine in (
        ("int f(int x)\n{\n    return x;\n}\n", True),
        ("float f(float x)\n{\n    return x * x;\n}\n", False),
    ):
        source.write_text(text)
        command = [shutil.which("cc") or "cc", flag, "-c", source, "-o", source.with_suffix(".o")]
        try:
            accepted = not subprocess.run(command, capture_output=True).returncode
        except FileNotFoundError:
            pytest.skip("there is no compiler of c here")
        if accepted != fine:
            pytest.skip(f"the compiler has no {flag} that refuses floats")
    return flag


def need_cortex_m():
    """Skip where there is no cross compiler for Cortex-M, or no emulator."""
    missing = [
        name
        for name, path in (("arm-none-eabi-gcc", ARM_COMPILER), ("qemu-system-arm", EMULATOR))
        if path is None
    ]
    if missing:
        assert not os.environ.get("FASTNN_REQUIRE_CORTEX_M"), missing
        pytest.skip(f"{' and '.join(missing)} missing; .ci/microcontroller installs what is needed")


def compiled_for_cortex_m(folder, source, *flags, cpu="cortex-m3"):
    """Compile a program's text for a Cortex-M; return the path."""
    path = Path(folder, "program.c")
    path.write_text(source)
    program = path.with_suffix(".elf")
    done = subprocess.run(
        [ARM_COMPILER, "-std=gnu99", "-Os", "-Wall", "-Wextra", "-Werror", f"-mcpu={cpu}",
         "-mthumb", "-mfloat-abi=soft", "-ffunction-sections", "-nostartfiles",
         f"-I{PROGRAMS}", f"-T{PROGRAMS / 'cortex_m.ld'}", "-Wl,--gc-sections", *flags, path,
         "-o", program],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:4000]
    return program


def run_on_cortex_m(folder, cases):
    """Run rows through networks on an emulated Cortex-M3; as `run_integers`."""
    source, calls = ['#include "cortex_m.h"'], []
    for i, (network, integers, rows) in enumerate(cases):
        name = f"net{i}"
        words = names_of(network, integers, name)
        Path(folder, f"{name}.h").write_text(integer_header(network, integers, name))
        numbers = ", ".join(map(str, rows.ravel().tolist()))
        source.append(f'#include "{name}.h"')
        source.append(f"static const {words['kind']} rows{i}[] = {{{numbers}}};")
        calls += [
            f"    for (int i = 0; i < {len(rows)}; i++) {{",
            f"        int32_t out[{name}_N_OUT];",
            f"        {name}_predict{words['suffix']}(rows{i} + i * {name}_N_IN, out);",
            f"        for (int j = 0; j < {name}_N_OUT; j++) {{ print(out[j]); }}",
        ]
        if network.architecture.n_classes:
            calls.append(
                f"        print({name}_classify{words['suffix']}(rows{i} + i * {name}_N_IN));"
            )
        calls.append("    }")
    source += ["int main(void)", "{", *calls, "    return 0;", "}", ""]
    program = compiled_for_cortex_m(folder, "\n".join(source))
    done = subprocess.run(
        [EMULATOR, "-machine", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "none",
         "-semihosting-config", "enable=on,target=native", "-kernel", program],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:4000]
    text = (done.stdout + done.stderr).split()  # QEMU prints on either
    numbers = np.array([int(word, 16) for word in text], np.uint32).view(np.int32)
    return split(numbers, cases)
