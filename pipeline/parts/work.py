"""What one part does in one round: the same function on this machine and on others.

Below the folder of a job::

    round-0/<slice>/<attempt>/spill-<stage>/part=<p>/  the source's rows, split
    round-N/<part>/<attempt>/spill-<stage>.parquet     what later rounds go on from
    round-N/<part>/<attempt>/snapshot-<stage>.parquet  sorted rows, to be published
    round-N/<part>/<attempt>/fact-<stage>.parquet      a part's share of a fact
    round-N/<part>/done.json                           which attempt counts, its rows
    facts/<stage>.parquet                              the fact, of all parts

``done.json`` is written last, whole or not at all. So what a worker left that was
killed does not count, a job that was killed goes on behind what is done, and where two
workers have computed the same part either will do.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl
from polars.io.partition import FileProviderArgs

from pipeline.engine import collect_all
from pipeline.panel import WORKING
from pipeline.parts.folder import Folder
from pipeline.parts.layout import Layout, Round, apply_split, split_of
from pipeline.settings import Stage

_PART = f"{WORKING}part"

# Snapshots are put together slice by slice, and a slice is read by whole row groups.
_ROW_GROUP = 1 << 15


class Done(msgspec.Struct, frozen=True):
    """What a part has finished.

    Attributes
    ----------
    files : list of str
        All that it has written, sorted.
    n_rows : dict of str to int
        Per counted stage.
    """

    files: list[str]
    n_rows: dict[str, int]

    def named(self, name: str) -> list[str]:
        """List the files in a folder, or the file, of a name."""
        return [f for f in self.files if f"/{name}/" in f or f.endswith(f"/{name}")]


@dataclass(frozen=True)
class Job:
    """All that is needed to compute any part of any round.

    Attributes
    ----------
    folder : Folder
        Where parts are read and written.
    layout : Layout
        The rounds.
    stages : dict of str to Stage
        Those that are computed or given.
    schemas : dict of str to pl.Schema
        Of each of them.
    n_slices : int
        In which the source is read.
    bounds : tuple
        The least value of the column in each part but the first, ascending.
    """

    folder: Folder
    layout: Layout
    stages: dict[str, Stage]
    schemas: dict[str, pl.Schema]
    n_slices: int
    bounds: tuple[Any, ...] = ()

    @property
    def n_parts(self) -> int:
        """Parts the rows are split into."""
        return len(self.bounds) + 1

    def n_items(self, number: int) -> int:
        """Slices or parts that a round goes over."""
        return self.n_parts if number else self.n_slices

    def done(self, number: int, item: int) -> Done | None:
        """Read what an item of a round has finished; None if it has not."""
        found = self.folder.read(*_place(number, item), "done.json")
        return None if found is None else msgspec.json.decode(found, type=Done)

    def all_done(self, number: int) -> list[Done]:
        """Read what all items of a finished round have, in their order."""
        items = [self.done(number, item) for item in range(self.n_items(number))]
        return [item for item in items if item is not None]


def part_of(job: Job) -> pl.Expr:
    """Say in which part a row is; a null is less than any value."""
    above = [pl.col(job.layout.column) >= bound for bound in job.bounds]
    part = pl.sum_horizontal(is_above.cast(pl.Int32) for is_above in above)
    return part if above else pl.lit(0, pl.Int32)


def entering(job: Job, given: Mapping[str, pl.LazyFrame]) -> list[pl.LazyFrame]:
    """Compose the frames whose rows the first round splits."""
    first = job.layout.rounds[0]
    frames = _frames(job, first, given, {}, {})
    return [frames[stage] for stage in first.spills]


def read(
    job: Job, item: int, given: Mapping[str, pl.LazyFrame], bad: pl.LazyFrame | None
) -> None:
    """Read a slice of the source, or of snapshots, and split its rows.

    Parameters
    ----------
    job : Job
        What it is for.
    item : int
        The number of the slice.
    given : mapping of str to pl.LazyFrame
        The rows of what the first round starts at.
    bad : pl.LazyFrame or None
        The cells the source sets aside, to be written as ``bad.parquet``.
    """
    first = job.layout.rounds[0]
    frames = _frames(job, first, given, {}, {})
    place = _attempt(0, item)
    sinks = [
        frames[stage].sink_parquet(
            pl.PartitionBy(
                job.folder.at(*place, f"spill-{stage}"),
                key=part_of(job).alias(_PART),
                include_key=False,
                file_path_provider=_file_of_part,
            ),
            compression="lz4",
            mkdir=job.folder.needs_folders,
            lazy=True,
        )
        for stage in first.spills
    ]
    if bad is not None:
        sinks.append(_sink(job, bad, *place, "bad.parquet"))
    _finish(job, 0, item, place, frames, sinks)


def compute(job: Job, number: int, item: int) -> None:
    """Compute one part of a later round.

    Parameters
    ----------
    job : Job
        What it is for.
    number : int
        Of the round; the ones before are done.
    item : int
        The number of the part.
    """
    round_ = job.layout.rounds[number]
    facts = known_facts(job)
    in_part = {
        name: lf.filter(part_of(job) == item)
        for name, lf in wholes(job).items()
        if job.layout.column in job.schemas[name]
    }
    given = {stage: _spilled(job, stage, item) for stage in round_.starts}
    frames = _frames(job, round_, given, facts, in_part)
    place = _attempt(number, item)
    sinks = [
        _sink(job, frames[stage], *place, f"spill-{stage}.parquet")
        for stage in round_.spills
    ]
    for stage in round_.snapshots:
        rows = frames[stage].sort(job.stages[stage].key)
        sinks.append(_sink(job, rows, *place, f"snapshot-{stage}.parquet"))
    _finish(job, number, item, place, frames, sinks)


def merge_facts(job: Job, number: int) -> None:
    """Make the facts of which a finished round's items have given their share."""
    for name in job.layout.rounds[number].facts:
        shares = [
            pl.scan_parquet(file, glob=False)
            for item in job.all_done(number)
            for file in item.named(f"fact-{name}.parquet")
        ]
        stage = job.stages[name]
        fact = split_of(stage).fact
        assert fact is not None
        merged = fact.merge(pl.concat(shares), stage.config)
        merged.sink_parquet(
            job.folder.at("facts", f"{name}.parquet"), mkdir=job.folder.needs_folders
        )


def known_facts(job: Job) -> dict[str, pl.LazyFrame]:
    """Scan the facts that are there already."""
    return {
        file.rpartition("/")[2].removesuffix(".parquet"): pl.scan_parquet(
            file, glob=False
        )
        for file in job.folder.files("facts")
    }


def wholes(job: Job) -> dict[str, pl.LazyFrame]:
    """Return the small tables that are never split, as far as they are there."""
    facts = known_facts(job)
    frames: dict[str, pl.LazyFrame] = {}
    for name in job.layout.wholes:
        inputs = [frames[i] for i in job.stages[name].inputs if i in frames]
        if name in facts or len(inputs) == len(job.stages[name].inputs):
            frames[name] = apply_split(job.stages[name], inputs, facts)
    return frames


def _frames(
    job: Job,
    round_: Round,
    given: Mapping[str, pl.LazyFrame],
    facts: Mapping[str, pl.LazyFrame],
    wholes: Mapping[str, pl.LazyFrame],
) -> dict[str, pl.LazyFrame]:
    """Compose the stages of a round on the rows of an item."""
    frames = {**wholes, **given}
    for name in round_.stages:
        stage = job.stages[name]
        frames[name] = apply_split(stage, [frames[i] for i in stage.inputs], facts)
    return frames


def _finish(
    job: Job,
    number: int,
    item: int,
    place: tuple[str, ...],
    frames: Mapping[str, pl.LazyFrame],
    sinks: Sequence[pl.LazyFrame],
) -> None:
    """Run the pass of an item, counts and shares of facts with it; say it is done."""
    round_ = job.layout.rounds[number]
    shares = [
        _sink(job, _share(job.stages[name], frames), *place, f"fact-{name}.parquet")
        for name in round_.facts
    ]
    counted = [frames[name].select(pl.len()) for name in round_.counts]
    results = collect_all([*counted, *sinks, *shares])
    n_rows = {
        name: int(result.item())
        for name, result in zip(round_.counts, results, strict=False)
    }
    done = Done(job.folder.files(*place), n_rows)
    job.folder.write(msgspec.json.encode(done), *_place(number, item), "done.json")


def _share(stage: Stage, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Take from some rows what they have to do with a stage's fact."""
    fact = split_of(stage).fact
    assert fact is not None
    return fact.partial(*(frames[i] for i in stage.inputs), stage.config)


def _spilled(job: Job, stage: str, part: int) -> pl.LazyFrame:
    """Scan the rows of a part that an earlier round has kept."""
    number = next(i for i, r in enumerate(job.layout.rounds) if stage in r.spills)
    if number == 0:
        split = (item.named(f"spill-{stage}") for item in job.all_done(0))
        files = [f for files in split for f in files if f"/part={part}/" in f]
    else:
        done = job.done(number, part)
        files = [] if done is None else done.named(f"spill-{stage}.parquet")
    if not files:
        return pl.LazyFrame(schema=job.schemas[stage])
    return pl.scan_parquet(files, glob=False, hive_partitioning=False)


def _sink(job: Job, lf: pl.LazyFrame, *names: str) -> pl.LazyFrame:
    """Write a frame for a while: fast rather than small."""
    return lf.sink_parquet(
        job.folder.at(*names),
        compression="lz4",
        row_group_size=_ROW_GROUP,
        mkdir=job.folder.needs_folders,
        lazy=True,
    )


def _place(number: int, item: int) -> tuple[str, str]:
    """Name the folder of an item of a round."""
    return f"round-{number}", f"{item:05}"


def _file_of_part(args: FileProviderArgs) -> str:
    """Name a file of a part's rows: the working column's name could be no folder's."""
    return f"part={args.partition_keys.item()}/{args.index_in_partition:08}.parquet"


def _attempt(number: int, item: int) -> tuple[str, str, str]:
    """Name a folder of its own for one attempt at an item."""
    return *_place(number, item), uuid.uuid4().hex[:12]
