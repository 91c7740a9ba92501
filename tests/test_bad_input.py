"""What is wrong with a project or its data is one error in words, and no more."""

import json
import os
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import xlsxwriter
from click.testing import CliRunner

from pipeline.commands.cli import main
from tests.modeling.shops import MODELING

PANEL = {"time": "day", "every": "1mo", "entity": ["shop"], "target": "sold"}
STAGES = {
    "sanitize_column_names": {"snapshot": "sales", "key": ["shop", "day"]},
    "lag_columns": {},
    "drop_present": {"snapshot": "features", "key": ["shop", "day"]},
}
KINDS = {"shop": "label", "day": "date", "sold": "number"}
TREE: Mapping[str, Any] = {
    "source": {"use": "csv", "path": "data.csv"},
    "columns": KINDS,
    "panel": {**PANEL, "values": ["sold"]},
    "stages": STAGES,
}
SALES = "shop,day,sold\n" + "".join(
    f"{shop},{date(2020, month, 1)},{month * 3 % 7}\n"
    for shop in "abcd"
    for month in range(1, 13)
)


class Case(NamedTuple):
    """A fault, and words of what is said of it."""

    words: tuple[str, ...]
    tree: Mapping[str, Any] = {}
    data: str | None = SALES
    write: Callable[[Path], object] | None = None
    command: str = "run"


def panel(**changes: object) -> Mapping[str, Any]:
    """Change the panel."""
    return {"panel": {**TREE["panel"], **changes}}


def workbook(root: Path) -> None:
    with xlsxwriter.Workbook(root / "book.xlsx") as book:
        book.add_worksheet("2020").write_row(0, 0, KINDS)


def other_database(root: Path) -> None:
    with duckdb.connect(root / "store.duckdb") as con:
        con.sql("create table prices as select 1 as price")


def own_transformation(root: Path) -> None:
    (root / "transforms").mkdir()
    (root / "transforms" / "lag_columns.py").write_text("")


def source(use: str, **settings: str) -> Mapping[str, Any]:
    return {"source": {"use": use, **settings}}


STORE = source("duckdb", path="store.duckdb", query="from sales")
NOT_A_MONTH = ("sales", "2020-01-15", "`panel.every: 1mo`", "to_period", "resample")
TEXT = {**KINDS, "sold": "label"}
FAULTS = {
    "no time": Case(("`panel.time`", '"when"', "pipeline.yaml"), panel(time="when")),
    "no time in the file": Case(("data.csv", "'day'"), data=SALES.replace("day", "on")),
    "text as time": Case(
        ("'day'", "text", "pipeline.yaml"), {"columns": {**KINDS, "day": "label"}}
    ),
    "two rows": Case(
        ("'sales'", "key", "'a', day 2020-01-01"), data=f"{SALES}a,2020-01-01,5\n"
    ),
    "two rows of a period": Case(NOT_A_MONTH, data=f"{SALES}a,2020-01-15,5\n"),
    "one period": Case(
        ("'features'", "sold_lag1", "periods that are not there"),
        data="shop,day,sold\na,2020-01-01,1\nb,2020-01-01,2\n",
    ),
    "text as target": Case(
        ("target 'sold'", "String", "`panel.target`"),
        {"columns": TEXT},
        command="train",
    ),
    "no target": Case(("`panel.target`", '"sales"'), panel(target="sales")),
    "no file": Case(("data.csv", "no such file", "`path`"), data=None),
    "empty file": Case(("data.csv", "is empty"), data=""),
    "header only": Case(("data.csv", "no rows"), data="shop,day,sold\n"),
    "all rows bad": Case(
        ("data.csv:2: day: 'soon' unreadable date", "sold: 'much'"),
        data="shop,day,sold\na,soon,much\n",
    ),
    "no database": Case(("store.duckdb", "no such file"), STORE),
    "no table": Case(
        ("store.duckdb", "source.query", "sales"), STORE, write=other_database
    ),
    "no database server": Case(
        ("127.0.0.1:1", "refused", "source.uri"),
        source("sql", uri="postgresql://me:secret@127.0.0.1:1/db", query="select 1"),
    ),
    "no workbook": Case(
        ("book.xlsx", "no such file"), source("excel", path="book.xlsx")
    ),
    "no sheet": Case(
        ("book.xlsx", "'2021'", "found: '2020'", "source.sheet"),
        source("excel", path="book.xlsx", sheet="2021"),
        write=workbook,
    ),
    "another version": Case(("configs/pipeline.yaml", "version", "2"), {"version": 2}),
    "a name of ours": Case(("transforms/lag_columns.py",), write=own_transformation),
    "hours of dates": Case(("`every: 1h`", "Date", "`panel.every`"), panel(every="1h")),
    "numbers of dates": Case(("`every: 1`", "`panel.every`"), panel(every=1)),
    "weeks of months": Case(("`panel.every: 1w`", "2020-02-01"), panel(every="1w")),
    "no length": Case(("panel.every", "1y, 1q, 1mo", "'1x'"), panel(every="1x")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_error_in_words_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    case = FAULTS[name]
    configs = tmp_path / "configs"
    (configs / "models").mkdir(parents=True)
    (configs / "pipeline.yaml").write_text(json.dumps({**TREE, **case.tree}))
    modeling = MODELING.replace("[sold_rolling2, sold_lag1]", "[sold_lag1]").replace(
        "{train: [2011, 2013], valid: 2014, test: [2015, 2015]}",
        "{train: 6, valid: 2, test: 2}",
    )
    (configs / "modeling.yaml").write_text(modeling)
    for model in ("ridge", "last_value"):
        text = (
            "{kind: known_value, target: {kind: none}, params: {columns: [sold_lag1]}}"
        )
        (configs / "models" / f"{model}.yaml").write_text(text)
    if case.data is not None:
        (tmp_path / "data.csv").write_text(case.data)
    if case.write:
        case.write(tmp_path)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        result = CliRunner().invoke(main, [case.command])
    finally:
        os.chdir(before)
    assert result.exit_code in (1, 2, 3, 5), result.output
    assert result.output.count("error: ") == 1
    assert "Traceback" not in result.output
    assert "secret" not in result.output
    for word in case.words:
        assert word in result.output
    if case.command == "run":
        assert not [*tmp_path.glob(".pipeline/snapshots*")]
        assert not [*tmp_path.glob(".pipeline/objects/**/*.parquet")]
    else:
        assert not [*tmp_path.glob(".pipeline/models/**/*")]
