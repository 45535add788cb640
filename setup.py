"""The compiled kernels: each ``kernels/cython/*.pyx`` becomes ``fastnn.kernels.cython.<stem>``.

``simd/kernels.c`` is compiled once for each instruction set and number type, and linked in as so
many tables; ``simd/dispatch.c`` chooses among them when the module is used.

The kernels are optional. Without a working compiler the package installs pure, with a warning in
the build log, and ``fastnn info`` says that the extension is not built. Two environment variables,
read at build time, change that:

- ``FASTNN_REQUIRE_EXT=1`` turns a failed build into an error;
- ``FASTNN_NO_EXT=1`` does not try to build.

On Windows clang-cl compiles (`find_clang_cl` says which) and MSVC links. MSVC has no vector types:
where there is no clang-cl, or ``CC`` is ``cl``, its kernels compute number by number, and
``fastnn info`` says so.
"""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path, PureWindowsPath

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
clang_cl_option = "/clang:{}".format  # an option of Clang's, as clang-cl takes it
CLANG_CL_FLAGS = ["/std:c11", *map(clang_cl_option, GNU_FLAGS)]

# What clang-cl compiles for, by setuptools' names of platforms.
WINDOWS_TARGETS = {
    "win-amd64": "x86_64-pc-windows-msvc",
    "win-arm64": "aarch64-pc-windows-msvc",
    "win32": "i686-pc-windows-msvc",
}

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


def find_clang_cl(environment, msvc, is_file=os.path.isfile, ask=subprocess.check_output):
    """Return the path of clang-cl on Windows, or None: MSVC is to compile.

    It is looked for in the Visual Studio whose compiler `msvc` is, on ``PATH``, where LLVM's
    installer puts it, and in other Visual Studios, which vswhere, started by `ask`, lists. The
    environment variable ``CC`` chooses: ``clang-cl``, which has to be there then, its path, or
    MSVC's ``cl``.
    """
    on_path = [PureWindowsPath(name) for name in environment.get("PATH", "").split(";") if name]
    named = PureWindowsPath(environment.get("CC", "").strip(' "'))
    stem = named.name.lower().removesuffix(".exe")
    if stem == "cl":
        return None
    is_named = stem.startswith("clang-cl")
    if stem and not is_named:
        print(f"CC={named} is ignored: on Windows it may name clang-cl or cl", file=sys.stderr)

    # ARM64 runs programs for x64 too.
    hosts = ["ARM64", "x64", ""] if platform.machine() == "ARM64" else ["x64", ""]
    below = [PureWindowsPath("VC", "Tools", "Llvm", host, "bin") for host in hosts]
    studios = [folder.parent for folder in PureWindowsPath(msvc).parents if folder.name == "VC"]
    candidates = [studio / folder for studio in studios for folder in below] + on_path
    for name in ("ProgramW6432", "ProgramFiles"):
        if name in environment:
            candidates.append(PureWindowsPath(environment[name], "LLVM", "bin"))
    if named.name != str(named) and is_named:
        candidates, below = [named.parent], []
    program = f"{stem}.exe" if is_named else "clang-cl.exe"
    for folder in candidates:
        if is_file(path := str(folder / program)):
            return path

    programs = environment.get("ProgramFiles(x86)") or environment.get("ProgramFiles", "")
    vswhere = str(PureWindowsPath(programs, "Microsoft Visual Studio", "Installer", "vswhere.exe"))
    for folder in below if is_file(vswhere) else []:
        found = ask([vswhere, "-products", "*", "-find", str(folder / program)])
        for path in found.decode(errors="replace").splitlines():
            if is_file(path):
                return path
    if is_named:
        raise FileNotFoundError(f"CC={named}: there is no such compiler; CC=cl compiles with MSVC")
    return None


def with_clang_cl(compiler, path, plat_name):
    """Make setuptools' compiler for MSVC, once it is initialized, compile with clang-cl."""
    # Clang has headers of its own that have the same names as MSVC's: those must come behind, as
    # headers of the system do and those of -I do not.
    headers = [f"/imsvc{folder}" for folder in type(compiler).include_dirs]
    compiler.__class__ = type("ClangCl", (type(compiler),), {"include_dirs": []})
    compiler.cc = path
    for name in ("compile_options", "compile_options_debug"):
        options = [option for option in getattr(compiler, name) if option != "/GL"]  # MSVC's alone
        setattr(compiler, name, [*options, f"--target={WINDOWS_TARGETS[plat_name]}", *headers])


class OptionalBuild(build_ext):
    """Builds what it can; a module that does not compile is left out with a warning."""

    def build_extension(self, ext):
        try:
            self.build_somehow(ext)
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

    def build_somehow(self, ext):
        """Build; on Windows with clang-cl, else with MSVC, and say so."""
        if self.compiler.compiler_type != "msvc":
            return self.build_with(ext, GNU_FLAGS, libraries=["m"])
        if not self.compiler.initialized:
            self.compiler.initialize(self.plat_name)
        msvc, reason = self.compiler, "clang-cl was not found"
        if path := find_clang_cl(os.environ, msvc.cc):
            self.compiler = copy(msvc)
            with_clang_cl(self.compiler, path, self.plat_name)
            try:
                return self.build_with(ext, CLANG_CL_FLAGS, as_option=clang_cl_option)
            except Exception as error:
                if os.environ.get("CC"):
                    raise
                reason = f"{path} failed ({type(error).__name__}: {error})"
            finally:
                self.compiler = msvc
        print(
            f"\nWARNING: {reason}. MSVC, which has no vector types, compiles instead:\n"
            "WARNING: its kernels compute number by number. For AVX2 and AVX-512 install clang-cl\n"
            "WARNING: (in Visual Studio's installer: C++ Clang tools for Windows) and install\n"
            "WARNING: fastnn again.\n",
            file=sys.stderr,
        )
        return self.build_with(ext, MSVC_FLAGS, has_vectors=False)

    def build_with(self, ext, flags, libraries=(), has_vectors=True, as_option=str):
        """Build with a compiler's flags, for all instruction sets if it has vector types."""
        ext.extra_compile_args, ext.libraries = flags, list(libraries)
        ext.define_macros, self.instruction_sets = [], {"baseline": []}
        # A universal2 build of macOS compiles each file for two machines: it stays at the baseline.
        if has_vectors and self.plat_name.endswith(("x86_64", "amd64")):
            ext.define_macros = [("FASTNN_X86", None)]
            self.instruction_sets |= X86
        elif has_vectors and self.plat_name.endswith(("aarch64", "arm64")):
            ext.define_macros = [("FASTNN_ARM64", None)]
            self.instruction_sets |= ARM64
        ext.extra_objects = self.compile_tables(ext, as_option)
        super().build_extension(ext)

    def compile_tables(self, ext, as_option):
        """Compile kernels.c for each instruction set and number type; return the objects."""
        tables = [
            (
                f"fastnn_{number}_{target}",
                [("FASTNN_TARGET", target), *macros],
                [as_option(flag) for flag in flags],
            )
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
