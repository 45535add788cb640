"""Imports run down the floors of the house only, whatever their kind, and never in a circle."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent
FIGURES = Path(__file__).parents[2] / "docs" / "figures"


@pytest.fixture
def floors(monkeypatch):
    """The room of each name to its floor."""
    monkeypatch.syspath_prepend(FIGURES)
    found = importlib.import_module("floors").FLOORS
    return {room: number for number, floor in enumerate(found) for room in floor}


def sources(folder=PACKAGE):
    """Each module's name and text; an ``__init__`` is its package's."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = ("fastnn", *path.relative_to(folder).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith(("fastnn.kernels", "fastnn.bench")):
            found[name] = path.read_text(encoding="utf-8")
    return found


@cache
def named_in(name, text):
    """Return what a module imports: at its top, for types only, or inside functions."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [target for target in found if not target.startswith("fastnn.kernels")]


def edges(modules):
    """Return who imports whom."""
    graph = {}
    for name, text in modules.items():
        graph[name] = set()
        for target in named_in(name, text):
            while target not in modules and "." in target:  # what a module holds
                target = target.rpartition(".")[0]
            graph[name] |= {target} & (modules.keys() - {name})
    return graph


def room_of(module):
    return module.split(".")[1]


def upward(graph, floors):
    """Imports of a room of the same floor or a higher one; the package itself may import all."""
    top = {"fastnn", "fastnn.__main__"}
    found = []
    for name, targets in graph.items():
        for target in targets:
            if name in top or target == name:
                continue
            if target in top:
                found.append(f"{name} imports {target}")
            elif room_of(name) == room_of(target):
                continue
            elif floors[room_of(name)] <= floors[room_of(target)]:
                found.append(f"{name} imports {target}")
    return found


def a_circle(graph):
    """Return modules that import each other in a circle, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for target in sorted(graph[name]):
            if circle := visit(target):
                return circle
        path.pop()
        done.add(name)
        return None

    return next((circle for name in sorted(graph) if (circle := visit(name))), None)


def test_every_room_has_a_floor_and_every_floor_its_rooms(floors):
    assert {room_of(name) for name in sources() if name != "fastnn"} - {"__main__"} == set(floors)


def test_no_import_runs_up(floors):
    assert upward(edges(sources()), floors) == []


def test_no_imports_run_in_a_circle():
    assert a_circle(edges(sources())) is None


@pytest.mark.parametrize(
    "line",
    [
        "from fastnn.network import Network",
        "import fastnn.network",
        "from fastnn import network",
        "if TYPE_CHECKING:\n    from fastnn.network import Network",
        "def f():\n    from fastnn.network import Network",
        "class A:\n    def f(self):\n        import fastnn.network as n",
        "from fastnn.system.files import write_whole; from fastnn.sklearn import MLPClassifier",
        "import fastnn",
    ],
)
def test_an_import_that_runs_up_is_found(line, floors):
    modules = sources()
    modules["fastnn.validation.values"] += f"\n{line}\n"
    assert upward(edges(modules), floors) != []


def test_a_circle_is_found_also_within_a_room():
    modules = sources()
    modules["fastnn.rows.calls"] += "\ndef f():\n    from fastnn.rows.passes import Passes\n"
    assert {"fastnn.rows.calls", "fastnn.rows.passes"} <= set(a_circle(edges(modules)))
