from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.init import Unsure, Wishes
from tests.init.tables import DAYS, MONTHS, chosen, panel


def without(days: list[date], *left_out: int) -> list[date]:
    return [day for n, day in enumerate(days) if n not in left_out]


def test_gaps_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    spans = {"a": MONTHS, "b": without(MONTHS, 5, 6), "c": MONTHS[7:], "d": MONTHS[:1]}
    rows = [f"{m},{u},{m.month % 5}" for u, months in spans.items() for m in months]
    file.write_text("\n".join(["month,unit,sold", *rows]))
    found = chosen(file)
    assert (found.n_absent, found.n_short, found.n_missing) == (2, 1, 0)
    assert (found.n_entities, found.n_periods) == (4, 40)


def test_periods_that_no_entity_has_are_named(tmp_path: Path) -> None:
    found = chosen(panel(tmp_path / "a.csv", without(MONTHS, 5, 6)))
    assert found.missing == [date(2018, 6, 1), date(2018, 7, 1)]
    assert (found.n_missing, found.n_absent, found.is_by_row) == (2, 0, False)


def test_of_days_without_weekends_the_past_is_counted_in_rows(tmp_path: Path) -> None:
    found = chosen(panel(tmp_path / "a.csv", [d for d in DAYS if d.weekday() < 5]))
    assert (found.every, found.n_missing, found.missing) == ("1d", 26, [])
    assert found.is_by_row


def test_rows_without_the_target_are_none(tmp_path: Path) -> None:
    file = panel(
        tmp_path / "a.csv", MONTHS, amount=lambda i, t: "NA" if t == 5 else t % 7 + i
    )
    assert chosen(file).missing == [date(2018, 6, 1)]


def test_a_sliver_at_an_end_is_named(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS, range(120))
    file.write_text(f"{file.read_text()}2021-05-01,7,3\n")
    assert chosen(file, "columns.unit=label").sparse == [date(2021, 5, 1)]


def test_a_longer_period_makes_one_row_of_several(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", [*DAYS, *(date(2020, m, 1) for m in range(4, 9))])
    found = chosen(file, wishes=Wishes(every="1mo"))
    assert (found.is_resampled, found.n_periods) == (True, 8)


def test_events_are_of_what_is_named(tmp_path: Path) -> None:
    # Twice on a day, so that nothing makes rows unique.
    days = [*DAYS, *DAYS]
    found = chosen(panel(tmp_path / "a.csv", days), wishes=Wishes(every="1w"))
    assert (found.entity, found.target, found.is_resampled) == (
        ["unit"],
        "amount",
        True,
    )
    assert found.choices[1].sure == "likely"
    assert found.choices[3].saw.endswith(", the sum of several rows")


@pytest.mark.parametrize("n", [2, 5])
def test_a_short_history_is_refused(tmp_path: Path, n: int) -> None:
    with pytest.raises(ConfigError, match=rf"history too short.*\nfound: {n} periods"):
        chosen(panel(tmp_path / "a.csv", MONTHS[:n]))


def wide(file: Path, values: tuple[str, ...] = ("",)) -> Path:
    names = [f"{value}{year}" for value in values for year in range(2000, 2010)]
    rows = [
        ",".join(
            [f"c{i}", *(str((i * 7 + n * 3) % 11 + 0.5) for n in range(len(names)))]
        )
        for i in range(8)
    ]
    file.write_text("\n".join([",".join(["country", *names]), *rows]))
    return file


def test_a_wide_table_has_its_time_in_its_names(tmp_path: Path) -> None:
    found = chosen(wide(tmp_path / "a.csv"))
    assert (found.time, found.entity, found.target) == ("year", ["country"], "value")
    assert (found.every, found.n_entities, found.n_periods) == (1, 8, 10)
    said = chosen(tmp_path / "a.csv", wishes=Wishes(target="gdp", time="when"))
    assert (said.time, said.target) == ("when", "gdp")


def test_a_wide_table_of_two_values_is_a_question(tmp_path: Path) -> None:
    file = wide(tmp_path / "a.csv", ("gdp_", "pop_"))
    with pytest.raises(Unsure, match="columns of 2 values are named") as error:
        chosen(file)
    assert (error.value.what, error.value.options) == ("target", ["gdp", "pop"])
    assert chosen(file, wishes=Wishes(target="pop")).target == "pop"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["day,sold", *(f"{day},{n}" for n, day in enumerate(DAYS))], "single series"),
        (["id,year,sold", *(f"{n},2020,{n % 7}" for n in range(60))], "one period"),
        (
            ["id,year,grade", *(f"{n % 9},{2000 + n // 9},B" for n in range(90))],
            "no column can be a target",
        ),
    ],
)
def test_what_is_no_panel_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text("\n".join(rows))
    with pytest.raises(ConfigError, match=said):
        chosen(file)
