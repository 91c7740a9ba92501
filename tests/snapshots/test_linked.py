"""Bytes alone tell whether the linked catalog is the one that was published here."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.snapshots.linked import (
    folder_name,
    is_as_published,
    is_being_written,
    is_run_id,
    log_of,
    run_of,
)

RUN = "r20260101_000000_000"


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A link to a catalog; no more than its bytes are looked at."""
    link, made = tmp_path / "catalog.duckdb", tmp_path / "made"
    made.write_bytes(random.Random(1).randbytes(500))
    catalog = tmp_path / "catalogs" / folder_name(RUN, made, tmp_path) / link.name
    catalog.parent.mkdir(parents=True)
    made.rename(catalog)
    link.symlink_to(catalog)
    return link


def test_no_flipped_bit_passes_for_what_was_published(link: Path) -> None:
    content = bytearray(link.read_bytes())
    for i in range(8 * len(content)):
        content[i // 8] ^= 1 << i % 8
        link.write_bytes(content)
        assert not is_as_published(link)
        content[i // 8] ^= 1 << i % 8
    link.write_bytes(content)
    assert is_as_published(link)


def test_a_cut_catalog_one_with_a_log_or_none_is_not_as_published(link: Path) -> None:
    log_of(link.resolve()).write_bytes(b"")
    assert not is_as_published(link)
    log_of(link.resolve()).unlink()
    assert is_as_published(link)
    link.write_bytes(link.read_bytes()[:-1])
    assert not is_as_published(link)
    link.resolve().unlink()
    assert not is_as_published(link)


def test_a_catalog_of_another_folder_is_not_as_published(link: Path) -> None:
    elsewhere = link.parent / "copy" / link.name
    elsewhere.parent.mkdir()
    elsewhere.symlink_to(link.resolve())
    assert not is_as_published(elsewhere)
    elsewhere.unlink()
    elsewhere.write_bytes(link.read_bytes())
    assert not is_as_published(elsewhere)


def test_a_folder_is_named_for_its_run(link: Path) -> None:
    folder = link.resolve().parent
    assert run_of(folder) == RUN
    assert is_run_id(RUN)
    assert not any(map(is_run_id, (folder.name, RUN[1:], f"{RUN}0", "latest")))


def test_a_client_that_holds_a_lock_is_writing(link: Path) -> None:
    lock = (
        "import fcntl, sys; file = open(sys.argv[1], 'rb+');"
        " fcntl.lockf(file, fcntl.LOCK_EX); print('locked', flush=True);"
        " sys.stdin.read()"
    )
    assert not is_being_written(link)
    with subprocess.Popen(
        [sys.executable, "-c", lock, link],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "locked\n"
        assert is_being_written(link)
        client.communicate(timeout=60)
    assert not is_being_written(link)
    assert not is_being_written(link.with_name("absent"))
