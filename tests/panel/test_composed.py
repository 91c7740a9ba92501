"""A plan is composed once, and gives what it gives of each frame it is filled with."""

from threading import Thread

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.panel import composed as module
from pipeline.panel.composed import composed


def test_a_plan_is_composed_once_for_frames_of_the_same_columns() -> None:
    schemas: list[pl.Schema] = []

    @composed
    def times(lf: pl.LazyFrame, column: str, n: int) -> pl.LazyFrame:
        schemas.append(lf.collect_schema())
        return lf.select(pl.col(column) * n)

    ones, halves = pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [0.5]})
    assert times(ones, "a", 3)["a"].to_list() == [3, 6]
    assert times(ones + 1, "a", 3)["a"].to_list() == [6, 9]
    assert times(ones.clear(), "a", 3)["a"].to_list() == []
    assert len(schemas) == 1
    assert times(halves, "a", 3)["a"].to_list() == [1.5]
    assert times(ones, "a", 4)["a"].to_list() == [4, 8]
    assert schemas == [ones.schema, halves.schema, ones.schema]


@pytest.mark.parametrize("many", [1, 1 << 16])
def test_many_rows_give_what_few_do(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MANY", many)

    @composed
    def joined(rows: pl.LazyFrame, known: pl.LazyFrame) -> pl.LazyFrame:
        return rows.join(known, on="a", how="left", maintain_order="left")

    rows, known = pl.DataFrame({"a": [3, 1, 2]}), pl.DataFrame({"a": [1], "b": ["x"]})
    expected = pl.DataFrame({"a": [3, 1, 2], "b": [None, "x", None]})
    assert_frame_equal(joined(rows, known), expected)


def test_threads_get_what_is_made_of_their_rows() -> None:
    @composed
    def doubled(lf: pl.LazyFrame) -> pl.LazyFrame:
        return lf.select(pl.col("a") * 2)

    found: dict[int, list[int]] = {}

    def ask(i: int) -> None:
        found[i] = [doubled(pl.DataFrame({"a": [i]})).item() for _ in range(20)]

    threads = [Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [2 * i] * 20 for i in range(8)}
