"""What is packed forecasts as the pipeline does, anywhere and from part of the rows."""

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from pipeline.modeling.horizon import Horizon
from pipeline.snapshots.records import PREDICTIONS
from pipeline.snapshots.store import open_store, read_runs
from tests.modeling.conftest import LENIENT, Packed, load_in

VALUES = ["prediction", "lower", "upper"]


def published(root: Path, name: str) -> pl.DataFrame:
    """Read a published snapshot."""
    store = open_store(root)
    [found] = [s for s in read_runs(store)[-1].snapshots if s.name == name]
    return pl.read_parquet(store.object(name, found.fingerprint))


def test_a_forecast_is_the_pipelines_own_bit_for_bit(
    promoted: Path, packed: Packed, whole: pl.DataFrame
) -> None:
    settings = load_in(promoted, *LENIENT)
    modeling = settings.modeling
    horizon = Horizon(
        panel="discharges",
        features="features",
        time="year",
        entity=modeling.entity,
        target=modeling.target,
        known=[],
        every=1,
    )
    panel = published(promoted, "discharges").lazy()
    rest = horizon.rest(panel, settings.pipeline.stages)
    features = horizon.next_features(panel, rest)
    df = features.sort(modeling.entity)
    own = df.select(modeling.key).hstack(packed.bundle.predictor.predict(df))
    assert own.height > 200
    assert own["year"].unique().to_list() == [2018]
    assert_frame_equal(
        whole.drop_nulls().unique(modeling.key).sort(modeling.key),
        own,
        check_exact=True,
    )
    columns = [*modeling.key, *VALUES]
    snapshot = published(promoted, PREDICTIONS)
    assert_frame_equal(snapshot.select(columns), own, check_exact=True)


def test_rows_come_out_in_the_order_they_went_in(
    packed: Packed, whole: pl.DataFrame
) -> None:
    order = pl.Series(range(packed.rows.height)).shuffle(seed=1)
    assert_frame_equal(
        packed.bundle.forecast(packed.rows[order]), whole[order], check_exact=True
    )


def test_the_rows_of_one_facility_are_completed(
    packed: Packed, whole: pl.DataFrame
) -> None:
    busiest = packed.rows["Facility Id"].mode()[0]
    is_its = packed.rows["Facility Id"] == busiest
    made = packed.bundle.forecast(packed.rows.filter(is_its))
    assert made["prediction"].count() > 10
    assert_frame_equal(made, whole.filter(is_its), check_exact=True)
    only_last = is_its & (packed.rows["Year"] == 2017)
    # Its rows take the place of the context's: other ones, another forecast.
    doubled = packed.rows.filter(only_last).with_columns(pl.col("Mean Charge") * 2)
    assert not packed.bundle.forecast(doubled).equals(whole.filter(only_last))


def test_rows_from_before_the_panel_do_not_become_its_first_year(
    packed: Packed, whole: pl.DataFrame
) -> None:
    busiest = packed.rows["Facility Id"].mode()[0]
    its = packed.rows.filter(pl.col("Facility Id") == busiest)
    early = its.filter(Year=2009).with_columns(pl.lit(2001, pl.Int32).alias("Year"))
    made = packed.bundle.forecast(pl.concat([its, early]))
    assert_frame_equal(
        made.head(its.height),
        whole.filter(packed.rows["Facility Id"] == busiest),
        check_exact=True,
    )


def test_a_new_year_of_all_is_forecast_from(packed: Packed) -> None:
    new = packed.rows.filter(Year=2017).with_columns(
        pl.lit(2018, pl.Int32).alias("Year")
    )
    made = packed.bundle.forecast(new)
    assert made["year"].unique().to_list() == [2019]
    together = pl.concat([packed.rows, new])
    alone = packed.bundle.forecast(together, alone=True).tail(new.height)
    assert_frame_equal(made, alone, check_exact=True)


def test_rows_that_drifted_are_warned_of_by_their_features(packed: Packed) -> None:
    def drifted(rows: pl.DataFrame, times: float) -> str:
        dearer = pl.col("Mean Charge").cast(pl.Float64) * times
        _, warnings = packed.bundle.answer(rows.with_columns(dearer))
        return "".join(w for w in warnings if w.startswith("drifted from the rows"))

    last = packed.rows.filter(pl.col("Year") == 2017)
    warning = drifted(last, 20)
    assert " w_mean_charge_lag1 (" in warning
    assert "discharges" not in warning
    # One facility's rows are distributed as they are; but what was never seen counts.
    busiest = last.filter(pl.col("Facility Id") == last["Facility Id"].mode()[0])
    assert drifted(busiest, 1) == ""
    assert drifted(busiest, 2) == ""
    assert "w_mean_charge_lag1 (100.0% beyond " in drifted(busiest, 10_000)
