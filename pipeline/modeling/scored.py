"""Publish what came of files as a snapshot, which SQL can ask."""

import hashlib
import re
from datetime import UTC, datetime

import polars as pl

from pipeline.engine.one_pass import collect_all
from pipeline.engine.parts.assemble import write
from pipeline.errors import ModelError
from pipeline.files.arrow import map_arrow, sink_arrow
from pipeline.files.parquet import read_parquet
from pipeline.modeling.forecast import publish_beside
from pipeline.modeling.score_files import ScoredFiles
from pipeline.modeling.settings import STEP
from pipeline.plan.settings import SCHEMAS, Settings
from pipeline.snapshots.publish import (
    laid_beside,
    lay_beside,
    new_run_id,
    publish_objects,
)
from pipeline.snapshots.records import (
    FORECASTS,
    QUARANTINE,
    SCORED_BY,
    SnapshotRecord,
)
from pipeline.snapshots.store import (
    WAIT_S,
    object_fault,
    open_store,
    read_runs,
    staged_run,
    writing,
)

_TABLE = "scored"

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def refuse_name(settings: Settings, name: str) -> None:
    """Refuse a snapshot's name that is none, or that something else has."""
    stages = {stage.snapshot for stage in settings.stages}
    runs = read_runs(open_store(settings.root))
    stages |= {s.name for run in runs[-1:] for s in run.snapshots if s.stage}
    taken = dict.fromkeys(stages, "a stage publishes it")
    taken |= dict.fromkeys(FORECASTS, "`just forecast` publishes it")
    taken |= dict.fromkeys((QUARANTINE, *SCHEMAS), "the catalog has it")
    if not _NAME.fullmatch(name) or name in taken:
        raise ModelError(
            f"--snapshot: {name!r} cannot be the name of what is scored\n"
            f"found: {taken.get(name, 'no such name')}\n"
            "expected: a new one of lower case letters, digits and underscores, such as"
            " 'scored_2018'"
        )
    if not runs:
        raise ModelError(
            "--snapshot: nothing is published yet\nhint: `just run` makes snapshots"
        )


def publish_scored(settings: Settings, scored: ScoredFiles, name: str) -> str:
    """Publish a run in which only the snapshot `name` is new; return the run's id.

    It is sorted by ``file`` and ``row``. Later runs keep it; the same name again
    replaces it.
    """
    started_at, store = datetime.now(UTC), open_store(settings.root)
    of = f"{scored.version.name} version {scored.version.number}"
    rows = scored.predictions()
    steps = [column for column in rows.collect_schema() if column == STEP]
    key = ["file", "row", *steps]
    with writing(store, WAIT_S), staged_run(store) as staging:
        refuse_name(settings, name)
        run_id = new_run_id(read_runs(store)[-1].run_id, started_at)
        file = staging / f"{name}.parquet"
        mapped = staging / f"{name}.arrow"
        collect_all([sink_arrow(rows, mapped)])
        profile, _ = write(file, map_arrow(mapped), key, [])
        # What it holds names it: who scores the same again has it already.
        made_of = repr((name, profile.content_hash, rows.collect_schema()))
        fingerprint = hashlib.sha256(made_of.encode()).hexdigest()
        is_there = not object_fault(store, name, fingerprint)
        made = SnapshotRecord(
            name=name,
            stage="",
            key=key,
            fingerprint=fingerprint,
            state="restored" if is_there else "computed",
            contract="",
            reasons=[f"just score, {of}, of {scored.place}"],
            checks=[],
            made_by=SCORED_BY,
        )
        if not is_there:
            publish_objects(store, [made], {name: file}, {name: profile}, run_id)
        new = _listed(scored, name, run_id)
        before = laid_beside(store, _TABLE)
        kept = [] if before is None else [read_parquet(before)]
        lay_beside(store, {_TABLE: pl.concat([*kept, new])})
        publish_beside([made], [name], settings, store, run_id, started_at)
    return run_id


def _listed(scored: ScoredFiles, name: str, run_id: str) -> pl.DataFrame:
    """Say of each file by whom and when it was scored, and what was in it."""
    rows = [
        {
            "snapshot": name,
            "run_id": run_id,
            "name": scored.version.name,
            "version": scored.version.number,
            "scored_at": scored.scored_at.replace(tzinfo=None),
            "file": file.name,
            "sha256": file.sha256,
            "n_rows": file.n_rows,
            "n_left_out": file.n_left_out,
        }
        for file in scored.files
    ]
    return pl.DataFrame(rows)
