from pathlib import Path

import pytest

from pipeline.init.choice import Wishes
from pipeline.init.choose import choose
from pipeline.init.look import survey
from pipeline.init.names import Names, names_of, snapshot_of
from tests.init.tables import MONTHS, panel


def named(file: Path, wishes: Wishes | None = None) -> Names:
    with survey([file], file.parent, ()) as seen:
        return names_of(seen, choose(seen, wishes or Wishes()), None)


@pytest.mark.parametrize(
    ("header", "stages", "rename"),
    [
        ("Order Date,Store,Sold (t)", ["order_date", "store", "sold_t_"], {}),
        ("Month,Unit,Größe", ["month", "unit_name", "grosse"], {"Unit": "unit_name"}),
        ("when,who,Sold", ["when", "who", "sold"], {}),
        (
            "when,数,销",
            ["when", "column", "column_2"],
            {"数": "column", "销": "column_2"},
        ),
        (
            "time,model,y",
            ["time", "model_name", "y_value"],
            {"model": "model_name", "y": "y_value"},
        ),
    ],
)
def test_names_are_those_of_stages(
    tmp_path: Path, header: str, stages: list[str], rename: dict[str, str]
) -> None:
    found = named(panel(tmp_path / "a.csv", MONTHS, names=header))
    assert list(found.stages.values()) == stages
    assert found.rename == rename
    assert list(found.declared) == header.split(",")


def test_names_that_differ_in_case_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{m},{u},{m.month % 5},{m.month % 3}" for u in "ab" for m in MONTHS]
    file.write_text("\n".join(["month,unit,Sold,sold", *rows]))
    found = named(file, Wishes(target="Sold"))
    assert found.rename == {"unit": "unit_name", "sold": "sold_2"}
    assert found.of(["Sold", "sold"]) == ["sold", "sold_2"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Sales 2020.csv", "sales_2020"),
        ("2020.csv", "panel"),
        ("order.csv", "panel"),
        ("features.csv", "panel"),
        ("main.csv.gz", "panel"),
    ],
)
def test_a_snapshot_is_named_for_its_file(tmp_path: Path, file: str, name: str) -> None:
    with survey([panel(tmp_path / file, MONTHS)], tmp_path, ()) as seen:
        assert snapshot_of(seen) == name
