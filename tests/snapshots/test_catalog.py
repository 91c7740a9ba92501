"""The catalog answers as it was published, whatever other clients did to it."""

import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from pipeline.snapshots.linked import is_as_published
from pipeline.snapshots.store import Store, open_store
from tests.commands.test_cli import SOURCE, invoke

YEARS = "SELECT string_agg(year, '+' ORDER BY year) AS years FROM discharges"

# Opens the catalog as most clients do by default, writes, and closes, dies or stays.
WRITER = """
import duckdb, os, signal, sys
path, how = sys.argv[1:]
os.chmod(path, 0o644)  # as the owner may, and for root's modes mean nothing
con = duckdb.connect(path)
con.sql("CREATE TABLE my_notes AS SELECT 'mine' AS note")
con.sql("CREATE OR REPLACE VIEW discharges AS SELECT 42 AS year")
if how == "stay":
    print("written", flush=True)
    sys.stdin.read()
    con.sql("INSERT INTO my_notes VALUES ('later')")
if how == "die":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    root = tmp_path / "copy"
    shutil.copytree(published, root, symlinks=True)
    said = ask(root)
    assert "is of another folder or version" in said
    assert "somebody" not in said
    return root


@pytest.fixture
def store(root: Path) -> Store:
    return open_store(root)


def start_writer(store: Store, how: str) -> "subprocess.Popen[str]":
    """Let a client write into the linked catalog."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, store.catalog, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(root: Path) -> str:
    """Ask for the years of the rows; give what is said beside them."""
    result = invoke(root, "sql", YEARS, "--format", "csv")
    assert result.stdout == "years\n2009+2010\n", result.output
    return result.stderr


def notes(catalog: Path) -> list[tuple[str]]:
    """Read the table that the client made."""
    with duckdb.connect(catalog, read_only=True) as con:
        return con.sql("FROM my_notes").fetchall()


@pytest.mark.parametrize("how", ["close", "die"])
def test_what_a_client_wrote_is_named_left_and_never_answered_from(
    root: Path, store: Store, how: str
) -> None:
    theirs = store.catalog.resolve()
    start_writer(store, how).communicate(timeout=60)
    said = ask(root)
    assert "the catalog was changed by another program: made again" in said
    assert "table main.my_notes (1 rows), view main.discharges" in said
    assert str(theirs.relative_to(root)) in said
    assert ask(root) == ""

    for command in (("restore", "latest"), ("restore", "latest"), ("gc",)):
        assert invoke(root, *command).exit_code == 0
    assert notes(theirs) == [("mine",)]


def test_client_that_is_still_writing_spoils_its_own_copy_only(
    root: Path, store: Store
) -> None:
    theirs = store.catalog.resolve()
    with start_writer(store, "stay") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "written\n"
        assert "is open for writing in another program: made again" in ask(root)
        assert ask(root) == ""
        assert invoke(root, "export", "shared.duckdb").exit_code == 0
        client.communicate(timeout=60)
    assert client.returncode == 0
    assert notes(theirs) == [("mine",), ("later",)]
    assert ask(root) == ""


def replace_by_a_copy(catalog: Path, link: Path) -> None:
    link.unlink()
    link.write_bytes(catalog.read_bytes())


def cut(catalog: Path, link: Path) -> None:
    catalog.write_bytes(catalog.read_bytes()[:5000])


def remove(catalog: Path, link: Path) -> None:
    catalog.unlink()


def leave_a_log(catalog: Path, link: Path) -> None:
    catalog.with_name(f"{catalog.name}.wal").write_bytes(b"half")


def flip(catalog: Path, link: Path) -> None:
    content = bytearray(catalog.read_bytes())
    content[random.Random(1).randrange(len(content))] ^= 16
    catalog.write_bytes(content)


@pytest.mark.parametrize("spoil", [replace_by_a_copy, cut, remove, leave_a_log, flip])
def test_catalog_that_is_not_as_published_is_made_again_and_said(
    root: Path, store: Store, spoil: Callable[[Path, Path], None]
) -> None:
    if store.catalog.exists():
        store.catalog.resolve().chmod(0o644)
    spoil(store.catalog.resolve(), store.catalog)
    assert "the catalog " in (said := ask(root))
    assert "made again" in said
    assert "Traceback" not in said
    assert ask(root) == ""


@pytest.mark.parametrize("words", [("verify",), ("restore", "latest")])
def test_what_a_client_wrote_is_named_before_another_catalog_takes_its_place(
    root: Path, store: Store, words: tuple[str, ...]
) -> None:
    start_writer(store, "die").communicate(timeout=60)
    result = invoke(root, *words)
    assert result.exit_code == 0
    assert "table main.my_notes (1 rows)" in result.stderr
    assert is_as_published(store.catalog)


def test_run_with_nothing_to_do_makes_a_changed_catalog_again(
    root: Path, store: Store
) -> None:
    start_writer(store, "die").communicate(timeout=60)
    result = invoke(root, "run", *SOURCE)
    assert "nothing to do" in result.stdout
    assert "table main.my_notes (1 rows)" in result.stderr
    assert is_as_published(store.catalog)


def test_catalogs_are_published_read_only_and_idle_ones_go(
    root: Path, store: Store
) -> None:
    assert stat.S_IMODE(store.catalog.stat().st_mode) == 0o444
    before = store.catalog.resolve()
    for command in (("restore", "latest"), ("restore", "latest"), ("gc",)):
        assert invoke(root, *command).exit_code == 0
    assert not before.exists()
