"""Forecast from a folder of files of raw rows, as many as there are.

They are one request, of which a file is answered by a file; see
`pipeline.modeling.bundle.parts`.
"""

import posixpath
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline import sources
from pipeline.errors import ConfigError, ModelError, PipelineError, SourceError, some
from pipeline.files.delivery import delivery
from pipeline.files.local import SourceFile, contents
from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.files.remote import (
    RemoteFile,
    arrow_fs,
    is_remote,
    open_store,
    store_faults,
)
from pipeline.modeling.forecast import champion_of, of_version
from pipeline.modeling.registry.apart import forecast_files_apart
from pipeline.modeling.registry.registry import Version
from pipeline.modeling.score import source_of
from pipeline.modeling.settings import STEP, ModelingSettings
from pipeline.progress import each
from pipeline.snapshots.result import write_frame
from pipeline.sources.parquet import ParquetSource
from pipeline.sources.source import ENDINGS, ending_of, kind_of

LEFT_OUT = "_left_out.csv"
"""The cells of rows that were left out, beside what came of the others."""


_MOST_FAULTS = 10
"""Files that cannot be read and are named at once."""


@dataclass(frozen=True)
class ScoredFile:
    """A file and what came of it."""

    name: str
    """Below the folder that was given."""
    sha256: str
    """Of its bytes; of a file in a store, of its tag."""
    made: Path
    """A Parquet file with what `Scores.predictions` has of the file."""
    n_rows: int
    n_left_out: int


@dataclass(frozen=True)
class ScoredFiles:
    """What came of a folder."""

    place: str
    version: Version
    files: list[ScoredFile]
    bad: pl.DataFrame
    """As of `Scores`."""
    scored_at: datetime

    @property
    def n_left_out(self) -> int:
        """The number of rows that were left out."""
        return sum(file.n_left_out for file in self.files)

    def predictions(self) -> pl.LazyFrame:
        """Scan all, with the ``file`` and the ``row`` in it that each is of, from 1."""
        columns = scan_parquet(self.files[0].made).collect_schema()
        n_steps = pl.col(STEP).max() if STEP in columns else 1
        row = pl.int_range(pl.len()) // n_steps + 1
        return pl.concat(
            scan_parquet(file.made).select(
                pl.lit(file.name).alias("file"), row.alias("row"), pl.all()
            )
            for file in self.files
        )


@contextmanager
def score_files(
    settings: ModelingSettings, place: str, *, alone: bool = False
) -> Generator[ScoredFiles]:
    """Forecast from a file, a folder, or a prefix in a store, as `score` does.

    How many bad rows are allowed counts for each file. What came of it is in a
    temporary folder.
    """
    version = champion_of(settings)
    found = _files_at(place)
    with tempfile.TemporaryDirectory(prefix="score-") as folder:
        given, work = Path(folder, "given"), Path(folder, "work")
        given.mkdir()
        work.mkdir()
        bad: list[pl.DataFrame] = []
        faults: list[SourceError] = []
        for number, file in enumerate(each(found.values(), "reading files")):
            to = given / f"{number:06}.parquet"
            try:
                bad.append(_read(settings, version, file, to))
            except SourceError as error:
                faults.append(error)
                # A store that does not answer does not for the others, either.
                if not isinstance(file, Path) or len(faults) == _MOST_FAULTS:
                    break
        if faults:
            raise _of_all(place, faults)
        paths = sorted(given.iterdir())
        if not scan_parquet(paths).head(1).collect().height:
            raise ModelError(
                f"{place}: no good rows to forecast from\n"
                "hint: give at least one raw row of each entity that is asked about"
            )
        forecast_files_apart(settings, version, given, work, alone=alone)
        of = of_version(version, settings.modeling)
        hashes = contents(found.values(), settings.root, [])
        files: list[ScoredFile] = []
        for name, content, path, of_file in zip(found, hashes, paths, bad, strict=True):
            made = work / "made" / path.name
            scored = made.with_name(f"scored-{made.name}")
            scan_parquet(made).with_columns(**of).sink_parquet(scored)
            n_rows = scan_parquet(made).select(pl.len()).collect().item()
            n_bad = of_file.select("file", "line").n_unique()
            files.append(ScoredFile(name, content.sha256, scored, n_rows, n_bad))
        yield ScoredFiles(place, version, files, pl.concat(bad), datetime.now(UTC))


def _of_all(place: str, faults: list[SourceError]) -> SourceError:
    """Say what is wrong with files, all at once."""
    if len(faults) == 1:
        return faults[0]
    more = " or more" if len(faults) == _MOST_FAULTS else ""
    lines = "\n".join(f"  {str(error).splitlines()[0]}" for error in faults)
    return SourceError(
        f"{place}: {len(faults)} files{more} cannot be read\n{lines}\n"
        "hint: mend them, or move them elsewhere; `just score` of one says more"
    )


def _read(
    settings: ModelingSettings, version: Version, file: SourceFile, to: Path
) -> pl.DataFrame:
    """Write the good rows of a file as Parquet, and give its bad cells.

    Of a store, Parquet is read where it is, and anything else from a copy.
    """
    root, kind = settings.root, kind_of(_path_of(file))

    def read(path: str) -> pl.DataFrame:
        source = source_of(settings, version, path, kind)
        bad = sources.write(source, root, to)
        sources.refuse_too_many(bad, source, root)
        return bad

    if isinstance(file, Path) or kind is ParquetSource:
        return read(str(file))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, _path_of(file).name)
        with store_faults(file.uri):
            store, path = open_store(file.uri)
            here = arrow_fs().LocalFileSystem()
            arrow_fs().copy_files(path, str(copy), store, here)
        try:
            bad = read(str(copy))
        except PipelineError as error:
            raise type(error)(str(error).replace(str(copy), file.uri)) from error
        return bad.with_columns(file=pl.lit(file.uri))


def refuse_place(
    place: str, output: str | None, snapshot: str | None, format_: str | None
) -> None:
    """Refuse files that are to go nowhere, or where they come from."""
    fault = None
    if not output and not snapshot:
        fault = "nowhere to write what comes of it"
    elif format_ in ("table", "vertical"):
        fault = f"--format {format_} is for a terminal"
    elif output and snapshot and Path(place).is_file() and not is_remote(output):
        fault = "of one file, -o and --snapshot are two calls"
    elif output and not (is_remote(output) or is_remote(place)):
        source, target = Path(place).resolve(), Path(output).resolve()
        if target.is_file() or (source.is_dir() and target.is_relative_to(source)):
            fault = f"{output} is a file, or within what is scored"
    elif output and is_remote(place) and f"{output}/".startswith(f"{place}/"):
        fault = f"{output} is within what is scored"
    if fault:
        raise ConfigError(
            f"{place}: {fault}\n"
            "expected: `-o` with another folder or s3://bucket/prefix, or `--snapshot`"
            " with a name"
        )


def deliver(scored: ScoredFiles, place: str, format_: str | None) -> None:
    """Write a file for each into a folder or below a prefix; ``_SUCCESS`` at last.

    By default, what comes of Parquet is Parquet, else CSV. A name that ends otherwise
    has the format's ending after its own.
    """
    names: dict[str, ScoredFile] = {}
    for file in scored.files:
        ending = ending_of(Path(file.name))
        is_parquet = ENDINGS.get(ending) is ParquetSource
        kind = format_ or ("parquet" if is_parquet else "csv")
        same = file.name.lower().endswith(f".{kind}")
        names[file.name if same else f"{file.name}.{kind}"] = file
    if len(names) < len(scored.files):
        raise ModelError(
            f"{place}: two files would have the same name\n"
            "hint: rename one of those that are scored, or choose another --format"
        )
    with delivery(place) as out, tempfile.TemporaryDirectory() as folder:
        out.begin([*names, LEFT_OUT])
        for name, file in each(names.items(), "writing files"):
            whole = Path(folder, "made")
            write_frame(read_parquet(file.made), _kind(name), whole)
            out.put(whole, name)
        if not scored.bad.is_empty():
            write_frame(scored.bad, "csv", Path(folder, LEFT_OUT))
            out.put(Path(folder, LEFT_OUT), LEFT_OUT)
        out.finish(
            {
                "files": [*names, *([] if scored.bad.is_empty() else [LEFT_OUT])],
                "model": scored.version.name,
                "version": scored.version.number,
                "scored_at": scored.scored_at,
                "of": [
                    {
                        "file": file.name,
                        "sha256": file.sha256,
                        "n_rows": file.n_rows,
                        "n_left_out": file.n_left_out,
                    }
                    for file in scored.files
                ],
            }
        )


def _kind(name: str) -> str:
    """Name the format of a file that is written."""
    return name.rpartition(".")[2].lower()


def _path_of(file: SourceFile) -> Path:
    """Take the name of a file, here or in a store, for its ending."""
    return file if isinstance(file, Path) else Path(file.uri.rpartition("/")[2])


def _files_at(place: str) -> dict[str, SourceFile]:
    """Find the files of a folder, a prefix or an address, sorted by their names.

    Those whose names, or folders', begin with ``_`` or ``.`` are none of the data.
    """
    found = _remote(place) if is_remote(place) else _local(Path(place))
    named = {
        name: file
        for name, file in sorted(found.items())
        if not any(part.startswith(("_", ".")) for part in name.split("/"))
    }
    if not named:
        raise SourceError(f"{place}: no files\nhint: see that the folder is the one")
    odd = [n for n in named if ending_of(Path(n)) not in ENDINGS]
    if odd and len(found) > 1:
        raise SourceError(
            f"{place}: files that are no data, by their names: {some(odd)}\n"
            f"expected: {', '.join(ENDINGS)}\n"
            "hint: move them elsewhere; names that begin with _ or . are passed over"
        )
    return named


def _local(place: Path) -> dict[str, SourceFile]:
    """Find files on this machine."""
    if not place.is_dir():
        return {place.name: place.resolve()}
    files = [path for path in place.rglob("*") if path.is_file()]
    return {p.relative_to(place).as_posix(): p.resolve() for p in files}


def _remote(place: str) -> dict[str, SourceFile]:
    """Find files in a store."""
    with store_faults(place):
        store, path = open_store(place.rstrip("/"))
        [info] = store.get_file_info([path])
        if info.is_file:
            return {posixpath.basename(path): RemoteFile(f"s3://{path}")}
        select = arrow_fs().FileSelector(path, allow_not_found=True, recursive=True)
        found = [info.path for info in store.get_file_info(select) if info.is_file]
    return {posixpath.relpath(at, path): RemoteFile(f"s3://{at}") for at in found}
