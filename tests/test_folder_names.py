"""A project may lie in a folder of any name: nothing in a path becomes data."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.export import export
from pipeline.snapshots.sql import connect, select
from pipeline.snapshots.store import open_store
from tests.conftest import PROJECT, TWO_ROWS

# The first two are columns of the snapshots, the third is not.
ODD = "year=1999/facility_id=7/a=b/[x] *{y}/it's #1 100% %41"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two rows, after its first run."""
    root = tmp_path_factory.mktemp("odd") / ODD
    (root / "data").mkdir(parents=True)
    (root / "configs").symlink_to(PROJECT / "configs")
    (root / "data" / "raw.csv").write_text(TWO_ROWS)
    run(load_settings(root, overrides=("source=csv", "source.path=data/raw.csv")))
    return root


def test_sql_gives_the_rows_own_values(odd: Path) -> None:
    with connect(open_store(odd)) as con:
        found = select(con, "SELECT year, facility_id FROM discharges ORDER BY year")
        assert found.fetchall() == [(2009, 1), (2010, 1)]
        columns = [row[0] for row in select(con, "DESCRIBE discharges").fetchall()]
    assert {"a", "a=b"}.isdisjoint(columns)


def test_any_client_and_an_export_give_the_rows_own_values(
    odd: Path, tmp_path: Path
) -> None:
    catalog, shared = open_store(odd).catalog, tmp_path / "shared.duckdb"
    export(catalog, shared)
    for path in (catalog, shared):
        with duckdb.connect(path, read_only=True) as con:
            rows = con.execute("SELECT year FROM discharges ORDER BY 1").fetchall()
            assert rows == [(2009,), (2010,)]
            assert "a" not in con.sql("FROM discharges").columns


@pytest.mark.parametrize("read", [read_parquet, lambda p: scan_parquet(p).collect()])
def test_reading_gives_what_was_written(
    tmp_path: Path, read: Callable[[Path], pl.DataFrame]
) -> None:
    file = tmp_path / ODD / "x.parquet"
    file.parent.mkdir(parents=True)
    df = pl.DataFrame({"year": [1, 2]})
    df.write_parquet(file)
    assert read(file).equals(df)
