"""Nothing to do is seen without a dataframe, and only where it is true."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.plan import content
from pipeline.run import stamp
from tests.commands.conftest import SOURCE, invoke, invoke_lightly


@pytest.fixture
def stamped(settled: Path) -> Path:
    """A project after its first run, which is stamped."""
    assert invoke(settled, "run", *SOURCE).exit_code == 0
    return settled


def key(root: Path) -> str | None:
    words = content.words_of(None, SOURCE)
    return content.key(root, words, content.package_hash())


def test_nothing_to_do_imports_no_dataframes(stamped: Path) -> None:
    [said] = invoke_lightly(stamped, ("run", *SOURCE))
    assert said.startswith("0 ")
    assert "nothing to do" in said


@pytest.mark.parametrize("name", ["add_one.py", "_helper.py", "add_one.yaml"])
def test_own_transformations_count(project: Path, name: str) -> None:
    before = key(project)
    (project / "transforms").mkdir()
    (project / "transforms" / name).write_text("x = 1\n")
    added = key(project)
    (project / "transforms" / name).write_text("x = 2\n")
    assert len({before, added, key(project)}) == 3


def spoil_config(root: Path) -> None:
    path = root / "configs" / "pipeline.yaml"
    path.write_text(path.read_text() + "\n")


def spoil_source(root: Path) -> None:
    path = root / "data" / "raw.csv"
    path.write_bytes(path.read_bytes())


def remove_object(root: Path) -> None:
    next((root / ".pipeline" / "objects").rglob("*.parquet")).unlink()


def cut_object(root: Path) -> None:
    path = next((root / ".pipeline" / "objects").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])


def remove_catalog(root: Path) -> None:
    (root / ".pipeline" / "snapshots.duckdb").unlink()


def damage_stamp(root: Path) -> None:
    path = root / ".pipeline" / "stamp.json"
    path.write_bytes(path.read_bytes()[:-20])


SPOILT: list[Callable[[Path], None]] = [
    spoil_config,
    spoil_source,
    remove_object,
    cut_object,
    remove_catalog,
    damage_stamp,
]


def test_whatever_is_otherwise_is_looked_at_again(stamped: Path) -> None:
    for spoil in SPOILT:
        assert stamp.read_stamp(stamped, key(stamped)) is not None
        spoil(stamped)
        assert stamp.read_stamp(stamped, key(stamped)) is None
        assert invoke(stamped, "run", *SOURCE).exit_code == 0


def test_no_flipped_bit_and_no_part_left_behind_is_overlooked(stamped: Path) -> None:
    state, rng = stamped / ".pipeline", random.Random(7)
    files = [
        state / "stamp.json",
        next(state.glob("runs/*.json")),
        next(state.glob("objects/features/*.json")),
        (state / "snapshots.duckdb").resolve(),
    ]
    files[-1].chmod(0o600)
    for file in files:
        content = file.read_bytes()
        for _ in range(20):
            flipped = bytearray(content)
            flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            file.write_bytes(flipped)
            assert stamp.read_stamp(stamped, key(stamped)) is None
        file.write_bytes(content)
        assert stamp.read_stamp(stamped, key(stamped)) is not None
    for left in (state / "parts" / "broke", state / "parts.txt"):
        left.mkdir(parents=True) if left.parent != state else left.touch()
        assert stamp.read_stamp(stamped, key(stamped)) is None
        assert "nothing to do" in invoke(stamped, "run", *SOURCE).stdout
        assert not left.exists()
        assert stamp.read_stamp(stamped, key(stamped)) is not None


@pytest.mark.parametrize("word", ["lag_columns.periods", "panel.other"])
def test_values_from_the_environment_are_not_stamped(
    stamped: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    (stamped / ".pipeline" / "stamp.json").unlink()
    monkeypatch.setenv("PERIODS_OF_TEST", "1")
    words = (*SOURCE, word + "=${ oc.decode:${oc.env:PERIODS_OF_TEST}}")
    assert "nothing to do" in invoke(stamped, "run", *words).stdout
    assert not (stamped / ".pipeline" / "stamp.json").exists()


def test_configuration_behind_a_link_is_looked_at(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    source = shared / "csv.yaml"
    source.write_text("max_bad_rows: 1")
    (project / "configs" / "sources").symlink_to(shared)
    (project / "configs" / "loop").symlink_to(project / "configs")
    before = key(project)
    source.write_text(source.read_text() + "\n")
    assert key(project) != before


def test_what_an_editor_hides_does_not_break_a_stamp(project: Path) -> None:
    before = key(project)
    (project / "configs" / ".#pipeline.yaml").symlink_to("me@host.1234")
    (project / "configs" / "folder.yaml").mkdir()
    assert key(project) == before


def test_a_file_that_nobody_reads_need_not_be_readable(
    stamped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = stamped / "configs" / "unused.yaml"
    unused.write_text("panel: {}\n")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == unused:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for command in (["plan"], ["run", "--dry-run"], ["run"]):
        result = invoke(stamped, *command, *SOURCE)
        assert result.exit_code == 0, result.output
        assert "nothing to do" in result.stdout


def test_an_empty_profile_is_not_none(stamped: Path) -> None:
    result = invoke(stamped, "run", "--profile", "", *SOURCE)
    assert (result.exit_code, "found ''" in result.stderr) == (2, True)


def test_file_written_a_moment_ago_is_not_stamped(project: Path) -> None:
    path = project / "data" / "raw.csv"
    in_a_minute = time.time() + 60  # a run may be slow to come to it
    os.utime(path, (in_a_minute, in_a_minute))
    assert invoke(project, "run", *SOURCE).exit_code == 0
    assert not (project / ".pipeline" / "stamp.json").exists()


def test_selected_run_does_not_answer_for_a_whole_one(stamped: Path) -> None:
    override = "lag_columns.periods=6"
    some = invoke(stamped, "run", "--only", "drgs", *SOURCE, override)
    assert "the selected snapshots are fresh" in some.stdout
    whole = invoke(stamped, "run", *SOURCE, override)
    assert "computed" in whole.stdout


def test_object_that_lost_its_record_is_looked_at_again(stamped: Path) -> None:
    [path] = (stamped / ".pipeline/objects/features").glob("*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    assert invoke(stamped, "verify").exit_code == 1
    assert "computed" in invoke(stamped, "run", *SOURCE).stdout
    assert invoke(stamped, "verify").exit_code == 0


def test_run_over_a_file_that_has_settled_since_is_stamped(
    project: Path, later: Callable[[], None]
) -> None:
    path = project / "data" / "raw.csv"
    path.write_bytes(path.read_bytes())
    invoke(project, "run", *SOURCE)
    later()
    invoke(project, "run", *SOURCE)
    assert stamp.read_stamp(project, key(project)) is not None
