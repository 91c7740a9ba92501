import pytest

from pipeline.panel.rowwise import refuse_other_rows


@pytest.mark.parametrize(
    "sql",
    [
        "price * n",
        "case when n > 0 then price / n else null end",
        "round(price / nullif(n, 0), 2)",
        "name in ('sum(x)', 'b;') and not (n is null)",
        "date_part('year', day) >= 2020 or day > date('2019-01-01')",
        '"Total Sum (USD)" - 1',
        "extract(year from day) % 4 = 0",
        "coalesce(n, 0) between 1 and (2 + 3)",
    ],
)
def test_expressions_of_one_row_are_let_through(sql: str) -> None:
    refuse_other_rows(sql)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("sum(n)", "`sum`"),
        ("n - AVG (n)", "`avg`"),
        ("lag(n) over (order by day)", "`lag`"),
        ("n over (partition by k)", "`over`"),
        ("n / (select max(n) from self)", "`max`"),
        ("count(*)", "`count`"),
        ("day < current_date", "`current_date`"),
        ("rond(n)", "`rond`; did you mean 'round'?"),
        ("n) + (n", "expected one expression"),
        ("n -- more", "expected one expression"),
        ("n; drop", "expected one expression"),
        (" ", "expected one expression"),
    ],
)
def test_what_could_look_at_others_is_refused_by_its_name(sql: str, found: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        refuse_other_rows(sql)
    assert found in str(caught.value)
