"""Whatever its kind, a source is fetched, scanned and guarded by the same calls."""

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources import SourceConfig, declared, fetch, guard, read, reads, source
from pipeline.sources.csv import CsvSource
from pipeline.sources.parquet import ParquetSource
from pipeline.sources.synthetic import data
from pipeline.sources.synthetic.source import SyntheticSource, synthetic_path

COLUMNS = {"Year": "code", "Sales": "number"}
DOWNLOAD = {"kind": "download", "url": "https://host/a.csv", "file_name": "a.csv"}


def make(**given: Any) -> SourceConfig:
    """Declare a source of two columns and of any kind."""
    return msgspec.convert({"columns": COLUMNS, **given}, SourceConfig)


@pytest.mark.parametrize(
    ("given", "kind", "path"),
    [
        ({"kind": "csv", "path": "in/*.csv"}, CsvSource, "in/*.csv"),
        ({"kind": "parquet", "path": "s3://b/a"}, ParquetSource, "s3://b/a"),
        (DOWNLOAD, CsvSource, ".pipeline/data/a.csv"),
        ({"kind": "synthetic"}, CsvSource, ".pipeline/data/synthetic-v1-"),
        (
            {"kind": "synthetic", "format": "parquet", "scale": 3, "seed": 7},
            ParquetSource,
            ".pipeline/data/synthetic-v1-seed7-x3.parquet",
        ),
    ],
    ids=str,
)
def test_each_kind_is_read_from_csv_or_parquet_files(
    given: dict[str, Any], kind: type, path: str, tmp_path: Path
) -> None:
    found = reads(make(**given, rename={"sales": "Sales"}, max_bad_rows=5), tmp_path)
    assert isinstance(found, kind)
    assert found.path.startswith(path)
    assert found.columns == COLUMNS
    assert found.rename == {"sales": "Sales"}
    assert found.bad_limits == (5,)


def test_declared_columns_are_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Sales,Other,Year\n1.5,x,2009\n")
    config = make(kind="csv", path="a.csv")
    rows, bad = read(config, tmp_path)
    assert rows.schema == declared(config).collect_schema()
    assert rows.rows() == [(2009, 1.5)]
    assert bad.is_empty()


def test_synthetic_data_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def write(path: Path, **_: object) -> None:
        made.append(path)
        path.touch()

    monkeypatch.setattr(data, "write_synthetic", write)
    config = make(kind="synthetic", seed=1)
    assert isinstance(config, SyntheticSource)
    for _ in range(2):
        fetch(config, tmp_path)
    assert made == [synthetic_path(config, tmp_path)]


def test_synthetic_data_that_cannot_be_written_is_an_error_that_names_it(
    tmp_path: Path,
) -> None:
    (tmp_path / ".pipeline").write_text("a file")
    with pytest.raises(SourceError, match=r"synthetic-v1-.*\.csv: cannot be made\n"):
        fetch(make(kind="synthetic"), tmp_path)


def test_bytes_of_csv_files_only_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(source, "refuse_unsound", looked.append)
    file = tmp_path / "a"
    guard([file], make(kind="parquet", path="a"), tmp_path)
    assert looked == []
    guard([file], make(kind="csv", path="a"), tmp_path)
    assert looked == [file]


def test_file_that_polars_cannot_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    df = pl.DataFrame({"Year": range(9_999), "Sales": [0.5] * 9_999})
    df.write_parquet(file)
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.parquet: cannot be read as Parquet"):
        read(make(kind="parquet", path="a.parquet"), tmp_path)
