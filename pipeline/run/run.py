"""One run: look what is stale, compute it in one pass, check it, publish it."""

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.config import Tree
from pipeline.engine.one_pass import Execution
from pipeline.errors import PipelineError, SchemaError, SnapshotError
from pipeline.files.checksum import checksum
from pipeline.files.local import FileContent
from pipeline.files.parquet import read_parquet
from pipeline.files.shared import Shared
from pipeline.log import LOG, fields, logged
from pipeline.plan.compose import compose_declared
from pipeline.plan.descriptions import describe, refuse_unknown
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Settings
from pipeline.plan.wiring import Selection
from pipeline.process import arrive, is_asked
from pipeline.progress import doing
from pipeline.run.compute import compute, failed, require_same_source, work_of
from pipeline.run.contracts import compile_checks, hold
from pipeline.run.freshness import (
    Wanted,
    fingerprinted,
    look,
    statuses_of,
    with_made,
)
from pipeline.run.kept import forget_parts, left_parts
from pipeline.run.plausible import refuse_implausible
from pipeline.run.record import record_of
from pipeline.run.stamp import Stamp, write_stamp
from pipeline.run.task import Task, plan_task
from pipeline.snapshots.profile import collect_profile, contents_of
from pipeline.snapshots.publish import (
    new_run_id,
    publish_objects,
    publish_run,
    renew_catalog,
    require_same,
)
from pipeline.snapshots.records import (
    QUARANTINE,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
)
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.shared import (
    fetch_objects,
    push_run,
)
from pipeline.snapshots.store import (
    Store,
    drop_damaged,
    open_store,
    read_object,
    readable_runs,
    staged_run,
    writing,
)
from pipeline.sources.dialect import Dialect
from pipeline.sources.download import (
    DownloadSource,
    remove_parts,
    require_as_downloaded,
)


@dataclass(frozen=True)
class RunReport:
    """What a run made."""

    run: RunRecord
    """The newest run; its snapshots say how it came by each."""
    wanted: Wanted
    """What it was to make, of the source's files as they were found now."""
    objects: dict[str, ObjectRecord]
    """What is in each snapshot."""
    is_new: bool
    """False if everything was fresh and nothing was done."""
    total_s: float
    catalog: Path
    """The DuckDB file to open."""
    refused: Sequence[PipelineError] = ()
    """What a run would be refused for, of one that publishes nothing."""

    @property
    def files(self) -> list[FileContent]:
        """The source's files, as they were found now."""
        return self.wanted.source.files


@doing("checking the plan")
def check(settings: Settings) -> Plan:
    """Compose the plan on the declared columns alone; no file needs to be there.

    Raises
    ------
    SchemaError
        If a stage does not fit what it is given, or a contract its snapshot.
    ConfigError
        If what is described is no column.
    """
    try:
        plan = compose_declared(settings)
    except SchemaError as error:
        raise SchemaError(f"{error}{_said_in_panel(settings, error)}") from error
    for name in plan.snapshots:
        compile_checks(settings, plan, name)
    refuse_unknown(settings, plan)
    return plan


def _said_in_panel(settings: Settings, error: SchemaError) -> str:
    """Say which entries of `panel` hold the name that an error says is missing."""
    first = str(error).partition("\n")[0]
    panel = cast("Tree", settings.tree.get("panel") or {})
    own = _written(settings, first)
    entries = [
        f"`panel.{key}`"
        for key, value in panel.items()
        if any(
            f'"{name}"' in first
            and not re.search(rf"(?<!\w){re.escape(str(name))}(?!\w)", own)
            for name in (
                cast("list[Any]", value) if isinstance(value, list) else [value]
            )
        )
    ]
    return f"; the name is that of {' and '.join(entries)}" if entries else ""


def _written(settings: Settings, fault: str) -> str:
    """Write the values of the section of the stage at fault, but for references."""
    stage = re.match("stage '([^']*)'", fault)
    trees = [layer.tree.get(stage[1]) for layer in settings.layers] if stage else []
    values = [v for tree in trees for v in cast("Tree", tree or {}).values()]
    return re.sub(r"\$\{[^}]*\}", "", str(values))


@dataclass(frozen=True)
class Begun:
    """A run that has begun: the writer's lock is held until it ends."""

    store: Store
    staging: Path
    failed: Path
    """Where rows go that break a contract."""
    runs: list[RunRecord]
    """Those before it, the oldest first."""
    lost: Path | None
    """The record of the newest of them, if it cannot be read."""
    run_id: str
    started_at: datetime
    started: float

    def seconds(self) -> float:
        """Say how long it has taken so far."""
        return time.perf_counter() - self.started


def run(settings: Settings, selection: Selection | None = None) -> RunReport:
    """Compute what is stale in one pass, and publish all snapshots together.

    All snapshots are looked at, or those selected.

    Raises
    ------
    PipelineError
        If anything is wrong; nothing is published then, and the previous run stays.
    """
    started_at, started = datetime.now(UTC), time.perf_counter()
    plan = check(settings)
    store = open_store(settings.root)
    with writing(store), staged_run(store) as staging:
        runs, lost = readable_runs(store)
        last = lost.stem if lost else runs[-1].run_id if runs else ""
        run_id = new_run_id(last, started_at)
        begun = Begun(
            store, staging, store.failed, runs, lost, run_id, started_at, started
        )
        log = store.logs / f"{run_id}.jsonl"
        with logged(log):
            of = fields(event="started", run_id=run_id, config=settings.shown)
            LOG.debug("started", extra=of)
            try:
                report = _run(begun, settings, plan, selection or Selection())
            except BaseException as error:
                # Polars may have raised for a Ctrl-C that Python's handler has yet to
                # raise for: that must not break off what follows.
                try:  # noqa: SIM105 - `suppress` is not yet at work when it is called
                    arrive()
                except KeyboardInterrupt:
                    pass
                _end(error, store, run_id)
                raise
            report = dataclasses.replace(report, total_s=begun.seconds())
            took = fields(event="published", seconds=report.total_s)
            LOG.debug("published", extra=took)
        if not report.is_new:
            log.unlink()
    shared = report.wanted.shared
    if report.is_new and settings.store.push and shared is not None:
        _push(store, shared, report.run)
    return report


def _push(store: Store, shared: Shared, run: RunRecord) -> None:
    """Send a run where clones share it; what is published here does not need that.

    What was found there not to be as it should is sent anew.
    """
    try:
        LOG.info("pushed %s to %s", push_run(store, shared, run), shared)
    except SnapshotError as error:
        shared.warn_not_pushed(error)


def _run(
    begun: Begun, settings: Settings, plan: Plan, selection: Selection
) -> RunReport:
    """Do what the report says."""
    store, runs = begun.store, begun.runs
    remove_parts(settings.root)
    for config in settings.sources.values():
        sources.fetch(config, settings.root)
    if runs and begun.lost is None:
        # Also that of a run that died before its link, which gc takes for linked.
        renew_catalog(store, runs)
    with doing("looking what is fresh"):
        wanted = look(settings, plan, store, runs, fetched=True, shared=settings.shared)
    for name, config in settings.sources.items():
        if isinstance(config, DownloadSource):
            [file] = wanted.identities[name].files
            require_as_downloaded(config, settings.root, file.sha256)
    wanted, task = plan_on_whole_objects(begun, wanted, selection, {})
    if task.is_nothing and runs and begun.lost is None:
        return _leave(begun, wanted, task)

    if selection.force:
        forget_parts(store)
    done = Execution({}, {}, {}, {}, None, 0.0)
    made: dict[str, SnapshotRecord] = {}
    while True:
        if task.reads_source:
            look_at_files(wanted, runs)
        work = work_of(wanted, task, store, comparable(settings, runs))
        execution = compute(wanted, task, work, store, begun.staging)
        bad = stored_bad(store, task) if execution.bad is None else execution.bad
        n_bad_rows = refuse_too_many(bad, wanted)
        refuse_unsound(begun, wanted, task, execution)
        made |= {s.name: s for s in task.snapshots if s.name in task.check}
        wanted, new = publish_made(begun, wanted, task, execution, bad)
        made |= new
        done = _together(done, execution)
        wanted, task = plan_on_whole_objects(begun, wanted, selection, made)
        if not task.compute and not task.check:
            break
    record = record_of(
        begun.run_id, begun.started_at, wanted, task, done, n_bad_rows, runs
    )
    record = msgspec.structs.replace(record, total_s=begun.seconds())
    with doing("publishing"):
        publish_run(store, [*runs, record])
    if begun.lost is not None:
        begun.lost.unlink(missing_ok=True)
    with doing("clearing up"):
        collect_garbage(store, [*runs, record])
        forget_parts(store)
    _warn_of_snapshots(runs[-1].snapshots if runs else [], record.snapshots)
    return report_of(store, record, wanted, is_new=True)


def _together(first: Execution, second: Execution) -> Execution:
    """See two passes of a run as one."""
    return Execution(
        first.files | second.files,
        first.profiles | second.profiles,
        first.outcomes | second.outcomes,
        first.n_rows | second.n_rows,
        second.bad if first.bad is None else first.bad,
        first.execute_s + second.execute_s,
    )


def plan_on_whole_objects(
    begun: Begun,
    wanted: Wanted,
    selection: Selection,
    made: Mapping[str, SnapshotRecord] | None,
) -> tuple[Wanted, Task]:
    """Decide what to do; what is damaged of that which is read is dropped first.

    What is in the store that clones share, and read, is here then. If some of it was
    not as it should be, what follows it may be another.
    """
    store, runs = begun.store, begun.runs
    current = runs[-1] if runs else None
    drop_damaged(
        store,
        [
            s.object
            for s in (current.snapshots if current else ())
            if read_object(store, *s.object) is None
        ],
    )
    while True:
        statuses = statuses_of(wanted, store, current)
        task = plan_task(wanted, statuses, selection, store, runs, made)
        if not _fetch(begun, wanted, task):
            wanted = fingerprinted(wanted)
        elif not drop_damaged(store, task.reads):
            break
    for s in statuses if not made else ():
        told = fields(snapshot=s.name, reasons=s.reasons)
        LOG.debug("%s is %s", s.name, s.freshness, extra=told)
    return wanted, task


def _fetch(begun: Begun, wanted: Wanted, task: Task) -> bool:
    """Bring what is read, and not here, from where clones share it, as it should be."""
    if wanted.shared is None:
        return True
    keys = {name: node.stage.key for name, node in wanted.plan.snapshots.items()}
    reads = {object_: keys.get(object_[0], ()) for object_ in task.reads}
    return fetch_objects(begun.store, wanted.shared, reads, begun.staging)


def _leave(begun: Begun, wanted: Wanted, task: Task) -> RunReport:
    """Leave all as it is, but for what is kept, and what columns are said to mean."""
    store, runs, settings = begun.store, begun.runs, wanted.settings
    refuse_too_many(stored_bad(store, task), wanted)
    forget_parts(store)
    described = describe(settings, wanted.plan)
    told = (settings.history.runs, described)
    if told != (runs[-1].n_kept, runs[-1].descriptions):
        if described != runs[-1].descriptions:
            LOG.info("other descriptions of columns: the catalog shows them now")
        runs[-1] = msgspec.structs.replace(
            runs[-1], n_kept=settings.history.runs, descriptions=described
        )
        publish_run(store, runs)
        collect_garbage(store, runs)
    return report_of(store, runs[-1], wanted, is_new=False)


def refuse_too_many(bad: pl.DataFrame, wanted: Wanted) -> int:
    """Count the bad rows of each source, and refuse one of which they are too many."""
    settings = wanted.settings
    if bad.is_empty():
        return 0
    return sum(
        sources.refuse_too_many(
            bad.filter(source=name).drop("source"), config, settings.root
        )
        for name, config in settings.sources.items()
    )


@doing("checking what was made")
def refuse_unsound(
    begun: Begun, wanted: Wanted, task: Task, execution: Execution
) -> None:
    """Refuse what was made of changed inputs, is implausible, or breaks a contract."""
    require_as_read(begun, wanted, task)
    refuse_implausible(wanted.settings, wanted.plan, execution)
    hold_all(begun, wanted, task, execution)


def require_as_read(begun: Begun, wanted: Wanted, task: Task) -> None:
    """Refuse what was made of inputs that changed meanwhile."""
    store = begun.store
    require_same_source(wanted)
    if drop_damaged(store, task.reads):  # touched since, so what is made of it may be
        raise SnapshotError(
            f"{store.objects}: an object changed while it was read\n"
            "hint: nothing was published; run again"
        )


def hold_all(begun: Begun, wanted: Wanted, task: Task, execution: Execution) -> None:
    """Hold the snapshots that were looked at to their contracts."""
    stored = {s.name: begun.store.object(*s.object) for s in task.snapshots}
    files = stored | execution.files
    hold(wanted.settings, wanted.plan, execution.outcomes, files, begun.failed)


@doing("publishing")
def publish_made(
    begun: Begun, wanted: Wanted, task: Task, execution: Execution, bad: pl.DataFrame
) -> tuple[Wanted, dict[str, SnapshotRecord]]:
    """Bring the snapshots that were computed into the store, and record them.

    What follows other contents than were known before the pass gets its fingerprint
    now: it may be that of the run before.
    """
    store, profiles, files = begun.store, {**execution.profiles}, {**execution.files}
    if QUARANTINE in task.compute:
        profiles[QUARANTINE] = collect_profile(bad)
        files[QUARANTINE] = begun.staging / f"{QUARANTINE}.parquet"
        bad.write_parquet(files[QUARANTINE])
    contents = {
        name: contents_of(profile.columns) for name, profile in profiles.items()
    }
    wanted = with_made(wanted, contents)
    before = {s.object for run in begun.runs[-1:] for s in run.snapshots}
    made: dict[str, SnapshotRecord] = {}
    for s in task.snapshots:
        if s.name in task.compute:
            print_ = wanted.fingerprints.snapshots[s.name]
            known = msgspec.structs.replace(
                s, fingerprint=print_, contents=contents[s.name]
            )
            if s.object not in before and known.object in before:
                known = msgspec.structs.replace(known, state="fresh", reasons=[])
            made[s.name] = known
    new = require_same(store, [*made.values()], profiles)
    publish_objects(store, new, files, profiles, begun.run_id)
    return wanted, made


def stamp(report: RunReport, stamp_key: str) -> None:
    """Let the next run see without a look at the plan that there is nothing to do.

    The key is what `pipeline.plan.content.key` gave before the run. If part of it was
    left behind, a file was so new that a later change might not show, or another run
    has published since, nothing is stamped; nor where that cannot be written.
    """
    record, wanted = report.run, report.wanted
    settings = wanted.settings
    # The words would be the same with other values, or other rows.
    if settings.environment or any(map(sources.is_asked, settings.sources.values())):
        return
    is_settled = all(file.is_settled for file in report.files)
    if not is_settled or any(s.is_left_behind for s in record.snapshots):
        return
    store = open_store(settings.root)
    objects = [store.object(*s.object) for s in record.snapshots]
    records = [
        store.runs / f"{record.run_id}.json",
        *(path.with_suffix(".json") for path in objects),
    ]

    def named(path: Path) -> str:
        return str(path.relative_to(settings.root))

    with suppress(OSError):
        write_stamp(
            settings.root,
            Stamp(
                stamp_key,
                record.run_id,
                list(wanted.patterns.values()),
                [file.stat for file in report.files],
                {
                    name: code
                    for name, code in wanted.code_elsewhere.items()
                    if Path(name).is_absolute()  # the key knows the libraries
                },
                [(named(path), path.stat().st_size) for path in objects],
                [(named(path), checksum(path)) for path in records],
                [s.name for s in record.snapshots if s.is_guest],
            ),
        )


def look_at_files(wanted: Wanted, runs: Sequence[RunRecord]) -> None:
    """Say how the source is written, and refuse files that are plainly damaged."""
    for line in wanted.source.said:
        LOG.info(line)
    settings = wanted.settings
    sources.guard(_unread(wanted, runs), settings.source, settings.root)


def _unread(wanted: Wanted, runs: Sequence[RunRecord]) -> list[Path]:
    """Name the source's files of a content that no run has read with code of now."""
    code = "pipeline/sources/csv_guard.py"
    read = {
        file.sha256
        for run in runs
        if run.code.get(code) == wanted.code[code]
        and _how(run.config) == _how(wanted.settings.shown)
        for file in run.files
    }
    found = wanted.identities[SOURCE].files
    files = [file for file in found if file.sha256 not in read]
    return [wanted.settings.root / file.stat.path for file in files]


def comparable(settings: Settings, runs: list[RunRecord]) -> list[SnapshotRecord]:
    """Take the snapshots of the newest run of the same profile and source."""
    for run in reversed(runs):
        is_alike = _origin(run.config) == _origin(settings.shown)
        if run.profile == settings.profile and is_alike:
            return run.snapshots
    return []


def _origin(config: Tree) -> Tree:
    """Say where the rows come from: not how they are read, nor how many are bad."""
    source = cast("Tree", config["source"])
    how = Dialect.__struct_fields__
    return {name: value for name, value in source.items() if name not in how}


def _how(config: Tree) -> Tree:
    """Say how the rows are read: what a file's bytes must be depends on that."""
    source = cast("Tree", config["source"])
    return {name: source.get(name) for name in Dialect.__struct_fields__}


def report_of(
    store: Store, record: RunRecord, wanted: Wanted, *, is_new: bool
) -> RunReport:
    """Say what is published now."""
    objects = {
        s.name: found
        for s in record.snapshots
        if (found := read_object(store, *s.object))
    }
    return RunReport(record, wanted, objects, is_new, 0.0, store.catalog)


def _end(error: BaseException, store: Store, run_id: str) -> None:
    """Note how a run ends that was stopped, or has failed; raise what says it better.

    DuckDB and others have errors of their own for a stop.
    """
    is_stop = isinstance(error, KeyboardInterrupt) or is_asked()
    is_published = store.linked == run_id
    how = "published" if is_published else "stopped" if is_stop else "failed"
    text = _stopped(store, run_id) if is_stop else str(error)
    LOG.debug(text, extra=fields(event=how, error=type(error).__name__))
    if is_stop:
        raise KeyboardInterrupt(text) from error
    if isinstance(error, PolarsError):
        raise failed(error) from error


def _stopped(store: Store, run_id: str) -> str:
    """Tell what became of a run that was stopped."""
    if store.linked == run_id:
        return "stopped: this run had been published"
    text = "stopped: nothing was published"
    if store.catalog.exists():
        text += ", the previous run is still there"
    if left_parts(store):
        text += "; parts that were finished are kept, and the same command goes on"
    return text


def stored_bad(store: Store, task: Task) -> pl.DataFrame:
    """Read the cells that were set aside when the source was last read."""
    [quarantine] = [s for s in task.snapshots if s.name == QUARANTINE]
    if read_object(store, QUARANTINE, quarantine.fingerprint) is None:
        return pl.DataFrame()
    return read_parquet(store.object(QUARANTINE, quarantine.fingerprint))


def _warn_of_snapshots(before: list[SnapshotRecord], now: list[SnapshotRecord]) -> None:
    """Name what is out of step with the others, and guests that are shown no more."""
    if left := [s.name for s in now if s.is_left_behind]:
        LOG.warning(
            "not selected, and left as published: %s; `just run` renews them",
            ", ".join(left),
        )
    shown = {s.name for s in now}
    left = [s for s in before if s.is_guest and not s.is_scored]
    for guest in (s for s in left if s.name not in shown):
        LOG.warning(
            "'%s' was of other rows, another target or profile, and is left out;"
            " %s makes one of these",
            guest.name,
            guest.made_by,
        )
