import polars as pl

from pipeline.pages.facts import Facts
from pipeline.pages.written import expressions, expressions_of


def printed(lf: pl.LazyFrame) -> str:
    return lf.explain(optimized=False)


def test_an_expression_is_as_polars_prints_it() -> None:
    lf = pl.LazyFrame({"a": [1], "b": [2]})
    made = lf.with_columns(total=pl.col("a") + pl.col("b"), word=pl.lit("x, [y"))
    found = expressions(printed(made))
    assert found["total"] == '(col("a") + col("b"))'
    assert found["word"] == '"x, [y"'


def test_what_is_made_in_several_steps_is_left_to_the_code() -> None:
    lf = pl.LazyFrame({"a": [1]}).with_columns(x=pl.col("a") + 1)
    assert expressions(printed(lf.with_columns(x=pl.col("x") * 2))) == {}
    assert "x" in expressions(printed(lf.select("x")))


def test_what_a_stage_needs_for_itself_is_not_told(facts: Facts) -> None:
    assert facts.plan
    found = expressions_of(facts.plan, "sanitize_column_names")
    assert found["mean_cost"] == 'col("Mean Cost")'
    assert expressions_of(facts.plan, "lag_columns") == {}
