"""Copies of sources' rows with the lines they stand on, so that a file is read once.

A copy is kept by the content of its files, and of all that decides how these are read:
see `pipeline.plan.content`. The first question about a source makes it, and one that
asks for more columns makes it anew.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.files.checksum import checksum
from pipeline.files.local import find_files, shown
from pipeline.files.state import State
from pipeline.plan.content import Memo
from pipeline.plan.settings import Settings
from pipeline.sources.csv import CsvSource
from pipeline.sources.located import Copied, copy_clean, locate_in

_MOST = 2
"""Copies; the oldest go."""


class _Kept(msgspec.Struct, frozen=True):
    """What is known of a copy, if there can be one, and the checksum of its file."""

    of: Copied | None
    crc32: str


@dataclass(frozen=True)
class Places:
    """The copies of a project's sources, whose files are known by their content."""

    settings: Settings
    contents: Mapping[str, str]
    """Hashes of files, by their paths as users know them."""

    def locate(
        self, source: str, test: pl.Expr, columns: Sequence[str]
    ) -> pl.DataFrame | None:
        """Do what `pipeline.sources.located.locate` does; None where no copy can."""
        digest = self._digest(source)
        if digest is None:
            return None
        memo = Memo(self.settings.root, "places", None, [digest])
        path = State(self.settings.root).places / f"{digest}.parquet"
        try:
            kept, crc32 = memo.recall(_Kept), checksum(path) if path.exists() else ""
            if kept is None or kept.crc32 != crc32:
                kept = self._copy(source, columns, memo, path)
            elif kept.of and (lacking := {*columns} - {*kept.of.columns}):
                both = [*kept.of.columns, *sorted(lacking)]
                kept = self._copy(source, both, memo, path)
            return locate_in(path, kept.of, test, columns) if kept.of else None
        except (OSError, PolarsError):
            return None

    def _digest(self, source: str) -> str | None:
        """Hash what a source of text is read of; None where there is more to it."""
        root = self.settings.root
        config = sources.reads(self.settings.sources[source], root)
        if not isinstance(config, CsvSource) or self.settings.environment:
            return None
        files = [shown(file, root) for file in find_files(config.path, root)]
        if not {*files} <= self.contents.keys():
            return None
        found = repr((config, [(name, self.contents[name]) for name in files]))
        return hashlib.sha256(found.encode()).hexdigest()[:32]

    def _copy(
        self, source: str, columns: Sequence[str], memo: Memo, path: Path
    ) -> _Kept:
        """Copy a source, there whole or not at all."""
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        config, root = self.settings.sources[source], self.settings.root
        try:
            copied = copy_clean(config, root, columns, partial)
            kept = _Kept(copied, checksum(partial) if copied else "")
            if copied:
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        memo.remember(kept)
        _forget_oldest(path.parent)
        return kept


def _forget_oldest(folder: Path) -> None:
    """Remove what is too much."""
    files = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime_ns)
    for path in files[:-_MOST]:
        path.unlink(missing_ok=True)
