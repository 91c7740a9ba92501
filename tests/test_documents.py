"""Links of the documents lead somewhere, and the README is a start, not a manual."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PLACES = ("*.md", "benchmarks/*.md", "configs/*.md", "queries/*.md", "pipeline/**/*.md")
DOCUMENTS = sorted(path for place in PLACES for path in ROOT.glob(place))

MADE = re.compile("add_trend|constant|median_growth")
"""In the names of files that examples make."""


def prose(document: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.M)


def anchors(document: Path) -> list[str]:
    """What its headings can be reached by."""
    titles = re.findall(r"^#+ (.*)$", prose(document), flags=re.M)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return [title.replace(" ", "-") for title in plain]


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_to_files_and_headings_that_are_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    for link in links:
        name, _, anchor = link.partition("#")
        if "://" in name:
            continue
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_files_that_are_named_are_there(document: Path) -> None:
    folders = "pipeline|tests|configs|queries|benchmarks"
    named = re.findall(rf"`((?:{folders})/[^`\s<*]*)`", prose(document))
    missing = {name for name in named if not (ROOT / name).exists()}
    # What a reader is told to write is not there yet.
    assert {name for name in missing if not MADE.search(name)} == set()


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_heading_can_be_linked_to(document: Path) -> None:
    twice = [name for name, n in Counter(anchors(document)).items() if n > 1]
    assert not twice


def test_a_document_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    new = list(reached)
    while new:
        document = new.pop()
        names = re.findall(r"\]\(([^)\s#]+\.md)", prose(document))
        found = {(document.parent / name).resolve() for name in names} - reached
        reached |= found
        new += found
    assert set(DOCUMENTS) <= reached


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
