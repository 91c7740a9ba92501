"""The pages as a whole: they are there, say the same again, and names stay text."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from pipeline.files.checksum import read_sealed, write_sealed
from pipeline.pages.docs import frame_of, pages_of, write_pages
from pipeline.pages.facts import Facts, read_facts
from pipeline.pages.site import render
from pipeline.snapshots.records import ObjectRecord, RunRecord

EVIL = """</td></script><script>alert('x')</script>"q"='a' & {{ 7 * 7 }} <b>"""


class Read(HTMLParser):
    """The tags of a page that matter, and all of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def renamed(facts: Facts, name: str, other: str) -> Facts:
    """The same project, in which something has another name."""
    old, new = (msgspec.json.encode(text) for text in (name, other))

    def of(record: RunRecord | ObjectRecord) -> RunRecord | ObjectRecord:
        text = msgspec.json.encode(record).replace(old, new)
        return msgspec.json.decode(text, type=type(record))

    def objects() -> Iterator[ObjectRecord]:
        for record in facts.objects.values():
            changed = of(record)
            assert isinstance(changed, ObjectRecord)
            yield changed

    runs = [run for run in map(of, facts.runs) if isinstance(run, RunRecord)]
    found = {(o.snapshot, o.fingerprint): o for o in objects()}
    return replace(facts, runs=runs, objects=found, settings=None, plan=None)


def test_the_pages_are_whole_and_say_the_same_again(seen: Path, tmp_path: Path) -> None:
    n_pages = write_pages(seen, tmp_path / "docs")
    written = {p: p.read_bytes() for p in (tmp_path / "docs").rglob("*.*")}
    assert sum(p.suffix == ".html" for p in written) == n_pages > 50
    write_pages(seen, tmp_path / "docs")
    assert all(path.read_bytes() == content for path, content in written.items())


def test_pages_need_no_network(files: dict[str, str]) -> None:
    for path, text in files.items():
        assert "http:" not in text, path
        assert "fetch(" not in text, path
        assert "url(" not in text, path


def test_names_of_any_kind_stay_text(facts: Facts) -> None:
    evil = renamed(facts, "mean_cost", EVIL)
    for name in (
        "drgs",
        "drop_rare_drgs",
        "Mean Charge",
        "data/raw.csv",
        "apr_drg_code",
    ):
        evil = renamed(evil, name, f"{name}{EVIL}")
    found = render(pages_of(evil), frame_of(evil))
    pages = {path: Read(text) for path, text in found.items() if path.endswith(".html")}
    n_shown = 0
    for path, page in pages.items():
        assert page.tags.count("script") == 2, path
        assert "b" not in page.tags, path
        assert all(name.replace("-", "").isalpha() for name in page.attributes), path
        n_shown += EVIL in page.text
    assert n_shown > 20


def test_pages_do_not_say_where_the_project_lies(
    seen: Path, files: dict[str, str]
) -> None:
    assert not [path for path, text in files.items() if f"{seen}/" in text]


def test_code_elsewhere_in_the_project_is_named_from_its_folder_on(
    seen: Path, tmp_path: Path
) -> None:
    shutil.copytree(seen / ".pipeline", tmp_path / ".pipeline", symlinks=True)
    for number, file in enumerate(sorted((tmp_path / ".pipeline/runs").glob("*.json"))):
        run = read_sealed(file, RunRecord)
        assert run
        code = {**run.code, f"{tmp_path}/mylib.py": f"{number}"}
        write_sealed(file, msgspec.structs.replace(run, code=code))
    facts = read_facts(tmp_path)
    html = render(pages_of(facts), frame_of(facts))["index.html"]
    assert "code: mylib.py changed" in html
