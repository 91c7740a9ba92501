"""A project from Python: what it gives, and what it leaves alone."""

import copy
import inspect
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import pipeline.project
from pipeline import PipelineError, Project
from pipeline.files.state import State
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from tests.conftest import LEAN, make_project

PUBLIC = """
Project(path: Path | str | None = None, *, profile: str | None = None) -> None
config -> Config
path -> Path
predict(frame: DataFrame | LazyFrame) -> DataFrame
query(name: str, /, **parameters: Any) -> DataFrame
run(*overrides: str, force: bool = False) -> Report
runs -> Listing[Run]
snapshot(name: str, run: str | int = 'latest') -> LazyFrame
snapshots -> Listing[Snapshot]
sql(query: str, /, **parameters: Any) -> DataFrame
stage(name: str, *overrides: str) -> LazyFrame
Column: name dtype n_nulls description unit
Report: run is_new snapshots
Run: run_id started_at seconds profile snapshots n_bad_rows
Snapshot: name n_rows n_bytes key state stage columns
"""
"""What may be relied on: a change of it is one of the version, and of the CHANGELOG."""


def made(folder: Path) -> Path:
    """The lean project, which knows its file, and says what a column means."""
    root = make_project(folder, n_rows=3000, of=LEAN)
    file = root / "configs" / "pipeline.yaml"
    source = "source: {use: csv, path: data/raw.csv}"
    file.write_text(file.read_text().replace("source: csv", source))
    (root / "configs" / "columns.yaml").write_text("Mean Cost: <b>cost</b>\n")
    return root


class Held(NamedTuple):
    """A project, a frame of a run that it keeps no longer, and what it held then."""

    project: Project
    lf: pl.LazyFrame
    rows: pl.DataFrame


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """A project with three runs, of which it keeps two; not to be changed."""
    root = made(tmp_path_factory.mktemp("project"))

    def publish(periods: int) -> None:
        words = ("history.runs=2", f"lag_columns.periods={periods}")
        run(load_settings(root, overrides=words))

    publish(3)
    project = Project(root)
    lf = project.snapshot("features")
    rows = lf.collect()
    publish(1)
    publish(2)
    return Held(project, lf, rows)


@pytest.fixture(scope="module")
def there(held: Held) -> Project:
    """The same project."""
    return held.project


def test_what_is_public_is_what_was_promised() -> None:
    found: list[str] = []
    for name, member in sorted({**vars(Project), "": Project}.items()):
        if not name.startswith("_"):
            of: Any = member.fget if isinstance(member, property) else member
            text = re.sub(r"\(self(, )?", "(", str(inspect.signature(of)))
            text = text.replace("()", "") if isinstance(member, property) else text
            found.append((name or "Project") + re.sub(r"\b(\w+\.)+(?=\w)", "", text))
    for name in ("Column", "Report", "Run", "Snapshot"):
        parts = [part.name for part in fields(getattr(pipeline.project, name))]
        found.append(f"{name}: {' '.join(parts)}")
    assert found == PUBLIC.strip().splitlines()
    assert sorted(pipeline.__all__) == ["PipelineError", "Project"]
    assert all(
        inspect.getdoc(member) for n, member in vars(Project).items() if n[0] != "_"
    )


def test_to_import_the_package_imports_nothing_of_weight() -> None:
    heavy = "{'polars', 'duckdb', 'omegaconf', 'msgspec', 'click'}"
    code = f"import pipeline, sys; assert not {heavy} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_snapshot_is_the_scan_of_what_sql_shows(there: Project) -> None:
    lf = there.snapshot("features")
    assert re.match(r"Parquet SCAN \[\S+/objects/features/\w+\.parquet\]", lf.explain())
    assert_frame_equal(lf.collect(), there.sql("from features"))
    catalog = State(there.path).catalog
    with duckdb.connect(catalog, read_only=True) as con:
        assert_frame_equal(lf.collect(), con.sql("from features").pl())


def test_a_run_is_named_as_on_the_command_line(there: Project) -> None:
    latest, previous = there.runs
    assert latest > previous
    assert "mean_cost_lag2" in there.snapshot("features").collect_schema()
    assert there.runs["latest"].run_id == latest
    assert "nope" not in there.runs
    for run_ in (-1, "-1", "previous", previous):
        assert there.runs[run_].run_id == previous
        assert "mean_cost_lag1" in there.snapshot("features", run_).collect_schema()


def test_a_frame_stays_readable_whatever_is_published(held: Held) -> None:
    assert "mean_cost_lag3" in held.rows.columns
    assert len(held.project.runs) == 2
    assert_frame_equal(held.lf.collect(), held.rows)


def test_the_rows_after_a_stage_are_those_of_now(there: Project) -> None:
    lag1, lag2 = there.snapshot("features", -1), there.snapshot("features")
    assert_frame_equal(there.stage("lag_columns").collect(), lag1.collect())
    other = there.stage("features", "lag_columns.periods=2")
    assert_frame_equal(other.collect(), lag2.collect())
    assert there.stage("source").select(pl.len()).collect().item() == 3000


def test_sql_takes_values_and_reads_nothing_else(there: Project) -> None:
    n = "select count(*) as n, $year as y, interval 1 month as i from features"
    found = there.sql(f"{n} where year = $year", year=2015)
    rows = there.snapshot("features").filter(pl.col("year") == 2015).collect()
    assert found.to_dicts() == [{"n": rows.height, "y": 2015, "i": "1 month"}]
    for refused in ("drop view features", "from 'pyproject.toml'", "from rows", "1;2"):
        with pytest.raises(PipelineError, match="sql: "):
            there.sql(refused)


def test_threads_may_ask_at_once(there: Project) -> None:
    slow = "select sum(a.range * b.range) as n from range(2000) a, range(2000) b"
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(there.sql, [slow] * 8)]
    assert {frame.item() for frame in found} == {sum(range(2000)) ** 2}


def test_a_connection_of_ones_own_beside_it_stays_free(
    there: Project, tmp_path: Path
) -> None:
    file = tmp_path / "own.csv"
    file.write_text("a\n1\n")
    with duckdb.connect(State(there.path).catalog, read_only=True) as own:
        assert there.sql("select 1 as x").item() == 1
        assert own.sql(f"from '{file}'").fetchall() == [(1,)]
        spilt = there.sql("select current_setting('temp_directory')").item()
        assert Path(spilt).is_relative_to(there.path)


def test_a_query_takes_its_parameters(there: Project) -> None:
    found = there.query("costliest_drgs", n_rows=3, year=None)
    by_hand = (
        there.snapshot("discharges")
        .filter(pl.col("year") == 2017)
        .group_by("apr_drg_code")
        .agg((pl.col("mean_cost") * pl.col("discharges")).sum().alias("cost"))
        .sort("cost", descending=True)
        .head(3)
        .collect()
    )
    assert found["apr_drg_code"].to_list() == by_hand["apr_drg_code"].to_list()


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda p: p.snapshot("fetures"), "did you mean 'features'?"),
        (lambda p: p.snapshot("features", -7), "no run '-7'"),
        (lambda p: p.stage("lag_colums"), "did you mean 'lag_columns'?"),
        (lambda p: p.stage("features", "lag_columns.x=1"), "lag_columns.x"),
        (lambda p: p.query("costliest"), "no query 'costliest'"),
        (lambda p: p.query("../queries/costliest_drgs"), "no query '../queries"),
        (lambda p: p.snapshot(3), "snapshot: expected a snapshot's name, found int 3"),
        (lambda p: p.snapshot("features", None), "found NoneType None"),
        (lambda p: p.stage(None), "stage: expected a stage's name, found NoneType"),
        (lambda p: p.stage("features", ["a=2"]), "give *words"),
        (lambda p: p.run(["a=2"]), "run: expected words such as"),
        (lambda p: p.sql(3), "sql: expected a SELECT as text, found int 3"),
        (lambda p: p.query(None), "query: expected a query's name"),
        (lambda p: p.predict("x.csv"), "found str 'x.csv'\nhint: pl.from_pandas(df)"),
        (
            lambda _: Project(cast("Any", 3)),
            "Project: expected the project's folder, found int 3",
        ),
        (lambda p: p.query("costliest_drgs", n=1), "no parameter 'n'"),
        (lambda p: p.query("costliest_drgs", year="x"), "expected INTEGER"),
        (lambda _: Project("/nowhere"), "/nowhere"),
        (lambda p: Project(p.path / "configs"), "configs"),
    ],
)
def test_errors_are_ours_and_in_words(
    there: Project, ask: Callable[[Project], object], said: str
) -> None:
    with pytest.raises(PipelineError, match=re.escape(said)) as error:
        ask(there)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_it_shows_itself(there: Project, tmp_path: Path) -> None:
    assert re.search(r"(?m)^features +[\d,]+ +[\d,]+ +year, facility", repr(there))
    features = there.snapshots["features"]
    [column] = [c for c in features.columns.values() if c.name == "mean_cost_lag2"]
    assert column.description == "<b>cost</b>, 2 periods before"
    assert "&lt;b&gt;cost&lt;/b&gt;" in features._repr_html_()
    assert "<b>cost" not in features._repr_html_()
    assert re.search(r"(?m)^mean_cost +Float64 +0 +<b>cost</b>$", repr(features))
    with pytest.raises(KeyError, match="did you mean 'features'"):
        there.snapshots["feature"]
    config = there.config
    assert "lag_columns:\n  keys:" in repr(config)
    assert json.loads(json.dumps(config)) == config == copy.deepcopy(config)
    with pytest.raises(KeyError, match="did you mean 'lag_columns'"):
        config["lag_colums"]
    with pytest.raises(TypeError, match="cannot be changed here"):
        config["lag_columns"]["periods"] = 3
    before = Project(made(tmp_path))
    assert repr(before).endswith("no snapshots")
    assert "lag_columns:" in before.config._repr_html_()
    with pytest.raises(PipelineError, match="there are no snapshots yet"):
        before.snapshot("features")


def test_a_run_says_what_it_made_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    project = Project(made(tmp_path))
    report = project.run()
    assert report.is_new
    assert report.run.run_id in repr(report)
    assert report.snapshots["features"].state == "computed"
    assert project.snapshot("features").select(pl.len()).collect().item() == (
        report.snapshots["features"].n_rows
    )
    again = project.run()
    assert not again.is_new
    assert "nothing to do" in repr(again)
    with pytest.raises(PipelineError, match="did you mean 'periods'"):
        project.run("lag_columns.period=2")
    assert capfd.readouterr() == ("", "")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len({*messages})


STOPPED = """
import sys
from pipeline import Project
project = Project(sys.argv[1])
print("begins", flush=True)
try:
    project.run()
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.slow
def test_a_run_is_stopped_as_on_the_command_line(tmp_path: Path) -> None:
    root = made(tmp_path)
    program = [sys.executable, "-c", STOPPED, str(root)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "stopped\n"
    assert not Project(root).runs
    assert Project(root).run().is_new
