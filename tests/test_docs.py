"""The pages in docs/: the code they show is the code there is or runs, and links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PAGES = sorted((CHECKOUT / "docs").glob("*.md"))
GUIDES = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md")]

EXCERPT = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^```python\n((?:from|import) .*?\n)```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```\w+$", re.MULTILINE)
PATH = re.compile(r"`((?:fastnn|kernels|bench|tests|docs)/[\w./-]+)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")  # not to the web

pytestmark = pytest.mark.skipif(not PAGES, reason="an installed package has no docs")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_is_verbatim_in_the_file_it_is_from(page):
    text = page.read_text(encoding="utf-8")
    excerpts = EXCERPT.findall(text)
    n_programs = len(PROGRAM.findall(EXCERPT.sub("", text)))
    assert len(excerpts) + n_programs == len(FENCE.findall(text)), "code that is from nowhere"
    for path, code in excerpts:
        source = (CHECKOUT / path).read_text(encoding="utf-8")
        assert f"\n{code}\n" in source, f"{page.name} shows what is not in {path}:\n{code}"


@pytest.mark.parametrize(
    "page", [*PAGES, *CHECKOUT.glob("*.md"), CHECKOUT / "bench" / "README.md"], ids=lambda p: p.name
)
def test_its_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_in_it_run(page, tmp_path):
    for program in PROGRAM.findall(EXCERPT.sub("", page.read_text(encoding="utf-8"))):
        if "sklearn" in program:
            pytest.importorskip("sklearn")
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", program],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{page.name} shows\n{program}which fails:\n{done.stderr}"


@pytest.mark.parametrize(
    "page", [*PAGES, *GUIDES], ids=lambda page: str(page.relative_to(CHECKOUT))
)
def test_files_it_names_are_there(page):
    for path in PATH.findall(page.read_text(encoding="utf-8")):
        assert (CHECKOUT / path).exists(), f"{page.name} names {path}"
