"""A project is the same whatever kind of file its rows stand in."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.plan.settings import load_settings
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from pipeline.run.run import RunReport, run
from pipeline.run.start import start
from pipeline.sources import parsed
from tests.run.conftest import query

FEATURES = "from features order by all"


def _as_hive(raw: pl.DataFrame, folder: Path) -> None:
    for (year,), rows in raw.group_by("Year"):
        (folder / f"Year={year}").mkdir(parents=True)
        rows.drop("Year").write_parquet(folder / f"Year={year}" / "raw.parquet")


WRITE: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "json_lines": lambda raw, data: raw.write_ndjson(data / "raw.jsonl"),
    "excel": lambda raw, data: raw.write_excel(data / "raw.xlsx", autofit=False),
    "parquet": lambda raw, data: _as_hive(raw, data / "in"),
}
PATHS = {
    "json_lines": "data/*.jsonl",
    "excel": "data/*.xlsx",
    "parquet": "data/in/*/*.parquet",
}


@pytest.mark.parametrize("kind", WRITE)
def test_rows_of_any_kind_of_file_make_the_same_features(
    kind: str, project: Path, run_once: tuple[Path, RunReport]
) -> None:
    raw = pl.read_csv(project / "data" / "raw.csv", infer_schema=False)
    WRITE[kind](raw, project / "data")
    words = (f"source={kind}", f"source.path={PATHS[kind]}")
    first = run(load_settings(project, overrides=words))
    assert query(project, FEATURES) == query(run_once[0], FEATURES)
    assert run(load_settings(project, overrides=words)).run.run_id == first.run.run_id
    parts = (*words, "engine.partitions=3")
    forced = run(load_settings(project, overrides=parts), Selection(force=True))
    assert forced.run.run_id != first.run.run_id
    assert query(project, FEATURES) == query(run_once[0], FEATURES)


def test_file_that_is_changed_is_read_again(project: Path) -> None:
    raw = pl.read_csv(project / "data" / "raw.csv", infer_schema=False)
    words = ("source=json_lines", "source.path=data/raw.jsonl")
    raw.write_ndjson(project / "data" / "raw.jsonl")
    before = run(load_settings(project, overrides=words))
    raw.reverse().write_ndjson(project / "data" / "raw.jsonl")
    after = run(load_settings(project, overrides=(*words, "engine.partitions=3")))
    assert after.run.run_id != before.run.run_id
    # In another order they make the same panel, of which the features are made.
    states = {s.name: s.state for s in after.run.snapshots}
    assert {n for n, state in states.items() if state == "fresh"} == {"features"}


def test_database_is_asked_by_every_run_and_other_rows_alone_restale(
    project: Path, run_once: tuple[Path, RunReport]
) -> None:
    database = project / "data" / "raw.duckdb"
    with duckdb.connect(database) as con:
        con.execute(f"create table t as from '{project}/data/raw.csv'")
    words = ("source=duckdb", "source.path=data/raw.duckdb", "source.query=from t")
    first = start(project, None, words)
    assert isinstance(first, RunReport)
    assert query(project, FEATURES) == query(run_once[0], FEATURES)
    with duckdb.connect(database) as con:
        con.execute("create table s as from t order by random(); drop table t")
        con.execute("alter table s rename to t")
    second = start(project, None, words)
    assert isinstance(second, RunReport)
    assert not second.is_new
    said = describe_freshness(load_settings(project, overrides=words), Selection())
    assert said.startswith("of the rows that the query gave last: a run asks again\n")
    with duckdb.connect(database) as con:
        con.execute("update t set Discharges = Discharges + 1")
    third = start(project, None, words)
    assert isinstance(third, RunReport)
    assert third.is_new


@pytest.mark.parametrize("engine", ["engine.partitions=1", "engine.partitions=3"])
def test_a_file_more_gives_what_a_reading_of_all_gives(
    project: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(parsed, "LEAST_BYTES", 1)
    header, *lines = (project / "data" / "raw.csv").read_text().splitlines(True)
    lines[1700] = lines[1700].replace(",", ",odd ", 1)  # a cell to set aside
    words = ("source=csv", "source.path=data/part*.csv", engine)
    for part in range(3):
        text = "".join(lines[part * 1000 : (part + 1) * 1000])
        (project / "data" / f"part{part}.csv").write_text(header + text)
        if part == 1:
            run(load_settings(project, overrides=words))
    again = run(load_settings(project, overrides=words))
    n_kept = len([*(project / ".pipeline" / "data").iterdir()])
    assert n_kept == 3 + 1
    shutil.rmtree(project / ".pipeline")
    monkeypatch.undo()
    first = run(load_settings(project, overrides=words))
    hashes = [
        {name: found.content_hash for name, found in report.objects.items()}
        for report in (again, first)
    ]
    assert hashes[0] == hashes[1]
    assert first.objects["quarantine"].n_rows == 1
