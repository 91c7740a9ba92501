from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.init import Unsure, Wishes
from tests.init.tables import DAYS, MONTHS, chosen, panel


def of_pairs(file: Path, *, names: str, extra: str = "") -> Path:
    """Write a row per store, item and month."""
    rows = [
        f"{month},{store},{item},{(store * 7 + item * 3 + n * 5) % 11}{extra}"
        for store in (1, 2, 3)
        for item in (10, 11)
        for n, month in enumerate(MONTHS)
    ]
    file.write_text("\n".join([names, *rows]))
    return file


def test_the_fewest_columns_that_make_rows_unique(tmp_path: Path) -> None:
    file = of_pairs(
        tmp_path / "a.csv", names="month,store,item,sold,region", extra=",n"
    )
    found = chosen(file)
    assert found.entity == ["store", "item"]
    assert (found.n_entities, found.n_periods, found.n_absent) == (6, 40, 0)
    of_entity = found.choices[1]
    assert (of_entity.value, of_entity.sure) == ("store, item", "likely")
    assert of_entity.saw == "6 different, with month no row is there twice"


def test_text_names_rather_than_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{d},{n + 100 * i},u{i}" for i in range(3) for n, d in enumerate(DAYS)]
    file.write_text("\n".join(["day,sold,unit", *rows]))
    assert chosen(file).entity == ["unit"]


def test_columns_that_name_the_same_are_one_entity(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [
        f"{m},s{i},Shop {i},{(n * 5 + i) % 7}"
        for i in range(3)
        for n, m in enumerate(MONTHS)
    ]
    file.write_text("\n".join(["month,shop_id,shop,sold", *rows]))
    assert chosen(file).entity == ["shop_id"]


def test_two_rows_of_an_entity_are_shown(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", DAYS, "aba")
    with pytest.raises(
        Unsure, match=r"the same \(when, unit\)\nfound: when .*unit a, .*"
    ):
        chosen(file)
    with pytest.raises(
        ConfigError, match=r"--entity unit: two rows of one when\nfound"
    ):
        chosen(file, wishes=Wishes(entity=("unit",)))


def test_a_number_that_is_never_twice_is_no_entity(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", MONTHS[:6], "aba", amount=lambda i, t: i * 10 + t)
    with pytest.raises(Unsure, match=r"two rows have the same \(when, unit\)"):
        chosen(file)


def test_several_answers_are_a_question(tmp_path: Path) -> None:
    # A pairing of shops and sellers that changes: either names a row.
    file = tmp_path / "a.csv"
    rows = [
        f"{m},shop {i},seller {(i + n) % 3},{(n * 5 + i) % 7}"
        for i in range(3)
        for n, m in enumerate(MONTHS)
    ]
    file.write_text("\n".join(["month,shop,seller,sold", *rows]))
    with pytest.raises(Unsure, match="found: shop or seller") as error:
        chosen(file)
    assert error.value.options == ["shop", "seller"]
    assert chosen(file, wishes=Wishes(entity=("seller",))).entity == ["seller"]


def test_a_single_series_has_no_entity(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["day,amount", *(f"{d},{d.day}" for d in DAYS)]))
    with pytest.raises(ConfigError, match=r"no entity: each day has one row"):
        chosen(file)


def test_of_events_it_is_said_how_they_become_a_panel(tmp_path: Path) -> None:
    rows = [
        f"{d} 0{n}:{n}7,order {d}{n},customer {d.day % 2},{d.day % 5 + n}"
        for d in DAYS
        for n in range(3)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["at,order,customer,amount", *rows]))
    with pytest.raises(ConfigError, match="of events, --entity customer --every 1d;"):
        chosen(tmp_path / "a.csv")
    wishes = Wishes(entity=("customer",), every="1d")
    assert chosen(tmp_path / "a.csv", wishes=wishes).is_resampled


def test_an_entity_of_one_period_has_no_past(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = [f"{d},u{n // 2}{n},{n % 5}" for n, d in enumerate([*DAYS, *DAYS])]
    file.write_text("\n".join(["day,unit,amount", *rows]))
    with pytest.raises(ConfigError, match="no past to learn from: 180 different"):
        chosen(file, wishes=Wishes(entity=("unit",)))


def test_an_entity_is_there_in_each_row(tmp_path: Path) -> None:
    file = panel(tmp_path / "a.csv", DAYS, ["a", ""])
    with pytest.raises(ConfigError, match="--entity unit: 90 of 180 rows have nothing"):
        chosen(file, wishes=Wishes(entity=("unit",)))
    with pytest.raises(ConfigError, match=r"--entity amount.*number"):
        chosen(
            panel(file, DAYS, amount=lambda i, t: t + i / 7),
            wishes=Wishes(entity=("amount",)),
        )


def test_of_a_code_and_its_text_the_one_that_stays_is_taken(tmp_path: Path) -> None:
    rows = [
        f"{month},{unit},Shop {unit}{' AG' if n > 30 else ''},{(n * 7 + unit) % 5}"
        for unit in range(4)
        for n, month in enumerate(MONTHS)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["month,shop_id,name,sold", *rows]))
    assert chosen(tmp_path / "a.csv", wishes=Wishes(target="sold")).entity == [
        "shop_id"
    ]


@pytest.mark.parametrize("n", [1, 20])
def test_rows_that_are_there_twice_are_the_cause(tmp_path: Path, n: int) -> None:
    file = panel(tmp_path / "a.csv", DAYS)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, *lines[1 : n + 1]]))
    said = "20 rows are there twice" if n > 1 else "1 row is there twice"
    with pytest.raises(ConfigError, match=f"{said}(.|\n)*take the copies out"):
        chosen(file)
    with pytest.raises(ConfigError, match=said):
        chosen(file, wishes=Wishes(entity=("unit",)))
