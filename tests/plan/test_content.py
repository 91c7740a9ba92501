"""What is kept counts only as long as all that it was made of is the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plan import content
from pipeline.plan.content import Memo, key, package_hash


@pytest.fixture
def kept(project: Path, later: Callable[[], None]) -> Path:
    """A project of which a value is kept; its files are older than the process."""
    (project / ".pipeline").mkdir()
    (project / "sources").mkdir()
    (project / "sources" / "dice.py").write_text("import polars, json\n")
    later()
    memo_of(project).remember("kept")
    assert memo_of(project).recall(str) == "kept"
    return project


def memo_of(root: Path, *words: str, profile: str | None = None) -> Memo:
    return Memo(root, "test", profile, words)


@pytest.mark.parametrize(
    "name",
    [
        "configs/pipeline.yaml",
        "configs/columns.yaml",
        "configs/profiles/other.yaml",
        "configs/checks/features.yaml",
        "configs/models/new.yaml",
        "transforms/add_one.py",
        "transforms/add_one.yaml",
        "transforms/_helper.py",
        "sources/dice.py",
        "sources/dice.yaml",
    ],
)
def test_each_file_of_a_project_counts(kept: Path, name: str) -> None:
    path = kept / name
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((before or b"") + b"\n")
    assert memo_of(kept).recall(str) is None
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)
    assert memo_of(kept).recall(str) == "kept"


def test_words_count_each_for_itself(kept: Path) -> None:
    assert memo_of(kept, "a=1").recall(str) is None
    assert memo_of(kept, profile="other").recall(str) is None
    package = package_hash()
    assert key(kept, ("a", "b"), package) != key(kept, ("ab",), package)


def test_the_package_and_the_libraries_count(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pipeline"
    package.mkdir()
    (package / "module.py").write_text("a = 1")
    monkeypatch.setattr(content, "PACKAGE", package)
    hashes = [package_hash()]
    (package / "module.py").write_text("a = 2")
    hashes.append(package_hash())
    (package / "defaults.yaml").write_text("a: 2")
    hashes.append(package_hash())
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "polars-2.1.1.dist-info").mkdir()
    hashes.append(package_hash())
    assert len({*hashes}) == len(hashes)
    assert len({key(kept, (), package) for package in hashes}) == len(hashes)


def test_what_may_have_been_loaded_before_an_edit_is_not_kept(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept / "configs" / "pipeline.yaml"
    path.write_text(path.read_text() + "\n")
    for each in (kept, *kept.rglob("*")):
        os.utime(each, (0, 0))  # the time of the inode's change still tells
    monkeypatch.setattr(content, "STARTED_NS", path.stat().st_ctime_ns + 10**9)
    memo_of(kept).remember("of before")
    assert memo_of(kept).recall(str) is None


@pytest.mark.parametrize(
    "code",
    [
        "import of_elsewhere",
        "from importlib import import_module as load\nload('of_' + 'elsewhere')",
        "import",
    ],
)
def test_what_code_elsewhere_may_change_is_not_kept(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "of_elsewhere.py").touch()
    monkeypatch.syspath_prepend(elsewhere)
    (kept / "sources" / "dice.py").write_text(code)
    memo_of(kept).remember("with the code of now")
    assert memo_of(kept).recall(str) is None


def test_nothing_is_kept_where_no_run_has_been(
    project: Path, later: Callable[[], None]
) -> None:
    later()
    memo_of(project).remember("kept")
    assert not (project / ".pipeline").exists()


def test_a_file_that_cannot_be_read_is_left_to_who_needs_it(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refuse)
    memo_of(kept).remember("kept")
    assert memo_of(kept).recall(str) is None
