"""What came of a task: a file that only changes when that does."""

import json
from collections.abc import Callable
from pathlib import Path

from pipeline.orchestrate.outcomes import keep_run, outcome_path
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from tests.conftest import LEAN, TWO_ROWS, make_project


def test_a_run_of_the_same_rows_leaves_the_file_as_it_is(
    tmp_path: Path, later: Callable[[], None]
) -> None:
    root = make_project(tmp_path, of=LEAN)
    raw = root / "data" / "raw.csv"
    raw.write_text(TWO_ROWS)

    def outcome() -> tuple[dict[str, dict[str, object]], int]:
        words = ("source=csv", "source.path=data/raw.csv")
        keep_run(root, run(load_settings(root, overrides=words)).run.run_id)
        path = outcome_path(root, "run")
        return json.loads(path.read_text()), path.stat().st_mtime_ns

    forecast = outcome_path(root, "forecast")
    first = outcome()
    raw.write_text(TWO_ROWS)
    later()
    assert outcome() == first
    raw.write_text(TWO_ROWS.replace("8.0", "9.0"))
    forecast.write_text("{}")
    other, _ = outcome()
    assert {name: there["rows"] for name, there in other.items()} == {
        name: there["rows"] for name, there in first[0].items()
    }
    assert other != first[0]
    assert not forecast.exists()  # of other rows, and shown no more
