"""What an expression depends on, by hand."""

import polars as pl
import pytest

from tests.lineage.conftest import A, deps, without_beside


def column(expr: pl.Expr) -> set[str]:
    """Trace one expression, as a column of its own."""
    return deps(lambda lf: lf.with_columns(expr.alias("z"))).get("z", set())


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (pl.col("a"), {"a:identity"}),
        (pl.lit(1), set()),
        (pl.lit(pl.Series([1, 2])).first(), set()),
        (pl.lit([1, 2]), set()),
        (pl.col("a") + pl.col("b"), {"a:transformation", "b:transformation"}),
        (pl.col("a").cast(pl.String), {"a:transformation"}),
        (pl.col("a").sum(), {"a:aggregation"}),
        (pl.col("a").sum() * pl.col("b"), {"a:aggregation", "b:transformation"}),
        (pl.col("a").quantile(0.5), {"a:aggregation"}),
        (pl.col("a").shift(1).fill_null(0), {"a:transformation"}),
        (
            pl.when(pl.col("a") > 0).then("b").otherwise("c"),
            {"a:conditional", "b:transformation", "c:transformation"},
        ),
        (
            pl.col("a").sum().over("b", order_by="c"),
            {"a:aggregation", "b:window", "c:window"},
        ),
        (
            pl.col("a").filter(pl.col("b") > 0).sum(),
            {"a:aggregation", "b:filter"},
        ),
        (pl.col("a").sort_by("b"), {"a:transformation", "b:sort"}),
        (pl.col("a").sort(), {"a:transformation"}),
        (pl.col("a").gather(pl.col("b")), {"a:transformation", "b:conditional"}),
        (pl.col("a").get(pl.col("b").max()), {"a:transformation", "b:conditional"}),
        (
            pl.col("a").slice(0, pl.col("b").max()).sum(),
            {"a:aggregation", "b:conditional"},
        ),
        (
            pl.sum("a").rolling("b", period="2i"),
            {"a:aggregation", "b:window"},
        ),
        (pl.col("l").explode().sum(), {"l:aggregation"}),
        (pl.col("l").list.len(), {"l:transformation"}),
        (pl.col("l").list.get(0), {"l:transformation"}),
        (pl.col("s").struct.field("x"), {"s:transformation"}),
        (pl.col("l").list.eval(pl.element() * 2), {"l:transformation"}),
        (2 * pl.col("l").list.eval(2 * pl.element()), {"l:transformation"}),
        (pl.col("l").list.agg(pl.element().sum()), {"l:aggregation"}),
        (
            pl.col("l").list.eval(pl.element() + 1).list.eval(pl.element() + 1),
            {"l:transformation"},
        ),
        # Within an expression, Polars does not tell the names of a struct's fields.
        (
            pl.struct("a", "b").struct.field("b"),
            {"a:transformation", "b:transformation"},
        ),
    ],
    # Sets are written in another order by every process.
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_expression(expr: pl.Expr, expected: set[str]) -> None:
    assert without_beside(column(expr)) == expected


@pytest.mark.parametrize(
    "expr",
    [
        pl.col("a").map_elements(lambda x: x, return_dtype=pl.Int64),
        pl.col("a").map_batches(lambda s: s, return_dtype=pl.Int64),
        pl.col("a") + pl.fold(0, lambda x, y: x + y, ["b"]),
        pl.col("a").cast(pl.String).cast(pl.Categorical).cat.len_chars(),
        pl.col("l").list.eval(pl.len()),
        pl.col("s").struct.with_fields(pl.field("x") + 1),
    ],
    ids=["map_elements", "map_batches", "fold", "categorical", "eval", "with_fields"],
)
def test_what_polars_does_not_show_may_depend_on_every_column(expr: pl.Expr) -> None:
    unknown = {dep.split(":")[0] for dep in column(expr) if dep.endswith(":unknown")}
    direct = {dep.split(":")[0] for dep in column(expr) if not dep.endswith("unknown")}
    assert unknown | direct == set(A)
