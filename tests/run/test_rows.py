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
from pipeline.run import rows
from pipeline.run.rows import Now, look_now, stage_rows
from pipeline.snapshots.lease import is_held
from pipeline.snapshots.store import open_store, writing
from tests.why.conftest import Shop


@pytest.fixture
def copied(shop: Shop, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return shutil.copytree(shop.settings.root, tmp_path / "p", symlinks=True)


def hashes(root: Path) -> dict[Path, str]:
    """Hash every file of a project's state."""
    files = sorted(path for path in (root / ".pipeline").rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_rows_of_stages_are_those_of_the_whole_plan(shop: Shop, now: Now) -> None:
    plan = compose_again(shop.plan, shop.source().lazy(), {})
    for name in ("source", "ranked", "of_store", "rolled"):
        found = now.rows(name).lf.collect()
        assert_frame_equal(found, plan.lf(name).collect(), check_row_order=False)


def test_rows_of_what_is_published_are_the_snapshot(shop: Shop, now: Now) -> None:
    for name in ("sales", "features"):
        assert_frame_equal(now.rows(name).lf.collect(), shop.rows(name))


def test_the_first_rows_are_those_that_come_first_of_all(
    now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_FEW", 5)
    told: set[str] = set()
    for name in now.wanted.plan.nodes:
        of = now.rows(name)
        if of.first is not None:
            found, every = of.first.collect(), of.ordered.collect()
            assert 5 < found.height < every.height
            assert_frame_equal(found, every.head(found.height))
            told.add(name)
    assert told == {"joined", "lagged", "rowwise", "grown", "rolled"}


def test_a_filter_leaves_the_rows_as_they_are(now: Now) -> None:
    tests = {
        "lagged": pl.col("w_price_lag1") > 20,
        "ranked": pl.col("rank") <= 2,
        "rolled": pl.col("year") == 2014,
    }
    for name, test in tests.items():
        lf = now.rows(name).lf
        found, expected = lf.filter(test).collect(), lf.collect().filter(test)
        assert 0 < found.height < lf.collect().height
        assert_frame_equal(found, expected, check_row_order=False)


def test_rows_begin_at_the_nearest_snapshots_that_are_fresh(
    shop: Shop, now: Now, changed: Now
) -> None:
    assert [*now.rows("of_store").starts] == ["bin"]
    rows = changed.rows("features")
    assert [*rows.starts] == ["large"]
    composed = compose_declared(changed.wanted.settings)
    plan = compose_again(composed, shop.source().lazy(), {})
    expected = plan.lf("known").sort("store", "item", "year").collect()
    assert_frame_equal(rows.lf.collect(), expected)
    assert expected.height != shop.rows("features").height


def test_asking_changes_nothing_and_waits_for_nobody(copied: Path) -> None:
    settings = load_settings(copied, overrides=("large.where=size < 3",))
    with writing(open_store(copied)):
        before = hashes(copied)
        stage_rows(settings, "rolled").collect()
        assert hashes(copied) == before
    with (copied / ".pipeline" / "snapshots.duckdb").resolve().open("rb+") as catalog:
        assert is_held(catalog)  # clearing up leaves what the rows may be made of


def test_a_damaged_object_is_not_begun_at(
    copied: Path, shop: Shop, now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    [published] = [s for s in shop.run.snapshots if s.name == "panel"]
    path = copied / ".pipeline" / "objects" / "panel"
    file = path / f"{published.fingerprint[:16]}.parquet"
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)
    rows = look_now(load_settings(copied)).rows("of_store")
    assert [*rows.starts] == ["large"]
    assert "snapshot 'panel' holds other bytes than were written" in caplog.text
    expected = now.rows("of_store").lf.collect()
    assert_frame_equal(rows.lf.collect(), expected, check_row_order=False)


def test_cells_are_mended_and_bad_rows_left_out_as_in_a_run(project: Path) -> None:
    row = "2017,1,One,53,2,Odd,Moderate,M,Medical,{},4.0,3.0,2.0,1.0\n"
    raw = project / "data" / "raw.csv"  # longer than what is looked at beforehand
    with raw.open("a") as file:
        file.write(row.format('"9,000,000"') + row.format("many"))
    words = ("source=csv", "source.path=data/raw.csv")
    settings = load_settings(project, overrides=words)
    found = stage_rows(settings, "source").collect()
    assert found.height == 3_000 + 1
    assert found.row(-1, named=True)["Discharges"] == 9_000_000
    expected, bad = sources.read(settings.source, project)
    assert_frame_equal(found, expected)
    assert bad["value"].to_list() == ["many"]
    assert not (project / ".pipeline").exists()


def test_what_is_not_there_is_said(now: Now, copied: Path) -> None:
    with pytest.raises(ConfigError, match="'lagd'; did you mean 'lagged'"):
        now.rows("lagd")
    with pytest.raises(
        ConfigError, match="no stage makes 'quarantine'\nhint: `just sq"
    ):
        now.rows("quarantine")
    (copied / "sales.csv").unlink()
    with pytest.raises(SourceError, match=r"sales\.csv: no such file"):
        stage_rows(load_settings(copied), "lagged")
