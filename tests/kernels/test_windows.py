"""The C kernels as they are compiled for Windows: what they compute, and threads at their barrier.

Programs of Windows run where Wine and its compilers are installed (`bash .ci/windows`).
"""

import numpy as np
import pytest
from support import windows
from support.windows import CLANG, CLANG_CL, HEADERS, LINUX, MINGW, WINE, needs

# Six tables take a compiler half a minute, if no other program is running.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# Sums of up to 100 terms, in a different order if vectors have another width: √K · eps, and errors
# of what is summed. 3 · eps were seen between compilers, 16 between vectors and single numbers.
BOUND = 50


@pytest.fixture(scope="module")
def by_linux(tmp_path_factory):
    """What the kernels compute here, which other tests compare with NumPy."""
    needs(compiler=LINUX)
    folder = tmp_path_factory.mktemp("linux")
    return computed_here(folder, windows.gnu_objects(folder, LINUX))


def computed_here(folder, objects):
    windows.done(LINUX, *objects, "-lm", "-o", folder / "tables")
    windows.done(folder / "tables", folder / "results")
    return windows.results(folder / "results")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Wine's folder, with nothing of the user's in it, as Wine makes it when it is first used."""
    needs(wine=WINE)
    folder = tmp_path_factory.mktemp("wine")
    windows.run_by_wine(folder / "wineboot", "--init", prefix=folder)
    return folder


def instruction_sets(results):
    return {name.partition(" ")[0] for name in results}


def by_clang(folder):
    needs(clang=CLANG)
    return windows.gnu_objects(folder, CLANG, "--target=x86_64-w64-windows-gnu")


def by_gcc(folder):
    return windows.gnu_objects(folder, MINGW)


def by_clang_cl(folder):
    needs(clang_cl=CLANG_CL, headers_of_wine=HEADERS)
    return windows.clang_cl_objects(folder)


@pytest.mark.parametrize("compiled", [by_clang, by_gcc, by_clang_cl])
def test_every_kernel_computes_on_windows_what_it_does_here(compiled, by_linux, prefix, tmp_path):
    needs(mingw=MINGW)
    program = windows.linked(tmp_path, compiled(tmp_path))
    windows.run_by_wine(program, "results", prefix=prefix)
    found = windows.results(tmp_path / "results")
    assert instruction_sets(found) == instruction_sets(by_linux)
    assert found.keys() == by_linux.keys()
    assert windows.differences(found, by_linux, BOUND) == []


def test_kernels_without_vector_types_compute_what_others_do(by_linux, tmp_path):
    """MSVC's code, compiled here: a vector is one number, and one model."""
    found = computed_here(tmp_path, windows.gnu_objects(tmp_path, LINUX, scalar=True))
    assert instruction_sets(found) == {"baseline"}
    assert len(found) > 3000
    assert windows.differences(found, by_linux, BOUND) == []


def threads_by_gnu(*compiler):
    def compiled(folder):
        needs(compiler=compiler[0])
        program = folder / "threads.exe"
        options = ("-O2", f"-I{windows.SOURCES}", windows.PROGRAMS / "threads.c", "-c", "-o")
        windows.done(*compiler, *options, folder / "threads.o")
        return windows.linked(folder, [folder / "threads.o"], program.name)

    return compiled


def threads_by_clang_cl(scalar):
    def compiled(folder):
        needs(clang_cl=CLANG_CL, headers_of_wine=HEADERS)
        (path,) = windows.clang_cl_threads(folder, scalar)
        return windows.linked(folder, [path], "threads.exe")

    return compiled


@pytest.mark.parametrize(
    "compiled",
    [
        pytest.param(threads_by_gnu(CLANG, "--target=x86_64-w64-windows-gnu"), id="clang"),
        pytest.param(threads_by_gnu(MINGW), id="gcc"),
        pytest.param(threads_by_clang_cl(False), id="clang-cl"),
        pytest.param(threads_by_clang_cl(True), id="clang-cl without vector types, as MSVC"),
    ],
)
def test_threads_of_windows_come_together(compiled, prefix, tmp_path):
    needs(mingw=MINGW)
    said = windows.run_by_wine(compiled(tmp_path), 3, 60, prefix=prefix)
    assert said.startswith("120 openings, ")


def test_a_single_wrong_number_is_a_difference():
    expected = {"avx2 float outer": np.linspace(-1, 1, 90)}
    for wrong in (1e-4, np.nan, np.inf):
        found = {"avx2 float outer": expected["avx2 float outer"].copy()}
        assert windows.differences(found, expected, BOUND) == []
        found["avx2 float outer"][45] += wrong
        assert len(windows.differences(found, expected, BOUND)) == 1
