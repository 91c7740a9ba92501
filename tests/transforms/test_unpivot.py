from datetime import date
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.errors import SchemaError
from pipeline.transforms.unpivot import Config, unpivot


def config(**changes: object) -> Config:
    values: dict[str, Any] = {
        "columns": "y([0-9]+)",
        "time": "year",
        "kind": "integer",
        "format": "",
        "value": "gdp",
        "drop_nulls": False,
    }
    return msgspec.convert(values | changes, Config)


WIDE = pl.LazyFrame(
    {
        "country": ["A", "B"],
        "y2009": [1.5, None],
        "year_note": ["x", "y"],
        "y2010": [2, 3],
    }
)


def test_rows_equal_those_that_pandas_melts() -> None:
    made = unpivot(WIDE, config()).collect()
    melted: Any = (
        WIDE.collect()
        .to_pandas()
        .melt(["country", "year_note"], var_name="year", value_name="gdp")
    )
    melted["year"] = melted["year"].str[1:].astype(int)
    assert made.columns == ["country", "year_note", "year", "gdp"]
    assert made.schema["year"] == pl.Int64
    by = ["country", "year"]
    expected = pl.from_pandas(melted).sort(by)
    assert made.sort(by).equals(expected)
    assert unpivot(WIDE, config(drop_nulls=True)).collect().height == 3


def test_names_are_read_as_dates_by_their_format() -> None:
    wide = pl.LazyFrame({"shop": ["s"], "sold 01/2024": [5], "sold 12/2023": [6]})
    values = {"columns": "sold (.*)", "kind": "date", "format": "%m/%Y"}
    made = unpivot(wide, config(**values, time="month")).collect().sort("month")
    assert made.rows() == [("s", date(2023, 12, 1), 6), ("s", date(2024, 1, 1), 5)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"columns": "z(.)"}, "is the name of no column"),
        ({"columns": "year_(.*)"}, "column 'year_note': 'note' is no integer"),
        ({"columns": "y2(0).*"}, "reads a time from two"),
        ({"kind": "date", "format": "%Y-%m"}, "'2009' is no date like %Y-%m"),
    ],
)
def test_names_that_tell_no_time_are_refused(
    changes: dict[str, str], found: str
) -> None:
    with pytest.raises(SchemaError, match=found):
        unpivot(WIDE, config(**changes)).collect()


def test_what_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="a regular expression, found"):
        config(columns="y([0-9]")
