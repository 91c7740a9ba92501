"""What is computed: bad rows apart, and where something is wrong, why."""

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline import sources
from pipeline.errors import PipelineError, SchemaError, SourceError
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.compute import most_rows, read_and_written
from pipeline.run.run import run
from pipeline.run.task import Task
from pipeline.sources.csv import CsvSource
from tests.conftest import PROJECT, make_project
from tests.run.conftest import query

Load = Callable[..., Settings]


def spoil(project: Path, *lines: str) -> None:
    """Append lines to the raw rows."""
    with (project / "data" / "raw.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_bad_rows_are_set_aside_with_line_column_value_and_reason(
    project: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    clean = run(load())
    name = '"Two\nLines"'
    spoil(
        project,
        f"2017,1,{name},53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,-1.0",
        "2017,,No Code,53,2,Bad,Moderate,M,Medical,0,4.0,3.0,2.0,1.0",
        '2017,1,Good,53,2,Good,Moderate,M,Medical,"1,000",$4.00,3.0,2.0,1.0',
    )
    with caplog.at_level("INFO"):
        report = run(load())

    assert report.run.n_bad_rows == 2
    assert report.objects["discharges"].n_rows == (
        clean.objects["discharges"].n_rows + 1
    )
    assert "repairing" in caplog.text
    n_lines = 3_000 + 1  # and the header
    assert query(project, "SELECT * EXCLUDE (source, file) FROM quarantine") == [
        (n_lines + 1, "Discharges", "many", "unreadable count"),
        (n_lines + 1, "Median Cost", "-1.0", "negative money"),
        (n_lines + 3, "Facility Id", None, "missing code"),
        (n_lines + 3, "Discharges", "0", "count below 1"),
    ]


def test_too_many_bad_rows_fail_the_run_and_leave_the_last_one(
    project: Path, load: Load
) -> None:
    run(load())
    before = query(project, "FROM meta.snapshots")
    spoil(project, "2017,1,A,53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,1.0")
    with pytest.raises(SourceError) as caught:
        run(load("source.max_bad_rows=0"))
    message = str(caught.value)
    assert "1 bad rows, expected at most 0" in message
    assert "data/raw.csv:3002: Discharges: 'many' unreadable count" in message
    assert query(project, "FROM meta.snapshots") == before
    assert not (project / ".pipeline" / "staging").exists()


@pytest.mark.parametrize(
    ("spoiled", "part"),
    [
        (b"2017,1,\xff\xfe,53,2,B,M,M,M,1,4.0,3.0,2.0,1.0\n", "is not UTF-8"),
        (b'2017,1,"open,53,2,B,M,M,M,1,4.0,3.0,2.0,1.0\n', "is not closed"),
    ],
    ids=["encoding", "quote"],
)
def test_fault_deep_in_a_file_names_the_file_and_line(
    project: Path, load: Load, spoiled: bytes, part: str
) -> None:
    with (project / "data" / "raw.csv").open("ab") as file:
        file.write(spoiled)
    with pytest.raises(SourceError) as caught:
        run(load())
    assert "raw.csv: cannot be read as CSV" in str(caught.value)
    assert "line 3002" in str(caught.value)
    assert part in str(caught.value)
    assert not (project / ".pipeline" / "snapshots.duckdb").exists()


def test_failure_while_executing_leaves_the_last_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "sums", n_rows=3000, of=PROJECT)
    words = ("source=csv", "source.path=data/raw.csv", "drop_rare_drgs.min_total=20")
    run(load_settings(project, overrides=words))
    before = query(project, "FROM meta.snapshots")
    # Products this large do not fit the exact sum.
    n = 9 * 10**14
    spoil(project, f"2017,1,A,53,2,B,Moderate,M,Medical,{n},{n},3.0,2.0,1.0")
    with pytest.raises(PipelineError, match="nothing was published"):
        run(load_settings(project, overrides=words))
    assert query(project, "FROM meta.snapshots") == before
    assert len(list((project / ".pipeline" / "runs").iterdir())) == 1
    assert not (project / ".pipeline" / "staging").exists()


def test_rows_a_task_begins_with_are_those_of_its_snapshots_and_of_the_source(
    tmp_path: Path,
) -> None:
    leaves = {name: tmp_path / f"{name}.parquet" for name in ("one", "two")}
    for n, path in enumerate(leaves.values(), start=2):
        pl.DataFrame({"x": range(n)}).write_parquet(path)
    task = Task([], (), (), leaves, [], (), reads_source=True, is_nothing=False)
    assert most_rows(task, None) == 2 + 3
    source = CsvSource(path="a.csv", columns={"x": "code"})
    (tmp_path / "a.csv").write_text("x\n" + "1\n" * 10)
    assert 15 <= most_rows(task, sources.scan(source, tmp_path)) < math.inf


@pytest.mark.parametrize("n_parts", [1, 3])
def test_a_join_to_several_rows_of_a_key_publishes_nothing_and_names_it(
    project: Path, load: Load, n_parts: int
) -> None:
    words = (
        "stages.join={inputs: [drgs, sanitize_column_names], snapshot: odd}",
        "stages.join.key=[apr_drg_code]",
        "join={keys: [apr_drg_code], columns: [facility_name]}",
        f"engine.partitions={n_parts}",
    )
    with pytest.raises(
        SchemaError, match=r"^stage 'join' \(pipeline/transforms/join\.py\): a join"
    ) as caught:
        run(load(*words))
    assert "\nfound: more than one row of apr_drg_code=" in str(caught.value)
    assert not (project / ".pipeline" / "snapshots.duckdb").exists()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="no /proc")
def test_a_pass_says_what_it_has_read_then_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_bytes(bytes(10_000_000))
    staging = tmp_path / "staging"
    staging.mkdir()
    how_far = read_and_written(10_000_000, staging, 2)
    assert how_far() == "0 of 10 MB read"
    (tmp_path / "raw.csv").read_bytes()
    assert how_far() == "0 MB written, 0 of 2 snapshots"
    pl.DataFrame({"x": range(500_000)}).write_parquet(
        staging / "whole.parquet", compression="uncompressed"
    )
    whole = (staging / "whole.parquet").read_bytes()
    (staging / "half.parquet").write_bytes(whole[: len(whole) // 2])
    n_mb = len(whole) * 1.5 / 1e6
    assert how_far() == f"{n_mb:.0f} MB written, 1 of 2 snapshots"
