"""What a bundle is given is typed, held to the contract, and whole, or is refused."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.config import BaseConfig
from pipeline.contracts.contract import Contract, Range, Rows
from pipeline.errors import ModelError
from pipeline.modeling.bundle.request import checks_of, counting, hold, typed
from pipeline.plan.settings import Stage
from pipeline.transforms import load_transform
from tests.modeling.conftest import Packed

KEY = (
    *("year", "facility_id", "apr_drg_code"),
    *("apr_severity_of_illness_code", "apr_medical_surgical_code"),
)


def test_text_is_read_as_in_a_file(packed: Packed, whole: pl.DataFrame) -> None:
    money = [
        name for name, kind in packed.bundle.record.columns.items() if kind == "money"
    ]
    assert money

    def written(name: str) -> pl.Expr:
        cents = (pl.col(name) * 100).round().cast(pl.Int64)
        digits = (cents // 100).cast(pl.String).str.replace(r"(\d)(\d{3})$", "$1,$2")
        rest = (cents % 100).cast(pl.String).str.zfill(2)
        return pl.concat_str(pl.lit("$"), digits, pl.lit("."), rest).alias(name)

    exact = packed.rows.with_columns((pl.col(money) * 100).round() / 100)
    small = exact.filter(
        pl.all_horizontal(pl.col(money) < 1_000_000), pl.col("Year") == 2017
    )
    text = small.with_columns(written(name) for name in money)
    assert text[money[0]].str.contains(r"^\$\d{1,3},\d{3}\.\d{2}$").any()
    texts = text.with_columns(pl.all().cast(pl.String))
    assert_frame_equal(typed(texts, packed.bundle.record.columns), small)


def changed(rows: pl.DataFrame, row: int, column: str, value: Any) -> pl.DataFrame:
    """Put a text into one cell."""
    text = rows.with_columns(pl.col(column).cast(pl.String))
    text[row, column] = value
    return text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda rows: rows.rename({"Mean Cost": "Mean Costs"}),
            "rows: 1 missing columns: Mean Cost; did you mean 'Mean Costs'?\n",
        ),
        (
            lambda rows: changed(rows, 3, "Mean Cost", "many"),
            "rows: 1 bad values; the first:\n  row 3: Mean Cost: unreadable money,"
            " found 'many'",
        ),
        (
            lambda rows: rows.with_columns(pl.lit(None).alias("Discharges")).head(2),
            "rows: 2 bad values; the first:\n  row 0: Discharges: ",
        ),
        (
            lambda rows: rows.with_columns(pl.col("Year") + 0.5).head(1),
            "rows: 1 bad values; the first:\n  row 0: Year: unreadable code, found 20",
        ),
        (
            lambda rows: rows.head(2).with_columns(pl.lit(True).alias("Discharges")),
            "rows: 2 bad values; the first:\n  row 0: Discharges: unreadable count,"
            " found True\n",
        ),
        (
            lambda rows: changed(rows, 25, "Discharges", str(10**14)),
            "rows: too large to compute with; the farthest from the model's panel:\n"
            "  row 25: Discharges: found 100,000,000,000,000, expected at most about ",
        ),
        (lambda rows: rows.clear(), "bundle: no rows to forecast from"),
        (
            lambda rows: rows.filter(pl.col("Year") < 2016),
            "bundle: rows end in 2015, expected 2017 or later",
        ),
        (
            lambda rows: rows.filter(
                pl.col("Facility Id") == rows[-1, "Facility Id"], Year=2017
            ).with_columns(pl.lit(2018, pl.Int32).alias("Year")),
            "bundle: year 2018 has rows of 1 values of 'facility_id', expected the"
            " whole panel",
        ),
        (
            lambda rows: rows.filter(Year=2017).with_columns(
                pl.lit(2020, pl.Int32).alias("Year")
            ),
            "bundle: no rows of year 2018, 2019: the panel ends in 2017, the rows in"
            " 2020\n",
        ),
        (
            lambda rows: pl.concat([rows, rows[[7]]]),
            "rows: 1 check of 'discharges' failed\n"
            f"  key: expected unique rows by {', '.join(KEY)}, without a null there;"
            " found 1 of 20,630 rows that are not so\n    year 20",
        ),
        (
            lambda rows: changed(rows, 7, "APR Severity of Illness Code", "9"),
            "rows: 1 check of 'discharges' failed\n"
            "  values.apr_severity_of_illness_code: expected"
            " apr_severity_of_illness_code to be one of 0, 1, 2, 3, 4; found 1 of"
            " 20,629 rows that are not so\n    year 20",
        ),
    ],
    ids=[
        *("column", "value", "null", "half a year", "boolean", "too large"),
        *("empty", "early", "part", "gap"),
        *("twice", "contract"),
    ],
)
def test_rows_that_do_not_do_are_one_clear_error(
    packed: Packed, spoil: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    with pytest.raises(ModelError) as error:
        packed.bundle.forecast(spoil(packed.rows))
    assert str(error.value).startswith(message)


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Take what was warned of, but for drift: few rows, whose charges rise, have it."""
    return [text for text in caplog.messages if not text.startswith("drifted from the")]


def test_of_a_whole_panel_what_breaks_the_contract_is_warned_of(
    packed: Packed, whole: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    made = packed.bundle.forecast(packed.rows, alone=True)
    assert_frame_equal(made, whole, check_exact=True)
    assert warned(caplog) == []
    packed.bundle.forecast(pl.concat([packed.rows, packed.rows[[7]]]), alone=True)
    row = packed.rows.row(7, named=True)
    [message] = warned(caplog)
    assert message.startswith("rows that break 'discharges':\n  key: expected unique")
    assert f"\n    year {row['Year']}, facility_id {row['Facility Id']}, " in message


def test_what_a_contract_says_of_columns_and_number_of_rows_is_not_held_to() -> None:
    contract = Contract(
        columns={"gone": "Int64"},
        required=["gone"],
        rows=Rows(exact=9),
        ranges={"n": Range(max=1)},
        warn=["rows.exact", "required", "ranges"],
    )
    product = load_transform("product")
    stage = Stage("s", product, ("source",), BaseConfig(), "wards", ("id",))
    panel = pl.DataFrame({"id": [2, 1], "n": [1, 3]})
    checks = checks_of(stage, contract, panel.schema)
    counts = counting(stage, checks)(panel)
    assert hold(panel, counts, stage, checks, only_warn=False) == [
        "rows that break 'wards':\n  ranges.n: expected n <= 1; found 1 of 2 rows that"
        " are not so\n    id 1, n 3"
    ]


def test_a_part_of_a_clusters_year_is_warned_of(
    packed: Packed, caplog: pytest.LogCaptureFixture
) -> None:
    last = packed.rows.filter(Year=2017)
    sizes = last["Facility Id"].value_counts(sort=True).head(5).rows()
    largest = [facility for facility, _ in sizes]
    rows = last.filter(pl.col("Facility Id").is_in(largest))
    first = pl.int_range(pl.len()).over("Facility Id")
    share = first < pl.len().over("Facility Id") * 0.81
    packed.bundle.forecast(rows.filter(share))
    assert warned(caplog) == []
    packed.bundle.forecast(rows.filter(first < 5))
    shown = "; ".join(
        f"'facility_id' {facility}: 5 rows of 2017, {n:,} in the bundle's panel"
        for facility, n in sorted(sizes)[:3]
    )
    assert warned(caplog) == [
        f"{shown}; and 2 more: a period that is given counts as given whole"
    ]


def test_a_new_year_of_a_part_is_warned_of(
    packed: Packed, caplog: pytest.LogCaptureFixture
) -> None:
    new = packed.rows.filter(Year=2017).with_columns(
        pl.lit(2018, pl.Int32).alias("Year")
    )
    n, n_of = new["Facility Id"].n_unique(), f"{new.height:,}"
    packed.bundle.forecast(packed.rows.filter(pl.col("Facility Id") == 4815))
    packed.bundle.forecast(new)
    assert warned(caplog) == []
    third = new.filter(pl.col("Facility Id").rank("dense") % 3 != 0)
    few = new.group_by("Facility Id", maintain_order=True).head(9)
    for part, alone in ((third, False), (few, False), (third, True)):
        rows = pl.concat([packed.rows, part]) if alone else part
        packed.bundle.forecast(rows, alone=alone)
        k = part["Facility Id"].n_unique()
        [message] = warned(caplog)
        assert message.startswith(
            f"year 2018 has rows of {k} values of 'facility_id', {part.height:,} in"
            " all;"
            f" 2017 had {n} and {n_of}."
        )
        caplog.clear()
