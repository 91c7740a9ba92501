"""A panel of days, and the transformations that any panel may need on it."""

import random
from datetime import date, timedelta
from typing import Any

import msgspec
import polars as pl

from pipeline.plan.settings import Stage
from pipeline.transforms import load_transform

SCHEMA = pl.Schema(
    {
        "unit": pl.Int32,
        "kind": pl.String,
        "day": pl.Date,
        "n": pl.Int64,
        "x": pl.Float64,
    }
)
WEEKS = {"time": "day", "every": "1w"}
LAGGED = {"lag": 1, "suffix": "_lag{}"}
SETTINGS: dict[str, dict[str, Any]] = {
    "aggregate": {
        "keys": ["kind", "day"],
        "time": "day",
        "weight": "n",
        "columns": {"n": ["sum", "count"], "x": ["mean", "median", "last", "n_unique"]},
    },
    "calendar_columns": {
        "time": "day",
        "parts": ["month", "week"],
        "cyclic": True,
        "prefix": "of_",
    },
    "change": {
        **WEEKS,
        **LAGGED,
        "keys": ["unit"],
        "columns": ["n", "x"],
        "by": "calendar",
        "periods": [1, 2],
        "functions": ["difference", "ratio", "growth"],
    },
    "ewm": {
        **WEEKS,
        **LAGGED,
        "keys": ["unit"],
        "columns": ["n", "x"],
        "half_life": 2,
        "name": "_ewm",
    },
    "expanding": {
        **WEEKS,
        **LAGGED,
        "keys": ["kind"],
        "columns": ["n", "x"],
        "name": "_past",
        "functions": ["mean", "count", "std"],
    },
    "concat": {},
    "derive": {"columns": {"twice": "2 * n", "share": "x / nullif(twice, 0)"}},
    "filter": {"where": "n > 2 or kind = 'a'"},
    "holiday_columns": {
        "time": "day",
        "every": "1mo",
        "day": "day",
        "n_holidays": "n_holidays",
        "days_to": "days_to_holiday",
    },
    "join": {"keys": ["unit"], "columns": ["size"]},
    "join_past": {
        **LAGGED,
        "keys": ["kind"],
        "time": "day",
        "every": "1d",
        "columns": ["price"],
    },
    "resample": {
        **WEEKS,
        "keys": ["unit", "kind"],
        "zero": ["x"],
        "until": "panel",
        "columns": {"n": "last", "x": "sum"},
    },
    "unpivot": {
        "columns": "y(.*)",
        "time": "year",
        "kind": "integer",
        "format": "",
        "value": "value",
        "drop_nulls": False,
    },
    "to_period": {"time": "day", "every": "1mo", "column": "month"},
}
"""Of each, an example."""

PER_PERIOD = ("lag_columns", "rolling_columns", "change", "ewm")
"""These are given one row per entity and period."""


SECOND: dict[str, tuple[list[str], pl.Schema]] = {
    "join": (["unit"], pl.Schema({"unit": pl.Int32, "size": pl.Int64})),
    "join_past": (
        ["kind", "day"],
        pl.Schema({"kind": pl.String, "day": pl.Date, "price": pl.Float64}),
    ),
}
"""What the second input is where it is another than the first: unique keys, columns."""


def inputs_of(name: str, df: pl.DataFrame) -> list[pl.DataFrame]:
    """Make the inputs of a transformation of a panel."""
    if name == "unpivot":
        return [df.rename({"n": "y2009", "x": "y2010"})]
    if name == "holiday_columns":
        return [df, df.select("day").unique().sort("day")[::3]]
    if name in SECOND:
        keys, schema = SECOND[name]
        value = {
            "join": pl.len().alias("size"),
            "join_past": pl.max("x").alias("price"),
        }
        return [
            df,
            df.group_by(keys)
            .agg(value[name])
            .select(pl.col(column).cast(dtype) for column, dtype in schema.items()),
        ]
    return [df] * load_transform(name).n_inputs


def stage_of(name: str, **changes: object) -> Stage:
    """Use a transformation on the panel."""
    loaded = load_transform(name)
    config = msgspec.convert(SETTINGS[name] | changes, loaded.config)
    return Stage(name, loaded, ("source",) * loaded.n_inputs, config)


def panel(n_weeks: int = 12) -> pl.DataFrame:
    """Three units, each with gaps; their rows in any order."""
    rng = random.Random(1)
    monday = date(2023, 12, 4)
    rows = [
        (
            unit,
            rng.choice("ab"),
            monday + timedelta(weeks=week),
            rng.choice([None, 0, 3, 8]),
            rng.choice([None, rng.uniform(-9, 9), 1 / 3]),
        )
        for unit in range(3)
        for week in range(unit, n_weeks)
        if rng.random() < 0.8
    ]
    return pl.DataFrame(rng.sample(rows, len(rows)), SCHEMA, orient="row")
