"""The package as built and installed: what it holds, and what it says where it cannot work."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).parents[2]
LIBRARIES = sysconfig.get_path("purelib")
PAGES = {
    *(f"fastnn/report/{name}.html.j2" for name in ("base", "parts", "report", "table")),
    *(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fastnn" / "exchange" / "page").iterdir()
        if path.suffix in (".css", ".html", ".js")
    ),
}
MODULE_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

# A compile with the interpreter's own compiler can take a minute, an install some seconds.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command, cwd, **environment):
    """Run a command to its end; return what it printed, with the errors, if it succeeded."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the sources without what builds leave behind: builds do not touch the original."""
    left_out = shutil.ignore_patterns(
        ".*", "__pycache__", "build", "dist", "*.egg-info", "*.so", "*.pyd", "*venv*"
    )
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    shutil.copytree(ROOT, copy, ignore=left_out)
    for generated in (copy / "kernels" / "cython").glob("*.c"):
        generated.unlink()
    return copy


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", folder, cwd=checkout)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def wheel_from(sdist, folder, **environment):
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, sdist, cwd=folder, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def pure_wheel(sdist, tmp_path_factory):
    return wheel_from(sdist, tmp_path_factory.mktemp("pure"), FASTNN_NO_EXT="1")


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sources(checkout, *suffixes):
    """The files of all packages, as their paths in the checkout."""
    return {
        path.relative_to(checkout).as_posix()
        for package in ("fastnn", "kernels", "bench")
        for path in (checkout / package).rglob("*")
        if path.suffix in suffixes
    }


def installed_as(path):
    return path if path.startswith("fastnn/") else f"fastnn/{path}"


def environment_with(folder, *install):
    """Install one thing into a new environment that sees this one's libraries; return its python.

    Only this environment's packages are seen, not its editable installs: a path file found through
    a path file is not read.
    """
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    Path(own.strip(), "libraries.pth").write_text(LIBRARIES, encoding="utf-8")
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", *options)
    run(*pip, *install, cwd=folder, FASTNN_NO_EXT="1")
    return python


def test_sdist_holds_every_source_of_both_packages(checkout, sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = sources(checkout, ".py", ".pyx", ".pxd", ".pxi", ".h", ".c")
    assert expected - names == set()
    assert {
        "fastnn/py.typed",
        *PAGES,
        "LICENSE",
        "README.md",
        "setup.py",
        "pyproject.toml",
    } <= names


def test_wheel_holds_every_module_and_no_more(checkout, pure_wheel):
    modules = {installed_as(path) for path in sources(checkout, ".py")}
    names = {name for name in names_in(pure_wheel) if ".dist-info/" not in name}
    assert names == modules | {"fastnn/py.typed", *PAGES}


@pytest.fixture
def quick_compiler(tmp_path):
    """The compiler as a build asks for it, which optimises nothing: that takes most of the time."""
    if os.name == "nt":  # which takes no script for a compiler
        return {}
    command = os.environ.get("CC") or sysconfig.get_config_var("CC")
    script = tmp_path / "quick-cc"
    script.write_text(f'#!/bin/sh\nexec {command} "$@" -O0\n', encoding="utf-8")
    script.chmod(0o755)
    return {"CC": str(script)}


def test_wheel_from_sdist_holds_the_extensions(checkout, sdist, quick_compiler, tmp_path):
    if importlib.util.find_spec("fastnn.kernels.cython._kernels") is None:
        pytest.skip("the compiled extension is not built here: no working C compiler")
    wheel = wheel_from(sdist, tmp_path, FASTNN_REQUIRE_EXT="1", **quick_compiler)
    modules = {path.removesuffix(".pyx") for path in sources(checkout, ".pyx")}
    extensions = {f"fastnn/{module}{MODULE_SUFFIX}" for module in modules}
    assert {name for name in names_in(wheel) if name.endswith(MODULE_SUFFIX)} == extensions
    assert extensions


def test_pure_wheel_says_why_cython_is_missing_and_trains(pure_wheel, tmp_path):
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    python = environment_with(tmp_path / "venv", pure_wheel)
    program = """if True:
        import numpy as np
        import fastnn
        print(fastnn.__version__, fastnn.available_backends()["cython"])
        fastnn.Network((4, 3, 2), backend="numpy").fit(
            np.ones((8, 4), "float32"), np.arange(8) % 2, epochs=1, progress=False)
        """
    said = run(python, "-c", program, cwd=tmp_path)
    assert said.startswith(f"{fastnn.__version__} ")
    assert "fastnn.kernels.cython._kernels is not built" in said


def test_editable_install_resolves_the_kernels_from_anywhere(checkout, tmp_path):
    python = environment_with(tmp_path / "venv", "--editable", checkout)
    program = "import fastnn, fastnn.kernels.numba as numba; print(numba.__file__)"
    for folder in (tmp_path, checkout):
        said = run(python, "-c", program, cwd=folder).strip()
        assert Path(said) == checkout / "kernels" / "numba" / "__init__.py"


def test_checkout_without_an_install_names_the_command_to_run(checkout):
    # -S leaves out editable installs; the path brings the libraries back.
    program = """if True:
        try:
            import fastnn
        except ImportError as error:
            print(error)
        """
    said = run(sys.executable, "-S", "-c", program, cwd=checkout, PYTHONPATH=LIBRARIES)
    assert "pip install -e ." in said
    assert str(checkout) in said
