from datetime import date
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from tests.transforms.panels import panel, stage_of

NAMES = ["sum", "mean", "min", "max", "count", "median", "first", "last"]


@pytest.mark.parametrize("function", NAMES)
def test_rows_of_a_period_are_those_of_pandas(function: str) -> None:
    df = panel(30)
    made = stage_of(
        "resample",
        keys=["unit"],
        every="1mo",
        until="entity",
        columns={"x": function},
        zero=[],
    ).apply(df.lazy())
    result = made.collect()
    assert result.columns == ["unit", "day", "x"]
    frame: Any = df.to_pandas()
    for unit, rows in frame.groupby("unit"):
        days = rows.dropna(subset=["x"]).set_index("day").sort_index()
        months = rows.set_index("day")["x"].resample("MS").count().index
        twin = days["x"].resample("MS").agg(function).reindex(months)
        twin = twin.where(days["x"].resample("MS").count().reindex(months) > 0)
        expected = twin.fillna(0) if function == "count" else twin
        ours = result.filter(unit=unit)
        assert ours["day"].to_list() == list(months.date)
        found = ours["x"].cast(pl.Float64).fill_null(float("nan"))
        np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(dtype=float))


def test_absent_periods_are_made_up_to_the_panel_s_or_the_entity_s_last() -> None:
    weeks = [date(2024, 1, 1), date(2024, 1, 15), date(2024, 1, 17), date(2024, 1, 29)]
    df = pl.DataFrame(
        {"unit": [1, 1, 1, 2], "kind": "a", "day": weeks, "n": [1, 2, 3, 4], "x": 0.5}
    )
    expected = [
        (1, "a", weeks[0], 1, 0.5),
        (1, "a", date(2024, 1, 8), None, 0.0),
        (1, "a", weeks[1], 3, 1.0),
    ]
    until = [(1, "a", date(2024, 1, d), None, 0.0) for d in (22, 29)]
    other = [(2, "a", weeks[3], 4, 0.5)]
    for name, more in (("panel", until), ("entity", [])):
        made = stage_of("resample", until=name).apply(df.lazy()).collect()
        assert made.rows() == [*expected, *more, *other]


def test_later_rows_change_no_row_before_unless_an_entity_ends_with_its_own() -> None:
    df, before = panel(30), pl.col("day") < date(2024, 2, 5)
    for until, is_same in (("panel", True), ("entity", False)):
        stage = stage_of("resample", until=until)
        whole, cut = (
            stage.apply(of.lazy()).filter(before).collect()
            for of in (df, df.filter(before))
        )
        assert whole.equals(cut) == is_same


def test_dates_keep_their_dtype_and_no_rows_make_none() -> None:
    made = stage_of("resample").apply(panel(3).lazy().head(0)).collect()
    assert made.height == 0
    assert made.schema == panel().select("unit", "kind", "day", "n", "x").schema


def test_to_fill_what_is_not_there_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"`zero` to be of `columns`"):
        stage_of("resample", zero=["y"])
