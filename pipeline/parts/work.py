"""What one part does in one round: the same function on this machine and on others.

Below the folder of a job::

    round-0/<slice>/spill-<stage>/part=<p>/*.parquet   the source's rows, split
    round-N/<p>/spill-<stage>/0.parquet                what later rounds go on from
    round-N/<p>/snapshot-<stage>.parquet               sorted rows, to be published
    round-N/<p>/fact-<stage>.parquet                   a part's share of a fact
    round-N/<p>/counts.json                            rows per stage
    facts/<stage>.parquet                              the fact, of all parts

A part's folder is renamed to its name once it is whole, so that what is there is done:
a job that was killed goes on behind it, and of two workers at the same part one wins.
"""

import shutil
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from pipeline.panel import WORKING
from pipeline.parts.layout import Layout, Round, apply_split, split_of
from pipeline.settings import Stage

_PART = f"{WORKING}part"

# Snapshots are put together slice by slice, and a slice is read by whole row groups.
_ROW_GROUP = 1 << 15


@dataclass(frozen=True)
class Job:
    """All that is needed to compute any part of any round.

    Attributes
    ----------
    folder : Path
        Where parts are read and written; every worker sees it.
    layout : Layout
        The rounds.
    stages : dict of str to Stage
        Those that are computed or given.
    schemas : dict of str to pl.Schema
        Of each of them.
    bounds : tuple
        The least value of the column in each part but the first, ascending.
    """

    folder: Path
    layout: Layout
    stages: dict[str, Stage]
    schemas: dict[str, pl.Schema]
    bounds: tuple[Any, ...]

    @property
    def n_parts(self) -> int:
        """Parts the rows are split into."""
        return len(self.bounds) + 1

    def place(self, number: int, part: int) -> Path:
        """Name the folder of a part in a round."""
        return self.folder / f"round-{number}" / f"{part:05}"

    def fact(self, stage: str) -> Path:
        """Name the file of a stage's fact."""
        return self.folder / "facts" / f"{stage}.parquet"


def part_of(job: Job) -> pl.Expr:
    """Say in which part a row is; a null is less than any value."""
    above = [pl.col(job.layout.column) >= bound for bound in job.bounds]
    part = pl.sum_horizontal(is_above.cast(pl.Int32) for is_above in above)
    return part if above else pl.lit(0, pl.Int32)


def read(
    job: Job, part: int, given: Mapping[str, pl.LazyFrame], bad: pl.LazyFrame | None
) -> None:
    """Read a slice of the source, or of snapshots, and split its rows.

    Parameters
    ----------
    job : Job
        What it is for.
    part : int
        The number of the slice.
    given : mapping of str to pl.LazyFrame
        The rows of what the first round starts at.
    bad : pl.LazyFrame or None
        The cells the source sets aside, to be written beside as ``bad.parquet``.
    """
    first = job.layout.rounds[0]
    frames = _frames(job, first, given, None)
    with _finished(job, 0, part) as folder:
        sinks = [
            frames[stage]
            .with_columns(part_of(job).alias(_PART))
            .sink_parquet(
                pl.PartitionBy(
                    folder / f"spill-{stage}",
                    key={"part": pl.col(_PART)},
                    include_key=False,
                ),
                compression="lz4",
                mkdir=True,
                lazy=True,
            )
            for stage in first.spills
        ]
        if bad is not None:
            sinks.append(bad.sink_parquet(folder / "bad.parquet", lazy=True))
        _collect(job, first, frames, folder, sinks)


def compute(job: Job, number: int, part: int) -> None:
    """Compute one part of a later round.

    Parameters
    ----------
    job : Job
        What it is for.
    number : int
        Of the round; the ones before are done.
    part : int
        From 0.
    """
    round_ = job.layout.rounds[number]
    given = {stage: _spilled(job, stage, part) for stage in round_.starts}
    frames = _frames(job, round_, given, part)
    with _finished(job, number, part) as folder:
        sinks: list[pl.LazyFrame] = []
        for stage in round_.spills:
            file = folder / f"spill-{stage}" / "0.parquet"
            sinks.append(_sink(frames[stage], file))
        for stage in round_.snapshots:
            rows = frames[stage].sort(job.stages[stage].key)
            sinks.append(_sink(rows, folder / f"snapshot-{stage}.parquet"))
        _collect(job, round_, frames, folder, sinks)


def is_done(job: Job, number: int, part: int) -> bool:
    """Tell whether a part is there from before."""
    return job.place(number, part).is_dir()


def counts(job: Job) -> dict[str, int]:
    """Add up the rows of each stage over all parts."""
    total: dict[str, int] = {}
    for path in job.folder.glob("round-*/*/counts.json"):
        for stage, n_rows in msgspec.json.decode(path.read_bytes()).items():
            total[stage] = total.get(stage, 0) + n_rows
    return total


def merge_facts(job: Job, number: int) -> None:
    """Make the facts of which a round's parts have given their share."""
    for name in job.layout.rounds[number].facts:
        shares = sorted(job.folder.glob(f"round-{number}/*/fact-{name}.parquet"))
        stage, file = job.stages[name], job.fact(name)
        fact = split_of(stage).fact
        assert fact is not None
        file.parent.mkdir(exist_ok=True)
        partial = file.with_suffix(".next")
        merged = fact.merge(pl.scan_parquet(shares, glob=False), stage.config)
        merged.collect(engine="streaming").write_parquet(partial)
        partial.replace(file)


def whole(job: Job, stage: str) -> pl.LazyFrame:
    """Return a small table that is not split, once its facts are there."""
    return _wholes(job)[stage]


def _wholes(job: Job) -> dict[str, pl.LazyFrame]:
    """Return the small tables that are there already."""
    facts = _facts(job)
    frames: dict[str, pl.LazyFrame] = {}
    for name in job.layout.wholes:
        inputs = [frames[i] for i in job.stages[name].inputs if i in frames]
        if name in facts or len(inputs) == len(job.stages[name].inputs):
            frames[name] = apply_split(job.stages[name], inputs, facts)
    return frames


def _facts(job: Job) -> dict[str, pl.LazyFrame]:
    """Read the facts that are there already."""
    files = sorted((job.folder / "facts").glob("*.parquet"))
    return {file.stem: pl.scan_parquet(file, glob=False) for file in files}


def _frames(
    job: Job, round_: Round, given: Mapping[str, pl.LazyFrame], part: int | None
) -> dict[str, pl.LazyFrame]:
    """Compose the stages of a round on a part's rows."""
    facts, wholes = _facts(job), _wholes(job)
    if part is not None:
        wholes = {
            name: lf.filter(part_of(job) == part)
            for name, lf in wholes.items()
            if job.layout.column in job.schemas[name]
        }
    frames = {**wholes, **given}
    for name in round_.stages:
        stage = job.stages[name]
        inputs = [frames[i] for i in stage.inputs]
        frames[name] = apply_split(stage, inputs, facts)
    return frames


def _collect(
    job: Job,
    round_: Round,
    frames: Mapping[str, pl.LazyFrame],
    folder: Path,
    sinks: Sequence[pl.LazyFrame],
) -> None:
    """Run one pass: what is to be written, shares of facts, and counts."""
    shares = [
        _sink(_share(job.stages[name], frames), folder / f"fact-{name}.parquet")
        for name in round_.facts
    ]
    counted = [frames[name].select(pl.len()) for name in round_.counts]
    results = pl.collect_all([*counted, *sinks, *shares], engine="streaming")
    n_rows = {
        name: result.item()
        for name, result in zip(round_.counts, results, strict=False)
    }
    (folder / "counts.json").write_bytes(msgspec.json.encode(n_rows))


def _share(stage: Stage, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Take from some rows what they have to do with a stage's fact."""
    fact = split_of(stage).fact
    assert fact is not None
    return fact.partial(*(frames[i] for i in stage.inputs), stage.config)


def _spilled(job: Job, stage: str, part: int) -> pl.LazyFrame:
    """Scan the rows of a part that an earlier round has kept."""
    for number, round_ in enumerate(job.layout.rounds):
        if stage in round_.spills:
            folder = job.folder / f"round-{number}"
            pattern = (
                f"*/spill-{stage}/part={part}/*"
                if number == 0
                else (f"{part:05}/spill-{stage}/*")
            )
            files = sorted(folder.glob(pattern))
            if files:
                return pl.scan_parquet(files, glob=False, hive_partitioning=False)
    return pl.LazyFrame(schema=job.schemas[stage])


def _sink(lf: pl.LazyFrame, file: Path) -> pl.LazyFrame:
    """Write a frame for a while: fast rather than small."""
    return lf.sink_parquet(
        file, compression="lz4", row_group_size=_ROW_GROUP, mkdir=True, lazy=True
    )


@contextmanager
def _finished(job: Job, number: int, part: int) -> Generator[Path]:
    """Give a folder to write to that gets its name once all is in it."""
    place = job.place(number, part)
    folder = job.folder / "unfinished" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    place.parent.mkdir(exist_ok=True)
    try:
        yield folder
        try:
            folder.rename(place)
        except OSError:
            if not place.is_dir():  # else another worker was first
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
