"""What two runs recorded of themselves tells what changed between them."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from pipeline.plan.settings import Settings
from pipeline.run.changes import Changes, changes_between
from pipeline.run.run import RunReport, run


def test_each_kind_of_change_is_told_from_the_others(
    load: Callable[..., Settings], project: Path, first: RunReport
) -> None:
    raw = project / "data" / "raw.csv"
    moved = raw.rename(raw.with_name("moved.csv"))
    moved.write_text(moved.read_text().replace("Alcohol", "Alkohol"))
    words = ("source.path=data/moved.csv", "columns.Facility Name=label")
    second = run(load(*words, "lag_columns.periods=2", "history.runs=3")).run
    found = changes_between(first.run, second)
    assert found.configuration == (
        "source.columns.Facility Name: text -> label",
        "lag_columns.periods: 1 -> 2",
    )
    assert found.data[0] == "source.path: data/raw.csv -> data/moved.csv"
    assert (found.code, found.versions) == ((), ())
    other = msgspec.structs.replace(
        second,
        code=second.code | {"transforms/own.py": "1"},
        versions=second.versions | {"polars": "9.9", "fingerprint": "9"},
    )
    polars = second.versions["polars"]
    assert changes_between(second, other) == Changes(
        (), (), ("transforms/own.py changed",), (f"polars: {polars} -> 9.9",)
    )


def test_what_comes_with_a_stage_is_one_change(first: RunReport) -> None:
    was = first.run
    stages = was.config["stages"]
    lags = stages["lag_columns"]
    config = was.config | {
        "stages": stages | {"lag_columns": {}, "named": {"transform": "rename"} | lags},
        "named": {"columns": {"a": "b"}},
    }
    now = msgspec.structs.replace(was, config=config)
    [came] = changes_between(was, now).configuration
    assert came.startswith('stages.named: null -> {"columns": {"a": "b"}, "transform":')
    [went] = changes_between(now, was).configuration
    assert went.startswith('stages.named: {"columns": {"a": "b"}, "transform": ')
    assert was.config["stages"] is stages


def test_many_changes_are_cut_and_counted() -> None:
    lines = [*Changes((), (), tuple(f"{i}.py changed" for i in range(12)), ()).lines()]
    assert lines[:1] == ["code: 0.py changed"]
    assert lines[-1] == "code: 2 more"
