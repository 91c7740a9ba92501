from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.init import Unsure, Wishes
from tests.init.tables import MONTHS, chosen


def of_columns(file: Path, names: str, *values: object) -> Path:
    """Write a row per unit and month, with more columns; the first number varies."""
    rest = "".join(f",{value}" for value in values)
    rows = [
        f"{month},{unit},{(n * 5 + i) % 7}{rest.format(i=i, n=n)}"
        for i, unit in enumerate("abc")
        for n, month in enumerate(MONTHS)
    ]
    file.write_text("\n".join([f"month,unit,{names}", *rows]))
    return file


def test_the_only_number_that_varies(tmp_path: Path) -> None:
    file = of_columns(tmp_path / "a.csv", "sold,size,open", "{i}", "yes")
    found = chosen(file)
    assert (found.target, found.values, found.constants) == ("sold", ["sold"], ["size"])
    assert found.choices[3].sure == "sure"


def test_a_name_may_tell(tmp_path: Path) -> None:
    found = chosen(of_columns(tmp_path / "a.csv", "price,value", "{n}.5"))
    assert (found.target, found.values) == ("value", ["value", "price"])
    assert found.choices[3].sure == "likely"


def test_several_are_a_question(tmp_path: Path) -> None:
    file = of_columns(tmp_path / "a.csv", "price,sold", "{n}.5")
    with pytest.raises(
        Unsure, match=r"2 columns may be the target\nfound: price, sold"
    ):
        chosen(file)
    assert chosen(file, wishes=Wishes(target="sold")).values == ["sold", "price"]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("note", "--target note: a label, expected a number"),
        ("month", "--target month: a date, expected a number"),
        ("size", "--target size: 4 in every row"),
        ("sould", r"--target sould: no such column; did you mean 'sold'\?"),
    ],
)
def test_what_cannot_be_a_target(tmp_path: Path, target: str, text: str) -> None:
    file = of_columns(tmp_path / "a.csv", "sold,size,note", 4, "low")
    with pytest.raises(ConfigError, match=text):
        chosen(file, wishes=Wishes(target=target))


def test_without_numbers_there_is_no_target(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{m},{u},low" for u in "ab" for m in MONTHS]
    file.write_text("\n".join(["month,unit,level", *rows]))
    with pytest.raises(
        ConfigError, match=r"no column can be a target\n.*level \(label\)"
    ):
        chosen(file)
