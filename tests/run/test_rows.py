"""The rows after any stage are those a run makes, and asking for them changes nothing.

The truth is the plan as it is composed, collected whole of the source's rows as pandas
would read them, and what the run has published.
"""

import hashlib
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.errors import ConfigError, SourceError
from pipeline.plan.compose import compose_again, compose_declared
from pipeline.plan.settings import load_settings
from pipeline.run.rows import rows_of, stage_rows
from pipeline.snapshots.store import writing
from tests.why.conftest import Shop, make_sales, run_in


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project of eighteen stages that has run; only to be looked at."""
    return run_in(make_sales(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def copied(shop: Shop, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return shutil.copytree(shop.settings.root, tmp_path / "p", symlinks=True)


def hashes(root: Path) -> dict[Path, str]:
    """Hash every file of a project's state."""
    files = sorted(path for path in (root / ".pipeline").rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_rows_of_stages_are_those_of_the_whole_plan(shop: Shop) -> None:
    plan = compose_again(shop.plan, shop.source().lazy(), {})
    for name in ("source", "revenue", "ranked", "of_store", "joined", "rolled"):
        found = stage_rows(shop.settings, name).collect()
        assert_frame_equal(found, plan.lf(name).collect(), check_row_order=False)


def test_rows_of_what_is_published_are_the_snapshot(shop: Shop) -> None:
    for name in ("sales", "features"):
        assert_frame_equal(stage_rows(shop.settings, name).collect(), shop.rows(name))


def test_a_filter_leaves_the_rows_as_they_are(shop: Shop) -> None:
    tests = {
        "lagged": pl.col("w_price_lag1") > 20,
        "ranked": pl.col("rank") <= 2,
        "rolled": pl.col("year") == 2014,
    }
    for name, test in tests.items():
        lf = stage_rows(shop.settings, name)
        found, expected = lf.filter(test).collect(), lf.collect().filter(test)
        assert 0 < found.height < lf.collect().height
        assert_frame_equal(found, expected, check_row_order=False)


def test_rows_begin_at_the_nearest_snapshots_that_are_fresh(shop: Shop) -> None:
    root = shop.settings.root
    assert [*rows_of(shop.settings, "of_store").starts] == ["bin"]
    changed = load_settings(root, overrides=("common.min_total=60",))
    rows = rows_of(changed, "features")
    assert [*rows.starts] == ["large"]
    plan = compose_again(compose_declared(changed), shop.source().lazy(), {})
    expected = plan.lf("known").sort("store", "item", "year").collect()
    assert_frame_equal(rows.lf.collect(), expected)
    assert expected.height != shop.rows("features").height


def test_asking_changes_nothing_and_waits_for_nobody(copied: Path) -> None:
    settings = load_settings(copied, overrides=("large.where=size < 3",))
    with writing(run_in(copied).store):
        before = hashes(copied)
        stage_rows(settings, "rolled").collect()
        stage_rows(settings, "source").collect()
        assert hashes(copied) == before


def test_a_damaged_object_is_not_begun_at(
    copied: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    [published] = [s for s in shop.run.snapshots if s.name == "panel"]
    path = copied / ".pipeline" / "objects" / "panel"
    file = path / f"{published.fingerprint[:16]}.parquet"
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    rows = rows_of(load_settings(copied), "of_store")
    assert [*rows.starts] == ["large"]
    assert "snapshot 'panel' holds other bytes than were written" in caplog.text
    expected = stage_rows(shop.settings, "of_store").collect()
    assert_frame_equal(rows.lf.collect(), expected, check_row_order=False)


def test_cells_are_mended_and_bad_rows_left_out_as_in_a_run(copied: Path) -> None:
    with (copied / "sales.csv").open("a") as file:
        file.write('2010,S1,1,1,"1,000",4.5\n2010,S1,1,2,many,4.5\n')
    settings = load_settings(copied)
    expected, bad = sources.read(settings.source, copied)
    found = stage_rows(settings, "source").collect()
    assert_frame_equal(found, expected)
    assert (found["Sold"].max(), bad["value"].to_list()) == (1000, ["many"])


def test_what_is_not_there_is_said(shop: Shop, copied: Path) -> None:
    with pytest.raises(ConfigError, match="'lagd'; did you mean 'lagged'"):
        stage_rows(shop.settings, "lagd")
    with pytest.raises(
        ConfigError, match="no stage makes 'quarantine'\nhint: `just sq"
    ):
        stage_rows(shop.settings, "quarantine")
    (copied / "sales.csv").unlink()
    with pytest.raises(SourceError, match=r"sales\.csv: no such file"):
        stage_rows(load_settings(copied), "lagged")
