"""What importing fastnn loads, and which module may import which."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent

HEAVY = (
    "numba", "scipy", "sklearn", "tqdm", "safetensors", "pooch", "matplotlib", "threadpoolctl",
    "tensorboardX", "jinja2", "optuna", "ray", "mlflow", "wandb",
    "pandas", "csv", "zipfile", "gzip", "urllib.request", "argparse", "asyncio", "multiprocessing",
    "shutil", "random", "numpy.random", "numpy.testing", "fastnn.datasets", "fastnn.cli",
    "fastnn.exchange", "onnx", "onnxruntime", "torch", "google.protobuf",
    "fastnn.plots", "fastnn.drawing", "fastnn.report", "fastnn.backends.machine",
    "fastnn.backends.cython", "fastnn.backends.numba", "fastnn.kernels.cython",
    "fastnn.kernels.numba",
)  # fmt: skip


def loaded_by(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def loaded():
    """Modules that `import fastnn` loads and `import numpy` does not."""
    return loaded_by("import fastnn") - loaded_by("import numpy")


@pytest.mark.parametrize("module", HEAVY)
def test_importing_fastnn_does_not_load(module, loaded):
    assert module not in loaded


def test_importing_fastnn_loads_what_is_its_public_face(loaded):
    assert {"fastnn.network", "fastnn.backends", "fastnn.optimizers"} <= loaded


def test_every_public_name_is_there():
    assert len(set(fastnn.__all__)) == len(fastnn.__all__)
    for name in fastnn.__all__:
        assert getattr(fastnn, name) is not None
    with pytest.raises(AttributeError, match="module 'fastnn' has no attribute 'Netwrok'"):
        _ = fastnn.Netwrok


# -- who may import whom --------------------------------------------------------------------------


def imports(path, package):
    """Yield ``(module, line, at the top)`` of all imports outside of ``if TYPE_CHECKING``."""
    tree = ast.parse(path.read_text())

    def walk(node, top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                module = child.module or ""
                if child.level:
                    base = package.split(".")[: len(package.split(".")) - child.level + 1]
                    module = ".".join([*base, *([module] if module else [])])
                yield module, child.lineno, top
                yield from ((f"{module}.{a.name}", child.lineno, top) for a in child.names)
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, top and not inner)

    yield from walk(tree, True)


def modules(folder, package):
    """Yield ``(module, its imports)`` of a package's source files."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        inside = [package, *parts[:-1]]
        name = ".".join(inside if parts[-1] == "__init__" else [*inside, parts[-1]])
        yield name, list(imports(path, ".".join(inside)))


FASTNN = dict(m for m in modules(PACKAGE, "fastnn") if not m[0].startswith("fastnn.kernels"))


def belongs(module, package):
    return module == package or module.startswith(f"{package}.")


def offenders(names, forbidden, *, anywhere=True):
    """Imports by modules `names` of packages `forbidden`, inside of functions too if `anywhere`."""
    return [
        f"{name}, line {line}: {module}"
        for name in names
        for module, line, top in FASTNN[name]
        if (top or anywhere) and any(belongs(module, package) for package in forbidden)
    ]


ADAPTERS = ("fastnn.backends.cython", "fastnn.backends.numba", "fastnn.backends.reference")
BACKENDS = [name for name in FASTNN if belongs(name, "fastnn.backends")]

LATE = ("sklearn", "datasets", "cli", "exchange", "drawing", "plots", "report", "dask", "serve")
"""Rooms that are imported when they are first asked for."""

CORE = [name for name in FASTNN if not any(belongs(name, f"fastnn.{room}") for room in LATE)]


def test_the_sources_are_found():
    assert {"fastnn.network", "fastnn.backends.base", "fastnn.cli.train"} <= set(FASTNN)
    assert any(module == "fastnn.architecture" for module, *_ in FASTNN["fastnn.network"])


def test_no_module_outside_backends_imports_an_adapter():
    assert not offenders([name for name in FASTNN if name not in BACKENDS], ADAPTERS)


def test_an_adapter_imports_no_other_adapter_and_only_its_own_kernels():
    kernels = "fastnn.kernels."
    for name in ("cython", "numba"):
        adapter, other = f"fastnn.backends.{name}", {"cython": "numba", "numba": "cython"}[name]
        others = [a for a in ADAPTERS if a != adapter]
        its_modules = [module for module in FASTNN if belongs(module, adapter)]
        assert not offenders(its_modules, [*others, kernels + other])
        assert any(belongs(module, kernels + name) for module, *_ in FASTNN[adapter])
    assert not offenders(["fastnn.backends.reference"], ["fastnn.kernels", *ADAPTERS[:2]])


def test_only_adapters_import_kernels():
    others = [n for n in FASTNN if not any(belongs(n, adapter) for adapter in ADAPTERS)]
    assert not offenders(others, ["fastnn.kernels"])


def test_the_core_imports_late_rooms_inside_functions_only():
    core = [name for name in CORE if name not in ("fastnn", "fastnn.__main__")]
    assert not offenders(core, [f"fastnn.{room}" for room in LATE], anywhere=False)


@pytest.mark.parametrize("family", ["cython", "numba"])
def test_kernels_import_neither_fastnn_nor_the_other_family(family):
    import fastnn.kernels

    folder = Path(fastnn.kernels.__path__[0])
    other = {"cython": "numba", "numba": "cython"}[family]
    own = f"fastnn.kernels.{family}"
    for name, found in modules(folder, "fastnn.kernels"):
        if not belongs(name, own):
            continue
        for module, line, _ in found:
            where = f"{name}, line {line}: {module}"
            assert not belongs(module, "fastnn") or belongs(module, own), where
            assert not belongs(module, other) or family == other, where
    for path in (folder / "cython").glob("*.p[yx][xi]*"):
        assert "import fastnn" not in path.read_text()
        assert "from fastnn" not in path.read_text()


OPTIONAL = ("numba", "scipy", "sklearn", "pooch", "matplotlib", "jinja2", "threadpoolctl", "tqdm",
            "safetensors", "onnx", "torch", "tensorboardX")  # fmt: skip


def test_optional_and_heavy_packages_are_imported_where_they_are_used():
    at_the_top = [
        f"{name}, line {line}: {module}"
        for name in CORE
        if not belongs(name, "fastnn.backends.numba")
        for module, line, top in FASTNN[name]
        if top and any(belongs(module, package) for package in OPTIONAL)
    ]
    assert not at_the_top
