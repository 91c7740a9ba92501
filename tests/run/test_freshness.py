"""What is fresh is not computed, what is stale always is, and the reason is told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.plan.settings import Settings
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from pipeline.run.freshness import look, statuses_of
from pipeline.run.run import RunReport, check, run
from pipeline.snapshots.store import open_store, read_runs

Load = Callable[..., Settings]
LAST = ("features",)
ALL = ("drgs", "discharges", "features")


def states(report: RunReport) -> dict[str, str]:
    return {s.name: s.state for s in report.run.snapshots}


def computed(report: RunReport) -> list[str]:
    found = [name for name, state in states(report).items() if state == "computed"]
    return found if report.is_new else []


def reasons(settings: Settings, snapshot: str) -> tuple[str, ...]:
    store = open_store(settings.root)
    runs = read_runs(store)
    wanted = look(settings, check(settings), store, runs, fetched=False)
    [status] = [s for s in statuses_of(wanted, store, runs[-1]) if s.name == snapshot]
    return status.reasons


def test_second_run_has_nothing_to_do(load: Load) -> None:
    first, second = run(load()), run(load())
    assert first.is_new
    assert not second.is_new
    assert second.run.run_id == first.run.run_id


@pytest.mark.parametrize(
    ("override", "stale", "reason"),
    [
        ("lag_columns.periods=2", LAST, "lag_columns.periods: 1 -> 2"),
        (
            "drop_description_columns.suffixes=[name]",
            LAST,
            'drop_description_columns.suffixes: ["description"] -> ["name"]',
        ),
        (
            "drop_rare_drgs.min_total=7",
            ("discharges", "features"),
            "drop_rare_drgs.min_total: 20 -> 7",
        ),
        (
            "drgs.columns=[facility_name]",
            ("drgs",),
            'drgs.columns: ["apr_drg_description"] -> ["facility_name"]',
        ),
        (
            # No feature is made of it, so that these are as they were.
            "columns.Facility Name=label",
            ("drgs", "discharges", "quarantine"),
            "source.columns.Facility Name: text -> label",
        ),
    ],
)
def test_a_change_makes_stale_what_follows_and_nothing_else(
    load: Load, first: RunReport, override: str, stale: tuple[str, ...], reason: str
) -> None:
    assert reasons(load(override), stale[-1]) == (reason,)
    report = run(load(override))
    assert computed(report) == list(stale)


def test_values_without_effect_on_the_plan_leave_all_fresh(
    load: Load, first: RunReport
) -> None:
    report = run(load("source.max_bad_rows=5", "history.runs=3"))
    assert not report.is_new


def test_config_switched_back_is_restored_not_computed(
    load: Load, first: RunReport
) -> None:
    run(load("lag_columns.periods=2"))
    back = run(load())
    assert states(back)["features"] == "restored"
    assert computed(back) == []
    assert back.objects == first.objects


def test_rows_of_stages_are_known_also_where_nothing_was_computed(
    load: Load, first: RunReport
) -> None:
    run(load("drop_rare_drgs.min_total=7"))
    back = run(load())
    assert [s.n_rows for s in back.run.stages] == [s.n_rows for s in first.run.stages]


def test_touched_file_is_hashed_again_and_found_the_same(
    project: Path, load: Load
) -> None:
    run(load())
    os.utime(project / "data" / "raw.csv")
    assert not run(load()).is_new


def test_edit_that_keeps_size_and_modification_time_is_seen(
    project: Path, load: Load
) -> None:
    run(load())
    file = project / "data" / "raw.csv"
    before = file.stat()
    content = file.read_bytes()
    last = content.rstrip()[-1:]
    other = b"1" if last != b"1" else b"2"
    file.write_bytes(content.rstrip()[:-1] + other + content[len(content.rstrip()) :])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert reasons(load(), "discharges") == ("source: data/raw.csv changed",)
    assert "discharges" in computed(run(load()))


def test_renamed_file_changes_only_where_bad_rows_are_said_to_be(
    project: Path, load: Load, first: RunReport
) -> None:
    (project / "data" / "raw.csv").rename(project / "data" / "other.csv")
    report = run(load("source.path=data/other.csv"))
    assert computed(report) == ["quarantine"]


def test_lowered_limit_of_bad_rows_stops_a_run_that_would_be_fresh(
    project: Path, load: Load
) -> None:
    with (project / "data" / "raw.csv").open("a") as file:
        file.write("2017,1,A,53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,1.0\n")
    run(load())
    with pytest.raises(SourceError, match="1 bad rows, expected at most 0"):
        run(load("source.max_bad_rows=0"))


def test_removed_or_cut_object_is_made_again_to_the_same_content(
    project: Path, load: Load, first: RunReport
) -> None:
    [features] = (project / ".pipeline/objects/features").glob("*.parquet")
    whole = features.read_bytes()
    features.write_bytes(whole[:-10])
    [drgs] = (project / ".pipeline/objects/drgs").glob("*.parquet")
    drgs.unlink()
    n_bytes = len(whole)
    found = f"its object has {n_bytes - 10:,} bytes, expected {n_bytes:,}"
    assert reasons(load(), "features") == (found,)
    report = run(load())
    assert computed(report) == ["drgs", "features"]
    for name in ("drgs", "features"):
        hashes = {r.objects[name].content_hash for r in (first, report)}
        assert len(hashes) == 1


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(to="drop_description_columns", force=True), ["discharges"]),
        (Selection(to="discharges", force=True), ["discharges"]),
        (Selection(from_="drop_rare_drgs", force=True), list(ALL[1:])),
        (Selection(only="drgs", force=True), ["drgs"]),
        (Selection(force=True), [*ALL, "quarantine"]),
        (Selection(only="features"), []),
    ],
    ids=["to", "to-snapshot", "from", "only", "force", "fresh"],
)
def test_selected_stages_alone_are_computed(
    load: Load, first: RunReport, selection: Selection, expected: list[str]
) -> None:
    report = run(load(), selection)
    assert [n for n in computed(report) if n != "quarantine" or n in expected] == (
        expected
    )


def test_what_is_not_selected_is_kept_and_said_to_be_stale(
    load: Load, first: RunReport, caplog: pytest.LogCaptureFixture
) -> None:
    report = run(load("drop_rare_drgs.min_total=7"), Selection(only="features"))
    assert states(report)["discharges"] == "kept"
    assert "left as published: discharges" in caplog.text
    name = "discharges"
    assert report.objects[name] == first.objects[name]
    whole = run(load("drop_rare_drgs.min_total=7"))
    assert computed(whole) == [name]


@pytest.mark.parametrize(
    ("selection", "match"),
    [
        (Selection(to="lag_column"), "did you mean 'lag_columns'"),
        (Selection(only="drop_description_columns"), "publish no snapshot"),
        (Selection(to="drgs", from_="features"), "publish no snapshot"),
    ],
)
def test_selection_of_nothing_is_refused(
    load: Load, selection: Selection, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        run(load(), selection)


def test_plan_says_what_a_run_would_do_and_does_nothing(
    project: Path, load: Load
) -> None:
    assert "never computed" in describe_freshness(load(), Selection())
    assert not (project / ".pipeline").exists()
    run(load())
    text = describe_freshness(load("lag_columns.periods=2"), Selection())
    assert "features    stale       lag_columns.periods: 1 -> 2" in text
    assert "to compute: features; starting at drop_rare_drgs" in text
    assert "nothing to do" in describe_freshness(load(), Selection())
    text = describe_freshness(load(), Selection(only="features", force=True))
    assert "features    fresh       computed anyway: --force" in text
    assert text.count("--force") == 1
    assert "to compute: features; starting at drop_rare_drgs" in text
    only = Selection(only="drop_description_columns")
    assert "publishes no snapshot: `just show " in describe_freshness(load(), only)


def test_plan_without_the_source_says_so(load: Load, first: RunReport) -> None:
    text = describe_freshness(load("source.path=absent.csv"), Selection())
    assert "the source is not there yet" in text


def test_snapshot_that_is_no_longer_wanted_is_left_out(
    load: Load, first: RunReport
) -> None:
    report = run(load("stages.drgs=null", "drgs=null"))
    assert report.is_new
    assert "drgs" not in states(report)
    assert computed(report) == []


def test_renamed_file_of_several_is_named_as_such(project: Path, load: Load) -> None:
    raw = project / "data" / "raw.csv"
    header, *lines = raw.read_text().splitlines(keepends=True)
    for name, part in (("a", lines[::2]), ("b", lines[1::2])):
        (project / "data" / f"{name}.csv").write_text(header + "".join(part))
    raw.unlink()
    every = "source.path=data/*.csv"
    run(load(every))
    (project / "data" / "b.csv").rename(project / "data" / "c.csv")
    assert reasons(load(every), "quarantine") == (
        "source: file: data/b.csv -> data/c.csv",
    )
    (project / "data" / "d.csv").write_text(header + lines[0])
    assert "source: data/d.csv is new" in reasons(load(every), "features")


def test_of_many_files_that_changed_ten_are_named(load: Load, project: Path) -> None:
    head, *lines = (project / "data" / "raw.csv").read_text().splitlines(keepends=True)
    for number in range(12):
        some = "".join([head, *lines[number::12]])
        (project / "data" / f"part{number:02}.csv").write_text(some)
    every = "source.path=data/part*.csv"
    run(load(every))
    for file in project.glob("data/part*.csv"):
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    *named, more = reasons(load(every), "features")
    assert named == [f"source: data/part{n:02}.csv changed" for n in range(10)]
    assert more == "source: 2 files more changed, came or went"
