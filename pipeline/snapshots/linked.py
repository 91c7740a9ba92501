"""The link users open: whose catalog it is, and whether that is what was published.

A catalog lies in a folder named for its run and for a checksum, so that bytes alone
tell, before DuckDB is imported. No two catalogs share a folder: what a client writes
beside one, such as its log (``.wal``), never meets another.
"""

import fcntl
import re
from pathlib import Path

RUN_ID = r"r\d{8}_\d{6}_\d{3}"
"""A pattern of the names that runs have."""

CATALOG_FORMAT = 5
"""Counts the changes to what a catalog holds."""

READ_ONLY = 0o444
"""Of a catalog: a client that asks to write is refused, and keeps no reader out."""


def folder_name(run_id: str, catalog: Path, state: Path) -> str:
    """Name the folder of a catalog."""
    import hashlib  # imported late: what lists runs needs none

    digest = hashlib.blake2b(f"{CATALOG_FORMAT} {state}\0".encode(), digest_size=8)
    digest.update(catalog.read_bytes())
    return f"{run_id}.{digest.hexdigest()}"


def is_run_id(name: str) -> bool:
    """Tell whether a name is one that runs have."""
    return re.fullmatch(RUN_ID, name) is not None


def run_of(folder: Path) -> str:
    """Return the id of the run whose catalog lies in a folder."""
    return folder.name.partition(".")[0]


def is_as_published(link: Path) -> bool:
    """Tell whether the linked catalog is as it was when it was published, and here."""
    return is_untouched(link.resolve(), link.parent)


def is_untouched(catalog: Path, state: Path) -> bool:
    """Tell whether a catalog is as it was when it was published into a state."""
    try:
        name = folder_name(run_of(catalog.parent), catalog, state)
        return catalog.parent.name == name and not log_of(catalog).exists()
    except OSError:
        return False


def log_of(catalog: Path) -> Path:
    """Name the file in which DuckDB keeps changes until a client closes."""
    return catalog.with_name(f"{catalog.name}.wal")


def is_being_written(catalog: Path) -> bool:
    """Tell whether a DuckDB client has it open for writing, and so keeps readers out.

    NOTE: A process that closes a file gives up all of its own locks on it.
    """
    try:
        with catalog.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
