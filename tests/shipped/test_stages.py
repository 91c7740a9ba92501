"""What every stage of the configured pipeline keeps to, whatever it computes."""

from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.plan.compose import compose
from pipeline.plan.settings import SOURCE, Settings

SettingsOf = Callable[..., Settings]


@pytest.mark.parametrize("profile", [None, "origin"], ids=["default", "origin"])
def test_shuffled_rows_and_either_engine_give_the_same_bits(
    shipped_settings: SettingsOf, profile: str | None
) -> None:
    settings = shipped_settings(profile=profile)
    some = pl.col("Facility Id") % 3 == 0
    frames = {
        SOURCE: sources.scan(settings.source, settings.root)
        .frames()[0]
        .filter(some)
        .collect()
    }
    for stage in settings.stages:
        apply = stage.transform.apply
        inputs = [frames[name] for name in stage.inputs]
        result = apply(*(df.lazy() for df in inputs), stage.config).collect(
            engine="in-memory"
        )
        frames[stage.name] = result
        assert len(result) > 10
        for seed in range(2):
            shuffled = [df.sample(fraction=1, shuffle=True, seed=seed) for df in inputs]
            again = apply(*(df.lazy() for df in shuffled), stage.config)
            assert_frame_equal(
                again.collect(engine="streaming").sort(pl.all()),
                result.sort(pl.all()),
                check_exact=True,
            )


def test_no_stage_collects_while_the_plan_is_composed(
    shipped_settings: SettingsOf,
) -> None:
    settings = shipped_settings()
    schema = sources.scan(settings.source, settings.root).frames()[0].collect_schema()

    def read(df: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("rows were read")

    unreadable = pl.LazyFrame(schema=schema).map_batches(read, schema=schema)
    plan = compose(unreadable, settings.stages)
    with pytest.raises(AssertionError, match="rows were read"):
        plan.nodes["drop_non_lag_columns"].lf.collect()
