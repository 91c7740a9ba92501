from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts.checks import compile_contract, count_failures, outcomes_of
from pipeline.contracts.contract import Contract, Range
from pipeline.engine.parts import assemble
from pipeline.files.arrow import sink_arrow
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
    profile, outcomes = assemble.write(file, rows, ["key"], checks)
    assert pl.read_parquet(file).equals(rows)
    hashed = with_row_hash(rows.lazy(), ["key"])
    looked = hashed.select(figures(rows.schema)).collect(engine="streaming")
    assert profile == read_profile(rows.schema, looked, None)
    counted = count_failures(rows.lazy(), checks).collect()
    assert outcomes == outcomes_of(checks, counted)
    assert {o.name: o.n_failures for o in outcomes}["key"] == 2


@pytest.mark.parametrize(
    ("key", "n_slices", "is_sorted"),
    [
        (["year", "unit"], 9, False),
        (["year", "unit"], 2, True),
        (["unit", "year"], 9, False),
        (["x"], 9, True),
    ],
    ids=["slices", "too many", "one behind the other", "not of the column"],
)
def test_parts_come_in_the_order_of_a_key(
    key: list[str],
    n_slices: int,
    is_sorted: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(assemble, "_N_SLICES", n_slices)
    rows = pl.DataFrame(
        {
            "year": [2010, 2009, None, 2010, 2009, 2009],
            "unit": [1, 1, 1, 2, 3, 2],
            "x": [1, 6, 3, 4, 5, 2],
            "text": ["a", "b", None, "", "longer than what a view holds", "c"],
        }
    )
    files: list[Path] = []
    for part, units in enumerate(([0], [1], [2, 3])):
        files.append(tmp_path / f"{part}.arrow")
        lf = rows.lazy().filter(pl.col("unit").is_in(units)).sort(key)
        sink_arrow(lf, files[-1]).collect()
    found = assemble.in_order(files, key, "unit", tmp_path / "sorted.arrow")
    assert found.equals(rows.sort(key))
    assert (tmp_path / "sorted.arrow").exists() == is_sorted


def test_parts_without_rows_are_a_snapshot_without_rows(tmp_path: Path) -> None:
    file, schema = tmp_path / "0.arrow", {"year": pl.Int32, "unit": pl.String}
    sink_arrow(pl.LazyFrame(schema=schema), file).collect()
    found = assemble.in_order([file], ["year", "unit"], "unit", tmp_path / "sorted")
    assert found.schema == schema
