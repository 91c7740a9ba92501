"""One run: read, compose, execute in one pass, publish."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.engine import Execution, execute
from pipeline.errors import PipelineError, SourceError
from pipeline.plan import Plan, compose
from pipeline.settings import Settings
from pipeline.snapshots.publish import Published, Run, publish
from pipeline.snapshots.store import open_store, staged_run
from pipeline.sources.scan import Scan


@dataclass(frozen=True)
class RunReport:
    """What a run made.

    Attributes
    ----------
    run_id : str
        Names the run in ``meta.runs``.
    published : list of Published
        The snapshots, in order.
    n_rows : dict of str to int
        Rows of each stage.
    n_bad_rows : int
        Rows set aside in the snapshot ``quarantine``.
    warnings : list of str
        What the user should look at.
    total_s : float
        Wall time in seconds.
    catalog : Path
        The DuckDB file to open.
    """

    run_id: str
    published: list[Published]
    n_rows: dict[str, int]
    n_bad_rows: int
    warnings: list[str]
    total_s: float
    catalog: Path


def check(settings: Settings) -> Plan:
    """Compose the plan on the declared columns alone; no file needs to be there.

    Raises
    ------
    SchemaError
        If a stage does not fit what it is given.
    """
    return compose(sources.declared(settings.source), settings.stages)


def run(settings: Settings, say: Callable[[str], None]) -> RunReport:
    """Compute all snapshots in one pass and publish them together.

    Parameters
    ----------
    settings : Settings
        The checked configuration.
    say : callable
        Receives a line where something takes long or is unusual.

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
    check(settings)
    store = open_store(settings.root)
    with staged_run(store) as staging:
        sources.fetch(settings.source, settings.root, say)
        scan, plan, execution = _execute(settings, staging, say)
        bad = sources.number_lines(execution.bad, settings.source)
        n_bad_rows = _refuse_too_many(bad, settings.source.max_bad_rows)
        this_run = Run(
            settings=settings,
            started_at=started_at,
            files=scan.files,
            n_bad_rows=n_bad_rows,
            seconds=lambda: time.perf_counter() - started,
        )
        published = publish(store, staging, plan, execution, bad, this_run)
    return RunReport(
        this_run.run_id,
        published,
        execution.n_rows,
        n_bad_rows,
        _empty_stages(plan, execution),
        this_run.seconds(),
        store.catalog,
    )


def _execute(
    settings: Settings, staging: Path, say: Callable[[str], None]
) -> tuple[Scan, Plan, Execution]:
    """Execute on the fast typed path, and once more with repair where that fails."""
    scan = sources.scan(settings.source, settings.root)
    plan, execution = _execute_scan(scan, settings, staging)
    if execution.bad.height and not scan.exact:
        say("some values do not fit their column's type: reading again, with repair")
        scan = sources.scan(settings.source, settings.root, repair=True)
        plan, execution = _execute_scan(scan, settings, staging)
    return scan, plan, execution


def _execute_scan(
    scan: Scan, settings: Settings, staging: Path
) -> tuple[Plan, Execution]:
    """Compose and execute, and say what is wrong with the source if that fails."""
    plan = compose(scan.rows, settings.stages)
    try:
        return plan, execute(plan, scan.bad, staging)
    except (PolarsError, OSError) as error:
        found = sources.diagnose(settings.source, scan.files)
        raise found or PipelineError(
            f"the run failed while it computed the snapshots\nfound: {error}\n"
            "hint: nothing was published, the previous run is still there"
        ) from error


def _refuse_too_many(bad: pl.DataFrame, max_bad_rows: int) -> int:
    """Count the bad rows, and refuse the source if they are too many."""
    n_bad_rows = bad.select("file", "line").n_unique() if bad.height else 0
    if n_bad_rows > max_bad_rows:
        shown = "\n".join(
            f"  {file}:{line}: {column}: {value!r} {reason}"
            for file, line, column, value, reason in bad.head(10).iter_rows()
        )
        raise SourceError(
            f"{n_bad_rows} bad rows, expected at most {max_bad_rows}; the first:\n"
            f"{shown}\n"
            "hint: mend the file, or allow more with source.max_bad_rows=N"
        )
    return n_bad_rows


def _empty_stages(plan: Plan, execution: Execution) -> list[str]:
    """Name the stages that were given rows and left none."""
    return [
        f"stage '{name}' left none of {execution.n_rows[node.stage.inputs[0]]:,} rows; "
        f"see {node.stage.file}"
        for name, node in plan.nodes.items()
        if execution.n_rows[name] == 0
        and execution.n_rows.get(node.stage.inputs[0], 0) > 0
    ]
