"""Rows of a source, each with the line it stands on."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.sources.columns import Declared
from pipeline.sources.csv import CsvSource
from pipeline.sources.located import PLACE, locate

COLUMNS: dict[str, Declared] = {
    "Year": "code",
    "Shop": "text",
    "Sold": "count",
    "Price": "money",
}

ROWS = [(2010 + n // 4, f"S{n % 4}", n, n / 2) for n in range(12)]


def write(root: Path, texts: dict[str, str]) -> CsvSource:
    """Write files, and say how they are read."""
    for name, text in texts.items():
        (root / name).write_text(text)
    return CsvSource(path="*.csv", columns=COLUMNS)


def lines(rows: list[tuple[int, str, int, float]]) -> str:
    """Write rows below a header."""
    return "\n".join(
        [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows), ""]
    )


def places(
    source: CsvSource, root: Path, *, exact: bool = False
) -> list[tuple[object, ...]]:
    """Find where the rows of a shop stand, and what they sold."""
    test = pl.col("Shop") == "S1"
    found = locate(source, root, test, ["Shop", "Sold", "Price"], exact=exact)
    return found.sort("Sold").select(*PLACE, "Sold", "Price").rows()


EXPECTED = [
    ("a.csv", 3, 1, 0.5),
    ("b.csv", 2, 5, 2.5),
    ("b.csv", 6, 9, 4.5),
]


@pytest.mark.parametrize("exact", [False, True])
def test_rows_are_found_in_their_files(tmp_path: Path, exact: bool) -> None:
    texts = {"a.csv": lines(ROWS[:5]), "b.csv": lines(ROWS[5:])}
    source = write(tmp_path, texts)
    assert places(source, tmp_path, exact=exact) == EXPECTED


@pytest.mark.parametrize(
    ("found", "mended", "moved"),
    [
        ("2011,S1,5,2.5", '2011,S1,5,"$2.50"', 0),  # another cell of the column
        ("2011,S2,6,3.0", '2011,"S\n2",6,3.0', 1),  # a record of two lines before
    ],
)
def test_what_needs_mending_is_read_again(
    tmp_path: Path, found: str, mended: str, moved: int
) -> None:
    text = lines(ROWS[5:])
    assert found in text
    texts = {"a.csv": lines(ROWS[:5]), "b.csv": text.replace(found, mended)}
    source = write(tmp_path, texts)
    *first, (file, line, *values) = EXPECTED
    assert places(source, tmp_path) == [*first, (file, line + moved, *values)]


def test_a_bad_row_is_none(tmp_path: Path) -> None:
    text = lines(ROWS[5:]).replace("2012,S1,9", "2012,S1,many")
    source = write(tmp_path, {"a.csv": lines(ROWS[:5]), "b.csv": text})
    assert places(source, tmp_path, exact=True) == EXPECTED[:2]
