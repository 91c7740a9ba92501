"""What drifted is named, and what did not is not."""

import numpy as np
import polars as pl
import pytest

from pipeline.modeling.fit.design import feature_schema
from pipeline.modeling.fit.drift import distributions, drift


def frame(n: int, seed: int) -> pl.DataFrame:
    """Features of a stable world."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "code": rng.integers(0, 30, n),
            "amount": rng.lognormal(8, 1, n),
            "is_large": rng.random(n) < 0.1,
            "share": pl.Series(rng.random(n)).set(pl.Series(rng.random(n) < 0.1), None),
        }
    )


THEN = frame(4_000, 1)
SCHEMA = feature_schema(THEN, ["amount", "is_large", "share"], ["code"])
LEARNED = distributions(THEN, SCHEMA)

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
