"""Days, weeks, quarters and moments are what their text says, or nothing."""

from datetime import date, datetime

import polars as pl
import pytest

from pipeline.sources.dates import OFFSET, read_date, read_datetime, reads_its_own

at = datetime.fromisoformat


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2016-02-29", None, date(2016, 2, 29)),
        ("2015-02-29", None, None),
        ("2015-1-5", None, date(2015, 1, 5)),
        ("2015-01-05T00:00:00.000", None, date(2015, 1, 5)),
        ("2015-01-05 00:01", None, None),
        ("2020-W53", "%G-W%V", date(2020, 12, 28)),
        ("2015-W01", "%G-W%V", date(2014, 12, 29)),
        ("2014-W53", "%G-W%V", None),
        ("2015-W05-3", "%G-W%V-%u", date(2015, 1, 28)),
        ("2015Q1", "%YQ%q", date(2015, 1, 1)),
        ("Q4 2015", "Q%q %Y", date(2015, 10, 1)),
        ("2015Q5", "%YQ%q", None),
        ("2015Q10", "%YQ%q", None),
        ("02/2015", "%m/%Y", date(2015, 2, 1)),
        ("2015 060", "%Y %j", date(2015, 3, 1)),
        ("31.12.99", "%d.%m.%y", date(1999, 12, 31)),
        ("1.1.99", "%d.%m.%Y", None),
    ],
)
def test_date_is_the_first_day_of_what_is_written(
    text: str, form: str | None, expected: date | None
) -> None:
    assert pl.select(read_date(pl.lit(text), form)).item() == expected


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2015-01-31", None, at("2015-01-31")),
        ("2015-01-31T12:30:15.000001", None, at("2015-01-31T12:30:15.000001")),
        ("2015-01-31 12:30:15.1234560", None, at("2015-01-31T12:30:15.123456")),
        ("2015-01-31 12:30:15.1234567", None, None),
        ("2015-01-31 12:30Z", None, None),
        ("2015-01-31 12:30", OFFSET, None),
        ("2015-01-31 12:30-0330", OFFSET, at("2015-01-31T16:00+00:00")),
        ("2016-12-31T23:59:60Z", OFFSET, None),
        ("31/01/2015 12:30 +0100", "%d/%m/%Y %H:%M %z", at("2015-01-31T11:30+00:00")),
        ("31/01/15 12:30", "%d/%m/%Y %H:%M", None),
    ],
)
def test_moment_is_in_utc_by_its_offset_or_has_no_zone(
    text: str, form: str | None, expected: datetime | None
) -> None:
    assert pl.select(read_datetime(pl.lit(text), form)).item() == expected


@pytest.mark.parametrize(
    ("form", "of_date", "of_time"),
    [
        ("%d/%m/%Y", True, True),
        ("%Y-%m", True, True),
        ("Q%q %Y", True, False),
        ("%Y-%q", False, False),  # not told from a month
        ("%G-W%V", True, False),
        ("%d/%m/%Y %H:%M", False, True),
        ("%d/%m/%Y %H:%M%z", False, True),
        ("%d/%m/%Y %H", False, False),
        ("%d/%m", False, False),
        ("dd/mm/yyyy", False, False),
        ("%Q", False, False),
        (OFFSET, False, True),
    ],
)
def test_format_must_read_what_it_writes(
    form: str, of_date: bool, of_time: bool
) -> None:
    assert reads_its_own(form, is_time=False) == of_date
    assert reads_its_own(form, is_time=True) == of_time
