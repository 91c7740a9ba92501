from pathlib import Path

import polars as pl
import pytest

from pipeline.files.arrow import map_arrow, scan_arrow, sink_arrow


@pytest.mark.parametrize("folder", ["plain", "year=1999", "[x]"])
def test_rows_come_back_as_they_were_and_a_path_is_a_name(
    folder: str, tmp_path: Path
) -> None:
    file = tmp_path / folder / "rows *.arrow"
    rows = pl.DataFrame(
        {
            "size": pl.Series(["S", "L", None], dtype=pl.Enum(["S", "L"])),
            "at": pl.Series([0, 1, None]).cast(pl.Datetime("us", "UTC")),
            "price": pl.Series(["1.50", None, "2"]).cast(pl.Decimal(38, 6)),
            "tags": [["a"], [], None],
        }
    )
    sink_arrow(rows.lazy(), file, mkdir=True).collect()
    mapped = map_arrow(file)
    assert mapped.schema == rows.schema
    assert mapped.equals(rows)
    assert scan_arrow(str(file)).collect().equals(rows)
    assert scan_arrow([str(file)] * 2).collect().equals(pl.concat([rows, rows]))
