"""The rows after any stage, made of no more than they need; nothing is published.

They begin at the nearest snapshots that are fresh, or only have to be restored. What is
asked of the rows is left to Polars, which alone knows what may be done before a stage.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.errors import ConfigError, PipelineError, SourceError, nearest
from pipeline.files.local import find_files
from pipeline.files.parquet import scan_parquet
from pipeline.log import LOG
from pipeline.plan.compose import compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Settings
from pipeline.run.freshness import Wanted, look, stage_named, statuses_of
from pipeline.run.run import check, look_at_files
from pipeline.snapshots.records import FORECASTS, QUARANTINE, RunRecord
from pipeline.snapshots.store import Store, object_fault, open_store, read_runs
from pipeline.sources.scan import Scan


@dataclass(frozen=True)
class StageRows:
    """The rows of a stage or a source, to be collected."""

    name: str
    lf: pl.LazyFrame
    key: tuple[str, ...]
    """That of the snapshot the stage publishes; its rows are sorted by it."""
    starts: Mapping[str, Path]
    """Stages that the rows begin at, and the objects of their snapshots."""
    scan: Scan | None
    """The source, if it is read."""


def stage_rows(settings: Settings, stage: str) -> pl.LazyFrame:
    """Give the rows after a stage, of its snapshot's name or a source's, too.

    Parameters
    ----------
    settings : Settings
        The checked configuration. Nothing is fetched or published, and no lock held.
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
    return rows_of(settings, stage).lf


def rows_of(settings: Settings, stage: str) -> StageRows:
    """Give the rows after a stage, and say where they begin; see `stage_rows`."""
    plan, store = check(settings), open_store(settings.root)
    name = named(plan, stage)
    runs = read_runs(store)
    wanted = look(settings, plan, store, runs, fetched=False)
    return rows_from(wanted, _objects(wanted, store, runs, name), name, runs)


def rows_from(
    wanted: Wanted, there: Mapping[str, Path], name: str, runs: list[RunRecord]
) -> StageRows:
    """Compose the rows of a stage, of objects that hold the rows of some stages."""
    plan = wanted.plan
    key = plan.nodes[name].stage.key if name in plan.nodes else ()
    given = _given(plan, name, there)
    starts = {stage: there[stage] for stage in given if stage in there}
    if name in starts:
        return StageRows(name, scan_parquet(starts[name]), key, starts, None)
    scan = _scan(wanted, runs) if SOURCE in given else None
    rows = scan.frames()[0] if scan else plan.source
    frames = {stage: scan_parquet(path) for stage, path in starts.items()}
    frames |= {other: _read(wanted, other) for other in plan.others if other in given}
    lf = compose_again(plan, rows, frames).lf(name)
    return StageRows(name, lf.sort(key) if key else lf, key, starts, scan)


def _given(plan: Plan, name: str, there: Collection[str]) -> set[str]:
    """Name the sources that rows are made of, and the stages that they begin at."""
    if name in plan.sources or name in there:
        return {name}
    needed = plan.upstream([name], there)
    return {given for of in needed.values() for given in of.stage.inputs} - {*needed}


def named(plan: Plan, name: str) -> str:
    """Find a stage by its name or its snapshot's, or a source."""
    if name in plan.sources:
        return name
    if name in (QUARANTINE, *FORECASTS):
        raise ConfigError(
            f"no stage makes '{name}'\n"
            f"hint: `just sql 'from {name}'` shows it, once it is published"
        )
    if name not in {*plan.nodes, *plan.snapshots}:
        known = [*plan.sources, *plan.nodes, *plan.snapshots]
        raise ConfigError(
            f"no stage, snapshot or source '{name}'{nearest(name, known)}\n"
            f"found: {', '.join(dict.fromkeys(known))}"
        )
    return stage_named(plan, name)


def _objects(
    wanted: Wanted, store: Store, runs: Sequence[RunRecord], name: str
) -> dict[str, Path]:
    """Name the objects that hold what stages give; those that are read are whole."""
    there = {
        status.stage: status.object
        for status in statuses_of(wanted, store, runs[-1] if runs else None)
        if status.stage and status.freshness != "stale"
    }
    is_whole = False
    while not is_whole:
        is_whole = True
        for stage in _given(wanted.plan, name, there) & there.keys():
            if fault := object_fault(store, *there[stage]):
                path, snapshot = store.object(*there[stage]), there.pop(stage)[0]
                what = "%s: the object of snapshot '%s' %s; `just verify` drops it"
                LOG.warning(what, path, snapshot, fault)
                is_whole = False
    return {stage: store.object(*of) for stage, of in there.items()}


def _scan(wanted: Wanted, runs: list[RunRecord]) -> Scan:
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
