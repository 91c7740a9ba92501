"""The profile `origin` gives the numbers of the pipeline this one takes over from."""

from collections.abc import Callable
from typing import Literal

import polars as pl
import polars.selectors as cs
import pytest
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings
from tests.conftest import GOLDEN

ROW = [
    "year",
    "facility_id",
    "apr_drg_code",
    "apr_severity_of_illness_code",
    "apr_medical_surgical_code",
    "discharges",
    "mean_charge",
]
GROUP = ["year", "facility_id", "apr_drg_code"]


@pytest.mark.parametrize(
    ("stage", "key"),
    [
        ("total_mean_cost", ROW),
        ("drop_rare_drgs", ROW),
        ("agg_severities", GROUP),
        ("yearly_discharge_bin", GROUP),
        ("rolling_columns", GROUP),
        ("drop_non_lag_columns", GROUP),
    ],
)
@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_origin_profile_reproduces_every_golden_value(
    shipped_settings: Callable[..., Settings],
    stage: str,
    key: list[str],
    engine: Literal["streaming", "in-memory"],
) -> None:
    settings = shipped_settings(profile="origin")
    source = sources.scan(settings.source, settings.root).frames()[0]
    ours = compose(source, settings.stages).nodes[stage].lf.collect(engine=engine)
    golden = pl.read_parquet(GOLDEN / f"{stage}.parquet")

    # The origin reads a text that is not there as an empty one. What else a user's
    # stages add is no concern of it.
    ours = ours.select(golden.columns).with_columns(cs.string().fill_null(""))
    assert_frame_equal(
        ours.sort(key),
        golden.sort(key),
        check_dtypes=False,
        rel_tol=1e-9,
        abs_tol=0,
    )
