"""What the documentation lists is what the code has: examples, papers, checks failed on purpose."""

import inspect
import pkgutil
import re
from pathlib import Path

import pytest

from tests.api.test_public_names import documented_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "reference/index.rst").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^   ((?:otopt|ml_apps)\.[\w.]+)$", REFERENCE, flags=re.MULTILINE)
DOI = re.compile(r"\b10\.\d{4,}/(?:\([^\s`()]*\)|[^\s`()\]])+")
ARXIV = re.compile(r"arxiv(?:\.org/abs/|:|\.)(\d{4}\.\d{4,5})", flags=re.IGNORECASE)


@pytest.mark.parametrize("dotted", sorted({*documented_names(), *ENTRIES}))
def test_has_an_example(dotted):
    assert ">>> " in inspect.getdoc(pkgutil.resolve_name(dotted))


def papers(text):
    """DOIs of the papers that are cited, in lower case."""
    found = {doi.rstrip(".,;:").lower() for doi in DOI.findall(text)}
    return found | {f"10.48550/arxiv.{number}" for number in ARXIV.findall(text)}


def test_papers_are_found_as_people_cite_them():
    text = "(Steihaug 1983, doi:10.1137/0720042), and :doi:`10.1016/0166-218X(93)E0121-E`; "
    text += "arXiv:2209.15466. :doi:`10.48550/arXiv.2303.00106`, doi 10.1093/biomet/26.4.404. Where"
    assert papers(text) == {
        "10.1137/0720042",
        "10.1016/0166-218x(93)e0121-e",
        "10.48550/arxiv.2209.15466",
        "10.48550/arxiv.2303.00106",
        "10.1093/biomet/26.4.404",
    }


def test_bibliography_has_every_paper_that_the_code_cites():
    listed = papers((DOCS / "bibliography.md").read_text(encoding="utf-8"))
    cited = {
        doi: file.relative_to(ROOT).as_posix()
        for room in ("otopt", "ml_apps", "benchmarks")
        for file in (ROOT / room).rglob("*.py")
        for doi in papers(file.read_text(encoding="utf-8"))
    }
    assert not {doi: file for doi, file in cited.items() if doi not in listed}


def test_a_review_of_the_repository_fails_only_where_the_page_says_why():
    pytest.importorskip("sp_repo_review")
    processor = pytest.importorskip("repo_review.processor")
    page = (DOCS / "dev/checks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z0-9, ]+) \|", page, flags=re.MULTILINE)
    explained = {code for row in rows for code in row.split(", ")}
    results = processor.process(ROOT).results
    assert {r.name for r in results if r.result is False} == explained
