"""What follows a snapshot that came out as it was is fresh, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.plan.settings import Settings
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from pipeline.run.run import RunReport, run

Load = Callable[..., Settings]


def states(report: RunReport) -> dict[str, str]:
    return {s.name: s.state for s in report.run.snapshots}


@pytest.fixture
def spare(project: Path) -> Callable[[str], None]:
    """Add a column to the discharges, which a stage behind them drops again."""
    path = project / "configs" / "pipeline.yaml"
    before = path.read_text()

    def add(expression: str) -> None:
        stage = "  spare: {transform: derive, inputs: [sanitize_column_names]}\n"
        text = before.replace("  drop_rare_drgs:\n", f"{stage}  drop_rare_drgs:\n")
        text = text.replace(
            "drop_rare\n    inputs: [sanitize_column_names]", "drop_rare"
        )
        column = f"spare: {{columns: {{spare_description: {expression}}}}}\n"
        path.write_text(text + column)

    return add


def test_a_setting_that_leaves_rows_as_they_are_stops_there(
    load: Load, first: RunReport
) -> None:
    """No DRG of the first year has 20 discharges."""
    words = "drop_rare_drgs.min_total=19"
    said = describe_freshness(load(words), Selection())
    assert "fresh if discharges comes out as published" in said
    assert "to compute: discharges; starting at the source" in said
    assert "to compute then, unless it is fresh: features" in said
    report = run(load(words))
    assert states(report)["discharges"] == "computed"
    assert states(report)["features"] == "fresh"
    assert not run(load(words)).is_new


def test_rows_that_changed_reach_what_follows(
    load: Load, first: RunReport, tmp_path: Path
) -> None:
    words = "drop_rare_drgs.min_total=7"
    report = run(load(words))
    assert states(report)["features"] == "computed"
    again = run(load(words), Selection(force=True))
    for name in ("discharges", "features"):
        hashes = {each.objects[name].content_hash for each in (report, again)}
        assert hashes != {first.objects[name].content_hash}
        assert len(hashes) == 1


def test_a_column_that_no_feature_is_made_of_leaves_the_features(
    load: Load, first: RunReport, spare: Callable[[str], None]
) -> None:
    spare("facility_id + 1")
    added = run(load())
    assert states(added) == {
        "drgs": "fresh",
        "discharges": "computed",
        "features": "fresh",
        "quarantine": "fresh",
    }
    spare("facility_id + 2")
    assert states(run(load()))["features"] == "fresh"


def test_rows_of_a_repeated_key_are_known_by_what_made_them(
    load: Load, first: RunReport
) -> None:
    """Of these, columns do not tell which of their values are of the same row."""
    words = ("checks.discharges.key=false", "drop_rare_drgs.min_total=19")
    assert states(run(load(*words)))["features"] == "computed"


def test_other_rows_of_the_source_go_through_in_one_pass(
    load: Load, first: RunReport, project: Path
) -> None:
    path = project / "data" / "raw.csv"
    rows = pl.read_csv(path, infer_schema=False)
    pl.concat([rows, rows.head(1)]).tail(-1).write_csv(path)
    said = describe_freshness(load(), Selection())
    assert "to compute then" not in said
    # The same rows in another order: all that was computed is what it was.
    report = run(load())
    assert states(report)["features"] == "fresh"
    assert not run(load()).is_new
