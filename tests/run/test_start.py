"""A run of everything asks for a stamp, and leaves one; any other does neither."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.run.run import RunReport
from pipeline.run.start import start
from tests.commands.test_cli import SOURCE


@pytest.fixture
def stamped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the keys that a stamp is asked for, or is left under."""
    keys: list[str] = []

    def ask(_root: Path, key: str) -> None:
        keys.append(f"asked {key}")

    def leave(_report: RunReport, key: str) -> None:
        keys.append(f"left {key}")

    monkeypatch.setattr("pipeline.run.start.read_stamp", ask)
    monkeypatch.setattr("pipeline.run.run.stamp", leave)
    return keys


def test_a_run_of_everything_leaves_the_stamp_it_has_asked_for(
    project: Path, stamped: list[str]
) -> None:
    report = start(project, None, SOURCE)
    assert isinstance(report, RunReport)
    asked, left = stamped
    assert left == asked.replace("asked", "left")
    start(project, None, SOURCE, force=True)
    start(project, None, SOURCE, to="drgs")
    assert len(stamped) == 2


def test_what_changes_during_a_run_is_not_stamped(
    project: Path, stamped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter(["before", "after"])
    monkeypatch.setattr("pipeline.run.start.key", lambda *_: next(keys))
    start(project, None, SOURCE)
    assert stamped == ["asked before"]


def test_the_run_that_has_done_it_all_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(run_id="r1")
    monkeypatch.setattr("pipeline.run.start.read_stamp", lambda *_: found)
    assert start(project, None, SOURCE) == "r1"
    assert not (project / ".pipeline").exists()


def test_a_stage_that_publishes_nothing_is_not_run(project: Path) -> None:
    assert start(project, None, SOURCE, only="drop_description_columns") is None
    assert not (project / ".pipeline").exists()


@pytest.mark.parametrize("value", ["600", "${oc.decode:${oc.env:LEAST}}"])
def test_what_the_environment_decides_is_not_kept(
    project: Path,
    later: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    value: str,
) -> None:
    monkeypatch.setenv("LEAST", "600")
    later()
    start(project, None, (*SOURCE, f"drop_rare_drgs.min_total={value}"))
    kept = [*(project / ".pipeline" / "memo").glob("stages-*")]
    assert bool(kept) == (value == "600")
