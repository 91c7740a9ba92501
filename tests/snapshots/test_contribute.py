"""Whoever has rows for the catalog leaves them, and runs go on showing them."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import Store, open_store
from tests.commands.test_cli import SOURCE, invoke


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Store:
    root = shutil.copytree(published, tmp_path / "copy", symlinks=True)
    return open_store(root)


def models(store: Store) -> str:
    """Ask for the models the catalog shows."""
    sql = "SELECT string_agg(model, ' ') FROM meta.models"
    result = invoke(store.root, "sql", sql, "--format", "csv")
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[1]


def test_tables_of_contributors_are_there_before_their_rows(store: Store) -> None:
    for table in ("models", "evaluations", "benchmarks"):
        result = invoke(
            store.root, "sql", f"SELECT * FROM meta.{table}", "--format", "csv"
        )
        assert len(result.stdout.splitlines()) == 1
        assert "fingerprint" in result.stdout or table == "benchmarks"


def test_rows_take_the_place_of_those_before_and_stay_with_later_runs(
    store: Store,
) -> None:
    for names in (["a", "b"], ["c"]):
        contribute(store, {"models": pl.DataFrame({"model": names})})
        assert models(store) == " ".join(names)
    assert len([*store.meta.iterdir()]) == 1
    assert invoke(store.root, "run", *SOURCE, "--force").exit_code == 0
    assert models(store) == "c"
    contribute(store, {"models": pl.DataFrame()})
    assert models(store) == ""
    assert not [*store.meta.iterdir()]


def test_rows_that_were_not_yet_removed_are_no_longer_shown(store: Store) -> None:
    contribute(store, {"models": pl.DataFrame({"model": ["before"]})})
    [before] = store.meta.iterdir()
    content = before.read_bytes()
    contribute(store, {"models": pl.DataFrame({"model": ["now"]})})
    before.write_bytes(content)
    os.utime(before, (0, 0))
    contribute(store, {})
    assert models(store) == "now"


def test_rows_that_are_not_what_was_written_are_named_and_left_out(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    contribute(store, {"models": pl.DataFrame({"model": ["a"]})})
    [file] = store.meta.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    contribute(store, {})
    assert models(store) == ""
    assert f"{file}: is not what was written, and left out" in caplog.text
