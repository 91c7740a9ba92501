"""What is not known before its period reaches no feature by itself."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings, Stage, load_settings
from pipeline.run.outline import describe, outline_of
from pipeline.run.run import check
from pipeline.transforms import Transform, load_transform

PANEL = pl.LazyFrame(
    schema={"store": pl.String, "week": pl.Int32, "sold": pl.Int64, "holiday": pl.Int8}
)
LAGS = {
    "every": 1,
    "keys": ["store"],
    "time": "week",
    "columns": ["sold"],
    "suffix": "_lag{}",
}
KEYS = {"keys": ["store"], "time": "week", "keep": ["sold"]}


@pytest.fixture
def columns() -> Callable[..., list[str]]:
    """Name the columns that come out after a function of the lagged panel."""

    def columns(
        function: Callable[[pl.LazyFrame], pl.LazyFrame], *known: str
    ) -> list[str]:
        apply = lambda lf, _: function(lf)  # noqa: E731
        own = Transform("own", apply, BaseConfig, 1, None, None)
        lag, drop = map(load_transform, ("lag_columns", "drop_present"))
        lags = msgspec.convert(LAGS | {"periods": 1, "by": "calendar"}, lag.config)
        drops = msgspec.convert(KEYS | {"known": known}, drop.config)
        stages = [
            Stage("lags", lag, ("source",), lags),
            Stage("own", own, ("lags",), BaseConfig()),
            Stage("drop", drop, ("own",), drops),
        ]
        return compose(PANEL, stages).nodes["drop"].schema.names()

    return columns


GIVEN = ["store", "week", "sold", "sold_lag1"]


def test_a_column_that_is_in_no_list_does_not_come_through(
    columns: Callable[..., list[str]],
) -> None:
    assert columns(lambda lf: lf) == GIVEN
    assert columns(lambda lf: lf, "holiday") == [
        *("store", "week", "sold", "holiday", "sold_lag1")
    ]


@pytest.mark.parametrize(
    ("expr", "is_known"),
    [
        (pl.col("sold_lag1") * 2, True),
        (pl.col("sold_lag1") / pl.col("week"), True),
        (pl.when(pl.col("week") % 52 < 3).then("sold_lag1"), True),
        (pl.col("sold_lag1") - pl.col("sold"), False),
        (pl.when(pl.col("sold") > 3).then("sold_lag1"), False),
        (pl.len(), False),
        (pl.len().over("week"), False),
        (pl.col("sold_lag1").sum().over("week"), False),
        (pl.col("sold").shift(1).over("store"), False),
        (pl.col("holiday") + pl.col("sold_lag1"), False),
    ],
)
def test_what_is_made_of_known_columns_row_by_row_is_known(
    columns: Callable[..., list[str]], expr: pl.Expr, *, is_known: bool
) -> None:
    made = columns(lambda lf: lf.with_columns(expr.alias("made")))
    assert made == GIVEN + ["made"] * is_known


def test_what_is_renamed_is_known_by_what_it_was(
    columns: Callable[..., list[str]],
) -> None:
    swapped = {"sold_lag1": "sold", "sold": "sold_lag1"}
    assert columns(lambda lf: lf.rename(swapped)) == ["store", "week", "sold"]


def test_a_stage_that_cannot_be_followed_hands_on_what_it_was_given(
    columns: Callable[..., list[str]],
) -> None:
    def add(df: pl.DataFrame) -> pl.DataFrame:
        return df.with_columns(made=pl.col("sold"))

    def own(lf: pl.LazyFrame) -> pl.LazyFrame:
        schema = lf.collect_schema()
        return lf.map_batches(add, schema={**schema, "made": pl.Int64()})

    assert columns(own) == GIVEN


def test_a_name_that_is_no_column_is_said(columns: Callable[..., list[str]]) -> None:
    with pytest.raises(SchemaError, match="did you mean 'holiday'") as caught:
        columns(lambda lf: lf, "holidays")
    assert str(caught.value).startswith(
        "stage 'drop' (pipeline/transforms/drop_present"
    )


def test_the_features_are_those_of_the_past(
    golden_settings: Callable[..., Settings],
) -> None:
    ours = check(golden_settings()).nodes["drop_non_lag_columns"]
    beside = golden_settings("ratio_drg_facility_vs_year.lag=0")
    features = check(beside).snapshots["features"].schema
    lost = {"facility_drg_count", "year_drg_count", "ratio_drg_facility_vs_year"}
    assert set(ours.schema) - set(features) == {f"{name}_lag1" for name in lost}
    said = describe(outline_of(beside, check(beside)))
    assert "    kept, the key: year, facility_id, apr_drg_code\n" in said
    assert "    kept, of its period: w_total_median_profit\n" in said
    assert "dropped, of their period: sum_discharges, severity_1_portion," in said
    assert "ratio_drg_facility_vs_year" in said.rpartition("dropped, of their ")[2]


def test_what_is_made_of_the_key_is_told_from_the_key(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text("""
source: {use: csv, path: data.csv}
columns: {shop: label, day: date, sold: number}
panel: {time: day, every: 1d, entity: [shop], target: sold}
stages:
  calendar_columns: {}
  drop_present: {snapshot: features, key: [shop, day]}
calendar_columns: {parts: [month, weekday]}
""")
    settings = load_settings(tmp_path)
    said = describe(outline_of(settings, check(settings)))
    assert "    kept, the key: shop, day\n" in said
    assert "    kept, of the key: month, weekday" in said
