"""What holds of every transformation on a panel: order, and what lies ahead."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.panel.periods import later, moved, number
from tests.transforms.panels import SETTINGS, inputs_of, panel, stage_of

OF_THE_PAST = [name for name, values in SETTINGS.items() if "lag" in values]
CUT = date(2024, 1, 15)


def result(name: str, df: pl.DataFrame, **changes: object) -> pl.DataFrame:
    """Apply a transformation; its rows sorted."""
    inputs = [of.lazy() for of in inputs_of(name, df)]
    return stage_of(name, **changes).apply(*inputs).collect().sort(pl.all())


def past_of(
    name: str, df: pl.DataFrame, columns: list[str], lag: int, ahead: int
) -> pl.DataFrame:
    """Take what is made of the past, of the rows up to the last that sees none else."""
    inputs = [of.lazy() for of in inputs_of(name, df)]
    stage = stage_of(name, lag=lag, ahead=ahead)
    config: Any = stage.config
    until = later(CUT, ahead - 1, config.every)
    made = stage.apply(*inputs).filter(pl.col("day") <= until)
    return made.sort("unit", "day").select(columns).collect()


@pytest.mark.parametrize("name", SETTINGS)
def test_the_order_of_rows_changes_no_bit(name: str) -> None:
    df = panel()
    expected = result(name, df)
    assert expected.height
    for seed in range(3):
        shuffled = df.sample(fraction=1, shuffle=True, seed=seed)
        assert_frame_equal(result(name, shuffled), expected, check_exact=True)


@pytest.mark.parametrize("name", OF_THE_PAST)
def test_another_future_is_the_same_past_but_where_its_own_period_is_asked_for(
    name: str,
) -> None:
    is_ahead = pl.col("day") >= CUT
    other = panel().with_columns(
        pl.when(is_ahead).then(2 * pl.col(c) + 7).otherwise(c).alias(c) for c in "nx"
    )
    for lag, ahead in ((0, 1), (1, 1), (2, 1), (1, 3), (2, 2)):
        stage = stage_of(name, lag=lag)
        assert stage.transform.past
        past = stage.transform.past(stage.config)
        added = set(result(name, panel(), lag=lag).columns) - set(panel().columns)
        assert set(past) == (added if lag else set())
        one, two = (
            past_of(name, df, sorted(added), lag, ahead) for df in (panel(), other)
        )
        assert one.equals(two) == (lag > 0)
        assert not one.select(pl.all_horizontal(pl.all().is_null().all())).item()


@pytest.mark.parametrize("name", OF_THE_PAST)
def test_what_is_known_three_ahead_is_what_was_known_one_ahead_two_before(
    name: str,
) -> None:
    config: Any = stage_of(name).config
    one, three = (result(name, panel(40), ahead=n, every="1w") for n in (1, 3))
    by, added = [*config.keys, "day"], sorted({*one.columns} - {*panel().columns})
    day = moved("day", 2, "1w", pl.Date())
    before = one.select(*config.keys, day, *added).unique()
    both = three.join(before, on=by, suffix="_before")
    assert both.height > 20
    for column in added:
        assert both[column].equals(both[f"{column}_before"].alias(column)), column


LOOKING = [n for n in SETTINGS if stage_of(n).transform.lookback]


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.parametrize("ahead", [1, 3])
def test_what_lies_beside_the_lookback_changes_nothing(name: str, ahead: int) -> None:
    changes: dict[str, object] = {} if name == "resample" else {"ahead": ahead}
    stage = stage_of(name, **changes)
    config: Any = stage.config
    assert stage.transform.lookback
    looks = stage.transform.lookback(config)
    period = number("day", config.every, pl.Date())
    cut = panel().filter(pl.col("day") <= CUT).select(period.max()).item()
    made = result(name, panel(), **changes).filter(period == cut)
    assert made.height
    for look in {*looks.values()}:
        columns = [column for column, of in looks.items() if of == look]
        back = cut - period
        is_in = (
            (back >= look[0]) & (back <= look[-1]) & ((back - look[0]) % look.step == 0)
        )
        other = panel().with_columns(
            pl.when(is_in).then(c).otherwise(2 * pl.col(c) + 7).alias(c) for c in "nx"
        )
        again = result(name, other, **changes).filter(period == cut)
        key = [c for c in ("unit", "kind", "day") if c in made.columns]
        assert_frame_equal(
            made.select(*key, *columns).sort(key),
            again.select(*key, *columns).sort(key),
        )
