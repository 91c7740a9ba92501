"""Each run leaves a log: what it did, how it ended, what it took."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ContractError
from pipeline.log import describe_log, describe_logs
from pipeline.plan.settings import Settings
from pipeline.run.run import run
from tests.commands.test_cli import invoke
from tests.conftest import LEAN, ROOT, make_project

Load = Callable[..., Settings]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A lean project to run and to spoil."""
    return make_project(tmp_path, n_rows=3000, of=LEAN)


def logs(project: Path) -> list[Path]:
    return sorted((project / ".pipeline" / "logs").glob("*.jsonl"))


def test_log_of_a_run_has_rows_seconds_and_memory(project: Path, load: Load) -> None:
    report = run(load())
    [path] = logs(project)
    assert path.stem == report.run.run_id
    events = [json.loads(line) for line in path.read_text().splitlines()]
    n_rows = {e["stage"]: e["n_rows"] for e in events if "stage" in e}
    assert n_rows == {stage.name: stage.n_rows for stage in report.run.stages}
    assert all(event["peak_mib"] > 10 for event in events)
    assert [e["event"] for e in events if "event" in e] == [
        "started",
        "executed",
        "published",
    ]


def test_failed_run_is_listed_with_its_fault(project: Path, load: Load) -> None:
    run(load())
    with pytest.raises(ContractError):
        run(load("checks.drgs.rows={exact: 7}"))
    last, first = describe_logs(project / ".pipeline" / "logs")
    assert "published" in first
    assert "failed" in last
    assert "snapshot 'drgs' of stage 'drgs': 1 check failed" in last


def test_run_that_was_killed_is_said_to_have_died(project: Path, load: Load) -> None:
    run(load())
    [path] = logs(project)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-2], lines[-2][:10]]))
    [line] = describe_logs(project / ".pipeline" / "logs")
    assert " died " in line


def test_run_with_nothing_to_do_leaves_no_log(project: Path, load: Load) -> None:
    run(load())
    run(load())
    assert len(logs(project)) == 1


def test_runs_are_named_as_in_the_history_and_typos_suggested(
    project: Path, load: Load
) -> None:
    first, last = (run(load(f"lag_columns.periods={n}")).run.run_id for n in (1, 2))
    for wanted, run_id in (
        ("latest", last),
        ("previous", first),
        ("-1", first),
        (first[:-1], first),
    ):
        log = project / ".pipeline" / "logs" / f"{run_id}.jsonl"
        result = invoke(project, "runs", wanted)
        assert result.stdout.splitlines() == describe_log(log)
    assert "did you mean 'latest'?" in invoke(project, "runs", "latst").stderr
    assert "did you mean" in invoke(project, "runs", f"{first}1").stderr


def test_no_flipped_bit_of_a_log_is_shown_without_a_word(
    project: Path, load: Load
) -> None:
    report = run(load())
    [path] = logs(project)
    content = path.read_bytes()
    rng = random.Random(7)
    for _ in range(20):
        flipped = bytearray(content)
        flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        assert "damaged" in describe_logs(path.parent)[0]
        assert "damaged" in describe_log(path)[-1]
    for odd in (b"", b"5\n", b"\xff\n", b"{}\n", b"\n"):
        path.write_bytes(odd)
        for words in (("runs",), ("runs", report.run.run_id)):
            assert invoke(project, *words).exit_code == 0, (odd, words)


def test_steps_of_one_run_can_be_read(project: Path, load: Load) -> None:
    report = run(load())
    folder = project / ".pipeline" / "logs"
    lines = describe_log(folder / f"{report.run.run_id}.jsonl")
    assert any("features is stale" in line for line in lines)
    assert lines[-1].endswith("published")


def test_run_goes_on_when_no_one_reads_what_it_says(project: Path) -> None:
    unread, writing = os.pipe()
    os.close(unread)
    words = ["run", "--force", "--verbose", "source=csv", "source.path=data/raw.csv"]
    for n_parts in (1, 3):
        parts = f"engine.partitions={n_parts}"
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *words, parts],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        assert done.returncode == 0
        assert " published " in describe_logs(project / ".pipeline" / "logs")[0]
    os.close(writing)
