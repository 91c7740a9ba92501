"""What is asked, and what is said of a question that has no answer."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import LineageError, PipelineError, SnapshotError
from pipeline.plan.settings import load_settings
from pipeline.snapshots.store import open_store
from pipeline.why.why import equals, tell_apart, why
from tests.why.conftest import Shop


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("feature", "price"), "no snapshot 'feature'; did you mean 'features'"),
        (("quarantine", "file"), "no stage makes 'quarantine'"),
        (("features",), "which column of 'features'?"),
        (("features", "w_prise_lag1"), "no column 'w_prise_lag1'; did you mean"),
        (("features", "w_price", "rank"), "expected one column, found w_price, rank"),
        (("features", "itme=1", "rank"), "'itme' is no column of 'features'; did you"),
        (("features", "rank=1", "w_price"), "'rank' is not of the key of 'features'"),
        (("features", "item=one", "rank"), "item: expected Int32, found 'one'"),
        (
            ("features", "store=S1", "item=3", "rank"),
            "lacking of the key: year\nhint: say also, as for the first of them, year=",
        ),
        (
            ("features", "store=S1", "item=3", "year=1999", "rank"),
            "no row of store=S1 item=3 year=1999\nhint: of store=S1 item=3, year is 20",
        ),
    ],
)
def test_a_question_without_an_answer(
    shop: Shop, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(LineageError) as error:
        shop.why(*words)
    assert said in str(error.value)


def test_settings_are_told_from_the_key(shop: Shop) -> None:
    words = ["features", "item=2", "common.min_total=3", "source=csv", "yaer=1", "rank"]
    asked, settings = tell_apart(shop.run, words)
    assert asked == ["features", "item=2", "yaer=1", "rank"]
    assert settings == ("common.min_total=3", "source=csv")


def test_what_the_plan_or_the_source_of_now_would_not_make_is_not_explained(
    shop: Shop, tmp_path: Path
) -> None:
    root = shutil.copytree(shop.settings.root, tmp_path / "p", symlinks=True)
    row = shop.rows("features").drop_nulls("w_price_lag1").row(0, named=True)
    words = [*(f"{k}={row[k]}" for k in ("store", "item", "year")), "w_price_lag1"]

    def refused(*overrides: str) -> PipelineError:
        settings = load_settings(root, overrides=overrides)
        with pytest.raises(SnapshotError, match="`just run` makes it anew") as error:
            why(settings, open_store(root), shop.run, "features", words)
        return error.value

    assert "changed: stage 'common'\n" in str(refused("common.min_total=41"))
    with (root / "sales.csv").open("a") as file:
        file.write("2010,S1,1,1,5,4.5\n")
    assert "changed: sales.csv\n" in str(refused())
    [features] = [s for s in shop.run.snapshots if s.name == "panel"]
    (root / "sales.csv").write_bytes((shop.settings.root / "sales.csv").read_bytes())
    open_store(root).object(*features.object).unlink()
    with pytest.raises(SnapshotError, match="'panel' is gone or damaged\nhint: `just"):
        why(load_settings(root), open_store(root), shop.run, "features", words)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2015-03-01", pl.Series([None]).cast(pl.Date)),
        ("7", pl.Series([7], dtype=pl.Int8)),
        ("1.5", pl.Series([1.5])),
        ("a b", pl.Series(["a b"])),
        ("true", pl.Series([True])),
        ("2015-03-01 12:00", pl.Series(["2015-03-01 12:00"]).str.to_datetime()),
        ("null", pl.Series([None], dtype=pl.String)),
    ],
)
def test_values_are_read_by_the_dtype_of_their_column(
    text: str, value: pl.Series
) -> None:
    if value.dtype == pl.Date:
        value = pl.Series(["2015-03-01"]).str.to_date()
    assert value.to_frame("v").filter(equals("v", text, value.dtype)).height == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("stall=Ann", "year=2012", "sold"),
            "set aside, which may be why: stalls.csv:4 Sold 'many'",
        ),
        (("stall=Anna", "year=2013", "sold"), "no row has stall=Anna; did you mean"),
        (("stall=Ann", "stall=Bob", "sold"), "stall is given 2 times, expected once"),
    ],
)
def test_a_key_without_a_row_is_led_to_what_there_is(
    stalls: Shop, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(LineageError) as error:
        stalls.why("stalls", *words)
    assert said in str(error.value)
