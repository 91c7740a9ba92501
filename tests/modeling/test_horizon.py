"""Features of the next period come from the stages that made the others."""

import dataclasses
from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.errors import ConfigError
from pipeline.modeling.horizon import Horizon
from pipeline.panel.periods import Every
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Settings, Stage

ENTITY = ["facility_id", "apr_drg_code"]
KEY = [*ENTITY, "year"]
TARGET = "w_total_median_profit"


def plan_of(settings: Settings, last: int = 9999) -> Plan:
    """Compose the pipeline on the rows up to a year."""
    rows = sources.scan(settings.source, settings.root).frames()[0]
    return compose(rows.filter(pl.col("Year") <= last), settings.stages)


def ahead(
    rows: pl.LazyFrame,
    stages: tuple[Stage, ...],
    panel: str = "discharges",
    features: str = "features",
) -> pl.LazyFrame:
    """Make the next features of this panel's columns."""
    horizon = Horizon(
        panel=panel,
        features=features,
        time="year",
        entity=ENTITY,
        target=TARGET,
        known=[],
        every=1,
    )
    return horizon.next_features(rows, horizon.rest(rows, stages)).lazy()


def of_units(known: list[str], every: Every) -> Horizon:
    """Take `unit` for the entity, and nothing for the rest."""
    return Horizon(
        panel="",
        features="",
        time="year",
        entity=["unit"],
        target="",
        known=known,
        every=every,
    )


def test_every_entity_ever_seen_gets_one_row_after_the_last_period() -> None:
    rows = pl.LazyFrame(
        {"year": [2009, 2009, 2011, 2011], "unit": [1, 2, 1, 1], "x": [5, 6, 7, 8]},
        schema_overrides={"year": pl.Int32},
    )
    extended = of_units([], 1).extend(rows).collect()
    assert extended.schema == rows.collect_schema()
    assert_frame_equal(extended[:4], rows.collect())
    added = extended[4:].sort("unit")
    assert added.select("year", "unit").rows() == [(2012, 1), (2012, 2)]


def test_a_panel_without_rows_stays_empty() -> None:
    rows = pl.LazyFrame(schema={"year": pl.Int32, "unit": pl.Int64})
    assert of_units([], 1).extend(rows).collect().is_empty()


@pytest.mark.parametrize(
    ("year", "override"),
    [(2010, "lag_columns.periods=1"), (2017, "lag_columns.by=row")],
)
def test_forecast_features_are_those_of_the_year_once_it_has_come(
    golden_settings: Callable[..., Settings], year: int, override: str
) -> None:
    settings = golden_settings(override)
    whole = plan_of(settings).snapshots["features"].lf
    come = whole.filter(pl.col("year") == year).drop(TARGET).collect()
    known = plan_of(settings, year - 1).snapshots["discharges"].lf
    made = ahead(known, settings.stages).collect()
    assert made["year"].unique().to_list() == [year]
    assert made.height > come.height > 0  # also those who did not come
    found = made.join(come.select(KEY), on=KEY, how="semi")
    assert_frame_equal(found, come, check_row_order=False, check_exact=True)


def test_lags_of_the_next_year_are_the_values_of_the_last(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings()
    snapshots = plan_of(settings).snapshots
    made = ahead(snapshots["discharges"].lf, settings.stages).collect()
    last = snapshots["facility_drg_year"].lf.filter(pl.col("year") == 2017).collect()
    lags = made.drop_nulls("w_mean_cost_lag1").select(
        *ENTITY, pl.col("w_mean_cost_lag1").alias("w_mean_cost")
    )
    assert_frame_equal(lags, last.select(*ENTITY, "w_mean_cost"), check_row_order=False)


def test_which_row_is_copied_makes_no_difference(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings()
    panel = plan_of(settings).snapshots["discharges"].lf.collect()
    made, reversed_ = (
        ahead(df.lazy(), settings.stages).sort(KEY).collect()
        for df in (panel, panel.reverse())
    )
    assert_frame_equal(made, reversed_, check_exact=True)


def test_features_of_something_beside_the_panel_are_refused(
    golden_settings: Callable[..., Settings],
) -> None:
    settings = golden_settings()
    panel = plan_of(settings).snapshots["discharges"].lf
    stages = tuple(
        dataclasses.replace(stage, inputs=(SOURCE,))
        if stage.name == "agg_severities"
        else stage
        for stage in settings.stages
    )
    with pytest.raises(ConfigError, match="'agg_severities', which reads the source"):
        ahead(panel, stages)


def test_of_a_panel_of_every_fifth_year_the_next_is_five_years_on() -> None:
    rows = pl.LazyFrame({"year": [2000, 2005], "unit": [1, 1]})
    made = of_units([], 5).extend(rows)
    assert made.collect()["year"].to_list() == [2000, 2005, 2010]


def test_the_last_value_of_what_is_known_before_goes_on() -> None:
    rows = pl.LazyFrame(
        {"year": [2001, 2002, 2000, 2001], "unit": [1, 1, 2, 2], "kind": [7, 8, 9, 5]}
    )
    made = of_units(["kind"], 1).extend(rows)
    added = made.filter(year=2003).sort("unit").collect()
    assert added.rows() == [(2003, 1, 8), (2003, 2, 5)]
