from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts.checks import compile_contract, count_failures, outcomes_of
from pipeline.contracts.contract import Contract, Range
from pipeline.engine.parts import assemble
from pipeline.snapshots.profile import (
    SAMPLE_EVERY,
    figures,
    read_profile,
    with_row_hash,
)

N_ROWS = 70_000  # more than are profiled exactly
PIECE = 100 * SAMPLE_EVERY


@pytest.fixture
def rows() -> pl.DataFrame:
    """Sorted by key; the first row of the second piece repeats the key above it."""
    key = pl.int_range(N_ROWS, eager=True)
    key = key.scatter([PIECE, 2 * PIECE + 5], [PIECE - 1, 2 * PIECE + 4])
    value = (key * 7919 % 1013).cast(pl.Float64) / 3
    return pl.DataFrame({"key": key, "value": value, "text": key.cast(pl.String)})


def test_pieces_give_what_one_look_gives(
    rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "_PIECE", PIECE)
    checks = compile_contract(
        Contract(ranges={"value": Range(max=300)}, sql={"odd": "key % 2 = 1"}),
        rows.schema,
        ["key"],
    )
    file = tmp_path / "rows.parquet"
    profile, outcomes = assemble.write(file, rows.lazy(), rows.schema, ["key"], checks)
    assert pl.read_parquet(file).equals(rows)
    hashed = with_row_hash(rows.lazy(), ["key"])
    looked = hashed.select(figures(rows.schema)).collect(engine="streaming")
    assert profile == read_profile(rows.schema, looked, None)
    counted = count_failures(rows.lazy(), checks).collect()
    assert outcomes == outcomes_of(checks, counted)
    assert {o.name: o.n_failures for o in outcomes}["key"] == 2


def test_slices_bring_parts_in_the_order_of_a_key(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "year": [2010, 2009, None, 2010, 2009, 2009],
            "unit": [1, 1, 1, 2, 3, 2],
            "x": [1, 2, 3, 4, 5, 6],
        }
    )
    key = ["year", "unit"]
    files: list[str] = []
    for part, units in enumerate(([1], [2, 3])):
        files.append(str(tmp_path / f"{part}.parquet"))
        rows.filter(pl.col("unit").is_in(units)).sort(key).write_parquet(files[-1])
    assert assemble.in_order(files, key, "unit").collect().equals(rows.sort(key))


def test_small_files_are_merged_with_their_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ["year", "unit"]
    rows = pl.DataFrame(
        {"year": [2010, 2009] * 50, "unit": range(100), "x": range(100)}
    )
    files: dict[str, int] = {}
    for part in range(10):
        file = tmp_path / f"{part}.parquet"
        units = range(10 * part, 10 * part + 10)
        rows.filter(pl.col("unit").is_in(units)).sort(key).write_parquet(file)
        files[str(file)] = 30 if part == 4 else 10
    monkeypatch.setattr(assemble, "_MERGED", 30)
    found = assemble.merged(files, key, tmp_path / "merged")
    counts = [pl.read_parquet(file)["unit"].to_list() for file in found]
    assert list(map(len, counts)) == [30, 10, 10, 30, 20]
    assert [min(units) for units in counts] == [0, 30, 40, 50, 80]
    assert found[1:3] == [*files][3:5]
    assert assemble.in_order(found, key, "unit").collect().equals(rows.sort(key))
