"""Where one part ends and the next begins."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.parts.folder import Folder
from pipeline.parts.sizes import bounds_of, values_of


@pytest.mark.parametrize(
    ("counts", "n_parts", "bounds"),
    [
        ({"a": 2, "b": 2, "c": 2, "d": 2}, 2, ("c",)),
        ({"a": 2, "b": 2, "c": 2, "d": 2}, 9, ("b", "c", "d")),
        ({"a": 1, "b": 1, "c": 1, "d": 5}, 2, ("d",)),
        ({"a": 5, "b": 1, "c": 1, "d": 1}, 2, ("b",)),
        ({"a": 1, "b": 9}, 2, ("b",)),
        ({"a": 1, "b": 9, "c": 1}, 3, ("b", "c")),
        ({"a": 20, "b": 1}, 5, ("b",)),
        ({None: 5, "a": 1, "b": 1}, 2, ("a",)),
        ({None: 1, "a": 1, "b": 1, "c": 1}, 2, ("b",)),
        ({None: 4}, 2, ()),
        ({"a": 4}, 2, ()),
        ({}, 2, ()),
    ],
    ids=str,
)
def test_parts_hold_about_as_many_rows_each(
    tmp_path: Path,
    counts: dict[str | None, int],
    n_parts: int,
    bounds: tuple[str, ...],
) -> None:
    rows = [value for value, n in counts.items() for _ in range(n)]
    frames = [
        pl.LazyFrame({"store": some}, schema={"store": pl.String})
        for some in (rows[::2], rows[1::2])
    ]
    values = values_of(frames, "store", Folder(str(tmp_path)))
    assert dict(values.rows()) == counts
    assert bounds_of(values, n_parts) == bounds
    # Once they are counted, nothing is read again.
    assert values_of([], "store", Folder(str(tmp_path))).equals(values)
