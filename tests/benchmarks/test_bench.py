"""What is timed gives equal results, and what was measured can be asked in SQL."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec
import pytest

from benchmarks import accepted, cases, samplers
from benchmarks.accepted import Figures, carried_over
from benchmarks.keep import keep, records
from benchmarks.proof import a_quarter_slower
from benchmarks.records import BenchmarkFigure, BenchmarkRecord, Spread
from benchmarks.report import README, newest, section, written
from benchmarks.structure import structure
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.publish import publish_catalog
from pipeline.snapshots.store import open_store, read_runs, writing
from tests.conftest import ROOT

RAW = Path(__file__).parents[1] / "golden" / "raw.csv"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    cases.prepare(RAW, folder)
    return folder


def test_every_timed_transformation_equals_its_twin(inputs: Path) -> None:
    cases.compare(inputs)
    first_line = (inputs / "repair_dialect.csv").read_text().splitlines()[1]
    assert '"$' in first_line


def test_a_sample_times_ours_its_twin_the_kernel_and_a_slowdown(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplers, "N_ROUNDS", 2)
    names = ["drop_rare_drgs"]
    found = samplers.time_cases(inputs, names, again="drop_rare_drgs")
    assert list(found) == names
    ours, twin, kernel, again = found["drop_rare_drgs"]
    assert min(ours, twin, kernel) > 0
    assert 0.2 < again / ours < 5
    slowed = a_quarter_slower(ours, twin, kernel, ours)
    assert slowed["pandas"] == pytest.approx(1.25 * ours / twin)
    assert slowed["kernel"] == pytest.approx(1.25 * ours / kernel)


def test_a_second_scan_of_the_source_is_counted(tmp_path: Path) -> None:
    found = {}
    for twice in (False, True):
        folder = tmp_path / str(twice)
        folder.mkdir()
        found[twice] = structure(RAW, folder, twice=twice)
    once, again = found[False], found[True]
    assert 0.9 < again["scans"] - once["scans"] < 1.1
    assert once["sinks"] == again["sinks"] == len(list((tmp_path / "True").iterdir()))
    assert once["rows"] == again["rows"] > 20_629


def test_the_accepted_figures_are_those_the_check_takes() -> None:
    known = accepted.read()
    names = [
        *cases.CASES,
        samplers.FEATURES,
        *(samplers.RUN, samplers.MEMORY),
        *("8 parts", "64 parts", "300 files"),
        *(samplers.SWEEP, samplers.CUTOFF),
        *(*samplers.ASKED, samplers.WHY),
        *(samplers.PIPELINE, samplers.SERVING),
    ]
    assert known.newest in known.processors.values()
    for processor, figures in known.processors.items():
        assert list(figures.ratios) == names
        assert figures.machine["processor"] == processor
    assert known.history[-1].reason
    assert set(known.structure) == {"scans", "sinks", "rows"}


def test_what_is_accepted_on_one_processor_moves_the_others_by_as_much() -> None:
    machine: dict[str, str | int] = {}
    before = {
        "A": Figures(machine, {}, {"run": {"bare": 2.0}, "help": {"imports": 0.5}}),
        "B": Figures(machine, {}, {"run": {"bare": 3.0}, "help": {"imports": 0.7}}),
    }
    now = {"run": {"bare": 2.5}, "help": {"imports": 0.5}, "new": {"bare": 1.0}}
    others = carried_over(before, "A", now)
    assert list(others) == ["B"]
    moved = {"run": {"bare": 3.75}, "help": {"imports": 0.7}}
    assert others["B"].ratios == {**moved, "new": {"bare": 1.0}}
    unmoved = carried_over(before, "C", now)
    assert unmoved["B"].ratios == {**before["B"].ratios, "new": {"bare": 1.0}}


def record() -> BenchmarkRecord:
    """Make what a bench of one task would leave."""

    def figure(contender: str, cpu_s: float, n_rows: int) -> BenchmarkFigure:
        return BenchmarkFigure(
            task="CSV to features",
            contender=contender,
            n_rows=n_rows,
            n_runs=5,
            cpu_s=Spread(cpu_s, cpu_s / 2, cpu_s * 2),
            wall_s=None,
            peak_mib=Spread(500, 500, 500),
            cpu_x=cpu_s / 1.5,
            wall_x=None,
        )

    return BenchmarkRecord(
        measured_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        commit="0123456789ab",
        versions={"polars": "2.1.0"},
        machine={"cores": 2, "processor": "P"},
        figures=[figure("pipeline", 1.5, 100), figure("duckdb_sql", 3.0, 100)],
    )


def test_figures_are_rows_of_the_catalog_committed_ones_until_some_are_measured(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # They are of the project that has them, as this repository's root is one.
    results = project / "benchmarks" / "results"
    shutil.copytree(ROOT / "benchmarks" / "results", results)
    for name in ("meta.sql", "rows.sql"):
        shutil.copy(ROOT / "benchmarks" / name, project / "benchmarks")
    store = open_store(project)
    run(load_settings(project, profile="ci", overrides=(f"source.path={RAW}",)))
    committed = newest().values()
    figures = [(f.task, f.contender, f.n_rows) for r in committed for f in r.figures]
    with duckdb.connect(store.catalog, read_only=True) as con:
        found = con.execute("SELECT task, contender, n_rows FROM meta.benchmarks")
        assert sorted(found.fetchall()) == sorted(figures)
    for file in results.iterdir():
        file.unlink()
    with writing(store):
        publish_catalog(store, read_runs(store))
    assert "rows.sql: its rows are left out: IO Error" in caplog.text

    keep("features", record(), project)
    assert records(store.benchmarks) == [record()]
    written = (results / "features.json").read_bytes()
    assert msgspec.json.decode(written, type=BenchmarkRecord) == record()
    with duckdb.connect(store.catalog, read_only=True) as con:
        found = con.execute(
            "SELECT measured_at, \"commit\", versions->>'polars', contender, n_rows,"
            " cpu_s, cpu_s_low, cpu_s_high, wall_s, peak_mib, cpu_x"
            " FROM meta.benchmarks"
        ).fetchall()
    at = record().measured_at.replace(tzinfo=None)
    assert found == [
        (at, "0123456789ab", "2.1.0", "pipeline", 100, 1.5, 0.75, 3, None, 500, 1),
        (at, "0123456789ab", "2.1.0", "duckdb_sql", 100, 3, 1.5, 6, None, 500, 2),
    ]


def test_the_report_holds_the_figures() -> None:
    text = "".join(section("features", record()))
    assert "| CSV to features, 100 rows | CPU s |" in text
    assert "| the pipeline | 1.50 [0.75, 3.00] |  | 500 | 1.00 |  |" in text
    assert "| hand-written DuckDB SQL | 3.00 [1.50, 6.00] |  | 500 | 2.00 |  |" in text


def test_the_readme_of_the_benchmarks_shows_the_newest_figures() -> None:
    text = README.read_text()
    assert written(text, newest()) == text
