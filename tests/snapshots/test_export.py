"""A catalog becomes one DuckDB file that needs no other."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipeline.errors import SnapshotError
from pipeline.plan.settings import Settings
from pipeline.run.run import run
from pipeline.snapshots.export import ExportedTable, export

ORDERS = pl.DataFrame({"id": [3, None, 1, 2], "day": ["b", "a", "a", "a"], "x": 1.5})


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog of a few snapshots: most with a key, some odd."""
    objects = tmp_path / "objects"
    objects.mkdir()
    frames = {
        "orders": ORDERS.drop_nulls().sort("id", descending=True),
        "nulls": ORDERS,
        "repeated": ORDERS,
        "unknown": ORDERS,
        'odd "name"\'s': ORDERS,
        "empty": ORDERS.clear(),
    }
    keys = {
        "orders": ["id"],
        "nulls": ["day", "id"],
        "repeated": ["day"],
        'odd "name"\'s': ["x", "day", "id"],
        "empty": ["id"],
    }
    path = tmp_path / "live.duckdb"
    with duckdb.connect(path) as con:
        con.execute(
            "CREATE SCHEMA meta; CREATE SCHEMA history;"
            "CREATE TABLE meta.runs (run_id VARCHAR PRIMARY KEY, config JSON);"
            "INSERT INTO meta.runs VALUES ('r1', '{\"a\": 1}'), ('r2', NULL);"
            "COMMENT ON TABLE meta.runs IS 'it''s a row per run';"
            "CREATE TABLE meta.snapshots"
            " (run_id VARCHAR, snapshot VARCHAR, key VARCHAR[], path VARCHAR);"
            "CREATE VIEW history.orders AS SELECT 1 AS old"
        )
        # An earlier run had another key; the newest counts.
        con.execute("INSERT INTO meta.snapshots VALUES ('r1', 'orders', ['day'], '')")
        for i, (name, df) in enumerate(frames.items()):
            file = objects / f"{i}.parquet"
            df.write_parquet(file)
            quoted = '"' + name.replace('"', '""') + '"'
            con.execute(f"CREATE VIEW {quoted} AS FROM read_parquet('{file}')")
            if name in keys:
                con.execute(
                    "INSERT INTO meta.snapshots VALUES ('r2', $1, $2, $3)",
                    [name, keys[name], str(file)],
                )
        con.execute("COMMENT ON VIEW orders IS 'what was \"ordered\", it''s all'")
    return path


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask a DuckDB file as any client does."""
    with duckdb.connect(path, read_only=True) as con:
        return con.execute(sql).fetchall()


def table(exported: list[ExportedTable], name: str) -> ExportedTable:
    """Find a table by name."""
    return next(t for t in exported if t.name == name)


def test_export_needs_neither_objects_nor_catalog(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.duckdb"
    exported = export(catalog, target)
    shutil.rmtree(tmp_path / "objects")
    catalog.unlink()
    assert ask(target, "FROM orders") == [(1, "a", 1.5), (2, "a", 1.5), (3, "b", 1.5)]
    names = "SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL"
    assert ask(target, names) == [
        *[("main", t.name) for t in exported],
        ("meta", "runs"),
        ("meta", "snapshots"),
    ]
    assert [t.name for t in exported] == [
        *("empty", "nulls", 'odd "name"\'s', "orders", "repeated", "unknown")
    ]
    assert ask(target, "SELECT count(*) FROM duckdb_views() WHERE NOT internal") == [
        (0,)
    ]
    assert ask(target, "FROM meta.runs") == [("r1", '{"a": 1}'), ("r2", None)]
    assert ask(target, "SELECT count(*) FROM meta.snapshots") == [(6,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.duckdb"]


def test_rows_are_in_the_order_of_the_key_nulls_first(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.duckdb"
    exported = export(catalog, target)
    assert ask(target, "SELECT day, id FROM nulls") == [
        *[("a", None), ("a", 1), ("a", 2), ("b", 3)]
    ]
    # Without a key they stay as they are.
    assert table(exported, "unknown").key == ()
    assert ask(target, "SELECT id FROM unknown") == [(3,), (None,), (1,), (2,)]


def test_key_is_the_primary_key_where_the_data_allow_it(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.duckdb"
    exported = export(catalog, target)
    assert {t.name: t.why_no_primary_key for t in exported} == {
        "empty": "",
        "nulls": "a null in the key of 1 rows",
        'odd "name"\'s': "a null in the key of 1 rows",
        "orders": "",
        "repeated": "a key of several rows in 3 rows",
        "unknown": "no key is known",
    }
    assert table(exported, "orders") == ExportedTable("orders", 3, ("id",), "")
    assert table(exported, "repeated").n_rows == 4
    has_key = "SELECT table_name FROM duckdb_tables() WHERE has_primary_key ORDER BY 1"
    assert ask(target, has_key) == [("empty",), ("orders",), ("runs",)]
    with (
        duckdb.connect(target) as con,
        pytest.raises(duckdb.ConstraintException, match="uplicate key"),
    ):
        con.execute("INSERT INTO orders VALUES (1, 'c', 0)")


def test_key_of_a_column_that_is_not_there_is_unknown(
    catalog: Path, tmp_path: Path
) -> None:
    with duckdb.connect(catalog) as con:
        con.execute("UPDATE meta.snapshots SET key = ['gone', 'id']")
    exported = export(catalog, tmp_path / "out.db")
    assert {t.why_no_primary_key for t in exported} == {"no key is known"}


def test_nested_column_cannot_be_in_a_primary_key(tmp_path: Path) -> None:
    catalog = tmp_path / "live.duckdb"
    with duckdb.connect(catalog) as con:
        con.execute("CREATE VIEW lists AS SELECT [2] AS k UNION ALL SELECT [1]")
        con.execute(
            "CREATE SCHEMA meta; CREATE TABLE meta.snapshots AS"
            " SELECT 'r1' AS run_id, 'lists' AS snapshot, ['k'] AS key"
        )
    exported = export(catalog, tmp_path / "out.duckdb")
    assert exported == [ExportedTable("lists", 2, ("k",), "a nested column in the key")]
    assert ask(tmp_path / "out.duckdb", "FROM lists") == [([1],), ([2],)]


def test_catalog_without_metadata_can_be_exported(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "live.duckdb") as con:
        con.execute("CREATE VIEW one AS SELECT 1 AS x; CREATE VIEW two AS FROM one")
    exported = export(tmp_path / "live.duckdb", tmp_path / "out.duckdb")
    assert [(t.name, t.n_rows) for t in exported] == [("one", 1), ("two", 1)]


def test_comments_are_kept(catalog: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.duckdb"
    export(catalog, target)
    comments = (
        "SELECT table_name, comment FROM duckdb_tables() WHERE comment IS NOT NULL"
        " ORDER BY 1"
    )
    assert ask(target, comments) == [
        ("orders", 'what was "ordered", it\'s all'),
        ("runs", "it's a row per run"),
    ]


def test_export_is_written_for_older_duckdb_clients(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.duckdb"
    export(catalog, target)
    [(tags,)] = ask(target, "SELECT tags FROM duckdb_databases() WHERE NOT internal")
    assert tags["storage_version"].startswith("v1.5.0")


def test_whole_run_can_be_exported_through_the_link(
    project: Path, load: Callable[..., Settings], tmp_path: Path
) -> None:
    report = run(load())
    target = tmp_path / "a 'quoted' [folder]" / "out.db"
    target.parent.mkdir()
    exported = export(report.catalog, target)
    assert {t.name: t.n_rows for t in exported} == {
        name: there.n_rows for name, there in report.objects.items()
    }
    for published in report.run.snapshots:
        assert table(exported, published.name).key == tuple(published.key)
        assert not table(exported, published.name).why_no_primary_key
        query = f"FROM {published.name}"
        assert ask(target, query) == ask(report.catalog, query)
    for name in ("runs", "stages", "snapshots", "columns"):
        assert ask(target, f"FROM meta.{name}") == ask(
            report.catalog, f"FROM meta.{name}"
        )


def test_existing_export_is_replaced_under_its_readers(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.duckdb"
    export(catalog, target)
    with duckdb.connect(catalog) as con:
        con.execute("DROP VIEW nulls")
    before = target.read_bytes()
    with target.open("rb") as reader:
        export(catalog, target)
        assert reader.read() == before
    with pytest.raises(duckdb.CatalogException):
        ask(target, "FROM nulls")


def test_failure_leaves_the_existing_export_and_nothing_else(
    catalog: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.duckdb"
    export(catalog, target)
    before = target.read_bytes()
    # The last one in the order of names, so that most is written when it fails.
    (tmp_path / "objects" / "3.parquet").unlink()
    for path in (target, tmp_path / "new.duckdb"):
        with pytest.raises(SnapshotError, match="nothing was replaced") as caught:
            export(catalog, path)
        assert str(caught.value).startswith(f"{path}: cannot be written\nfound: ")
        assert "3.parquet" in str(caught.value)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("live.duckdb", "objects", "out.duckdb")
    ]


@pytest.mark.parametrize("content", [None, b"", b"damaged" * 1000])
def test_catalog_that_is_missing_or_damaged_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    catalog = tmp_path / "live.duckdb"
    if content is not None:
        catalog.write_bytes(content)
    with pytest.raises(SnapshotError) as caught:
        export(catalog, tmp_path / "out.duckdb")
    assert str(caught.value).startswith(f"{catalog}: ")
    assert "\nhint: " in str(caught.value)
    assert not (tmp_path / "out.duckdb").exists()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("folder.duckdb", "is a folder"),
        ("absent/out.duckdb", "its folder is not there"),
        ("live.duckdb", "is the catalog itself"),
        ("link.duckdb", "is the catalog itself"),
        ("features.parquet", "has the suffix '.parquet', expected .duckdb or .db"),
        ("out", "has the suffix '', expected .duckdb or .db"),
        ("sqlite.db", "is there and is no DuckDB file"),
        ("open.duckdb", "has changes in a .wal file beside it"),
    ],
)
def test_target_that_cannot_be_meant_is_refused(
    catalog: Path, tmp_path: Path, name: str, part: str
) -> None:
    (tmp_path / "folder.duckdb").mkdir()
    (tmp_path / "link.duckdb").symlink_to(catalog)
    (tmp_path / "sqlite.db").write_bytes(b"SQLite format 3\0")
    shutil.copy(catalog, tmp_path / "open.duckdb")
    (tmp_path / "open.duckdb.wal").write_bytes(b"")
    before = {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    with pytest.raises(SnapshotError) as caught:
        export(catalog, tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: {part}")
    assert "\nhint: " in message
    assert {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_folder_that_cannot_be_written_is_said_so(catalog: Path) -> None:
    # A folder no one can write to, not even a superuser.
    target = Path("/proc/self/out.duckdb")
    if not target.parent.is_dir():
        pytest.skip("needs /proc")
    with pytest.raises(
        SnapshotError, match=r"/proc/self/out\.duckdb: cannot be written"
    ):
        export(catalog, target)
