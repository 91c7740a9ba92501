"""A lock is the same wherever it is written, and names where a difference begins."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import SnapshotError
from pipeline.run.lock import Lock, compare, read_lock, to_toml, write_lock
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lean project that has locked its results."""
    root = make_project(tmp_path_factory.mktemp("lock"), n_rows=600, of=LEAN)
    found = invoke(root, "lock-results", *SOURCE)
    assert found.exit_code == 0, found.output
    return root


@pytest.fixture
def lock(project: Path) -> Lock:
    return read_lock(project)


@pytest.fixture(scope="module")
def elsewhere(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another checkout, of which the source's file lies elsewhere; nothing has run."""
    root = tmp_path_factory.mktemp("else where")
    shutil.copytree(project / "configs", root / "configs")
    shutil.copy(project / "pipeline.lock", root)
    (root / "in").mkdir()
    shutil.copy(project / "data" / "raw.csv", root / "in" / "raw.csv")
    return root


def test_a_second_call_writes_the_same_and_nothing_of_this_machine(
    project: Path, elsewhere: Path
) -> None:
    text = (project / "pipeline.lock").read_text()
    assert invoke(project, "lock-results", *SOURCE).exit_code == 0
    assert (project / "pipeline.lock").read_text() == text
    assert str(project) not in text
    assert not re.search(r"20\d\d-|\d\d:\d\d|data/", text)
    assert {"features", "discharges", "drgs"} <= {
        *re.findall(r'name = "(\w+)", stage', text)
    }
    words = ("source=csv", "source.path=in/raw.csv")
    proven = invoke(elsewhere, "verify", "--lock", *words)
    assert (proven.exit_code, proven.output) == (
        0,
        "the same 4 snapshots as pipeline.lock says, to the last bit\n",
    )
    assert invoke(elsewhere, "lock-results", *words).exit_code == 0
    assert (elsewhere / "pipeline.lock").read_text() == text


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (
            ("lag_columns.periods=2", "drop_rare_drgs.min_total=30"),
            "stage drop_rare_drgs: configuration\n  also stage lag_columns: config",
        ),
        pytest.param(
            ("columns.Discharges=number",),
            "source: configuration\n",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_first_stage_that_differs_is_named(
    elsewhere: Path, words: tuple[str, ...], first: str
) -> None:
    place = ("source=csv", "source.path=in/raw.csv")
    found = invoke(elsewhere, "verify", "--lock", *place, *words)
    assert found.exit_code == 1
    assert f"first difference: {first}" in found.output


@pytest.mark.parametrize("words", [(), ("lag_columns.periods=2",)])
def test_nothing_is_published_or_kept_to_verify(
    project: Path, words: tuple[str, ...]
) -> None:
    def state() -> dict[str, str | bytes]:
        files = [*(project / ".pipeline").glob("*/*.json"), project / "pipeline.lock"]
        link = project / ".pipeline" / "snapshots.duckdb"
        return {**{str(p): p.read_bytes() for p in files}, "link": str(link.readlink())}

    before = state()
    found = invoke(project, "verify", "--lock", *SOURCE, *words)
    assert found.exit_code == bool(words), found.output
    assert state() == before
    last = invoke(project, "runs").output.splitlines()[0]
    assert last.split()[1] == "finished"


def test_other_rows_of_the_source_are_data(elsewhere: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(elsewhere, root, symlinks=True)
    raw = root / "in" / "raw.csv"
    raw.write_text("".join(raw.read_text().splitlines(keepends=True)[:-1]))
    found = invoke(root, "verify", "--lock", "source=csv", "source.path=in/raw.csv")
    assert found.exit_code == 1
    assert "first difference: source: data: raw.csv has other content" in found.output


def changed(lock: Lock, stage: str, **fields: str) -> Lock:
    """Change hashes of a stage, and what came of it."""
    stages = [
        msgspec.structs.replace(s, **fields) if s.name == stage else s
        for s in lock.stages
    ]
    snapshots = [
        msgspec.structs.replace(s, content="0") if s.stage == "lag_columns" else s
        for s in lock.snapshots
    ]
    return msgspec.structs.replace(lock, stages=stages, snapshots=snapshots)


def test_code_versions_and_what_is_not_reproducible_are_told_apart(lock: Lock) -> None:
    assert compare(lock, lock).is_same
    code = changed(lock, "drop_rare_drgs", plan="1", code="1")
    versions = [msgspec.structs.replace(v, version="9") for v in lock.versions]
    polars = msgspec.structs.replace(changed(lock, ""), versions=versions)
    own = changed(lock, "drgs", plan="1", code="1")  # features are not made of it
    gone = msgspec.structs.replace(
        lock,
        stages=[s for s in lock.stages if s.name != "drgs"],
        snapshots=[s for s in lock.snapshots if s.name != "drgs"],
    )
    for found, first in (
        (code, "stage drop_rare_drgs: code"),
        (polars, "stage lag_columns: version: duckdb: "),
        (changed(lock, ""), "stage lag_columns: other rows of the same data"),
        (gone, "stage drgs: configuration: is not there any more"),
        (own, "stage lag_columns: other rows of the same data"),
        (changed(lock, "drop_rare_drgs", plan="1"), "stage drop_rare_drgs: config"),
    ):
        verdict = compare(lock, found)
        assert not verdict.is_same
        assert f"first difference: {first}" in "\n".join(verdict.lines)


def test_other_versions_of_the_same_rows_are_only_named(lock: Lock) -> None:
    versions = [msgspec.structs.replace(v, version="9") for v in lock.versions]
    verdict = compare(lock, msgspec.structs.replace(lock, versions=versions))
    assert verdict.is_same
    assert any("polars" in line for line in verdict.lines)


NOT_AS_WRITTEN = "is not as `just lock-results` wrote"
SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "cut": (lambda text: text[: len(text) // 2], NOT_AS_WRITTEN),
    "edited": (lambda text: text.replace("rows = 1", "rows = 2"), "checksum"),
    "merged": (lambda text: f"<<<<<<< HEAD\n{text}", NOT_AS_WRITTEN),
    "empty": (lambda _: "", "checksum"),
    "newer": (lambda text: text.replace("format = 1", "format = 9"), "found 9"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_lock_that_cannot_be_read_is_one_error(
    how: str, lock: Lock, tmp_path: Path
) -> None:
    with pytest.raises(SnapshotError, match="is not there"):
        read_lock(tmp_path)
    spoil, fault = SPOILT[how]
    (tmp_path / "pipeline.lock").mkdir()
    for refused in (read_lock, lambda root: write_lock(root, lock)):
        with pytest.raises(SnapshotError, match="expected a file, found a folder"):
            refused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.lock"]
    (tmp_path / "pipeline.lock").rmdir()
    (tmp_path / "pipeline.lock").write_text(spoil(to_toml(lock)))
    with pytest.raises(SnapshotError, match=fault):
        read_lock(tmp_path)
