"""The compiled kernels: each ``kernels/cython/*.pyx`` becomes ``fastnn.kernels.cython.<stem>``.

They are optional. Without a working compiler the package installs pure, with a warning in the build
log, and ``fastnn info`` says that the extension is not built. Two environment variables, read at
build time, change that:

- ``FASTNN_REQUIRE_EXT=1`` turns a failed build into an error;
- ``FASTNN_NO_EXT=1`` does not try to build.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("kernels", "cython")
REQUIRED = os.environ.get("FASTNN_REQUIRE_EXT") == "1"
SKIPPED = os.environ.get("FASTNN_NO_EXT") == "1"

# No -march=native: the wheel must run on the oldest processor of its platform.
# No -ffast-math: its start-up code flips the whole process to flush-to-zero.
# -g0: the interpreter's own flags often carry -g, which makes the module five times as large.
GNU_FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-g0"]
MSVC_FLAGS = ["/O2"]

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
        ext.extra_compile_args = MSVC_FLAGS if self.compiler.compiler_type == "msvc" else GNU_FLAGS
        try:
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


def extension(source):
    module = Extension(
        f"fastnn.kernels.cython.{source.stem}",
        sources=[source.as_posix()],
        include_dirs=[SOURCES.as_posix()],
        depends=sorted(path.as_posix() for path in SOURCES.glob("simd/*.[ch]")),
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
