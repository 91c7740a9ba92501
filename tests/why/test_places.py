"""A copied source tells the same rows and lines, and is read once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.why import places
from pipeline.why.show import show
from tests.why.conftest import Shop, make_sales, run_in


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The copies that are made."""
    made: list[Path] = []
    copy = places.copy_clean

    def copied(*given: Any) -> object:
        made.append(given[-1])
        return copy(*given)

    monkeypatch.setattr(places, "copy_clean", copied)
    return made


def told(shop: Shop, column: str, *key: str) -> str:
    """All that is said of a value."""
    row = key or ("store=S1", "item=1", "year=2015")
    return show(shop.why("features", *row, column), "json", every_row=True)


def test_a_source_is_read_once_for_all_that_is_asked(
    tmp_path: Path,
    later: Callable[[], None],
    copies: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = make_sales(tmp_path)
    shop = run_in(root)
    later()  # than Python has cached its transformations
    columns = ("sum_sold", "w_price_lag1", "rank_lag1")
    with monkeypatch.context() as patch:
        patch.setattr(places.Places, "locate", lambda *_: None)
        expected = [told(shop, column) for column in columns]
    assert [told(shop, column) for column in columns] == expected
    n_made = len(copies)
    assert n_made == 2  # one more for a column that was not asked for before
    assert [told(shop, column) for column in columns] == expected
    assert len(copies) == n_made

    [copy] = (root / ".pipeline" / "places").iterdir()
    content = copy.read_bytes()
    copy.write_bytes(content[:99] + bytes([content[99] ^ 1]) + content[100:])
    assert told(shop, columns[0]) == expected[0]
    copy.unlink()
    assert told(shop, columns[0]) == expected[0]
    assert len(copies) == n_made + 2

    csv = root / "sales.csv"
    head, *rows = csv.read_text().splitlines(keepends=True)
    csv.write_text("".join([head, rows[-1], *rows[:-1]]))
    moved = run_in(root)
    found = told(moved, columns[0])
    assert len(copies) == n_made + 3
    with monkeypatch.context() as patch:
        patch.setattr(places.Places, "locate", lambda *_: None)
        assert found == told(moved, columns[0])
    assert found != expected[0]


def test_what_no_copy_can_tell_is_read_as_before(
    tmp_path: Path, later: Callable[[], None], copies: list[Path]
) -> None:
    root = make_sales(tmp_path)
    csv = root / "sales.csv"
    head, first, *rows = csv.read_text().splitlines(keepends=True)
    store = first.split(",")[1]
    csv.write_text("".join([head, first.replace(store, f'"{store}\n"'), *rows]))
    shop = run_in(root)
    later()
    found = [told(shop, "w_price_lag1") for _ in range(2)]
    assert found[0] == found[1]
    assert len(copies) == 1
    assert not [*(root / ".pipeline" / "places").iterdir()]
