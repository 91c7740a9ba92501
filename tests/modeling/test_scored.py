"""What came of files is a snapshot that SQL can ask, and that later runs keep."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.registry.registry import Version
from pipeline.modeling.score_files import ScoredFile, ScoredFiles
from pipeline.modeling.scored import publish_scored, refuse_name
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import run
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.store import open_store, read_runs, writing
from tests.conftest import LEAN, make_project

VERSION = Version("sold", 3, "f" * 64, 0, Path(), "", None, None)


def scored(folder: Path, **made: pl.DataFrame) -> ScoredFiles:
    """What came of files, by their names."""
    files: list[ScoredFile] = []
    for name, df in made.items():
        path = folder / f"{name}.parquet"
        df.write_parquet(path)
        files.append(ScoredFile(f"it's {name}.csv", "a1", path, df.height, 2))
    return ScoredFiles("rows/", VERSION, files, pl.DataFrame(), datetime.now(UTC))


def ask(root: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(root / ".pipeline" / "snapshots.duckdb", read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project that has run."""
    make_project(tmp_path, n_rows=500, of=LEAN)
    words = ("source=csv", "source.path=data/raw.csv", "history.runs=1")
    settings = load_settings(tmp_path, overrides=words)
    run(settings)
    return settings


def test_what_is_scored_stays_until_it_is_replaced(
    settings: Settings, tmp_path: Path
) -> None:
    for name in ("features", "predictions", "quarantine", "main", "a b", "x;drop"):
        with pytest.raises(ModelError, match="cannot be the name of what is scored"):
            refuse_name(settings, name)
    one = pl.DataFrame({"shop": [7, 7, 8], "prediction": [0.5, 0.5, None]})
    made = scored(tmp_path, a=one, b=one.head(1))
    first = publish_scored(settings, made, "of_april")
    rows = [
        ("it's a.csv", 1, 7, 0.5),
        ("it's a.csv", 2, 7, 0.5),
        ("it's a.csv", 3, 8, None),
        ("it's b.csv", 1, 7, 0.5),
    ]
    assert ask(tmp_path, "from of_april") == rows
    listed = ask(
        tmp_path,
        "select name, version, file, sha256, scored.n_rows, n_left_out from meta.scored"
        f" join meta.snapshots using (run_id, snapshot) where run_id = '{first}'"
        " order by file",
    )
    assert listed == [
        ("sold", 3, "it's a.csv", "a1", 3, 2),
        ("sold", 3, "it's b.csv", "a1", 1, 2),
    ]
    # A run of other rows would leave a forecast out; this is of its files.
    data = tmp_path / "data" / "raw.csv"
    data.write_text("\n".join(data.read_text().splitlines()[:-40]) + "\n")
    run(settings)
    store = open_store(tmp_path)
    with writing(store):
        collect_garbage(store, read_runs(store))
    assert ask(tmp_path, "from of_april") == rows
    publish_scored(settings, scored(tmp_path, c=one.head(1)), "of_april")
    assert ask(tmp_path, "from of_april") == [("it's c.csv", 1, 7, 0.5)]
    assert len(ask(tmp_path, "from meta.scored")) == 3


def test_of_several_periods_ahead_a_row_has_several(tmp_path: Path) -> None:
    ahead = pl.DataFrame({"shop": [7, 7, 8, 8], "step": [1, 2, 1, 2]})
    rows = scored(tmp_path, a=ahead).predictions().collect()
    assert rows.select("row", "step").rows() == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_before_anything_is_published_nothing_can_be_added(tmp_path: Path) -> None:
    settings = load_settings(make_project(tmp_path, n_rows=3, of=LEAN))
    with pytest.raises(ModelError, match="nothing is published yet"):
        refuse_name(settings, "of_april")
