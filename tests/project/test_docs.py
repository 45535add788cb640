"""README and docs/: every block of code runs or is the code there is, and links lead somewhere."""

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import pages

import fastnn

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
RUN = [CHECKOUT / "README.md", *PAGES]
GUIDES = [CHECKOUT / name for name in ("CONTRIBUTING.md", "bench/README.md")]

PATH = re.compile(r"`((?:fastnn|kernels|bench|tests|docs|examples)/[\w./-]+)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")  # not to the web
ANCHOR = re.compile(r"\]\(([^)#:\s]*)#([^)\s]+)\)")
NEEDS = re.compile(r"^<!-- needs: (.*) -->$", re.MULTILINE)
"""Modules without which a page's code cannot run."""

pytestmark = pytest.mark.skipif(not PAGES, reason="an installed package has no docs")


def name(page):
    return str(page.relative_to(CHECKOUT))


def project():
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# -- code -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", RUN, ids=name)
def test_every_block_is_of_a_kind_that_is_checked(page):
    before = None
    for block in pages.blocks(page.read_text(encoding="utf-8")):
        known = (
            block.kind in ("python", "sh", "math")
            or block.source is not None
            or block.title is not None
            or pages.is_printed(block, before)
        )
        assert known, f"{page.name}, line {block.line}: {block.kind!r} is from nowhere"
        before = block


@pytest.mark.parametrize("page", RUN, ids=name)
def test_no_fence_is_overlooked(page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(pages.blocks(text))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_excerpts_are_verbatim_in_the_file_they_are_from(page):
    for block in pages.blocks(page.read_text(encoding="utf-8")):
        if block.source is not None:
            source = (CHECKOUT / block.source).read_text(encoding="utf-8")
            assert f"\n{block.code}" in source, (
                f"{page.name} shows what is not in {block.source}:\n{block.code}"
            )


@pytest.mark.parametrize("page", RUN, ids=name)
def test_its_code_runs_and_prints_what_it_says(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    if needs := NEEDS.search(text):
        for module in needs[1].split(", "):
            pytest.importorskip(module)
    if not any(block.kind in ("python", "sh") for block in pages.blocks(text)):
        return
    scripts = str(Path(sys.executable).parent)  # `fastnn` of this environment
    environment = os.environ | {"PATH": scripts + os.pathsep + os.environ["PATH"]}
    environment.pop("FASTNN_BACKEND", None)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", pages.__file__, page],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_formulas_can_be_set(page):
    converter = pytest.importorskip("latex2mathml.converter")
    text = page.read_text(encoding="utf-8")
    blocks = [block.code for block in pages.blocks(text) if block.kind == "math"]
    for formula in [*blocks, *re.findall(r"\$`([^`]+)`\$", text)]:
        assert "\\" not in converter.convert(formula), f"a command that is not known: {formula}"
        assert formula.count("{") == formula.count("}"), formula


# -- commands that are not run --------------------------------------------------------------------


def shown_commands(page):
    """Each command of a page's ``sh`` blocks, and of the code in its lines."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for block in pages.blocks(text) if block.kind == "sh"]
    lines = re.findall(r"`((?:pip|python|bash) [^`]+)`", text)
    several = [line.split("&&") for line in lines]
    return [c for block in blocks for c in pages.commands(block)] + [
        " ".join(part.split()) for parts in several for part in parts
    ]


@pytest.mark.parametrize("page", [*RUN, *GUIDES], ids=name)
def test_commands_name_extras_scripts_and_options_that_exist(page):
    extras = project()["optional-dependencies"]
    for command in shown_commands(page):
        words = shlex.split(command)
        for named in re.findall(r"\[([\w,]+)\]", command) if words[0] == "pip" else ():
            assert set(named.split(",")) <= set(extras), command
        if words[0] in ("python", "bash") and not words[1].startswith("-"):
            script = CHECKOUT / words[1]
            assert script.is_file(), command
            known = script.read_text(encoding="utf-8")
            if script.parent.name == "bench":
                known += (script.parent / "harness" / "launch.py").read_text(encoding="utf-8")
            for option in [word for word in words[2:] if word.startswith("--")]:
                assert option in known, f"{command}: {words[1]} has no {option}"


# -- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*RUN, *GUIDES, CHECKOUT / "CHANGELOG.md"], ids=name)
def test_its_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", [*RUN, *GUIDES], ids=name)
def test_files_it_names_are_there(page):
    for path in PATH.findall(page.read_text(encoding="utf-8")):
        assert (CHECKOUT / path).exists(), f"{page.name} names {path}"


# -- the site -------------------------------------------------------------------------------------


def test_the_navigation_holds_every_page():
    nav = (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    named = re.findall(r"^ +- (?:[\w ]+: )?([\w/-]+\.md)$", nav, re.MULTILINE)
    hook = (DOCS / "hooks" / "checkout_pages.py").read_text(encoding="utf-8")
    from_the_checkout = re.findall(r'^    "[\w/]+\.md": "(\w+\.md)",$', hook, re.MULTILINE)
    there = [page.relative_to(DOCS).as_posix() for page in PAGES]
    assert sorted(named) == sorted(there + from_the_checkout)


MODULES = ("callbacks", "datasets", "plots", "report", "schedules", "tabular")


def public_names():
    yield from (f"fastnn.{n}" for n in fastnn.__all__ if n not in MODULES)
    yield from (f"fastnn.callbacks.{n}" for n in fastnn.callbacks.__all__ if n not in dir(fastnn))
    needed = {
        "datasets": "numpy",
        "dask": "dask",
        "sklearn": "sklearn.base",
        "plots": "matplotlib",
        "report": "jinja2",
        "tabular": "numpy",
    }
    for module in (f"fastnn.{name}" for name, package in needed.items() if find_spec(package)):
        yield from (f"{module}.{n}" for n in importlib.import_module(module).__all__)
    yield from (
        f"fastnn.schedules.{n}" for n, value in vars(fastnn.schedules).items()
        if isinstance(value, type) and issubclass(value, fastnn.schedules.Schedule)
    )  # fmt: skip


def test_the_reference_describes_every_public_name():
    text = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    described = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    missing = set(public_names()) - set(described) - {"fastnn.__version__"}
    assert not missing
    assert len(described) == len(set(described))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for module in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(  # not with --quiet: then warnings do not count
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=CHECKOUT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_builds_without_a_warning(site):
    assert (site / "index.html").is_file()


def test_the_site_loads_nothing_from_elsewhere(site):
    loads = re.compile(r'<(?:script|link|img)\b[^>]*?(?:src|href)="?((?:https?:)?//[^"\s>]+)')
    for page in site.rglob("*.html"):
        assert not loads.findall(page.read_text(encoding="utf-8")), page
