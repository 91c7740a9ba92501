from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError
from pipeline.init import Unsure, Wishes
from pipeline.init.time import choose_time, guess_every, is_on_grid
from pipeline.panel.periods import Every
from tests.init.tables import DAYS, MONTHS, chosen, panel, surveyed

MOMENT = datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("times", "every"),
    [
        ([2000, 2001, 2003], 1),
        ([1950, 1955, 1960], 5),
        ([date(2000 + n, 1, 1) for n in range(5)], "1y"),
        ([date(2000 + n, 12, 31) for n in range(5)], "1y"),
        ([date(2020, m, 1) for m in (1, 4, 7, 10)], "1q"),
        (MONTHS[:5], "1mo"),
        ([date(2020, m, 1) for m in (1, 3, 5)], "2mo"),
        ([DAYS[7 * n] for n in range(5)], "1w"),
        ([DAYS[14 * n] for n in range(4)], "2w"),
        (DAYS, "1d"),
        ([day for day in DAYS if day.weekday() < 5], "1d"),
        ([MOMENT + timedelta(hours=n) for n in range(50)], "1h"),
        ([MOMENT + timedelta(hours=6 * n) for n in range(50)], "6h"),
        ([MOMENT + timedelta(hours=6 + 24 * n) for n in range(50)], "1d"),
        ([MOMENT + timedelta(minutes=15 * n) for n in range(50)], None),
    ],
)
def test_the_distances_of_times_tell_the_period(
    times: list[object], every: Every | None
) -> None:
    assert guess_every(pl.Series(times)) == every


@pytest.mark.parametrize(
    ("times", "every", "is_it"),
    [
        (MONTHS, "1mo", True),
        ([date(2020, 1, 31), date(2020, 2, 29)], "1mo", False),
        (DAYS[::7], "1w", True),
        ([*DAYS[:8]], "1w", False),
        ([MOMENT + timedelta(hours=6)], "1d", True),
        ([MOMENT, MOMENT + timedelta(minutes=30)], "1h", False),
    ],
)
def test_times_may_be_those_of_their_periods(
    times: list[object], every: Every, is_it: bool
) -> None:
    assert is_on_grid(pl.Series(times), every) is is_it


def test_a_date_tells_more_than_its_year(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [
        f"{day.year},{day},{u},{n % 5}" for u in "ab" for n, day in enumerate(MONTHS)
    ]
    file.write_text("\n".join(["year,day,unit,sold", *rows]))
    assert choose_time(surveyed(file))[0] == "day"


def test_two_times_are_a_question(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{day},{day + timedelta(days=n)},{n}" for n in (1, 2) for day in DAYS]
    file.write_text("\n".join(["ordered,shipped,unit", *rows]))
    with pytest.raises(
        Unsure, match=r"2 columns may tell time\nfound: ordered"
    ) as error:
        choose_time(surveyed(file))
    assert (error.value.what, error.value.options) == ("time", ["ordered", "shipped"])
    assert choose_time(surveyed(file), "shipped")[0] == "shipped"


def test_without_time_there_is_no_panel(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("unit,amount\na,1\nb,2\n")
    with pytest.raises(Unsure, match=r"no column tells time\nfound: unit \(label\)"):
        choose_time(surveyed(file))
    with pytest.raises(
        ConfigError, match="--time unit: a label, which tells no period"
    ):
        choose_time(surveyed(file), "unit")


def test_one_time_is_no_past(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"one period\nfound: when 2020-01-01"):
        choose_time(surveyed(panel(tmp_path / "a.csv", DAYS[:1])))


@pytest.mark.parametrize(
    ("every", "text"),
    [("1d", r"no two times are one period apart\n.*1mo apart"), ("9y", "one period")],
)
def test_a_length_that_does_not_fit_is_refused(
    tmp_path: Path, every: str, text: str
) -> None:
    file = panel(tmp_path / "a.csv", MONTHS)
    with pytest.raises(ConfigError, match=text):
        chosen(file, wishes=Wishes(every=every))


def test_times_at_random_are_a_question(tmp_path: Path) -> None:
    days = [date(2020, 1, 1) + timedelta(days=n * n) for n in range(20)]
    with pytest.raises(Unsure, match=r"no fixed time apart(.|\n)*--every") as error:
        chosen(panel(tmp_path / "a.csv", days))
    assert error.value.what == "every"


def test_minutes_are_a_question(tmp_path: Path) -> None:
    times = [MOMENT + timedelta(minutes=15 * n) for n in range(200)]
    file = panel(tmp_path / "a.csv", times)
    with pytest.raises(Unsure, match="0:15:00 apart"):
        chosen(file)
    found = chosen(file, wishes=Wishes(every="1h"))
    assert (found.every, found.n_periods, found.is_resampled) == ("1h", 50, True)
