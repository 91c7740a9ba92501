"""What one part does in one round, by the same functions here and on other machines.

Below the folder of a run's parts::

    values.arrow                     the rows of each value of the column
    round-0/<slice>/<attempt>/batch-<n>/spill-<stage>/part=<p>/   the source's rows
    round-0/<slice>/<attempt>/batch-<n>/bad.arrow    cells set aside
    round-N/<part>/<attempt>/spill-<stage>.arrow     what later rounds go on from
    round-N/<part>/<attempt>/snapshot-<stage>.arrow  sorted rows, to be published
    round-N/<part>/<attempt>/fact-<stage>.arrow      a part's share of a fact
    round-N/<part>/done.json                 which attempt counts, its files and rows
    facts/<stage>.arrow                              the fact, of all parts
    repaired/                        the same, where the source had to be read again

``done.json`` is written last, whole or not at all. So what a worker left that was
killed does not count, a run that was killed goes on behind what is done, and where two
workers have computed the same part either will do. A part whose files are not as they
were written is not done, nor is one of rows that were split elsewhere.
"""

import uuid
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl
from polars.io.partition import FileProviderArgs

from pipeline.engine.one_pass import collect_all
from pipeline.engine.parts.declared import apply_split, split_of
from pipeline.engine.parts.layout import Layout, Round
from pipeline.files.arrow import scan_arrow, sink_arrow
from pipeline.files.folder import Folder
from pipeline.panel.keys import WORKING
from pipeline.panel.split import Fact
from pipeline.plan.settings import Stage
from pipeline.sources.scan import Stream

_PART = f"{WORKING}part"

_DONE = "done.json"

_BATCH = 1 << 19


@dataclass(frozen=True)
class Slice:
    """Rows that are read together: of some files, or of the snapshot of a stage."""

    name: str
    """The source, or the stage."""
    lf: pl.LazyFrame
    """The rows; of files, with bad ones marked."""
    stream: Stream | None = None
    """Tells the files' good rows and bad cells."""

    def good(self, batch: pl.LazyFrame) -> pl.LazyFrame:
        """Take the good ones of some rows."""
        return batch if self.stream is None else self.stream.good(batch)

    def batches(self) -> Iterator[pl.DataFrame]:
        """Read the rows, so many at a time; at least one batch, if without rows.

        NOTE: Polars reads Parquet far ahead of who takes its batches [1]_: 600 MiB of
        10 million rows. So these are read slice by slice.

        References
        ----------
        .. [1] https://github.com/pola-rs/polars/issues/28569
        """
        if self.stream is None or self.stream.has_slices:
            n_rows = self.lf.select(pl.len()).collect().item()
            for start in range(0, max(n_rows, 1), _BATCH):
                yield self.lf.slice(start, _BATCH).collect(engine="streaming")
            return
        batches = self.lf.collect_batches(chunk_size=_BATCH, engine="streaming")
        yield next(batches, pl.DataFrame(schema=self.lf.collect_schema()))
        yield from batches


class Done(msgspec.Struct, frozen=True):
    """What a slice or a part has finished."""

    files: dict[str, str]
    """What shows that each is whole, by the path in the parts' folder, sorted: its
    length, and a checksum where nothing else keeps it."""
    n_rows: dict[str, int]
    """Per counted stage."""
    bounds: str
    """What shows that the rows were split between the same values."""


@dataclass(frozen=True)
class Parts:
    """All that is needed to compute any part of any round."""

    folder: Folder
    layout: Layout
    stages: dict[str, Stage]
    schemas: dict[str, pl.Schema]
    n_slices: int
    """Those that the first round reads."""
    bounds: tuple[Any, ...] = ()
    """The least value of the column in each part but the first, ascending."""

    @property
    def n_parts(self) -> int:
        """Parts the rows are split into."""
        return len(self.bounds) + 1

    @property
    def part(self) -> pl.Expr:
        """In which part a row is; a null is less than any value."""
        above = [pl.col(self.layout.column) >= bound for bound in self.bounds]
        return pl.sum_horizontal(0, *above).cast(pl.Int32)

    @property
    def mark(self) -> str:
        """Tells the bounds from others, by their CRC-32."""
        return f"{zlib.crc32(repr(self.bounds).encode()):08x}"

    def n_items(self, number: int) -> int:
        """Slices or parts that a round goes over."""
        return self.n_parts if number else self.n_slices

    def finished(self) -> set[tuple[int, int]]:
        """Find the items that are done, by round and item, all their files there."""
        return {
            (number, item)
            for number in range(len(self.layout.rounds))
            for item in range(self.n_items(number))
            if (done := self._read_done(number, item)) is not None
            and done.files.items() <= self.folder.files(*_place(number, item)).items()
        }

    def done(self, number: int, item: int) -> Done:
        """Read what an item has finished; an OSError if it has not."""
        done = self._read_done(number, item)
        if done is None:
            name = self.folder.at(*_place(number, item), _DONE)
            raise OSError(f"{name}: gone or damaged, and was there in this run")
        return done

    def all_done(self, number: int) -> list[Done]:
        """Read what all items of a finished round have, in their order."""
        return [self.done(number, item) for item in range(self.n_items(number))]

    def files(self, done: Iterable[Done], name: str) -> dict[str, int]:
        """List the files of a name, or in a folder of it, that items have written.

        With their length, in bytes.
        """
        return {
            self.folder.at(file): int(whole.partition(" ")[0])
            for item in done
            for file, whole in item.files.items()
            if f"/{name}/" in f"{file}/"
        }

    def read(self, item: int, slice_: Slice) -> None:
        """Read a slice of the source, or of a snapshot, and split its rows.

        NOTE: Where one pass gives several results, Polars keeps for the slowest what
        the others have taken already: of 100 million rows 10 GB. So rows are taken
        batch by batch, and each has a pass of its own.
        """
        first = self.layout.rounds[0]
        place = _attempt(0, item)
        given = {name: pl.LazyFrame(schema=self.schemas[name]) for name in first.starts}
        n_rows = Counter[str]()
        n_records = 0
        for number, batch in enumerate(slice_.batches()):
            n_records += batch.height
            given[slice_.name] = slice_.good(batch.lazy())
            frames = self._frames(first, given, {})
            folder = (*place, f"batch-{number:05}")
            sinks = [
                self._split(frames[stage], *folder, f"spill-{stage}")
                for stage in first.spills
            ]
            if slice_.stream is not None:
                bad = slice_.stream.bad(batch.lazy())
                sinks.append(self._sink(bad, *folder, "bad.arrow"))
            n_rows.update(self._run(first, folder, frames, sinks))
        if slice_.stream is not None:
            lost = slice_.stream.lost(pl.LazyFrame({"records": [n_records]}))
            collect_all([self._sink(lost, *place, "bad.arrow")])
        self._finish(place, n_rows)

    def compute(self, number: int, item: int) -> None:
        """Compute one part of a later round; the ones before are done."""
        round_ = self.layout.rounds[number]
        facts = self.facts(number)
        given = {
            name: lf.filter(self.part == item)
            for name, lf in self.wholes(facts).items()
            if self.layout.column in self.schemas[name]
        }
        given |= {stage: self._spilled(stage, item) for stage in round_.starts}
        frames = self._frames(round_, given, facts)
        place = _attempt(number, item)
        sinks = [
            self._sink(frames[stage], *place, f"spill-{stage}.arrow")
            for stage in round_.spills
        ]
        for stage in round_.snapshots:
            rows = frames[stage].sort(self.stages[stage].key)
            sinks.append(self._sink(rows, *place, f"snapshot-{stage}.arrow"))
        self._finish(place, self._run(round_, place, frames, sinks))

    def merge_facts(self, number: int) -> None:
        """Make the facts of which a finished round's items have given their share."""
        names = self.layout.rounds[number].facts
        done = self.all_done(number) if names else []
        for name in names:
            stage, shares = self.stages[name], self.files(done, f"fact-{name}.arrow")
            all_shares = pl.concat(map(scan_arrow, shares))
            merged = _fact(stage).merge(all_shares, stage.config)
            collect_all([self._sink(merged, *_fact_file(name))])

    def facts(self, before: int) -> dict[str, pl.LazyFrame]:
        """Scan the facts that the rounds before one have made, by their stage."""
        return {
            name: scan_arrow(self.folder.at(*_fact_file(name)))
            for round_ in self.layout.rounds[:before]
            for name in round_.facts
        }

    def wholes(self, facts: Mapping[str, pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
        """Return the small tables that are never split, as far as facts tell them."""
        frames: dict[str, pl.LazyFrame] = {}
        for name in self.layout.wholes:
            stage = self.stages[name]
            if name in facts:
                frames[name] = facts[name]
            elif frames.keys() >= {*stage.inputs}:
                frames[name] = stage.apply(*(frames[given] for given in stage.inputs))
        return frames

    def _read_done(self, number: int, item: int) -> Done | None:
        """Read what an item has finished; None if that is not there, or damaged."""
        found = self.folder.read(*_place(number, item), _DONE)
        done = None if found is None else msgspec.json.decode(found, type=Done)
        return done if done and done.bounds == self.mark else None

    def _frames(
        self,
        round_: Round,
        given: Mapping[str, pl.LazyFrame],
        facts: Mapping[str, pl.LazyFrame],
    ) -> dict[str, pl.LazyFrame]:
        """Compose the stages of a round on the rows of an item."""
        frames = {**given}
        for name in round_.stages:
            stage = self.stages[name]
            frames[name] = apply_split(stage, [frames[i] for i in stage.inputs], facts)
        return frames

    def _run(
        self,
        round_: Round,
        place: tuple[str, ...],
        frames: Mapping[str, pl.LazyFrame],
        sinks: list[pl.LazyFrame],
    ) -> dict[str, int]:
        """Run one pass, with the shares of facts; return the counted stages' rows."""
        for name in round_.facts:
            stage = self.stages[name]
            inputs = [frames[given] for given in stage.inputs]
            share = _fact(stage).partial(*inputs, stage.config)
            sinks.append(self._sink(share, *place, f"fact-{name}.arrow"))
        counted = [frames[name].select(pl.len()) for name in round_.counts]
        results = collect_all([*counted, *sinks])
        return {
            name: int(result.item())
            for name, result in zip(round_.counts, results, strict=False)
        }

    def _finish(self, place: tuple[str, ...], n_rows: Mapping[str, int]) -> None:
        """Say that an attempt at an item has done it."""
        done = Done(self.folder.files(*place), dict(n_rows), self.mark)
        self.folder.write(msgspec.json.encode(done), *place[:-1], _DONE)

    def _spilled(self, stage: str, part: int) -> pl.LazyFrame:
        """Scan the rows of a part that an earlier round has kept."""
        rounds = enumerate(self.layout.rounds)
        number = next(i for i, round_ in rounds if stage in round_.spills)
        if number == 0:
            files = self.files(self.all_done(0), f"spill-{stage}/part={part}")
        else:
            files = self.files([self.done(number, part)], f"spill-{stage}.arrow")
        if not files:  # of no file has the part any rows
            return pl.LazyFrame(schema=self.schemas[stage])
        return scan_arrow([*files])

    def _split(self, lf: pl.LazyFrame, *names: str) -> pl.LazyFrame:
        """Write a frame to a file per part."""
        files = pl.PartitionBy(
            self.folder.at(*names),
            key=self.part.alias(_PART),
            include_key=False,
            file_path_provider=_file_of_part,
        )
        return sink_arrow(lf, files, mkdir=self.folder.needs_folders)

    def _sink(self, lf: pl.LazyFrame, *names: str) -> pl.LazyFrame:
        """Write a frame to a file in the folder."""
        file = self.folder.at(*names)
        return sink_arrow(lf, file, mkdir=self.folder.needs_folders)


def _fact(stage: Stage) -> Fact:
    """Ask a stage for its fact: it has one where a round lists it."""
    fact = split_of(stage).fact
    assert fact is not None
    return fact


def _fact_file(stage: str) -> tuple[str, str]:
    """Name the file of a stage's fact."""
    return "facts", f"{stage}.arrow"


def _place(number: int, item: int) -> tuple[str, str]:
    """Name the folder of an item of a round."""
    return f"round-{number}", f"{item:05}"


def _attempt(number: int, item: int) -> tuple[str, str, str]:
    """Name a folder of its own for one attempt at an item."""
    return *_place(number, item), uuid.uuid4().hex[:12]


def _file_of_part(args: FileProviderArgs) -> str:
    """Name a file of a part's rows: the working column's name could be no folder's."""
    return f"part={args.partition_keys.item()}/{args.index_in_partition:08}.arrow"
