import shutil
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import ConfigError, SchemaError
from pipeline.plan.settings import load_settings
from pipeline.run.kept import clear_up
from pipeline.run.run import run
from pipeline.snapshots.history import verify
from pipeline.snapshots.store import open_store, read_object, read_runs
from pipeline.snapshots.variants import read_variants
from pipeline.variants.sweep import make_variant, sweep
from tests.variants.conftest import WORDS

FAILS_ON_DATA = '''"""Fails on the data, for some values."""

import polars as pl

from pipeline.config import BaseConfig


class Config(BaseConfig, frozen=True, kw_only=True):
    """Its settings."""

    as_: str = "String"


def spoil(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Cast a text."""
    dtype = getattr(pl, config.as_)()
    return lf.with_columns(pl.col("facility_name").cast(dtype))
'''


def state_of(root: Path) -> dict[str, bytes | str]:
    """What others read: records, the catalog and where its link leads."""
    state = root / ".pipeline"
    files = {
        str(p): p.read_bytes() for p in (*state.glob("runs/*"), *state.glob("stamp*"))
    }
    return {**files, "link": str((state / "snapshots.duckdb").readlink())}


def test_what_is_published_stays_as_it_is(swept: Path) -> None:
    before = state_of(swept)
    swept_again = sweep(swept, ["lag_columns.periods=3", "drop_rare_drgs.min_total=60"])
    assert swept_again.new == ["periods_3_min_total_60"]
    assert state_of(swept) == before
    assert not run(load_settings(swept)).is_new


def test_variants_stay_through_runs_and_gc_until_they_are_dropped(swept: Path) -> None:
    store = open_store(swept)
    own = {s.object for v in read_variants(store) for s in v.run.snapshots}
    words = ("drop_rare_drgs.min_total=30", "history.runs=1")
    run(load_settings(swept, overrides=words))
    clear_up(store, dry_run=False)
    assert all(read_object(store, *each) for each in own)
    assert not verify(store)

    for path in store.variants.iterdir():
        path.unlink()
    clear_up(store, dry_run=False)
    # A reader may yet open the run before the newest.
    shown = {s.object for run in read_runs(store)[-2:] for s in run.snapshots}
    left = {each for each in own if read_object(store, *each)}
    assert left == own & shown != own


def test_the_same_again_is_nothing_to_do(swept: Path) -> None:
    files = {p: p.read_bytes() for p in (swept / ".pipeline/variants").iterdir()}
    again = sweep(swept, WORDS)
    assert again.new == []
    assert len(again.made) == 4
    assert {p: p.read_bytes() for p in files} == files


@pytest.mark.slow
def test_a_variant_of_what_changed_since_is_made_anew(swept: Path) -> None:
    raw = swept / "data" / "raw.csv"
    raw.write_text("\n".join(raw.read_text().splitlines()[:2000]) + "\n")
    assert len(sweep(swept, WORDS).new) == 4
    assert len(read_variants(open_store(swept))) == 4


def test_a_name_of_other_values_is_refused_before_anything_is_made(
    swept: Path,
) -> None:
    before = sorted((swept / ".pipeline").rglob("*"))
    name = "periods_2_min_total_20"
    with pytest.raises(ConfigError, match="exists already, with other values"):
        make_variant(swept, name, ["lag_columns.periods=5"])
    many = ",".join(map(str, range(10_000)))
    with pytest.raises(ConfigError, match="10,000 variants, expected at most 20"):
        sweep(swept, [f"lag_columns.periods={many}"])
    left = sorted((swept / ".pipeline").rglob("*"))
    assert [p for p in left if p.name not in ("lock.holder",)] == [
        p for p in before if p.name not in ("lock.holder",)
    ]


def test_one_that_does_not_compose_is_left_out(swept: Path) -> None:
    swept_again = sweep(swept, ["lag_columns.columns=[mean_cost],[nosuch]"])
    assert [v.name for v in swept_again.made] == ["columns_mean_cost"]
    [error] = swept_again.failed.values()
    assert 'unable to find column "nosuch"' in str(error)
    with pytest.raises(SchemaError, match="nosuch"):
        make_variant(swept, "mine", ["lag_columns.columns=[nosuch]"])


def test_one_that_breaks_a_contract_is_left_out_and_its_rows_kept(swept: Path) -> None:
    asked = ["checks.features.rows.min=1,1000000"]
    swept_again = sweep(swept, asked)
    assert [v.name for v in swept_again.made] == ["min_1"]
    assert "rows" in str(swept_again.failed["min_1000000"])


def test_one_that_fails_in_the_pass_does_not_spoil_the_others(swept: Path) -> None:
    folder = swept / "transforms"
    folder.mkdir()
    (folder / "spoil.py").write_text(FAILS_ON_DATA)
    (folder / "spoil.yaml").write_text("as_: String\n")
    yaml = swept / "configs" / "pipeline.yaml"
    text = yaml.read_text().replace("  lag_columns:\n", "  spoil: {}\n  lag_columns:\n")
    yaml.write_text(text)
    before = state_of(swept)
    found = sweep(swept, ["spoil.as_=Int32,String", "lag_columns.periods=1,2"])
    assert [v.name for v in found.made] == [
        "as_string_periods_1",
        "as_string_periods_2",
    ]
    assert sorted(found.failed) == ["as_int32_periods_1", "as_int32_periods_2"]
    assert "the run failed" in str(found.failed["as_int32_periods_1"])
    assert state_of(swept) == before


def test_the_oldest_make_room(swept: Path) -> None:
    yaml = swept / "configs" / "pipeline.yaml"
    history = "history: {runs: 10, variants: 5}"
    yaml.write_text(yaml.read_text().replace("history: {runs: 10}", history))
    found = sweep(swept, ["lag_columns.periods=4,5"])
    assert found.dropped == ["periods_1_min_total_20"]
    assert len(read_variants(open_store(swept))) == 5


def test_credentials_are_not_kept(swept: Path) -> None:
    with pytest.raises(ConfigError, match="holds a credential"):
        make_variant(swept, "mine", ["source.password=secret"])


@pytest.mark.slow
def test_without_a_run_a_sweep_makes_all_it_needs(swept: Path) -> None:
    shutil.rmtree(swept / ".pipeline")
    found = sweep(swept, WORDS)
    assert len(found.new) == 4
    store = open_store(swept)
    assert not read_runs(store)
    states = {s.state for v in found.made for s in v.run.snapshots}
    assert states == {"computed"}
    assert {s.state for s in run(load_settings(swept)).run.snapshots} == {"restored"}
    with duckdb.connect(store.catalog.resolve(), read_only=True) as con:
        assert con.execute("FROM features").fetchone()
