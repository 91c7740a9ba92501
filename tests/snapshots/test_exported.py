"""What an export holds is read back as it was published."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import SnapshotError
from pipeline.snapshots.export import export
from pipeline.snapshots.exported import open_export
from pipeline.snapshots.store import open_store, read_current


@pytest.mark.parametrize("is_exported", [True, False], ids=["export", "catalog"])
def test_rows_and_dtypes_are_as_they_were_published(
    published: Path, tmp_path: Path, is_exported: bool
) -> None:
    store = open_store(published)
    file = store.catalog
    if is_exported:
        export(store.catalog, file := tmp_path / "shared.duckdb")
    current = read_current(store)
    assert current is not None
    with open_export(file) as exported:
        assert exported.run_id == current.run_id
        assert exported.config.keys() == current.config.keys()
        for s in current.snapshots:
            rows = pl.read_parquet(store.object(*s.object))
            exported.write(s.name, rows.schema, tmp_path / f"{s.name}.parquet")
            found = pl.read_parquet(tmp_path / f"{s.name}.parquet")
            assert_frame_equal(found, rows, check_row_order=False)
            assert exported.snapshots[s.name].n_rows == rows.height


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    other.write_bytes(b"0" * 5000)
    for path, said in (
        (other, "cannot be read as an export"),
        (tmp_path / "no.duckdb", "is not there"),
    ):
        with pytest.raises(SnapshotError, match=said), open_export(path):
            pass
