"""How the rows of a slice are read."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.engine.parts import work
from pipeline.engine.parts.work import Slice
from pipeline.sources.columns import dtype_of
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.parquet import ParquetSource, scan_parquet
from pipeline.sources.scan import GOOD, RECORD

NUMBERS = [*range(1, 10), None, *range(11, 24)]  # the tenth is a bad row


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_BATCH", 5)


@pytest.fixture(params=["csv", "parquet", "snapshot"])
def slice_(request: pytest.FixtureRequest, tmp_path: Path) -> Slice:
    """Rows of a source or a snapshot, which lie in row groups of four."""
    df = pl.DataFrame({"n": NUMBERS}, schema={"n": dtype_of("count")})
    if request.param == "csv":
        df.write_csv(tmp_path / "n.csv")
        scan = scan_csv(CsvSource(path="n.csv", columns={"n": "count"}), tmp_path)
    else:
        df.write_parquet(tmp_path / "n.parquet", row_group_size=4)
        if request.param == "snapshot":
            return Slice("made", pl.scan_parquet(tmp_path / "n.parquet"))
        source = ParquetSource(path="n.parquet", columns={"n": "count"})
        scan = scan_parquet(source, tmp_path)
    [stream] = scan.streams
    return Slice("source", stream.rows, stream)


def test_batches_hold_all_rows_in_order_and_so_many_each(slice_: Slice) -> None:
    batches = list(slice_.batches())
    assert [batch.height for batch in batches] == [5, 5, 5, 5, 3]
    rows = pl.concat(batches)
    assert rows["n"].to_list() == NUMBERS
    if slice_.stream is not None:
        assert rows[RECORD].to_list() == list(range(23))
        assert rows.filter(~pl.col(GOOD))[RECORD].to_list() == [9]


def test_snapshot_without_rows_is_one_batch(tmp_path: Path) -> None:
    pl.DataFrame(schema={"n": pl.Int64}).write_parquet(tmp_path / "n.parquet")
    [batch] = Slice("made", pl.scan_parquet(tmp_path / "n.parquet")).batches()
    assert batch.shape == (0, 1)
