import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import SnapshotError
from pipeline.pages.site import MARKER, Found, Frame, Page, render, write_site

FRAME = Frame("<b>", "r1", {"index.html": "Home", "gone.html": "Gone"})
EVIL = "</script><script>alert(1)</script>\"'&"


def page(path: str, name: str = "x") -> Page:
    found = [Found("column", name)]
    return Page(path, name, "queries", {"queries": []}, found)


def text_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_page_that_is_gone_does_not_stay(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    write_site([page("index.html"), page("a/b.html")], FRAME, folder)
    write_site([page("index.html")], FRAME, folder)
    assert {"index.html", MARKER, "style.css", "pages.js", "search.js"} == {
        *text_of(folder)
    }
    assert [*tmp_path.iterdir()] == [folder]


def test_the_same_facts_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_site([page("index.html")], FRAME, tmp_path / name)
    assert text_of(tmp_path / "a") == text_of(tmp_path / "b")


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SnapshotError, match="something else"):
        write_site([page("index.html")], FRAME, tmp_path)
    assert [*text_of(tmp_path)] == ["thesis.txt"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    for path in (".git/config", "CNAME", ".nojekyll"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("theirs")
    write_site([page("index.html"), page("a/b.html")], FRAME, tmp_path)
    (tmp_path / "a" / "notes.txt").write_text("theirs")
    (tmp_path / ".pages-being-written").mkdir()  # by one that was killed
    write_site([page("index.html")], FRAME, tmp_path)
    found = text_of(tmp_path)
    assert [p for p, text in found.items() if text == b"theirs"]
    assert {p for p in found if "/" in p} == {".git/config", "a/notes.txt"}
    assert not (tmp_path / ".pages-being-written").exists()


def test_a_file_of_others_is_not_written_over(tmp_path: Path) -> None:
    write_site([page("index.html")], FRAME, tmp_path)
    (tmp_path / "more.html").write_text("theirs")
    with pytest.raises(SnapshotError, match=r"found: more\.html"):
        write_site([page("index.html"), page("more.html")], FRAME, tmp_path)
    assert (tmp_path / "more.html").read_text() == "theirs"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SnapshotError) as error:
        write_site([page("index.html")], FRAME, tmp_path / "file" / "docs")
    assert ".pages" not in str(error.value)
    assert "hint: " in str(error.value)


def test_pages_that_cannot_be_made_leave_those_before(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    write_site([page("index.html")], FRAME, folder)
    before = text_of(folder)
    with pytest.raises(SnapshotError, match="cannot be written"):
        write_site([page("index.html"), page("index.html/x.html")], FRAME, folder)
    assert text_of(folder) == before


def test_names_stay_text_in_pages_and_in_the_search() -> None:
    files = render([page("index.html", EVIL)], FRAME)
    assert "<script>alert" not in files["index.html"]
    assert "<b>" not in files["index.html"].partition("<body>")[2]
    assert "<" not in files["search.js"]
    index = json.loads(files["search.js"].partition(" = ")[2].rstrip(";\n"))
    assert index["found"][0][1] == EVIL


def test_only_pages_that_are_there_are_linked() -> None:
    html = render([page("index.html"), page("a/b.html")], FRAME)["a/b.html"]
    assert 'href="../index.html"' in html
    assert "gone.html" not in html


def test_commands_are_named_as_they_are_typed_in_the_project() -> None:
    frame = replace(FRAME, just="pipeline")
    html = render([page("index.html")], frame)["index.html"]
    assert "<code>pipeline query NAME</code>" in html
    assert "just" not in html.partition("<main")[2]
