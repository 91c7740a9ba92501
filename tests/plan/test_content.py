"""What is kept counts only as long as all that it was made of is the same."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

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
        "sources/sides.txt",
        "sources/.sides",
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


@pytest.fixture
def linked(kept: Path) -> Path:
    """A folder of configs/ that is a link to one that comes before it."""
    for name in ("dev", "prod"):
        folder = kept / "configs" / "env" / name
        folder.mkdir(parents=True)
        (folder / "csv.yaml").write_text(f"path: {name}.csv\n")
    link = kept / "configs" / "shared"
    link.symlink_to("env/dev")
    return link


def test_a_link_counts_with_where_it_leads(
    kept: Path, linked: Path, later: Callable[[], None]
) -> None:
    assert memo_of(kept).recall(str) is None
    later()
    memo_of(kept).remember("of dev")
    linked.unlink()
    linked.symlink_to("env/prod")
    assert memo_of(kept).recall(str) is None
    linked.unlink()
    linked.symlink_to("env/dev")
    assert memo_of(kept).recall(str) == "of dev"


@pytest.mark.parametrize("name", ["configs", "configs/shared"])
def test_a_link_swapped_since_the_process_began_is_noticed(
    kept: Path,
    linked: Path,
    later: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    if name == "configs":
        (kept / name).rename(kept / "config_of_dev")
        linked = kept / name
        linked.symlink_to("config_of_dev")
    target = linked.readlink()
    later()
    linked.unlink()
    linked.symlink_to(target)
    began = linked.lstat().st_ctime_ns + 10**9
    monkeypatch.setattr(content, "STARTED_NS", began)
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> object:
        """Show all others as older: where it leads and what it is in need not tell."""
        found = real(path, follow_symlinks=follow_symlinks)
        is_link = path == linked and not follow_symlinks
        old = SimpleNamespace(st_mode=found.st_mode, st_mtime_ns=0, st_ctime_ns=0)
        return found if is_link else old

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", stat)
        memo_of(kept).remember("of a mix")
    assert memo_of(kept).recall(str) is None


def test_what_was_edited_between_is_kept_as_neither(
    kept: Path, later: Callable[[], None]
) -> None:
    memo = memo_of(kept, "a=1")
    assert memo.recall(str) is None
    path = kept / "configs" / "pipeline.yaml"
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    later()
    memo.remember("of before")
    assert memo_of(kept, "a=1").recall(str) is None
    path.write_bytes(before)
    assert memo_of(kept, "a=1").recall(str) is None


def test_words_count_each_for_itself(kept: Path) -> None:
    assert memo_of(kept, "a=1").recall(str) is None
    assert memo_of(kept, profile="other").recall(str) is None
    assert memo_of(kept, profile="").recall(str) is None
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


def test_what_may_be_of_bytecode_as_old_as_its_file_is_not_kept(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "forget_racy_modules", lambda: True)
    memo_of(kept, "a=1").remember("of before")
    assert memo_of(kept, "a=1").recall(str) is None


@pytest.mark.parametrize(
    "code",
    [
        "import of_elsewhere",
        "try:\n    from not_there_yet import X\nexcept ImportError:\n    X = 1",
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
