from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.transforms.panels import panel, stage_of


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_figures_equal_those_of_pandas_of_all_rows_before(lag: int) -> None:
    df = panel(30).sort("kind", "day", "unit")
    result = stage_of("expanding", lag=lag).apply(df.lazy()).collect()
    assert result.select("kind", "day").equals(df.select("kind", "day"))
    result = result.sort("kind", "day", "unit")
    assert result.select("unit", "kind", "day", "n", "x").equals(df)
    rows: Any = df.to_pandas()
    suffix = f"_lag{lag}" if lag else ""
    for column in ("n", "x"):
        found = result.select(
            pl.col(f"{column}_past_{name}{suffix}").cast(pl.Float64)
            for name in ("mean", "count", "std")
        )
        expected = [
            rows[
                (rows["kind"] == row.kind)
                & (rows["day"] <= row.day - pd.Timedelta(weeks=lag))
            ][column].agg(["mean", "count", "std"])
            for row in rows.itertuples()
        ]
        np.testing.assert_allclose(
            found.fill_null(float("nan")).to_numpy(), np.array(expected), rtol=1e-7
        )


def test_a_category_without_a_row_just_before_has_what_came_earlier() -> None:
    day = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 2, 5), "1w", eager=True)
    df = pl.DataFrame({"kind": "a", "day": day, "n": range(6), "x": 1.0})
    made = stage_of("expanding", columns=["n"], functions=["mean", "count"], lag=2)
    result = made.apply(df.lazy().filter(pl.col("n").is_in([0, 1, 5]))).collect()
    assert result["n_past_mean_lag2"].to_list() == [None, None, 0.5]
    assert result["n_past_count_lag2"].to_list() == [0, 0, 2]


def test_a_null_counts_nowhere_and_has_no_past_as_a_key() -> None:
    df = pl.DataFrame(
        {"kind": ["a", "a", None], "n": [None, 4, 5], "x": 1.0}
    ).with_columns(day=pl.date(2024, 1, 1) + pl.duration(weeks=pl.int_range(3)))
    made = stage_of("expanding", columns=["n"], functions=["count"], lag=0)
    result = made.apply(df.lazy()).collect().sort("day")
    assert result["n_past_count"].to_list() == [0, 1, None]
