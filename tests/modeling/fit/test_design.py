import math

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import FeatureSchema, design, feature_schema

TRAIN = pl.DataFrame(
    {
        "drg": ["b", None, "a", "b"],
        "n": pl.Series([1, 2, None, 4], dtype=pl.Int32),
        "x": [0.5, None, 2.0, math.nan],
        "flag": [True, False, None, True],
    }
)
SCHEMA = feature_schema(TRAIN, ["n", "x", "flag"], ["drg"])


def refusal(df: pl.DataFrame, schema: FeatureSchema = SCHEMA) -> str:
    with pytest.raises(ModelError) as caught:
        design(df, schema)
    return str(caught.value)


def test_design_holds_categories_first_then_numbers_with_nan_for_null() -> None:
    X = design(TRAIN, SCHEMA)
    assert X.columns == ("drg", "n", "x", "flag")
    assert X.categorical == ("drg",)
    nan = math.nan
    expected = [[1, 1, 0.5, 1], [nan, 2, nan, 0], [0, nan, 2, nan], [1, 4, nan, 1]]
    np.testing.assert_array_equal(X.values, expected)
    np.testing.assert_array_equal(X.column("n"), [1, 2, nan, 4])


def test_order_of_columns_and_other_columns_do_not_matter() -> None:
    other = TRAIN.select("flag", pl.lit("?").alias("more"), "x", "drg", "n")
    np.testing.assert_array_equal(
        design(other, SCHEMA).values, design(TRAIN, SCHEMA).values
    )


def test_unseen_category_is_as_unknown_as_null() -> None:
    df = TRAIN.with_columns(drg=pl.Series(["z", "a", None, "b"]))
    np.testing.assert_array_equal(
        design(df, SCHEMA).column("drg"), [math.nan, 0, math.nan, 1]
    )


def test_category_without_any_value_is_unknown_everywhere() -> None:
    df = TRAIN.with_columns(drg=pl.lit(None, pl.String))
    schema = feature_schema(df, ["n"], ["drg"])
    assert np.isnan(design(TRAIN, schema).column("drg")).all()


def test_every_column_that_does_not_fit_is_named() -> None:
    df = TRAIN.rename({"flag": "flags"}).with_columns(pl.col("n", "x").cast(pl.String))
    text = refusal(df)
    assert text.startswith("features: 3 columns do not fit the model\n")
    assert "  n: expected Int32, found String\n" in text
    assert "  x: expected Float64, found String\n" in text
    expected = "flag: expected Boolean, found no such column; did you mean 'flags'?"
    assert expected in text


def test_of_many_columns_that_do_not_fit_the_first_are_named() -> None:
    df = pl.DataFrame({f"x{i}": [0.5] for i in range(30)})
    text = refusal(
        df.select(pl.lit("?").alias("y")), feature_schema(df, df.columns, [])
    )
    first, *lines, more, hint = text.splitlines()
    assert first == "features: 30 columns do not fit the model"
    named = [line.partition(":")[0] for line in lines]
    assert named == [f"  x{i}" for i in range(10)]
    assert more == "  and 20 more"
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_values_are_refused_by_column(value: float) -> None:
    df = TRAIN.with_columns(x=pl.Series([value, None, 1.0, 2.0]))
    assert "infinite values in x\n" in refusal(df)


@pytest.mark.parametrize(
    "dtype", [pl.Categorical, pl.Enum(["a", "b"]), pl.String], ids=str
)
def test_text_that_lightgbm_would_abort_on_is_no_feature(dtype: pl.DataType) -> None:
    df = TRAIN.with_columns(text=pl.col("drg").cast(dtype))
    with pytest.raises(ModelError, match="text"):
        feature_schema(df, ["n", "text"], [])


def test_a_date_is_no_category() -> None:
    df = TRAIN.with_columns(day=pl.date(2010, 1, 1))
    with pytest.raises(ModelError, match="day: Date"):
        feature_schema(df, ["n"], ["day"])
