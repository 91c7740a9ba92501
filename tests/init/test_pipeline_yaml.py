import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.files.yaml_core import read_yaml
from pipeline.modeling.settings import load_modeling
from pipeline.plan.settings import load_settings
from pipeline.run.run import check, run
from tests.init.tables import DAYS, MONTHS, made, panel


def tree(root: Path) -> dict[str, Any]:
    return read_yaml((root / "configs" / "pipeline.yaml").read_text())


def test_a_plain_panel_is_few_lines(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "sales.csv", MONTHS, names="Month,Shop,Sold"))
    assert tree(tmp_path) == {
        "source": {"use": "csv", "path": "sales.csv"},
        "columns": {
            "Month": "date",
            "Shop": "label",
            "Sold": {"kind": "integer", "min": 0},
        },
        "panel": {
            "time": "month",
            "every": "1mo",
            "season": 12,
            "entity": ["shop"],
            "target": "sold",
            "values": ["sold"],
            "known": [],
        },
        "stages": {
            "sanitize_column_names": {"snapshot": "sales", "key": ["shop", "month"]},
            "calendar_columns": {},
            "lag_columns": {},
            "rolling_columns": {},
            "with_past": {"transform": "filter"},
            "drop_present": {"snapshot": "features", "key": ["shop", "month"]},
        },
        "calendar_columns": {"parts": ["month"], "prefix": "calendar_"},
        "lag_columns": {"periods": [1, 2, 3, 12]},
        "rolling_columns": {"window": 3},
        "with_past": {"where": '"sold_rolling${rolling_columns.window}" is not null'},
    }


def test_another_window_is_one_word(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "sales.csv", MONTHS, names="month,shop,sold"))
    words = ("rolling_columns.window=2",)
    plan = check(load_settings(tmp_path, overrides=words))
    assert "sold_rolling2" in plan.snapshots["features"].schema
    modeling = load_modeling(tmp_path, overrides=words).modeling
    assert modeling.past == ["sold_rolling2", "sold_lag1"]


def test_month_ends_are_put_into_their_months(tmp_path: Path) -> None:
    ends = [date(2018 + m // 12, m % 12 + 1, 28) for m in range(30)]
    made(tmp_path, panel(tmp_path / "a.csv", ends))
    assert tree(tmp_path)["to_period"] == {"time": "when"}
    assert list(tree(tmp_path)["stages"])[:2] == ["sanitize_column_names", "to_period"]


@pytest.mark.parametrize(
    ("amount", "section"),
    [
        (lambda i, t: t % 7 + i, {"columns": {"amount": "sum"}, "zero": ["amount"]}),
        (lambda i, t: t % 7 - 3, {"columns": {"amount": "sum"}, "zero": []}),
        (lambda i, t: t % 7 + 0.5, {"columns": {"amount": "mean"}, "zero": []}),
    ],
)
def test_several_rows_become_one(
    tmp_path: Path, amount: Any, section: dict[str, Any]
) -> None:
    days = [
        date(2020, 1, 1).replace(month=m, day=d) for m in range(1, 9) for d in (1, 9)
    ]
    made(tmp_path, panel(tmp_path / "a.csv", days, amount=amount), every="1mo")
    assert tree(tmp_path)["resample"] == section
    assert ("filter" in tree(tmp_path)) is (section["zero"] == [])


def test_rows_without_the_target_are_left_out(tmp_path: Path) -> None:
    file = panel(
        tmp_path / "a.csv", DAYS, amount=lambda i, t: "NA" if t == i else t % 7
    )
    made(tmp_path, file)
    found = tree(tmp_path)
    assert found["source"]["nulls"] == ["NA"]
    assert found["columns"]["amount"] == {"kind": "integer", "min": 0, "null": True}
    assert found["filter"] == {"where": "amount is not null"}


def test_missing_periods_are_allowed_by_name(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "a.csv", [*MONTHS[:5], *MONTHS[6:]]))
    assert tree(tmp_path)["panel"]["missing_periods"] == ["2018-06-01"]


def test_of_days_without_weekends_lags_go_by_rows(tmp_path: Path) -> None:
    made(tmp_path, panel(tmp_path / "a.csv", [d for d in DAYS if d.weekday() < 5]))
    found = tree(tmp_path)
    assert found["panel"]["missing_periods"] == "any"
    assert found["lag_columns"] == {"periods": [1, 2, 3, 5], "by": "row"}


def follow(root: Path) -> None:
    """Do what a comment on gaps says, to the letter."""
    file = root / "configs" / "pipeline.yaml"
    text = file.read_text()
    stage = re.findall("write `(.*): {}` above", text)[0]
    text = re.sub(f"  {stage}: {{snapshot.*", f"  {stage}: {{}}", text)
    assert text.count("# resample: ") == 2
    file.write_text(text.replace("# resample: ", "resample: "))


def test_gaps_of_a_german_file_become_rows(tmp_path: Path) -> None:
    rows = [
        f"{m:%d.%m.%Y};{u};{'Süd' if u == 'a' else 'Nord'};{m.month % 5};{m.month},5"
        for u in "ab"
        for m in MONTHS
        if u == "a" or m != MONTHS[5]
    ]
    text = "\n".join(["Monat;Filiale;Gebiet;Stück;Preis", *rows])
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    made(tmp_path, tmp_path / "a.csv", entity="Filiale", target="Stück")
    text = (tmp_path / "configs" / "pipeline.yaml").read_text()
    assert "# No row of 1 period between an entity's first and last" in text
    follow(tmp_path)
    target = tree(tmp_path)["panel"]["target"]
    figures = {target: "sum", "preis": "mean"}
    assert tree(tmp_path)["resample"] == {"columns": figures, "zero": [target]}
    assert run(load_settings(tmp_path)).objects["a"].n_rows == 80


def test_gaps_of_an_hourly_file_with_nulls_become_rows(tmp_path: Path) -> None:
    hours = [datetime(2022, 1, 1) + timedelta(hours=n) for n in range(90)]
    rows = [
        f"{h},{u},{h.hour % 7},{'' if n % 9 == 4 else n % 11 - 4},{n % 3 - 1}"
        for u in "ab"
        for n, h in enumerate(hours)
        if u == "a" or n not in (5, 6)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["at,desk,calls,celsius,net", *rows]))
    made(tmp_path, tmp_path / "a.csv", entity="desk", target="calls")
    follow(tmp_path)
    figures = {"calls": "sum", "celsius": "sum", "net": "sum"}
    assert tree(tmp_path)["resample"] == {"columns": figures, "zero": ["calls"]}
    assert run(load_settings(tmp_path)).objects["a"].n_rows == 180


def test_gaps_of_what_is_not_counted_mean_no_zero(tmp_path: Path) -> None:
    rows = [f"{m},{u},{m.month}.5" for u in "ab" for m in MONTHS[u == "b" :: 1]]
    del rows[45]
    (tmp_path / "a.csv").write_text("\n".join(["month,shop,celsius", *rows]))
    made(tmp_path, tmp_path / "a.csv")
    text = (tmp_path / "configs" / "pipeline.yaml").read_text()
    assert "lags of these are null" in text
    assert "resample" not in text


def test_a_wide_table_is_made_long(tmp_path: Path) -> None:
    names = ",".join(["Country", *(f"GDP {year}" for year in range(2000, 2010))])
    rows = [
        f"c{i}" + "".join(f",{(i * 7 + n) % 11}.5" for n in range(10)) for i in range(8)
    ]
    (tmp_path / "a.csv").write_text("\n".join([names, *rows]))
    made(tmp_path, tmp_path / "a.csv")
    found = tree(tmp_path)
    assert found["columns"]["GDP 2000"] == "number"
    assert found["unpivot"] == {
        "columns": "gdp_([0-9]{4})",
        "kind": "integer",
        "value": "gdp",
    }
    assert found["panel"]["target"] == "gdp"
    assert found["stages"]["unpivot"] == {"snapshot": "a", "key": ["country", "year"]}


def test_a_wide_table_of_months_may_be_one_of_quarters(tmp_path: Path) -> None:
    names = ",".join(["shop", *(f"2020-{month:02}" for month in range(1, 13))])
    names += "," + ",".join(f"2021-{month:02}" for month in range(1, 13))
    rows = [
        f"s{i}" + "".join(f",{(i * 7 + n) % 11}" for n in range(24)) for i in range(4)
    ]
    (tmp_path / "a.csv").write_text("\n".join([names, *rows]))
    made(tmp_path, tmp_path / "a.csv", every="1q")
    assert tree(tmp_path)["resample"] == {
        "columns": {"value": "sum"},
        "zero": ["value"],
    }
