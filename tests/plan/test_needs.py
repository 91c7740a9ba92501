"""A stage is made of the columns that can change it, and of no others."""

from collections.abc import Callable

import polars as pl
import pytest

from pipeline.config import BaseConfig
from pipeline.plan.compose import compose
from pipeline.plan.needs import HANDED_ON, Needs, needs_of
from pipeline.plan.settings import Settings, Stage
from pipeline.run.run import check
from pipeline.transforms import Transform


class Config(BaseConfig, frozen=True):
    """No settings."""


def needs(function: Callable[[pl.LazyFrame], pl.LazyFrame], *columns: str) -> Needs:
    """Say what the last of two stages needs of a source of numbers.

    The first is the function, and the last selects the columns.
    """

    def stage(name: str, given: str, does: Callable[..., pl.LazyFrame]) -> Stage:
        transform = Transform(name, lambda lf, _: does(lf), Config, 1, None, None, None)
        return Stage(name, transform, (given,), Config())

    stages = [
        stage("first", "source", function),
        stage("last", "first", lambda lf: lf.select(columns or pl.all())),
    ]
    source = pl.LazyFrame(schema=dict.fromkeys("abc", pl.Int64))
    return needs_of(compose(source, stages), "last", [])


def test_columns_that_only_pass_by_are_not_needed() -> None:
    def adds(lf: pl.LazyFrame) -> pl.LazyFrame:
        return lf.with_columns(d=pl.col("a") + 1)

    assert needs(adds, "d").given == {"source": ["a"]}
    only_handed_on = needs(adds, "b")
    assert only_handed_on.given == {"source": ["b"]}
    assert only_handed_on.digests == {"first": HANDED_ON, "last": HANDED_ON}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda lf: lf.filter(pl.col("c") > 0), ["a", "c"]),
        (lambda lf: lf.sort("b"), ["a", "b"]),
        (lambda lf: lf.unique("c", maintain_order=True), ["a", "c"]),
        (lambda lf: lf.with_columns(a=pl.col("a").sum().over("b")), ["a", "b"]),
    ],
    ids=["filter", "sort", "unique", "window"],
)
def test_what_decides_which_rows_there_are_is_needed(
    function: Callable[[pl.LazyFrame], pl.LazyFrame], expected: list[str]
) -> None:
    assert needs(function, "a").given == {"source": expected}


@pytest.mark.parametrize(
    "function",
    [
        lambda lf: lf.map_batches(lambda df: df),
        lambda lf: lf.with_columns(a=pl.lit(len(lf.collect_schema()))),
    ],
    ids=["unknown", "counts columns"],
)
def test_where_the_other_columns_may_tell_all_are_needed(
    function: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> None:
    """Lineage alone would not see that they do."""
    assert needs(function, "a").given == {"source": ["a", "b", "c"]}


def test_a_column_that_is_not_needed_does_not_show() -> None:
    def without(lf: pl.LazyFrame) -> pl.LazyFrame:
        return lf.with_columns(d=pl.col("a") + 1)

    def with_other(lf: pl.LazyFrame) -> pl.LazyFrame:
        return without(lf).with_columns(e=pl.col("b") * 2)

    def changed(lf: pl.LazyFrame) -> pl.LazyFrame:
        return lf.with_columns(d=pl.col("a") + 2)

    digests = [needs(f, "c").digests for f in (without, with_other)]
    assert digests[0] == digests[1]
    assert needs(without, "d").digests != needs(changed, "d").digests


def test_features_need_of_the_discharges_what_the_panel_aggregates(
    golden_settings: Callable[..., Settings],
) -> None:
    plan = check(golden_settings())
    there = [plan.snapshots["discharges"].stage.name]
    [needed] = needs_of(
        plan, plan.snapshots["features"].stage.name, there
    ).given.items()
    assert needed[0] == there[0]
    others = {*plan.snapshots["discharges"].schema} - {*needed[1]}
    assert others == {"facility_name", "apr_medical_surgical_code"}
