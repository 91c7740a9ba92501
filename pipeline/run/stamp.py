"""Nothing to do: seen from bytes and file times alone, before a dataframe is imported.

A run that leaves everything fresh stamps what it has looked at. As long as the bytes
of the configuration and the code, the words of the command, the library's version, the
source's files and the objects are the same, so is its answer. Whatever differs, be it
a space in a comment, only means that the fingerprints are looked at again.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from pipeline.errors import SourceError
from pipeline.files.checksum import checksum, read_sealed, write_sealed
from pipeline.files.local import FileStat, find_files, stat_of
from pipeline.files.state import State
from pipeline.plan.code import identity
from pipeline.plan.content import key, package_at_first, words_of
from pipeline.snapshots.linked import is_as_published, is_run_id, run_of


class Stamp(msgspec.Struct, frozen=True):
    """What was looked at, and the run that holds the answer.

    ``code`` is what the stages use of code outside the package, ``objects`` are the
    paths of the objects and their sizes, ``records`` those of what is said of them and
    of the run, with their checksums.
    """

    key: str
    run_id: str
    patterns: list[str]
    files: list[FileStat]
    code: dict[str, str]
    objects: list[tuple[str, int]]
    records: list[tuple[str, str]]
    kept: list[str]
    """Snapshots that no stage makes; all others are fresh."""

    def say(self) -> str:
        """Say it of each snapshot, as `describe_freshness` does."""
        names = [Path(path).parent.name for path, _ in self.objects]
        fresh = [name for name in names if name not in self.kept]
        lines = [f"{name:{max(map(len, fresh))}}  fresh" for name in fresh]
        left = f"to leave as published: {', '.join(self.kept)}"
        return "\n".join([*lines, "nothing to do", *([left] if self.kept else [])])


def read_stamp(root: Path, wanted: str | None) -> Stamp | None:
    """Read the stamp of a key; None if anything it saw is otherwise now."""
    state = State(root)
    stamp = read_sealed(state.stamp, Stamp)
    if stamp is None:
        return None
    try:
        # A run that died before its link is newer, and the next to be linked.
        runs = {path.stem for path in state.runs.glob("*.json")}
        newest = max(filter(is_run_id, runs), default="")
        is_same = (
            stamp.key == wanted
            and run_of(state.catalog.resolve().parent) == stamp.run_id == newest
            and is_as_published(state.catalog)
            and [
                stat_of(file, root)
                for pattern in stamp.patterns
                for file in find_files(pattern, root)
            ]
            == stamp.files
            and all(identity(name) == code for name, code in stamp.code.items())
            and all((root / p).stat().st_size == size for p, size in stamp.objects)
            and all(checksum(root / p) == crc for p, crc in stamp.records)
            # Of a run that broke; the next one removes them.
            and not any(state.parts.glob("*"))
            and not state.parts_elsewhere.exists()
        )
    except (OSError, SourceError):
        return None
    return stamp if is_same else None


def stamped(root: Path, profile: str | None, overrides: Iterable[str]) -> Stamp | None:
    """Read the stamp of all that is wanted now; see `read_stamp`."""
    return read_stamp(root, key(root, words_of(profile, overrides), package_at_first()))


def write_stamp(root: Path, stamp: Stamp) -> None:
    """Keep a stamp; it is there whole or not at all."""
    write_sealed(State(root).stamp, stamp)
