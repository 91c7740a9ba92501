"""The page of quality: checks over the runs, and the cells that were set aside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.files.parquet import scan_parquet
from pipeline.pages.charts import Line, line
from pipeline.pages.facts import Facts
from pipeline.pages.names import QUALITY
from pipeline.pages.site import Found, Page
from pipeline.snapshots.records import QUARANTINE, CheckRecord, RunRecord
from pipeline.snapshots.store import object_fault

_MOST_BYTES = 4 << 20
"""Of the cells set aside, which are the only rows that are read: else they are counted
by `just sql`."""

_MOST_KINDS = 50
"""Of faults that are listed."""


@dataclass(frozen=True)
class CheckOverRuns:
    """A check of a snapshot's contract, and what came of it in each kept run."""

    snapshot: str
    check: CheckRecord
    """Of the newest run."""
    failures: Line | None
    """Rows that broke it, by run; None where no run found any."""

    @property
    def is_failing(self) -> bool:
        """Whether the newest run found rows that break it."""
        return self.check.n_failures > 0


@dataclass(frozen=True)
class Fault:
    """Cells that were set aside for one reason."""

    source: str
    column: str
    reason: str
    n_cells: int
    place: str
    """File and line of the first."""


def quality(facts: Facts) -> Iterator[Page]:
    """Make the page."""
    checks = [c for s in facts.run.snapshots for c in checks_over_runs(facts, s.name)]
    faults, why_not = _faults(facts)
    bad = line([(run.run_id, run.n_bad_rows) for run in facts.runs])
    values = {
        "checks": checks,
        "failing": [check for check in checks if check.is_failing],
        "once": [c for c in checks if c.failures and not c.is_failing],
        "checked": list(dict.fromkeys(check.snapshot for check in checks)),
        "n_bad_rows": facts.run.n_bad_rows,
        "n_runs": len(facts.runs),
        "bad": bad if any(run.n_bad_rows for run in facts.runs) else None,
        "faults": faults[:_MOST_KINDS],
        "n_more": max(len(faults) - _MOST_KINDS, 0),
        "why_not": why_not,
        "quarantine": QUARANTINE,
    }
    yield Page(QUALITY, "Quality", "quality", values, [Found("page", "Quality")])


def checks_over_runs(facts: Facts, snapshot: str) -> Iterator[CheckOverRuns]:
    """Follow each check of a snapshot of the newest run back through the kept runs."""
    for check in facts.snapshots[snapshot].checks:
        counts = [
            (run.run_id, _n_failures(run, snapshot, check.name)) for run in facts.runs
        ]
        failed = any(n for _, n in counts)
        yield CheckOverRuns(snapshot, check, line(counts) if failed else None)


def _n_failures(run: RunRecord, snapshot: str, check: str) -> int | None:
    """Count the rows that broke a check in a run; None if it was not held to it."""
    found = (c for s in run.snapshots if s.name == snapshot for c in s.checks)
    return next((c.n_failures for c in found if c.name == check), None)


def _faults(facts: Facts) -> tuple[Sequence[Fault], str]:
    """Count the cells that were set aside by what is wrong, or say why that is not."""
    record = facts.object(QUARANTINE)
    if record is None or not record.n_rows:
        return [], ""
    if record.n_bytes > _MOST_BYTES:
        return [], "They are too many to be counted here"
    if fault := object_fault(facts.store, QUARANTINE, record.fingerprint):
        return [], f"The file of these cells {fault}; `just verify` says what to do"
    path = facts.store.object(QUARANTINE, record.fingerprint)
    by = ["source", "column", "reason"]
    rows = (
        scan_parquet([path])
        .group_by(by)
        .agg(
            pl.len().alias("n"), pl.col("file", "line").sort_by("file", "line").first()
        )
        .sort(pl.col("n"), *by, descending=[True, False, False, False])
        .collect()
    )
    return [
        Fault(source, column, reason, n, f"{file}, line {line:,}")
        for source, column, reason, n, file, line in rows.iter_rows()
    ], ""
