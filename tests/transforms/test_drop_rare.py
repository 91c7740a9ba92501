import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.transforms.drop_rare import Config, drop_rare

SCHEMA = {"month": pl.Int64, "product": pl.String, "n_sold": pl.Int64}


def config(**changes: object) -> Config:
    """Keep the products that sold more than 10, in all months."""
    settings = Config(
        category="product",
        weight="n_sold",
        time="month",
        every=1,
        min_total=10,
        reference_periods=None,
    )
    return msgspec.structs.replace(settings, **changes)


def kept(rows: list[tuple], settings: Config) -> set[str | None]:
    """Name the products that are left."""
    lf = pl.LazyFrame(rows, schema=SCHEMA, orient="row")
    return set(drop_rare(lf, settings).collect()["product"])


def test_the_threshold_itself_goes_and_one_more_stays() -> None:
    lf = pl.LazyFrame(
        {
            "drg": [1, 2, 2, 3],
            "year": [2009, 2009, 2010, 2009],
            "discharges": [5000, 5000, 1, 1],
        }
    )
    settings = Config(
        category="drg",
        weight="discharges",
        time="year",
        every=1,
        min_total=5000,
        reference_periods=None,
    )
    expected = lf.filter(pl.col("drg") == 2)
    assert_frame_equal(drop_rare(lf, settings), expected, check_row_order=False)


def test_every_row_of_a_kept_category_is_kept_with_its_values() -> None:
    rows = [(1, "a", 9), (2, "a", 0), (2, "a", 2), (2, "a", 2), (3, "a", None)]
    lf = pl.LazyFrame([*rows, (1, "b", 1)], schema=SCHEMA, orient="row")
    expected = pl.LazyFrame(rows, schema=SCHEMA, orient="row")
    assert_frame_equal(drop_rare(lf, config()), expected, check_row_order=False)


@pytest.mark.parametrize(
    ("reference_periods", "expected"),
    [(1, {"early"}), (2, {"early", "both"}), (3, {"early", "both", "late"})],
)
def test_only_the_first_periods_are_counted(
    reference_periods: int, expected: set[str]
) -> None:
    rows = [
        *[(7, "early", 11), (9, "early", 0)],
        *[(7, "both", 10), (8, "both", 1)],
        *[(7, "late", 1), (9, "late", 99)],
    ]
    assert kept(rows, config(reference_periods=reference_periods)) == expected


def test_the_window_starts_with_the_panel_and_not_with_the_category() -> None:
    rows = [(1, "first", 11), (2, "second", 99)]
    assert kept(rows, config(reference_periods=1)) == {"first"}


@pytest.mark.parametrize(
    "later",
    [[], [(3, "rare", 10**6)], [(3, "new", 10**6), (4, "common", 0)]],
    ids=["none", "a-rare-one-grows", "a-new-one"],
)
def test_later_periods_do_not_change_what_is_kept(later: list[tuple]) -> None:
    rows = [(1, "common", 11), (1, "rare", 1), (2, "rare", 99)]
    assert kept(rows + later, config(reference_periods=1)) == {"common"}


def test_a_null_category_goes() -> None:
    assert kept([(1, None, 99), (1, "a", 11)], config()) == {"a"}


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r">= 0.*min_total"):
        msgspec.convert(msgspec.to_builtins(config(min_total=-1)), Config)
