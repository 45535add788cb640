"""The compiled kernels: each ``kernels/cython/*.pyx`` becomes ``fastnn.kernels.cython.<stem>``.

``simd/kernels.c`` is compiled once for each instruction set and number type, and linked in as so
many tables; ``simd/dispatch.c`` chooses among them when the module is used.

The kernels are optional. Without a working compiler the package installs pure, with a warning in
the build log, and ``fastnn info`` says that the extension is not built. Two environment variables,
read at build time, change that:

- ``FASTNN_REQUIRE_EXT=1`` turns a failed build into an error;
- ``FASTNN_NO_EXT=1`` does not try to build.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("kernels", "cython")
SIMD = SOURCES / "simd"
PARTS = {".pxd", ".pxi", ".h", ".c"}  # what a module is rebuilt for, beside its own file
REQUIRED = os.environ.get("FASTNN_REQUIRE_EXT") == "1"
SKIPPED = os.environ.get("FASTNN_NO_EXT") == "1"

# No -march=native: the wheel must run on the oldest processor of its platform.
# No -ffast-math: its start-up code flips the whole process to flush-to-zero.
# -g0: the interpreter's own flags often carry -g, which makes the module five times as large.
GNU_FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-g0"]
MSVC_FLAGS = ["/O2", "/std:c11"]

# The instruction sets beside the baseline, and what dispatch.c asks of the processor for each:
# simd/targets/ has what they prefer.
AVX2 = ["-mavx2", "-mfma", "-mbmi", "-mbmi2"]
AVX512 = [
    *AVX2,
    *("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"),
]
X86 = {"avx2": AVX2, "avx512": AVX512}
ARM64 = {"neon": []}

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    # The kernels write only into the arrays they are given.
    "freethreading_compatible": True,
}


class OptionalBuild(build_ext):
    """Builds what it can; a module that does not compile is left out with a warning."""

    def build_extension(self, ext):
        try:
            self.choose_instruction_sets(ext)
            ext.extra_objects = self.compile_tables(ext)
            super().build_extension(ext)
        except Exception as error:  # Cython's and each compiler's errors share no other base
            if REQUIRED:
                raise
            print(
                f"\nWARNING: {ext.name} was not built: {type(error).__name__}: {error}\n"
                "WARNING: fastnn installs without it and computes with NumPy or Numba. For the\n"
                "WARNING: compiled kernels install a C compiler and install fastnn again;\n"
                "WARNING: FASTNN_REQUIRE_EXT=1 makes this an error.\n",
                file=sys.stderr,
            )

    def choose_instruction_sets(self, ext):
        """Set what depends on the compiler and on the machine that is built for."""
        self.instruction_sets = {"baseline": []}
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args = MSVC_FLAGS
            return  # without vector types and __builtin_cpu_supports there is one set
        ext.extra_compile_args = GNU_FLAGS
        ext.libraries = ["m"]
        # A universal2 build of macOS compiles each file for two machines: it stays at the baseline.
        if self.plat_name.endswith(("x86_64", "amd64")):
            ext.define_macros = [("FASTNN_X86", None)]
            self.instruction_sets |= X86
        elif self.plat_name.endswith(("aarch64", "arm64")):
            ext.define_macros = [("FASTNN_ARM64", None)]
            self.instruction_sets |= ARM64

    def compile_tables(self, ext):
        """Compile kernels.c for each instruction set and number type; return the objects."""
        tables = [
            (f"fastnn_{number}_{target}", [("FASTNN_TARGET", target), *macros], flags)
            for target, flags in self.instruction_sets.items()
            for number, macros in (("single", []), ("double", [("FASTNN_DOUBLE", None)]))
        ]

        def compile_table(table):
            name, macros, flags = table
            (compiled,) = self.compiler.compile(
                [(SIMD / "kernels.c").as_posix()],
                output_dir=str(Path(self.build_temp, name)),
                macros=[("FASTNN_TABLE", name), *macros, *ext.define_macros],
                include_dirs=ext.include_dirs,
                extra_postargs=ext.extra_compile_args + flags,
            )
            return compiled

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(compile_table, tables))


def extension(source):
    module = Extension(
        f"fastnn.kernels.cython.{source.stem}",
        sources=[source.as_posix(), (SIMD / "dispatch.c").as_posix()],
        include_dirs=[SOURCES.as_posix()],
        depends=sorted(path.as_posix() for path in SOURCES.rglob("*.*") if path.suffix in PARTS),
        optional=not REQUIRED,
    )
    # Read by Cython's build_ext, which setuptools builds upon when Cython is there.
    module.cython_directives = DIRECTIVES
    module.cython_c_in_temp = True  # the generated C stays out of the source tree
    return module


setup(
    ext_modules=[] if SKIPPED else [extension(source) for source in sorted(SOURCES.glob("*.pyx"))],
    cmdclass={"build_ext": OptionalBuild},
)
