"""The synthetic data is the same for the same seed, and written whole or not at all."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.sources.synthetic import data
from pipeline.sources.synthetic.data import generate, write_synthetic
from pipeline.sources.synthetic.model import RAW_SCHEMA
from pipeline.sources.synthetic.source import SEED
from tests.sources.synthetic.test_model import ROWS_PER_YEAR

YEARS = {year: ROWS_PER_YEAR[year] for year in (2009, 2010)}
"""Enough to be written one behind the other."""


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "ROWS_PER_YEAR", YEARS)
    paths = [tmp_path / name for name in ("a.parquet", "b.parquet", "c.parquet")]
    for path, seed in zip(paths, (SEED, SEED, SEED + 1), strict=True):
        write_synthetic(path, seed=seed)
    a, b, c = (path.read_bytes() for path in paths)
    assert a == b
    assert a != c


def test_scale_adds_other_facilities_and_keeps_the_first_replica() -> None:
    first = next(generate(seed=SEED))
    replica_0, replica_1 = islice(generate(seed=SEED, scale=2), 2)
    assert_frame_equal(replica_0, first)
    assert replica_1.height == first.height
    assert set(replica_1["Facility Id"]).isdisjoint(first["Facility Id"])
    assert set(replica_1["Facility Name"]) != set(first["Facility Name"])
    assert not replica_1["Mean Charge"].equals(first["Mean Charge"])
    assert set(replica_1["APR DRG Code"]) <= set(range(1, 957))


def test_a_chunk_is_one_year_of_one_replica_whatever_the_scale() -> None:
    for chunk in islice(generate(seed=SEED, scale=1_000), 3):
        assert chunk.height == ROWS_PER_YEAR[2009]


def test_csv_and_parquet_hold_the_same_rows(
    raw: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "ROWS_PER_YEAR", YEARS)
    raw = raw.head(sum(YEARS.values()))
    write_synthetic(tmp_path / "s.csv", seed=SEED)
    write_synthetic(tmp_path / "s.parquet", seed=SEED)
    assert_frame_equal(pl.read_csv(tmp_path / "s.csv"), raw, check_exact=True)
    assert_frame_equal(pl.read_parquet(tmp_path / "s.parquet"), raw, check_exact=True)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_interrupted_write_leaves_the_old_file_only(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: object) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame(schema=RAW_SCHEMA)
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "generate", interrupted)
    path = tmp_path / f"s.{suffix}"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_synthetic(path, seed=SEED)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"
