"""One run: look what is stale, compute it in one pass, check it, publish it."""

import dataclasses
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import cast

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.config import Tree
from pipeline.contracts.checks import Outcome
from pipeline.errors import SnapshotError
from pipeline.files.checksum import checksum
from pipeline.files.local import FileContent
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG, fields, logged
from pipeline.plan.code import code_elsewhere
from pipeline.plan.compose import compose
from pipeline.plan.fingerprint import VERSIONS
from pipeline.plan.plan import Plan, never_read
from pipeline.plan.settings import Settings
from pipeline.process import arrive, is_asked
from pipeline.run.compute import compute, failed, require_same_source
from pipeline.run.contracts import compile_checks, hold
from pipeline.run.freshness import Selection, Status, Wanted, judge, look
from pipeline.run.kept import forget_parts, left_parts
from pipeline.run.plausible import refuse_implausible
from pipeline.run.stamp import Stamp, write_stamp
from pipeline.run.task import Task, plan_task
from pipeline.snapshots.catalog import renew_catalog
from pipeline.snapshots.profile import collect_profile
from pipeline.snapshots.publish import (
    new_run_id,
    publish_objects,
    publish_run,
    require_same,
)
from pipeline.snapshots.records import (
    FORMAT,
    PREDICTIONS,
    QUARANTINE,
    CheckRecord,
    EdgeRecord,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
    StageRecord,
)
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.store import (
    Store,
    drop_damaged,
    open_store,
    read_object,
    readable_runs,
    staged_run,
    writing,
)
from pipeline.sources.download import (
    DownloadSource,
    remove_parts,
    require_as_downloaded,
)


@dataclass(frozen=True)
class RunReport:
    """What a run made.

    Attributes
    ----------
    run : RunRecord
        The newest run; its snapshots say how it came by each.
    files : list of FileContent
        The source's files, as they were found now.
    objects : dict of str to ObjectRecord
        What is in each snapshot.
    is_new : bool
        False if everything was fresh and nothing was done.
    total_s : float
        Wall time in seconds.
    catalog : Path
        The DuckDB file to open.
    """

    run: RunRecord
    files: list[FileContent]
    objects: dict[str, ObjectRecord]
    is_new: bool
    total_s: float
    catalog: Path


def check(settings: Settings) -> Plan:
    """Compose the plan on the declared columns alone; no file needs to be there.

    Raises
    ------
    SchemaError
        If a stage does not fit what it is given, or a contract its snapshot.
    """
    declared = sources.declared(settings.source).collect_schema()
    plan = compose(never_read(declared), settings.stages)
    for name in plan.snapshots:
        compile_checks(settings, plan, name)
    return plan


def run(settings: Settings, selection: Selection | None = None) -> RunReport:
    """Compute what is stale in one pass, and publish all snapshots together.

    Parameters
    ----------
    settings : Settings
        The checked configuration.
    selection : Selection, optional
        Which snapshots to look at; by default all.

    Returns
    -------
    RunReport
        What was made.

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
        log = store.logs / f"{run_id}.jsonl"
        with logged(log):
            try:
                LOG.debug(
                    "started", extra=fields(event="started", config=settings.shown)
                )
                report = _run(
                    settings,
                    plan,
                    selection or Selection(),
                    store,
                    staging,
                    runs,
                    lost,
                    run_id,
                )
            except BaseException as error:
                # Polars may have raised for a Ctrl-C that Python's handler has yet to
                # raise for: that must not break off what follows.
                try:  # noqa: SIM105 - `suppress` is not yet at work when it is called
                    arrive()
                except KeyboardInterrupt:
                    pass
                _log_end(error, store, run_id)
                if _is_stop(error):
                    raise KeyboardInterrupt(_stopped(store, run_id)) from error
                if isinstance(error, PolarsError):
                    raise failed(error) from error
                raise
            total_s = time.perf_counter() - started
            LOG.debug("published", extra=fields(event="published", seconds=total_s))
        if not report.is_new:
            log.unlink()
    return dataclasses.replace(report, total_s=total_s)


def _run(
    settings: Settings,
    plan: Plan,
    selection: Selection,
    store: Store,
    staging: Path,
    runs: list[RunRecord],
    lost: Path | None,
    run_id: str,
) -> RunReport:
    """Do what the report says; the caller holds the lock."""
    started_at, started = datetime.now(UTC), time.perf_counter()
    remove_parts(settings.root)
    sources.fetch(settings.source, settings.root)
    current = runs[-1] if runs else None
    if runs and lost is None:
        # Also that of a run that died before its link, which gc takes for linked.
        renew_catalog(store, runs)
    wanted = look(settings, plan, current, fetched=True)
    assert wanted.source is not None
    if isinstance(settings.source, DownloadSource):
        [file] = wanted.source.files
        require_as_downloaded(settings.source, settings.root, file.sha256)
    statuses, task = _plan_on_whole_objects(wanted, selection, store, runs)
    for status in statuses:
        LOG.debug(
            "%s is %s",
            status.name,
            status.freshness,
            extra=fields(snapshot=status.name, reasons=status.reasons),
        )
    if task.is_nothing and current is not None and lost is None:
        stored = _stored_bad(store, task)
        sources.refuse_too_many(stored, settings.source, settings.root)
        forget_parts(store)
        if current.n_kept != settings.history.runs:
            runs[-1] = msgspec.structs.replace(current, n_kept=settings.history.runs)
            publish_run(store, runs)
            collect_garbage(store, runs)
        return _report(store, runs[-1], wanted.source.files, is_new=False)

    if selection.force:
        forget_parts(store)
    if task.reads_source:
        sources.guard(_unread(wanted, runs), settings.source, settings.root)
    previous = _comparable(settings, runs)
    execution = compute(wanted, task, store, staging, previous)
    bad = _stored_bad(store, task) if execution.bad is None else execution.bad
    n_bad_rows = sources.refuse_too_many(bad, settings.source, settings.root)
    require_same_source(wanted)
    if drop_damaged(store, task.reads):  # touched since, so what is made of it may be
        raise SnapshotError(
            f"{store.objects}: an object changed while it was read\n"
            "hint: nothing was published; run again"
        )
    stored = {s.name: store.object(s.name, s.fingerprint) for s in task.snapshots}
    refuse_implausible(settings, plan, execution)
    checked_files = stored | execution.files
    hold(settings, plan, execution.outcomes, checked_files, store)

    profiles, files = dict(execution.profiles), dict(execution.files)
    if QUARANTINE in task.names("computed"):
        profiles[QUARANTINE] = collect_profile(bad)
        files[QUARANTINE] = staging / f"{QUARANTINE}.parquet"
        bad.write_parquet(files[QUARANTINE])
    made = [s for s in task.snapshots if s.name in files]
    new = require_same(store, made, profiles)
    publish_objects(store, new, files, profiles, run_id)
    record = RunRecord(
        format=FORMAT,
        run_id=run_id,
        started_at=started_at,
        n_kept=settings.history.runs,
        restores=None,
        profile=settings.profile,
        source=settings.tree["source"]["kind"],
        source_plan=wanted.source.plan,
        files=wanted.source.files,
        n_bad_rows=n_bad_rows,
        execute_s=execution.execute_s,
        total_s=time.perf_counter() - started,
        versions=VERSIONS
        | {name: version(name) for name in ("duckdb", "pyarrow", "numpy")}
        | {"python": platform.python_version()},
        config=settings.shown,
        code=wanted.code,
        stages=_stage_records(wanted, execution.n_rows, runs),
        snapshots=[_checked(s, execution.outcomes) for s in task.snapshots],
        lineage=_lineage(wanted, current),
    )
    runs = [*runs, record]
    publish_run(store, runs)
    if lost is not None:
        lost.unlink(missing_ok=True)
    collect_garbage(store, runs)
    forget_parts(store)
    _warn_of_kept(task)
    _warn_of_forecast(current, record)
    return _report(store, record, wanted.source.files, is_new=True)


def _plan_on_whole_objects(
    wanted: Wanted, selection: Selection, store: Store, runs: list[RunRecord]
) -> tuple[list[Status], Task]:
    """Decide what to do; what is damaged of that which is read is dropped first."""
    current = runs[-1] if runs else None
    published = current.snapshots if current else []
    drop_damaged(
        store,
        [
            (s.name, s.fingerprint)
            for s in published
            if read_object(store, s.name, s.fingerprint) is None
        ],
    )
    while True:
        statuses = judge(wanted, store, current)
        task = plan_task(wanted, statuses, selection, store, runs)
        if not drop_damaged(store, task.reads):
            return statuses, task


def stamp(settings: Settings, report: RunReport, stamp_key: str) -> None:
    """Let the next run see without a look at the plan that there is nothing to do.

    Where that cannot be written, or another run has published since, it is left.

    Parameters
    ----------
    settings : Settings
        Those of the run.
    report : RunReport
        What it gave; if part of it was kept stale, or a file was so new that a later
        change might not show, nothing is stamped.
    stamp_key : str
        What `pipeline.run.stamp.key` gave before the run.
    """
    store, record = open_store(settings.root), report.run
    if settings.environment:  # the words would be the same with other values
        return
    is_settled = all(file.is_settled for file in report.files)
    kept = [s.name for s in record.snapshots if s.state == "kept"]
    if not is_settled or kept not in ([], [PREDICTIONS]):
        return
    objects = [store.object(s.name, s.fingerprint) for s in record.snapshots]
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
                sources.reads(settings.source, settings.root).path,
                [file.stat for file in report.files],
                code_elsewhere(s.transform.file for s in settings.stages),
                [(named(path), path.stat().st_size) for path in objects],
                [(named(path), checksum(path)) for path in records],
            ),
        )


def _unread(wanted: Wanted, runs: list[RunRecord]) -> list[Path]:
    """Name the source's files of a content that no run has read with code of now."""
    assert wanted.source is not None
    code = "pipeline/sources/csv_guard.py"
    read = {
        file.sha256
        for run in runs
        if run.code.get(code) == wanted.code[code]
        for file in run.files
    }
    files = [file for file in wanted.source.files if file.sha256 not in read]
    return [wanted.settings.root / file.stat.path for file in files]


def _comparable(settings: Settings, runs: list[RunRecord]) -> list[SnapshotRecord]:
    """Take the snapshots of the newest run of the same profile and source."""
    for run in reversed(runs):
        is_alike = _origin(run.config) == _origin(settings.shown)
        if run.profile == settings.profile and is_alike:
            return run.snapshots
    return []


def _origin(config: Tree) -> Tree:
    """Say where the rows come from: not what they are called, nor how many are bad."""
    how = ("columns", "rename", "max_bad_rows")
    source = cast("Tree", config["source"])
    return {name: value for name, value in source.items() if name not in how}


def _report(
    store: Store, record: RunRecord, files: list[FileContent], *, is_new: bool
) -> RunReport:
    """Say what is published now."""
    objects = {
        s.name: found
        for s in record.snapshots
        if (found := read_object(store, s.name, s.fingerprint))
    }
    return RunReport(record, files, objects, is_new, 0.0, store.catalog)


def _log_end(error: BaseException, store: Store, run_id: str) -> None:
    """Note how a run ended that was stopped, or has failed."""
    is_stopped = _is_stop(error)
    is_published = store.linked == run_id
    how = "published" if is_published else "stopped" if is_stopped else "failed"
    LOG.debug(
        _stopped(store, run_id) if is_stopped else str(error),
        extra=fields(event=how, error=type(error).__name__),
    )


def _is_stop(error: BaseException) -> bool:
    """Tell whether a run was stopped; DuckDB and others have errors of their own."""
    return isinstance(error, KeyboardInterrupt) or is_asked()


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


def _stored_bad(store: Store, task: Task) -> pl.DataFrame:
    """Read the cells that were set aside when the source was last read."""
    [quarantine] = [s for s in task.snapshots if s.name == QUARANTINE]
    if read_object(store, QUARANTINE, quarantine.fingerprint) is None:
        return pl.DataFrame()
    path = store.object(QUARANTINE, quarantine.fingerprint)
    return read_parquet(path)


def _checked(
    snapshot: SnapshotRecord, outcomes: dict[str, list[Outcome]]
) -> SnapshotRecord:
    """Note what became of the checks."""
    if snapshot.name not in outcomes:
        return snapshot
    checks = [
        CheckRecord(o.name, o.severity, o.description, o.n_failures)
        for o in outcomes[snapshot.name]
    ]
    return msgspec.structs.replace(snapshot, checks=checks)


def _stage_records(
    wanted: Wanted, n_rows: dict[str, int], runs: list[RunRecord]
) -> list[StageRecord]:
    """Record the stages, with the rows counted now or by an earlier run."""
    assert wanted.fingerprints is not None
    counted = {s.fingerprint: s.n_rows for run in runs for s in run.stages}
    return [
        StageRecord(
            name,
            node.stage.transform.name,
            list(node.stage.inputs),
            node.stage.snapshot,
            wanted.settings.shown_of(node.stage),
            node.digest,
            wanted.fingerprints.stages[name],
            n_rows.get(name, counted.get(wanted.fingerprints.stages[name])),
            [(column, str(dtype)) for column, dtype in node.schema.items()],
        )
        for name, node in wanted.plan.nodes.items()
    ]


def _lineage(wanted: Wanted, current: RunRecord | None) -> list[EdgeRecord]:
    """Trace the columns, unless the run before did for the same stages and code."""
    stages = [
        (name, list(node.stage.inputs), node.digest)
        for name, node in wanted.plan.nodes.items()
    ]
    if (
        current is not None
        and current.code == wanted.code
        and VERSIONS.items() <= current.versions.items()
        and [(s.name, s.inputs, s.plan) for s in current.stages] == stages
    ):
        return current.lineage
    return [dataclasses.astuple(edge) for edge in wanted.plan.lineage().edges]


def _warn_of_kept(task: Task) -> None:
    """Name the snapshots that are now out of step with the others."""
    kept = [name for name in task.names("kept") if name != PREDICTIONS]
    if kept:
        LOG.warning(
            "not selected, and left as published: %s; `just run` renews them",
            ", ".join(kept),
        )


def _warn_of_forecast(before: RunRecord | None, now: RunRecord) -> None:
    """Say that a forecast of other rows, or of another profile, is shown no more."""
    had, has = (
        run is not None and PREDICTIONS in {s.name for s in run.snapshots}
        for run in (before, now)
    )
    if had and not has:
        LOG.warning(
            "'%s' was of other rows or another profile, and is left out;"
            " `just forecast` makes one of these",
            PREDICTIONS,
        )
