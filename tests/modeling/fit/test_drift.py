"""What drifted is named, and what did not is not."""

import numpy as np
import polars as pl
import pytest

from pipeline.modeling.fit.design import feature_schema
from pipeline.modeling.fit.drift import distributions, drift, is_plain


def frame(n: int, seed: int) -> pl.DataFrame:
    """Features of a stable world."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "year": np.arange(n) % 5,
            "code": rng.integers(0, 30, n),
            "amount": rng.lognormal(8, 1, n),
            "is_large": rng.random(n) < 0.1,
            "share": pl.Series(rng.random(n)).set(pl.Series(rng.random(n) < 0.1), None),
        }
    )


THEN = frame(4_000, 1)
SCHEMA = feature_schema(THEN, ["amount", "is_large", "share"], ["code"])
LEARNED = distributions(THEN, SCHEMA, pl.col("year"))

MOVED = {
    "times ten": ("amount", pl.col("amount") * 10, "PSI"),
    "twice": ("amount", pl.col("amount") * 2, "PSI"),
    "beyond": (
        "amount",
        pl.when(pl.int_range(pl.len()) % 10 == 0).then(1e9).otherwise("amount"),
        "beyond",
    ),
    "more of one kind": ("is_large", pl.int_range(pl.len()) % 2 == 0, "PSI"),
    "nulls": (
        "share",
        pl.when(pl.int_range(pl.len()) % 5 > 0).then("share"),
        "% null, ",
    ),
    "all null": ("share", pl.lit(None, pl.Float64), "100.0% null"),
    "a new category": (
        "code",
        pl.when(pl.int_range(pl.len()) % 50 == 0).then(99).otherwise("code"),
        "2.0% in categories never seen",
    ),
    "other shares": ("code", pl.col("code") // 3, "PSI"),
}


@pytest.mark.parametrize("n", [60, 400, 4_000])
def test_the_same_world_has_not_drifted(n: int) -> None:
    for seed in range(2, 30):
        found = drift(LEARNED, frame(n, seed), SCHEMA)
        assert found["feature"].to_list() == ["code", "amount", "is_large", "share"]
        assert found.drop_nulls("why").is_empty(), found


@pytest.mark.parametrize("change", MOVED)
@pytest.mark.parametrize("n", [100, 4_000])
def test_what_drifted_is_named_and_nothing_else(change: str, n: int) -> None:
    name, expr, why = MOVED[change]
    now = frame(n, 2).with_columns(expr.cast(THEN.schema[name]).alias(name))
    found = drift(LEARNED, now, SCHEMA).drop_nulls("why")
    assert found["feature"].to_list() == [name]
    assert why in found["why"][0]


def months(first: int, last: int, *, times: float = 1.0) -> pl.DataFrame:
    """Months of 300 shops, which sell four times as much at the year's end."""
    month = np.repeat(np.arange(first, last), 300)
    rng = np.random.default_rng(first)
    season = 1 + 3 * (month % 12 == 11) + (month % 12 == 6)
    return pl.DataFrame(
        {
            "time": month,
            "calendar_month": month % 12 + 1,
            "sold_lag1": rng.lognormal(3, 0.4, len(month)) * season * times,
            "shop": np.tile(np.arange(300), last - first),
        }
    )


MONTHS = months(0, 36)
OF_MONTHS = feature_schema(MONTHS, ["calendar_month", "sold_lag1"], ["shop"])
LEARNED_OF_MONTHS = distributions(MONTHS, OF_MONTHS, pl.col("time"))


@pytest.mark.parametrize("month", range(36, 48))
def test_a_month_that_is_as_it_was_has_not_drifted(month: int) -> None:
    found = drift(LEARNED_OF_MONTHS, months(month, month + 1), OF_MONTHS)
    assert found["feature"].to_list() == ["shop", "calendar_month", "sold_lag1"]
    assert found.drop_nulls("why").is_empty(), found


@pytest.mark.parametrize("month", [36, 40, 47])
def test_a_month_that_is_not_has(month: int) -> None:
    dearer = months(month, month + 1, times=2.5)
    new = dearer.with_columns(shop=pl.col("shop") + 10)
    found = drift(LEARNED_OF_MONTHS, new, OF_MONTHS).drop_nulls("why")
    shop, sold = found.rows(named=True)
    assert (shop["feature"], sold["feature"]) == ("shop", "sold_lag1")
    assert shop["why"] == "3.3% in categories never seen"
    assert sold["why"].startswith("PSI ")
    assert found.select(is_plain(pl.col("why"))).to_series().to_list() == [True, False]


def test_a_month_of_a_few_rows_excuses_nothing() -> None:
    few = pl.concat([MONTHS, months(36, 37).head(3)])
    learned = distributions(few, OF_MONTHS, pl.col("time"))
    dearer = months(37, 38, times=2.5)
    assert "sold_lag1" in drift(learned, dearer, OF_MONTHS).drop_nulls("why")["feature"]
