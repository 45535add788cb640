"""The C kernels compiled for Windows, here, and programs of Windows run by Wine.

Compilers are Clang and GCC for MinGW, and clang-cl, to which setup.py's own commands are given by
setuptools' class for MSVC. Instead of Microsoft's headers and libraries there are Wine's headers
and MinGW's libraries. `bash .ci/windows` installs them all on Debian and Ubuntu.
"""

import contextlib
import os
import runpy
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import setuptools

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "kernels" / "cython"
PROGRAMS = ROOT / "tests" / "kernels" / "programs"
VERSIONS = ["", *(f"-{n}" for n in range(30, 13, -1))]  # Debian's names of Clang's versions
NUMBERS = {"single": (), "double": ("-DFASTNN_DOUBLE",)}


def first_of(*programs):
    """The path of the first program that is here, or None."""
    return next(filter(None, map(shutil.which, programs)), None)


LINUX = first_of("cc", "gcc", "clang")
MINGW = first_of("x86_64-w64-mingw32-gcc")
CLANG = first_of(*(f"clang{version}" for version in VERSIONS))
CLANG_CL = first_of(*(f"clang-cl{version}" for version in VERSIONS))
WINE = first_of("wine64", "/usr/lib/wine/wine64", "wine")
HEADERS = next(
    filter(Path.is_dir, map(Path, ("/usr/include/wine/wine", "/usr/include/wine"))), None
)


def needs(**found):
    """Skip the test if something is not here; where .ci/windows has installed it, fail."""
    missing = [name for name, path in found.items() if path is None]
    if missing:
        reason = f"not here: {', '.join(missing)}; bash .ci/windows installs them"
        if os.environ.get("FASTNN_REQUIRE_WINDOWS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def setup_file():
    """The names of setup.py, which does not set up anything."""
    with contextlib.chdir(ROOT), mock.patch.object(setuptools, "setup"):
        return runpy.run_path("setup.py")


def done(*command, **options):
    """Run a command to its end; return what it printed, if it succeeded."""
    ended = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options,
    )  # fmt: skip
    assert ended.returncode == 0, f"{' '.join(map(str, command))}\n{ended.stdout[-4000:]}"
    return ended.stdout


# -- what compiles --------------------------------------------------------------------------------


def gnu_objects(folder, *compiler, scalar=False):
    """Compile the tables, their dispatch and the program that calls them with setup.py's flags."""
    setup = setup_file()
    sets = {"baseline": []} if scalar else {"baseline": [], **setup["X86"]}
    common = [*setup["GNU_FLAGS"], "-DFASTNN_SCALAR" if scalar else "-DFASTNN_X86", f"-I{SOURCES}"]
    commands = [
        [SOURCES / "simd" / "kernels.c", *common, *flags, f"-DFASTNN_TARGET={target}",
         f"-DFASTNN_TABLE=fastnn_{number}_{target}", *macros, "-o", f"{number}_{target}.o"]
        for target, flags in sets.items() for number, macros in NUMBERS.items()
    ]  # fmt: skip
    commands.append([SOURCES / "simd" / "dispatch.c", *common, "-o", "dispatch.o"])
    commands.append([PROGRAMS / "tables.c", *common, "-O1", "-o", "tables.o"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda command: done(*compiler, "-c", *command, cwd=folder), commands))
    return [folder / command[-1] for command in commands]


def made_up_msvc(folder):
    """Setuptools' compiler for MSVC, initialized as by a Visual Studio with the headers of Wine."""
    from setuptools._distutils.compilers.C import msvc

    (folder / "headers").mkdir()
    # Wine 8 does not declare erfc, which Microsoft's header does.
    (folder / "headers" / "math.h").write_text("#include_next <math.h>\ndouble erfc(double);\n")
    include = (folder / "headers", HEADERS / "msvcrt", HEADERS / "windows")
    environment = {
        "include": os.pathsep.join(map(str, include)),
        "lib": "",
        "path": os.environ["PATH"],
    }
    compiler = msvc.Compiler()
    with mock.patch.object(msvc, "_get_vc_env", return_value=environment):
        compiler.initialize("win-amd64")
    return compiler


def clang_cl(setup, folder):
    """The same compiler, which compiles with clang-cl by what setup.py does on Windows."""
    compiler = made_up_msvc(folder)
    setup["with_clang_cl"](compiler, CLANG_CL, "win-amd64")
    return compiler


def clang_cl_objects(folder):
    """Compile what `gnu_objects` does with clang-cl."""
    setup = setup_file()
    command = setup["OptionalBuild"](setuptools.Distribution())
    command.plat_name, command.build_temp = "win-amd64", str(folder)
    command.compiler = clang_cl(setup, folder)
    extension = setup["extension"](Path("_kernels.pyx"))
    nothing_more = mock.patch.object(setup["build_ext"], "build_extension")
    with contextlib.chdir(ROOT), nothing_more:
        command.build_with(extension, setup["CLANG_CL_FLAGS"], as_option=setup["clang_cl_option"])
        others = command.compiler.compile(
            ["kernels/cython/simd/dispatch.c", "tests/kernels/programs/tables.c"],
            str(folder), extension.define_macros, extension.include_dirs,
            extra_postargs=extension.extra_compile_args,
        )  # fmt: skip
    return extension.extra_objects + others


def clang_cl_threads(folder, scalar):
    """Compile the program of threads with clang-cl, or what of it MSVC would compile."""
    setup = setup_file()
    flags = [*setup["MSVC_FLAGS"], "-DFASTNN_SCALAR"] if scalar else setup["CLANG_CL_FLAGS"]
    return clang_cl(setup, folder).compile(
        [str(PROGRAMS / "threads.c")], str(folder), None, [str(SOURCES)], extra_postargs=flags
    )


def linked(folder, objects, name="program.exe"):
    """Link objects of any of the compilers for Windows; return the program."""
    program = folder / name
    runtime = ("-Wl,--defsym=__chkstk=___chkstk_ms", PROGRAMS / "msvc_runtime.c", "-lucrt")
    of_msvc = any(str(path).endswith(".obj") for path in objects)
    done(MINGW, *objects, *(runtime if of_msvc else ()), "-o", program)
    return program


# -- what runs ------------------------------------------------------------------------------------


def run_by_wine(program, *arguments, prefix):
    """Run a program of Windows in its folder; return what it printed."""
    environment = os.environ | {
        "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=",
    }  # fmt: skip
    return done(WINE, program.name, *arguments, cwd=program.parent, env=environment)


def results(path):
    """Read what tests/kernels/programs/tables.c wrote: the numbers, by their names."""
    data, at, found = path.read_bytes(), 0, {}
    while at < len(data):
        end = data.index(b"\n", at)
        name, _, n = data[at:end].decode().rpartition(" ")
        assert name not in found, name
        found[name] = np.frombuffer(data, np.float64, int(n), end + 1)
        at = end + 1 + 8 * int(n)
    return found


def differences(found, expected, bound):
    """Say which results differ by more than bound · eps of their largest number, or in NaNs."""
    said = []
    for name, numbers in found.items():
        wanted = expected[name]
        eps = np.finfo(np.float32 if " float " in name else np.float64).eps
        largest = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
        with np.errstate(invalid="ignore"):
            is_same = (numbers == wanted) | (np.isnan(numbers) & np.isnan(wanted))
            is_same |= np.abs(numbers - wanted) <= bound * eps * largest
        if not is_same.all():
            i = int(np.flatnonzero(~is_same)[0])
            said.append(f"{name} [{i}]: {numbers[i]!r}, not {wanted[i]!r}")
    return said
