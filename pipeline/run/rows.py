"""The rows after any stage, made of no more than they need; nothing is published.

They begin at the nearest snapshots that are fresh, or only have to be restored. What is
asked of the rows is left to Polars, which alone knows what may be done before a stage.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.engine.parts.declared import split_of
from pipeline.engine.parts.layout import makes_anew
from pipeline.errors import ConfigError, PipelineError, SourceError, some
from pipeline.files.local import find_files
from pipeline.files.parquet import scan_parquet
from pipeline.log import LOG
from pipeline.panel.split import ROW_WISE
from pipeline.plan.compose import compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Settings
from pipeline.run.freshness import Wanted, look, statuses_of
from pipeline.run.run import check, look_at_files
from pipeline.snapshots.lease import hold
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import Store, object_fault, open_store, read_runs
from pipeline.sources.scan import Scan

_FEW, _LOOKED_AT = 1_000, 1 << 16
"""Rows of which the first of a stage are made, about and at most."""


@dataclass(frozen=True)
class StageRows:
    """The rows of a stage or a source, to be collected."""

    name: str
    lf: pl.LazyFrame
    key: tuple[str, ...]
    """That of the snapshot it publishes, by which its rows are sorted. Else that of one
    it leads to, or comes from, as far as it has the columns; the longest there is."""
    is_sorted: bool
    n_rows: int | None
    """How many there are, where a run has counted them."""
    starts: Mapping[str, Path]
    """Stages that the rows begin at, and the objects of their snapshots."""
    sources: tuple[str, ...]
    """Those that are read."""
    scan: Scan | None
    """The source, if it is read."""
    plan: Plan | None = None
    """What is done to them; None if nothing is."""

    @property
    def origin(self) -> str:
        """What they are made of, in words."""
        snapshots = [path.parent.name for path in self.starts.values()]
        if self.name in self.starts:
            return f"snapshot {snapshots[0]}"
        if self.name in self.sources:
            return "as in its files"
        return f"computed from {some([*snapshots, *self.sources])}"

    @property
    def ordered(self) -> pl.LazyFrame:
        """They in the order of their key, if there is one."""
        return self.lf if self.is_sorted or not self.key else self.lf.sort(self.key)

    @cached_property
    def first(self) -> pl.LazyFrame | None:
        """Some that come first in that order, if they can be made of less; else None.

        That is where one snapshot begins with the same column, and all stages behind it
        keep the rows together that agree in it.
        """
        if self.plan is None or self.sources or len(self.starts) != 1:
            return None
        [(start, path)] = self.starts.items()
        column = self.plan.nodes[start].stage.key[0]
        between = self.plan.upstream([self.name], [start])
        if self.key[:1] != (column,) or not all(
            _keeps_together(self.plan, name, column) for name in between
        ):
            return None
        given = scan_parquet(path)
        values = given.select(column).head(_LOOKED_AT).collect().to_series()
        runs = values.rle_id()
        n = int((runs <= runs[_FEW]).sum()) if len(runs) > _FEW else len(runs)
        if n == len(runs):  # as far as one sees
            return None
        few = {start: given.head(n)}
        again = compose_again(self.plan, self.plan.source, few)
        return again.lf(self.name).sort(self.key)


def stage_rows(settings: Settings, stage: str) -> pl.LazyFrame:
    """Give the rows after a stage, of its snapshot's name or a source's, too.

    Parameters
    ----------
    settings : Settings
        The checked configuration. Nothing is fetched or published, and nobody kept
        from it; what is there stays as long as this process.
    stage : str
        A stage, a snapshot that a stage publishes, or a source.

    Returns
    -------
    pl.LazyFrame
        The rows that a run would make. Those of a stage that publishes a snapshot are
        sorted by its key; those of a source stand as in its files, good ones only.

    Raises
    ------
    ConfigError
        If there is no such stage.
    SourceError
        If a source must be read and is not there.
    """
    return look_now(settings).rows(stage).lf


@dataclass(frozen=True)
class Now:
    """What is wanted of all stages, and what of it is there."""

    wanted: Wanted
    store: Store
    runs: Sequence[RunRecord]
    objects: Mapping[str, tuple[str, str]]
    """What the objects are known by that hold what stages give."""

    def rows(self, stage: str) -> StageRows:
        """Give the rows after a stage; objects that are read are whole."""
        plan, there = self.wanted.plan, {**self.objects}
        name = plan.wiring.frame(stage)
        is_whole = False
        while not is_whole:
            is_whole = True
            for given in given_of(plan, name, there) & there.keys():
                if fault := object_fault(self.store, *there[given]):
                    snapshot = there[given][0]
                    path = self.store.object(*there.pop(given))
                    what = "%s: the object of snapshot '%s' %s; `just verify` drops it"
                    LOG.warning(what, path, snapshot, fault)
                    is_whole = False
        paths = {given: self.store.object(*of) for given, of in there.items()}
        return rows_from(self.wanted, paths, name, self.runs)


def look_now(settings: Settings) -> Now:
    """Look what is fresh, or has only to be restored; see `stage_rows`."""
    plan, store = check(settings), open_store(settings.root)
    if store.catalog.exists():
        hold(store.catalog.resolve())
    runs = read_runs(store)
    wanted = look(settings, plan, store, runs, fetched=False)
    there = {
        status.stage: status.object
        for status in statuses_of(wanted, store, runs[-1] if runs else None)
        if status.stage and status.freshness != "stale"
    }
    return Now(wanted, store, runs, there)


def rows_from(
    wanted: Wanted, there: Mapping[str, Path], name: str, runs: Sequence[RunRecord]
) -> StageRows:
    """Compose the rows of a stage, of objects that hold the rows of some stages."""
    plan = wanted.plan
    key = _key(plan, name)
    is_sorted = name in plan.nodes and bool(plan.nodes[name].stage.key)
    counted = {stage.fingerprint: stage.n_rows for r in runs for stage in r.stages}
    n_rows = counted.get(wanted.fingerprints.stages.get(name, ""))
    given = given_of(plan, name, there)
    starts = {stage: there[stage] for stage in given if stage in there}
    scan = _scan(wanted, runs) if SOURCE in given else None
    rows = scan.frames()[0] if scan else plan.source
    frames = {stage: scan_parquet(path) for stage, path in starts.items()}
    frames |= {other: _read(wanted, other) for other in plan.others if other in given}
    lf = compose_again(plan, rows, frames).lf(name)
    if is_sorted and name not in starts:
        lf = lf.sort(key)
    read = tuple(source for source in plan.sources if source in given)
    of = None if name in (*starts, *read) else plan
    return StageRows(name, lf, key, is_sorted, n_rows, starts, read, scan, of)


def _keeps_together(plan: Plan, name: str, column: str) -> bool:
    """Tell whether rows of a stage are made of those that agree in a column."""
    try:
        split = split_of(plan.nodes[name].stage)
    except ConfigError:  # it does not say
        return False
    if column in split.keys and split.fact is None:
        return True
    is_there = column in plan.schema(name)
    return split == ROW_WISE and is_there and not makes_anew(plan, name, split, column)


def _key(plan: Plan, name: str) -> tuple[str, ...]:
    """Find the columns that tell rows of a stage apart, or most of them."""
    if name in plan.sources:
        return ()
    node = plan.nodes[name]
    keys = [
        of.stage.key
        for of in (*plan.downstream(name).values(), *plan.upstream([name]).values())
        if {*of.stage.key} <= {*node.schema}
    ]
    return node.stage.key or max(keys, key=len)


def given_of(plan: Plan, name: str, there: Collection[str]) -> set[str]:
    """Name the sources that rows are made of, and the stages that they begin at."""
    if name in plan.sources or name in there:
        return {name}
    needed = plan.upstream([name], there)
    return {given for of in needed.values() for given in of.stage.inputs} - {*needed}


def _scan(wanted: Wanted, runs: Sequence[RunRecord]) -> Scan:
    """Scan the source, with repair if some of its cells may need it.

    Whether they do is known once all are parsed, which rows that are yet to be
    collected cannot wait for.
    """
    _require_there(wanted, SOURCE)
    look_at_files(wanted, runs)
    source, root = wanted.settings.source, wanted.settings.root
    scan = sources.scan(source, root)
    try:
        is_sure = scan.exact or scan.frames()[1].head(1).collect().is_empty()
    except (PolarsError, OSError) as error:
        raise scan.diagnose(scan.files) or cannot_read("source", error) from error
    return scan if is_sure else sources.scan(source, root, repair=True)


def cannot_read(stage: str, error: Exception) -> PipelineError:
    """Say that rows could not be computed."""
    return PipelineError(
        f"the rows of '{stage}' cannot be computed\nfound: {error}\n"
        "hint: `just verify` looks for damaged objects"
    )


def _read(wanted: Wanted, name: str) -> pl.LazyFrame:
    """Read another source."""
    _require_there(wanted, name)
    config, root = wanted.settings.others[name], wanted.settings.root
    return sources.read_fetched(config, root)[0].lazy()


def _require_there(wanted: Wanted, name: str) -> None:
    """Refuse a source that is not there, or has yet to be made or fetched."""
    if wanted.identities[name].files:
        return
    root, config = wanted.settings.root, wanted.settings.sources[name]
    path = wanted.patterns[name]
    if sources.reads(config, root) is config:
        find_files(path, root)  # says what is wrong
    which = "the source" if name == SOURCE else f"source '{name}'"
    raise SourceError(
        f"{path}: {which} is not there yet\nhint: `just data` makes or fetches it"
    )
