from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

from pipeline.errors import ConfigError, SourceError
from tests.init.tables import DAYS, MONTHS, panel, surveyed


def test_all_rows_are_looked_at(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", DAYS, amount=lambda i, t: i * 100 - t)
    seen = surveyed(file)
    assert seen.n_rows == 270
    amount = seen.columns["amount"]
    assert (amount.kind, amount.low, amount.high) == ("integer", -89, 200)
    assert seen.times["when"].max() == date(2020, 3, 30)
    assert seen.names["unit"].n_unique() == 3


@pytest.mark.parametrize(
    ("late", "kind", "n_null", "n_bad"),
    [("1.5", "number", 0, 0), ("", "integer", 1, 0), ("many", "integer", 0, 1)],
)
def test_what_comes_late_counts(
    tmp_path: Path, late: str, kind: str, n_null: int, n_bad: int
) -> None:
    # Behind the rows that tell the kinds.
    days = [*DAYS] * 200
    file = panel(
        tmp_path / "a.csv",
        days,
        "a",
        amount=lambda i, t: late if t == len(days) - 1 else t % 7,
    )
    amount = surveyed(file).columns["amount"]
    assert (amount.kind, amount.n_null, amount.n_bad) == (kind, n_null, n_bad)


@pytest.mark.parametrize("suffix", ["parquet", "xlsx", "jsonl"])
def test_any_kind_of_file_shows_the_same(tmp_path: Path, suffix: str) -> None:
    csv = panel(tmp_path / "a.csv", MONTHS)
    rows = pl.read_csv(csv, try_parse_dates=True)
    file = tmp_path / f"a.{suffix}"
    match suffix:
        case "parquet":
            rows.write_parquet(file)
        case "xlsx":
            rows.write_excel(file)
        case _:
            rows.write_ndjson(file)
    seen, expected = surveyed(file), surveyed(csv)
    assert seen.columns == expected.columns
    assert seen.times.equals(expected.times)


def test_files_of_the_same_columns_are_one_table(tmp_path: Path) -> None:
    files = [panel(tmp_path / f"{n}.csv", MONTHS) for n in (1, 2)]
    seen = surveyed(*files)
    assert (seen.source["path"], seen.n_rows) == ("*.csv", 240)
    panel(files[1], MONTHS, names="when,shop,amount")
    with pytest.raises(
        SourceError, match=r"2.csv: other columns than 1.csv(.|\n)*sources:"
    ):
        surveyed(*files)


def test_columns_that_cannot_be_told_apart_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("when,unit,x,x,\n2020,a,1,2,3\n2021,a,2,3,4\n")
    seen = surveyed(file)
    assert list(seen.columns) == ["when", "unit"]
    assert seen.left_out == {"x": "there twice"}


def test_a_title_above_the_table_is_no_header(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("Sales, of all\n\nyear;unit;x\n2020;a;1,5\n2021;a;2,25\n")
    seen = surveyed(file)
    assert list(seen.columns) == ["year", "unit", "x"]
    assert seen.source["decimal"] == ","


def test_blank_lines_and_totals_are_no_rows(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS)
    lines = file.read_text().splitlines()
    blank = [*lines[:9], "", ",,", *lines[9:], "", ""]
    file.write_text("\n".join(blank))
    seen = surveyed(file)
    assert (seen.n_rows, seen.columns["amount"].n_null) == (120, 0)
    file.write_text("\n".join([*lines, "Total,,1300", "of 3 units", ""]))
    seen = surveyed(file)
    assert (seen.n_rows, seen.source["skip_footer"]) == (120, 2)
    assert seen.columns["when"].kind == "date"


def test_values_in_place_of_names_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("2020-01-01,a,1\n2020-02-01,a,2\n")
    with pytest.raises(SourceError, match=r"names no columns\nfound: 2020-01-01, a, 1"):
        surveyed(file)
    words = ("source.header=false", "columns.day=date", "columns.unit=label")
    seen = surveyed(file, words=(*words, "columns.sold=integer"))
    assert (list(seen.columns), seen.n_rows) == (["day", "unit", "sold"], 2)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("source.sheets=1", "source.sheets"),
        ("panel.time=when", "expected source.NAME or columns.NAME"),
        ("columns.wen=date", r"no such column; did you mean 'when'\?"),
        ("columns.when=dates", "columns.when"),
    ],
)
def test_settings_that_lead_nowhere_are_refused(
    tmp_path: Path, word: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        surveyed(panel(tmp_path / "a.csv", MONTHS), words=(word,))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        surveyed(file)
    file = tmp_path / "a.csv"
    file.write_text('year,unit,x\n2015,a,1\n2016,"a,1\n2017,a,2\n')
    with pytest.raises(SourceError, match="a quote opened on line 3 is not closed"):
        surveyed(file)


def test_moments_of_a_zone_are_those_of_utc(tmp_path: Path) -> None:
    first, last = datetime(2022, 3, 1), datetime(2022, 3, 9)
    at = pl.datetime_range(first, last, "1h", time_zone="Europe/Berlin", eager=True)
    rows = pl.DataFrame({"at": at, "mw": range(at.len())}).with_columns(
        plant=pl.lit("A")
    )
    rows.write_parquet(tmp_path / "a.parquet")
    seen = surveyed(tmp_path / "a.parquet")
    in_utc = datetime(2022, 2, 28, 23, tzinfo=UTC)
    assert seen.times["at"][0] == in_utc
    assert seen.columns["at"].low == in_utc


def of_sheets(file: Path, **sheets: list[tuple[object, ...]]) -> Path:
    with xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for n, row in enumerate(rows):
                sheet.write_row(n, 0, row)
    return file


SALES: list[tuple[object, ...]] = [
    ("month", "shop", "sold"),
    *((month, shop, month.month) for shop in "ab" for month in MONTHS),
]


@pytest.mark.parametrize("title", [[], [("Sales of all shops",)]])
def test_behind_a_cover_there_are_other_sheets(
    tmp_path: Path, title: list[tuple[object, ...]]
) -> None:
    file = of_sheets(tmp_path / "a.xlsx", Cover=title, Sales=SALES)
    with pytest.raises(SourceError, match=r"source\.sheet=NAME.* 'Sales'"):
        surveyed(file)
    assert surveyed(file, words=("source.sheet=Sales",)).n_rows == 80


def test_totals_of_a_sheet_are_shown(tmp_path: Path) -> None:
    file = of_sheets(tmp_path / "a.xlsx", Sales=[*SALES, ("Total", None, 520)])
    with pytest.raises(
        SourceError, match=r"1 row below the table\nfound: Total, 520\n"
    ):
        surveyed(file)
