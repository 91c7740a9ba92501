import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.transforms.derive import Config, derive

LF = pl.LazyFrame({"price": [2.0, 3.0, None], "n": [5, 0, 1], "kind": ["a", "b", "a"]})


def test_expressions_are_made_in_their_order_and_equal_those_of_pandas() -> None:
    config = Config(
        columns={
            "revenue": "price * n",
            "half": "round(revenue / 2, 1)",
            "is_a": "kind in ('a', 'c')",
            "n": "n + 1",
        }
    )
    df = LF.collect().to_pandas()
    expected = df.assign(
        revenue=df["price"] * df["n"],
        half=(df["price"] * df["n"] / 2).round(1),
        is_a=df["kind"].isin(["a", "c"]),
        n=df["n"] + 1,
    )
    result = derive(LF, config).collect()
    assert_frame_equal(result, pl.from_pandas(expected))


@pytest.mark.parametrize("sql", ["sum(n)", "n - avg(n)", "lag(n) over (order by n)"])
def test_what_looks_at_other_rows_is_refused_with_the_configuration(sql: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="expected an expression of one"):
        msgspec.convert({"columns": {"x": sql}}, Config)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="prize"):
        derive(LF, Config(columns={"x": "prize + 1"})).collect_schema()


def test_hundreds_of_columns_are_a_few_nodes() -> None:
    columns = {f"c{i}": "x * 2" for i in range(300)}
    columns |= {f"d{i}": f"c{i} + 1" for i in range(300)}
    lf = derive(pl.LazyFrame({"x": [1]}), Config(columns=columns))
    assert lf.explain(optimized=False).count("WITH_COLUMNS") == 2
    assert lf.collect().row(0) == (1, *[2] * 300, *[3] * 300)


def test_a_name_behind_self_is_that_of_the_columns_above() -> None:
    config = Config(columns={"x": "x + 1", "y": "self.x * 10"})
    assert derive(pl.LazyFrame({"x": [1]}), config).collect().row(0) == (2, 20)
