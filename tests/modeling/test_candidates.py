"""Who might have had a row, and who had."""

import polars as pl
from polars.testing import assert_frame_equal

from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.candidates import candidates
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.modeling.conftest import Load


def test_candidates_are_those_seen_in_two_years_and_those_that_came_are_the_features(
    ml: Load,
) -> None:
    settings = ml()
    features = learnable_features(settings)
    key = settings.modeling.key
    found = candidates(settings, features, [2015, 2017])
    came = found.filter("occurs").drop("occurs")
    rows = features.read(settings.modeling)
    rows = rows.filter(pl.col("year").is_in([2015, 2017]))
    assert_frame_equal(came, rows.select(came.columns), check_row_order=False)
    absent = found.filter(~pl.col("occurs"))
    assert absent.height > 0
    assert absent[settings.modeling.target].null_count() == absent.height
    # An entity's past is of two years.
    with connect(open_store(settings.root)) as con:
        panel = con.sql(f"select distinct {', '.join(key)} from discharges").pl()
    for year in (2015, 2017):
        seen = panel.filter(pl.col("year").is_between(year - 2, year - 1))
        listed = found.filter(year=year).select(key[:2])
        assert listed.join(seen, on=key[:2], how="anti").is_empty()
