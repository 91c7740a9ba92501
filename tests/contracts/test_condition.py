"""Conditions in SQL: what is refused, and that nothing is read to find out."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.contracts.condition import parse_condition

SCHEMA = pl.Schema(
    {
        "n": pl.Int64,
        "small": pl.Int16,
        "cost": pl.Float64,
        "code": pl.String,
        "open": pl.Boolean,
        "day": pl.Date,
        "parts": pl.List(pl.Int64),
    }
)


def refusal(sql: str) -> str:
    """Say why a condition is refused."""
    with pytest.raises(ValueError, match=r"expected|found|fit|can fail") as caught:
        parse_condition(sql, SCHEMA)
    return str(caught.value)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("n > 1", [False, True, None]),
        ("not open", [False, True, None]),
        ("n between small and 5", [False, True, None]),
        ("n in (1, 3)", [True, False, None]),
        ("code like 'a%'", [True, False, None]),
        ("code = 'Len' or code = 'Agg'", [False, False, None]),
        ("try_cast(code as int) is not null", [False, True, False]),
        ("coalesce(n, 0) = 0", [False, False, True]),
        ("day >= date '2020-01-01'", [False, True, None]),
        ("case when open then n = 1 else n = 2 end", [True, True, None]),
        ("abs(cost - n) < 1e-6 as named", [True, False, None]),
    ],
)
def test_a_condition_is_told_of_each_row(sql: str, expected: list[bool | None]) -> None:
    df = pl.DataFrame(
        {
            "n": [1, 2, None],
            "small": [2, 1, None],
            "cost": [1.0, 2.5, None],
            "code": ["ab", "7", None],
            "open": [True, False, None],
            "day": pl.Series(["2019-12-31", "2020-01-01", None]).str.to_date(),
            "parts": [[1], [2], None],
        },
        schema=SCHEMA,
    )
    condition = parse_condition(sql, SCHEMA).alias("holds")
    assert df.select(condition)["holds"].to_list() == expected


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("sum(n) > 0", "found an aggregate"),
        ("n = max(n)", "found an aggregate"),
        ("count(*) > n", "found an aggregate"),
        ("quantile_cont(n, 0.5) > n", "found an aggregate"),
        ("corr(n, small) > n", "found an aggregate"),
        ("string_agg(code, ',') = code", "found an aggregate"),
        ("row_number() over () < n", "found an aggregate"),
        ("sum(n) over (partition by code) > 0", "found a window"),
        ("lag(n) over (order by n) < n", "found a window"),
        ("exists (values (1)) and open", "found a subquery"),
        ("unnest(parts) = n", "found an unnested list"),
        ("columns('n') > 0", "found a choice of columns"),
        ('"^n.*$" > 0', "found a choice of columns"),
        ("1 = 1", "on a column, found none"),
        ("smal > 1 and cots > 2", "'smal'; did you mean 'small'?, 'cots'"),
        ("n", "expected a Boolean, found Int64"),
        ("n = ", "unable to parse"),
        ("", "unable to parse"),
        ("open; drop table x", "unexpected token"),
        ("random() > n", "unsupported function 'random'"),
        ("n > 'a'", "cannot compare"),
        ("length(n) = 1", "expected `String`"),
        ("code ~ '('", "regex parse error"),
        ("cast(code as int) > 0", "can fail on values"),
        ("cast(n as smallint) > 0", "can fail on values"),
        ("cast(cost as bigint) > 0", "can fail on values"),
        ("strptime(code, '%Y') is not null", "can fail on values"),
    ],
)
def test_what_is_not_about_one_row_is_refused(sql: str, why: str) -> None:
    assert why in refusal(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "n in (select n from read_csv('{}'))",
        "n in (SELECT n FROM read_csv('{}'))",
        "n in (from read_csv('{}'))",
        "n in (from \"read_csv\"('{}'))",
        "n in (with t as (from read_parquet('{}')) from t)",
        "exists (select/**/1 from read_ndjson('{}'))",
        "read_csv('{}') = n",
    ],
)
def test_no_file_is_looked_at(sql: str, tmp_path: Path) -> None:
    # Polars would raise FileNotFoundError, which is no ValueError, if it looked.
    assert "found '" in refusal(sql.format(tmp_path / "absent"))
