"""Polars' core alone collects what Polars would."""

import polars as pl
from polars.testing import assert_frame_equal

from pipeline.panel import core


def test_a_plan_that_was_written_is_collected_as_polars_does() -> None:
    lf = pl.LazyFrame({"a": [3, 1, 2, None], "b": ["x", "y", "ü", None]}).sort("a")
    plan = lf.with_columns(c=pl.col("a") / 2).serialize()
    assert_frame_equal(
        pl.DataFrame(core.collect_head(core.read_plan(plan), None)),
        lf.with_columns(c=pl.col("a") / 2).collect(),
    )
    chosen = core.select(core.where(core.read_plan(plan), "a > 1 OR b = 'y'"), ["b"])
    found = core.collect_head(chosen, 2)
    assert (found.height, pl.DataFrame(found).rows()) == (2, [("y",), ("ü",)])
