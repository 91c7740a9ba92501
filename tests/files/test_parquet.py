"""Nothing in a path is a pattern or data."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.files.parquet import read_parquet, scan_parquet

DF = pl.DataFrame({"n": [1, 2], "text": ["a", "b"]})


@pytest.mark.parametrize("name", ["[x].parquet", "*.parquet", "n=7/a.parquet"])
def test_path_is_a_name_whatever_is_in_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    DF.write_parquet(tmp_path / name)
    DF.clear().write_parquet(tmp_path / "x.parquet")
    assert read_parquet(tmp_path / name).equals(DF)
    assert scan_parquet(tmp_path / name).collect().equals(DF)


def test_columns_are_found_by_name_in_each_file_and_rows_say_where_they_stand(
    tmp_path: Path,
) -> None:
    files = [str(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    DF.write_parquet(files[0])
    DF.select("text", "n", more="n").write_parquet(files[1])
    lf = scan_parquet(
        files,
        schema={"n": pl.Int64(), "text": pl.String()},
        row_index_name="row",
        include_file_paths="file",
    )
    assert lf.select("row", "n", "text", "file").collect().rows() == [
        (row, n, text, file)
        for row, (n, text, file) in enumerate(
            (n, text, file) for file in files for n, text in DF.rows()
        )
    ]


def test_column_that_only_one_of_several_has_is_an_error_without_a_schema(
    tmp_path: Path,
) -> None:
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    DF.write_parquet(files[0])
    DF.with_columns(more="n").write_parquet(files[1])
    with pytest.raises(pl.exceptions.PolarsError, match="more"):
        scan_parquet(files).collect()
