"""What is shown of a value is all that it is made of: nothing else changes it."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.sources.located import PLACE
from pipeline.why.show import show
from pipeline.why.why import Why
from tests.why.conftest import Shop, run_in

QUICK = [
    ("panel", "above", 1),
    ("panel", "bin_lag1", 0),
    ("features", "sum_sold_max_lag1", 0),
    ("features", "w_price_rolling2", 1),
]
"""Columns, and whether an entity's own rows alone can matter."""

SLOW = [
    ("sales", "revenue", 1),
    ("features", "w_price_expanding_mean_lag1", 0),
    ("sizes", "size", 0),
    ("panel", "w_price", 1),
    ("panel", "w_revenue", 1),
    ("panel", "coverage_lag1", 0),
    ("features", "sum_sold_max", 0),
    ("features", "w_price_lag1", 1),
    ("features", "w_price_lag3", 1),
    ("features", "rank_lag1", 0),
    ("features", "w_revenue_up2", 1),
    ("features", "w_price_difference2_lag1", 1),
    ("odd", "rank", 0),
    ("odd", "behind", 0),
]

VALUES = [*QUICK, *(pytest.param(*v, marks=pytest.mark.slow) for v in SLOW)]


def ask(shop: Shop, snapshot: str, column: str, n: int) -> tuple[Why, pl.Expr]:
    """Ask why of a row that has a value, and say how to find the row."""
    [of] = [s for s in shop.run.snapshots if s.name == snapshot]
    rows = shop.rows(snapshot).drop_nulls(column).sort(of.key)
    row: dict[str, Any] = rows.row(n * 37 % rows.height, named=True)
    found = shop.why(snapshot, *(f"{k}={row[k]}" for k in of.key), column)
    assert found.value == row[column]
    return found, pl.all_horizontal(pl.col(k) == row[k] for k in of.key)


@pytest.fixture(scope="module")
def found(shop: Shop) -> Why:
    """Why a mean of the year before is what it is."""
    return ask(shop, "features", "w_price_lag1", 2)[0]


@pytest.mark.parametrize(("snapshot", "column", "alone"), VALUES)
def test_no_other_row_changes_a_value(
    shop: Shop, snapshot: str, column: str, alone: int
) -> None:
    source = shop.source().with_row_index("line", 2)
    found, row = ask(shop, snapshot, column, 1)
    lines = found.sources["source"][PLACE[1]].to_list()
    assert 0 < len(lines) <= (30 if alone else source.height)
    is_other = ~pl.col("line").is_in(lines)
    # One more sold makes no item rare, nor common.
    changed = source.with_columns(
        pl.when(is_other).then(pl.col("Price") * 7 + 1).otherwise("Price"),
        pl.when(is_other).then(pl.col("Sold") + 1).otherwise("Sold"),
    )
    made = shop.made_of(changed.drop("line"), snapshot, row, column)
    assert made == [found.value]


@pytest.mark.parametrize(
    ("snapshot", "column"),
    [
        ("panel", "w_revenue"),
        *(
            pytest.param("features", column, marks=pytest.mark.slow)
            for column in ("w_price_difference2_lag1", "w_revenue_up2")
        ),
    ],
)
def test_every_row_that_is_shown_can_change_a_value(
    shop: Shop, snapshot: str, column: str
) -> None:
    source = shop.source().with_row_index("line", 2)
    found, row = ask(shop, snapshot, column, 1)
    for line in found.sources["source"][PLACE[1]]:
        made: list[object] = []
        for value in (0.0, 10_000.0):
            is_it = pl.when(pl.col("line") == line)
            price = is_it.then(value).otherwise("Price").alias("Price")
            changed = source.with_columns(price).drop("line")
            made += shop.made_of(changed, snapshot, row, column)
        assert made != [found.value, found.value]


def test_a_weighted_mean_is_that_of_the_rows_shown(found: Why) -> None:
    rows = found.sources["source"]
    [mean] = rows.select(
        (pl.col("Price") * pl.col("Sold")).sum() / pl.col("Sold").sum()
    )
    assert mean.item() == pytest.approx(found.value, rel=1e-12)
    [made] = [step for step in found.steps if "w_price" in step.columns]
    assert made.rows.height == rows.height


def test_the_rows_stand_on_their_lines(shop: Shop, found: Why) -> None:
    text = (shop.settings.root / "sales.csv").read_text().splitlines()
    for row in found.sources["source"].iter_rows(named=True):
        year, store, item, *_, price = text[row[PLACE[1]] - 1].split(",")
        assert row[PLACE[0]] == "sales.csv"
        assert [row["Year"], row["Store"], row["Item"]] == [int(year), store, int(item)]
        assert row["Price"] == float(price)


def test_what_only_decides_is_named_with_its_value(shop: Shop, found: Why) -> None:
    deciding = {step.stage: step for step in found.steps if not step.columns}
    assert {*deciding} == {"large", "common"}
    [sold] = deciding["common"].rows["sold"]
    item = found.key["item"]
    first = shop.rows("sales").filter(item=item, year=2010)["sold"].sum()
    assert sold == first > deciding["common"].settings["min_total"] == 40
    assert deciding["large"].settings["where"] == "size < 4"
    assert {*deciding["large"].rows["size"]} <= {1, 2, 3}


def test_a_stage_that_does_not_say_what_it_looks_at_may_look_at_all(
    shop: Shop,
) -> None:
    found, _ = ask(shop, "odd", "behind", 1)
    [step] = [step for step in found.steps if step.stage == "odd"]
    assert step.rows.height == shop.rows("panel").height
    assert "does not say" in step.note


def test_rows_are_of_the_category_and_the_periods_that_a_stage_looks_at(
    stalls: Shop,
) -> None:
    words = ("stalls", "stall=Ann", "year=2013")
    of_kind = stalls.why(*words, "sold_expanding_mean_lag1").sources["source"]
    assert {*of_kind["Kind"]} == {"tea"}
    assert {*of_kind["Stall"]} == {"Ann", "Bob"}
    prices = stalls.why(*words, "price_lag1").sources["prices"]
    assert prices["year"].to_list() == [2010, 2011, 2012]


def test_a_joined_row_that_decides_is_named_with_its_line(stalls: Shop) -> None:
    found = stalls.why("stalls", "stall=Ann", "year=2013", "sold")
    assert [(s.stage, s.decides) for s in found.steps] == [
        ("below", True),
        ("limited", True),
    ]
    [limit] = found.deciding["limits"].to_dicts()
    assert limit == {
        PLACE[0]: "limits.csv",
        PLACE[1]: 3,
        "Kind": "tea",
        "limit": 98.0,
    }
    text = show(found, "table", every_row=False)
    only = text.partition("what only decides")[2]
    assert "limited (join) made limit of 1 row of kinds" in only
    assert "  limits.csv  3     tea   98.0" in only


MONTHS = """
source: {use: csv, path: visits.csv}
columns: {Shop: text, Day: date, Visits: number}
panel: {time: day, every: 1mo, entity: [shop]}
stages:
  sanitize_column_names: {}
  resample: {snapshot: months, key: [shop, day]}
resample: {columns: {visits: sum}, until: panel, keys: [shop]}
"""


def test_a_period_that_all_rows_tell_is_written_as_a_date(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").write_text(MONTHS)
    rows = "A,2022-10-03,1\nA,2022-12-09,2\nB,2022-11-05,4\n"
    (tmp_path / "visits.csv").write_text(f"Shop,Day,Visits\n{rows}")
    found = run_in(tmp_path).why("months", "shop=B", "day=2022-12-01", "visits")
    [last] = [step for step in found.steps if step.given == "fact"]
    assert last.rows.to_dicts() == [{"last": date(2022, 12, 1)}]
