"""What is written down of a run that is published."""

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

import msgspec

from pipeline.contracts.checks import Outcome
from pipeline.engine.one_pass import Execution
from pipeline.files.commit import commit_of
from pipeline.plan.descriptions import describe
from pipeline.plan.fingerprint import VERSIONS
from pipeline.run.freshness import Wanted
from pipeline.run.task import Task
from pipeline.snapshots.records import (
    FORMAT,
    CheckRecord,
    EdgeRecord,
    RunRecord,
    SnapshotRecord,
    StageRecord,
)


def record_of(
    run_id: str,
    started_at: datetime,
    wanted: Wanted,
    task: Task,
    execution: Execution,
    n_bad_rows: int,
    runs: Sequence[RunRecord],
) -> RunRecord:
    """Make the record of a run that follows others; how long it took is still open."""
    settings = wanted.settings
    libraries = {name: version(name) for name in ("duckdb", "pyarrow", "numpy")}
    return RunRecord(
        format=FORMAT,
        run_id=run_id,
        started_at=started_at,
        n_kept=settings.history.runs,
        restores=None,
        profile=settings.profile,
        source=settings.tree["source"]["kind"],
        source_plan=wanted.source.plan,
        files=wanted.source.files,
        dialects=list(wanted.source.said),
        n_bad_rows=n_bad_rows,
        execute_s=execution.execute_s,
        total_s=0.0,
        versions=VERSIONS | libraries | {"python": platform.python_version()},
        config=settings.shown,
        code=wanted.code,
        stages=_stages(wanted, execution.n_rows, runs),
        snapshots=[_checked(s, execution.outcomes) for s in task.snapshots],
        lineage=_lineage(wanted, runs),
        descriptions=describe(settings, wanted.plan),
        commit=commit_of(settings.root),
    )


def _checked(
    snapshot: SnapshotRecord, outcomes: Mapping[str, list[Outcome]]
) -> SnapshotRecord:
    """Note what became of the checks."""
    if snapshot.name not in outcomes:
        return snapshot
    checks = [
        CheckRecord(o.name, o.severity, o.description, o.n_failures)
        for o in outcomes[snapshot.name]
    ]
    return msgspec.structs.replace(snapshot, checks=checks)


def _stages(
    wanted: Wanted, n_rows: Mapping[str, int], runs: Sequence[RunRecord]
) -> list[StageRecord]:
    """Record the stages, with the rows counted now or by an earlier run."""
    prints = wanted.fingerprints.stages
    counted = {s.fingerprint: s.n_rows for run in runs for s in run.stages}
    return [
        StageRecord(
            name,
            node.stage.transform.name,
            list(node.stage.inputs),
            node.stage.snapshot,
            wanted.settings.shown_of(node.stage),
            node.digest,
            prints[name],
            n_rows.get(name, counted.get(prints[name])),
            [(column, str(dtype)) for column, dtype in node.schema.items()],
        )
        for name, node in wanted.plan.nodes.items()
    ]


def _lineage(wanted: Wanted, runs: Sequence[RunRecord]) -> list[EdgeRecord]:
    """Trace the columns, unless the run before did for the same stages and code."""
    stages = [
        (name, list(node.stage.inputs), node.digest)
        for name, node in wanted.plan.nodes.items()
    ]
    if (
        runs
        and runs[-1].code == wanted.code
        and VERSIONS.items() <= runs[-1].versions.items()
        and [(s.name, s.inputs, s.plan) for s in runs[-1].stages] == stages
    ):
        return runs[-1].lineage
    return [dataclasses.astuple(edge) for edge in wanted.plan.lineage().edges]
