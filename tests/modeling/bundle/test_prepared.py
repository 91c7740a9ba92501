"""What was made beforehand changes no bit of an answer, and says where it cannot."""

from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.modeling.bundle.bundle import Bundle
from tests.modeling.conftest import Packed

FACILITY, DRG = "Facility Id", "APR DRG Code"


@pytest.fixture(scope="module")
def ready(packed: Packed) -> Bundle:
    """The bundle, with what requests need made beforehand."""
    return packed.bundle.prepare()


def of(rows: pl.DataFrame, n: int, year: int = 2017) -> pl.DataFrame:
    """The rows of the n-th largest facility in a year."""
    last = rows.filter(pl.col("Year") == 2017)
    largest = last.group_by(FACILITY).len().sort("len", FACILITY, descending=True)
    return rows.filter(pl.col(FACILITY) == largest[n, 0], pl.col("Year") == year)


REQUESTS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "a facility as it was": lambda rows: of(rows, 0),
    "one row of it": lambda rows: of(rows, 0).head(1),
    "other values": lambda rows: of(rows, 1).with_columns(
        pl.col("Discharges") * 7, pl.col("Median Charge") * 1.37
    ),
    "two, shuffled": lambda rows: pl.concat([of(rows, 2), of(rows, 5)]).sample(
        fraction=1, shuffle=True, seed=1
    ),
    "two years": lambda rows: pl.concat([of(rows, 3, 2016), of(rows, 3)]),
    "a facility never seen": lambda rows: of(rows, 1).with_columns(
        pl.lit(99_999, pl.Int32).alias(FACILITY)
    ),
    "one known, one not": lambda rows: pl.concat(
        [
            of(rows, 4),
            of(rows, 1).with_columns(pl.lit(99_999, pl.Int32).alias(FACILITY)),
        ]
    ),
    "from before the panel": lambda rows: pl.concat(
        [of(rows, 0), of(rows, 0).with_columns(pl.lit(2001, pl.Int32).alias("Year"))]
    ),
}


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_of_a_few_clusters_is_answered_the_short_way_to_the_bit(
    packed: Packed, ready: Bundle, asked: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    rows = asked(packed.rows)
    made, warnings = ready.answer(rows)
    whole, of_whole = packed.bundle.answer(rows)
    assert_frame_equal(made, whole, check_exact=True)
    assert warnings == of_whole
    given = ready.panel_of(rows).filter(pl.col("year") > 2008)
    assert ready.prepared
    assert ready.prepared.features(given) is not None
    assert not any(step.frames.filled for step in ready.prepared.steps)


def test_what_changes_a_fact_of_all_others_goes_the_long_way(
    packed: Packed, ready: Bundle
) -> None:
    # A category that was rare in the panel's first year is not any more.
    rows = of(packed.rows, 0, 2009).with_columns(pl.col("Discharges") * 1000)
    rows = pl.concat([rows, of(packed.rows, 0)])
    assert ready.prepared
    assert ready.prepared.features(ready.panel_of(rows)) is None
    made, _ = ready.answer(rows)
    assert_frame_equal(made, packed.bundle.answer(rows)[0], check_exact=True)


def test_the_panel_is_held_once(ready: Bundle) -> None:
    assert ready.prepared is not None
    assert ready.context is ready.prepared.rows


def test_most_of_the_panel_goes_the_long_way(packed: Packed, ready: Bundle) -> None:
    assert ready.prepared
    assert ready.prepared.features(ready.panel_of(packed.rows)) is None


def test_a_stage_that_says_nothing_of_its_rows_leaves_no_short_way(
    packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    [rest] = packed.bundle.rest
    transform = rest.nodes["lag_columns"].stage.transform
    monkeypatch.setitem(transform.__dict__, "split", None)
    assert packed.bundle.prepare().prepared is None
