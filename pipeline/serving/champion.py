"""A champion as it is served: how rows are read for it, and what it answers."""

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from pipeline.errors import PipelineError, masked
from pipeline.files.manifest import hashes
from pipeline.modeling.forecast import of_version
from pipeline.modeling.registry.apart import others_of
from pipeline.modeling.registry.registry import Packed, Version, packed
from pipeline.modeling.score import read_given, source_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.plan.code import PACKAGE
from pipeline.serving.formats import ARROW, JSON, to_file, to_table
from pipeline.serving.workers import Pool, Worker
from pipeline.sources.csv import CsvSource
from pipeline.sources.parquet import ParquetSource, good_table

if TYPE_CHECKING:
    from pipeline.sources.columns import Declared
    from pipeline.sources.source import FileSource


@dataclass(frozen=True)
class Champion:
    """A loaded version, with the processes that hold it."""

    version: Version
    settings: ModelingSettings
    model: str
    fitted_through: int | str
    columns: "Mapping[str, Declared]"
    """The raw columns that it takes, and their kinds."""
    sources: "Mapping[str, FileSource]"
    """How a file of each ending is read."""
    of: Mapping[str, pl.Expr]
    """What is said beside each prediction: see `of_version`."""
    pool: Pool

    def read(
        self, body: bytes, type_: str, max_rows: int
    ) -> tuple[bytes, list[dict[str, Any]]]:
        """Read the rows of a request as `just score` reads a file of them.

        Gives a table of the good ones, and the cells for which others are left out:
        ``row`` (of CSV the line, else from 1), ``column``, ``value`` and ``reason``.
        """
        refused: list[dict[str, Any]] = []
        if type_ in (JSON, ARROW):
            table = to_table(body, type_, max_rows)
            rows = good_table(table, self.sources[".parquet"])
            if rows is None:  # a file of it says why
                rows, refused = self._read_file(lambda folder: _written(table, folder))
        else:
            rows, refused = self._read_file(
                lambda folder: to_file(body, type_, folder, max_rows)
            )
        out = io.BytesIO()
        rows.write_ipc_stream(out)
        return out.getvalue(), refused

    def _read_file(
        self, write: Callable[[Path], Path]
    ) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
        """Read the rows of a request as those of the file that is written of them."""
        with TemporaryDirectory(prefix="pipeline-") as name:
            file = write(Path(name).resolve())
            source = msgspec.structs.replace(
                self.sources[file.suffix], path=file.as_posix()
            )
            try:
                rows, bad = read_given(source, self.settings.root)
            except PipelineError as error:
                # Its hint is for files, and for whom the configuration is of.
                fault = masked(str(error)).partition("\nhint: ")[0]
                raise type(error)(
                    fault.replace(str(file), "the request")
                    + "\nhint: mend the rows; / says what they may be"
                ) from error
        cells = bad.select(pl.col("line").alias("row"), "column", "value", "reason")
        return rows, cells.to_dicts()


def _written(table: pl.DataFrame, folder: Path) -> Path:
    """Write a table as a file."""
    path = folder / "request.parquet"
    table.write_parquet(path, compression="uncompressed")
    return path


async def load(
    settings: ModelingSettings, version: Version, workers: Sequence[Worker], work: Path
) -> Champion:
    """Let processes load a version, whose files are held to what was registered first.

    A PipelineError if it cannot be used; then the processes have ended. `work` is a
    folder for the rows of other sources.
    """
    pool = Pool(version.uri, lambda: _told(version, work))
    try:
        known = await asyncio.to_thread(_written_others, settings, version, work)
        sources = {
            ending: source_of(settings, version, "", kind)
            for ending, kind in ((".csv", CsvSource), (".parquet", ParquetSource))
        }
    except BaseException:
        for worker in workers:
            worker.end()
        raise
    await pool.load(workers)
    return Champion(
        version,
        settings,
        known.model,
        known.fitted_through,
        {name: settings.pipeline.source.columns[name] for name in known.columns},
        sources,
        of_version(version, settings.modeling),
        pool,
    )


def _written_others(settings: ModelingSettings, version: Version, work: Path) -> Packed:
    """Write the rows of other sources, as they are now, where a process reads them."""
    for name, table in others_of(settings, version).items():
        table.write_parquet(work / f"{name}.parquet")
    return packed(version)


def _told(version: Version, work: Path) -> dict[str, object]:
    """Write what a process is told first: what to load, and with which code.

    Each time anew: files may have changed since the last process was started. Of the
    same code as this one's, what is compiled already may be used.
    """
    version.hold()
    code = version.folder / "code"
    is_same = hashes(PACKAGE) == hashes(code / PACKAGE.name)
    return {
        "bundle": str(version.folder / "artifacts" / "bundle"),
        "own": str(code),
        "code": str(PACKAGE.parent if is_same else code),
        "others": {path.stem: str(path) for path in work.glob("*.parquet")},
    }
