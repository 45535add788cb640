"""An instruction set is a header, its flags in setup.py, and its line in dispatch.c."""

import ast
import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIMD = ROOT / "kernels" / "cython" / "simd"
TARGETS = {path.stem for path in (SIMD / "targets").glob("*.h")}


def with_flags():
    """The instruction sets that setup.py has flags for."""
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return {key.value for name in ("X86", "ARM64") for key in assigned[name].keys}


def test_each_header_has_its_flags_and_its_line():
    dispatch = (SIMD / "dispatch.c").read_text(encoding="utf-8")
    lines = set(re.findall(r"^    X\((\w+), (?:ON_|EVERYWHERE)", dispatch, re.M))
    assert TARGETS == lines == {"baseline"} | with_flags()


def test_what_a_target_prefers_stands_in_its_header_alone():
    # Compilers' names of instruction sets; that of SSE2 also says that MXCSR exists.
    named = re.compile(r"__AVX|__SSE|__ARM_NEON|__aarch64__|\b_mm\d*_")
    others = {path.name for path in SIMD.glob("*.[ch]") if named.search(path.read_text("utf-8"))}
    assert others == {"barrier.h", "float_mode.h"}


OWN_TARGET = """
#include "{targets}/baseline.h"
#define OWN_KERNELS "own.h"
"""
OWN_KERNELS = """
static void own_softmax(ptrdiff_t n_rows, ptrdiff_t n_out, const void *z, ptrdiff_t z_row,
                        void *out, ptrdiff_t out_row) {
    (void)n_rows, (void)n_out, (void)z, (void)z_row, (void)out, (void)out_row;
}
#define OWN_ENTRIES .softmax = own_softmax,

extern const struct kernels FASTNN_TABLE;
int replaces_only_its_own(void) {
    return FASTNN_TABLE.softmax == own_softmax && FASTNN_TABLE.derive == derive;
}
"""


def test_a_target_may_replace_entries_of_the_table(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "targets").mkdir()
    target = OWN_TARGET.format(targets=(SIMD / "targets").as_posix())
    (tmp_path / "targets" / "own.h").write_text(target, encoding="utf-8")
    (tmp_path / "own.h").write_text(OWN_KERNELS, encoding="utf-8")
    library = tmp_path / "own.so"
    subprocess.run(
        [
            compiler, "-O0", "-w", "-shared", "-fPIC", "-I", tmp_path, "-DFASTNN_TABLE=own_table",
            "-DFASTNN_TARGET=own", SIMD / "kernels.c", "-o", library, "-lm",
        ],
        check=True,
    )  # fmt: skip
    assert ctypes.CDLL(str(library)).replaces_only_its_own()
