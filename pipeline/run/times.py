"""Time stages one by one, each of inputs in memory, in a process of its own.

Polars tells what each node of a pass took, but its optimizer makes one node of several
stages, and none tells whose it is. So a stage is timed alone: its figures say which
stage costs most, not what a run takes, which shares work and leaves columns out.
"""

import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl

from pipeline import sources
from pipeline.errors import PipelineError
from pipeline.files.parquet import read_parquet
from pipeline.plan.fingerprint import VERSIONS
from pipeline.plan.plan import Plan
from pipeline.progress import each
from pipeline.run.rows import Now
from pipeline.run.show import explained
from pipeline.run.timed import Job, Timed, write_rows
from pipeline.snapshots.catalog import contributed
from pipeline.snapshots.diff.report import aligned
from pipeline.snapshots.publish import contribute

TABLE = "stage_times"
"""Of ``meta``."""

_N_NODES = 8

_NODE = re.compile(r"^([\w-]+): tot\(([^)]*)\).*recv\(row=(\d+).*sent\(row=(\d+)", re.M)


@dataclass(frozen=True)
class StageTime:
    """What a stage, or the source, took."""

    stage: str
    transform: str
    timed: Timed
    fingerprint: str
    nodes: Sequence[tuple[str, str, int, int]]
    """Of Polars' physical plan, if asked for, the longest first: name, time of all
    threads, rows received and sent."""


def time_stages(now: Now, stages: Collection[str]) -> list[StageTime]:
    """Time some stages and sources, in their order.

    Of a single one, the nodes of Polars' plan are told, too.

    Raises
    ------
    PipelineError
        If a stage cannot be computed.
    """
    plan = now.wanted.plan
    names = [name for name in (*plan.sources, *plan.nodes) if name in stages]
    found: list[StageTime] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: Path(folder, f"{i}.arrow")
            for i, name in enumerate((*plan.sources, *plan.nodes))
        }
        for i, name in enumerate(each(names, "timing")):
            later = {given for n in names[i + 1 :] for given in _inputs(plan, n)}
            for given in _inputs(plan, name):
                if not files[given].exists():
                    rows = now.rows(given)
                    with explained(rows):
                        write_rows(rows.lf, files[given])
            output = files[name] if name in later else None
            job = _job(now, name, files, output, shows_nodes=len(names) == 1)
            timed, nodes = time_alone(name, job)
            transform = job.stage.transform.name if job.stage else ""
            print_ = now.wanted.fingerprints.stages.get(name, "")
            found.append(StageTime(name, transform, timed, print_, nodes))
            for given in {*files} - later:
                files[given].unlink(missing_ok=True)
    return found


def _inputs(plan: Plan, name: str) -> tuple[str, ...]:
    """Name what a stage is given."""
    return plan.nodes[name].stage.inputs if name in plan.nodes else ()


def _job(
    now: Now,
    name: str,
    files: Mapping[str, Path],
    output: Path | None,
    *,
    shows_nodes: bool,
) -> Job:
    """Say what another process is to time."""
    plan, settings = now.wanted.plan, now.wanted.settings
    if name in plan.nodes:
        given = [(files[of], plan.schema(of)) for of in _inputs(plan, name)]
        return Job(plan.nodes[name].stage, (), given, output, shows_nodes)
    scan = now.rows(name).scan or sources.scan(settings.others[name], settings.root)
    plans = [lf.serialize() for lf in scan.frames()]
    return Job(None, plans, (), output, shows_nodes)


def time_alone(name: str, job: Job) -> tuple[Timed, list[tuple[str, str, int, int]]]:
    """Start a process, and read what it says."""
    done = subprocess.run(  # this interpreter, a module of ours
        [sys.executable, "-P", "-W", "ignore", "-m", "pipeline.run.timed"],
        input=pickle.dumps(job),
        env=os.environ | {"POLARS_ALLOW_NESTED_CSPE": "1"},
        capture_output=True,
        check=False,
    )
    told = done.stderr.decode(errors="replace")
    if done.returncode:
        last = [line for line in told.splitlines() if line.strip()] or ["no message"]
        raise PipelineError(
            f"stage '{name}': cannot be timed\nfound: {last[-1]}\n"
            f"hint: `just show {name}` says what is wrong with its rows"
        )
    nodes = [
        (node, took, int(received), int(sent))
        for node, took, received, sent in _NODE.findall(told)
    ]
    return msgspec.json.decode(done.stdout, type=Timed), nodes


def describe(times: Sequence[StageTime]) -> list[str]:
    """Write a line per stage, and what the nodes of a single one took."""
    header = ("stage", "seconds", "CPU s", "rows in", "rows out", "columns", "MiB")
    rows = [
        (
            one.stage,
            f"{one.timed.seconds:.3f}",
            f"{one.timed.cpu_s:.3f}",
            f"{n:,}" if (n := one.timed.n_rows_in) is not None else "",
            f"{one.timed.n_rows:,}",
            f"{one.timed.n_columns}",
            f"{one.timed.memory_mib:,}",
        )
        for one in times
    ]
    lines = aligned([header, *rows])
    nodes = [node for one in times for node in one.nodes][:_N_NODES]
    if nodes:
        lines += ["", "its longest nodes in Polars, of the time of all threads:"]
        lines += aligned(
            [
                ("  node", "time", "rows in", "rows out"),
                *((f"  {of}", t, f"{n_in:,}", f"{n:,}") for of, t, n_in, n in nodes),
            ]
        )
    return lines


def keep(now: Now, times: Sequence[StageTime]) -> None:
    """Show what stages took in ``meta.stage_times``, beside others' last times."""
    measured_at = datetime.now(UTC).replace(tzinfo=None)
    rows = pl.DataFrame(
        [
            {
                "stage": one.stage,
                "transform": one.transform,
                "measured_at": measured_at,
                **msgspec.structs.asdict(one.timed),
                "polars": VERSIONS["polars"],
                "fingerprint": one.fingerprint,
            }
            for one in times
        ],
        infer_schema_length=None,
        schema_overrides={"n_rows_in": pl.Int64},
    )
    before = contributed(now.store).get(TABLE)
    if before is not None and (kept := read_parquet(before)).schema == rows.schema:
        known = [*now.wanted.plan.sources, *now.wanted.plan.nodes]
        is_left = pl.col("stage").is_in(known) & ~pl.col("stage").is_in(rows["stage"])
        rows = pl.concat([kept.filter(is_left), rows])
    contribute(now.store, {TABLE: rows})
