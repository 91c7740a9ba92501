"""The pages of snapshots: columns in figures, contract, runs, and how to open one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.files.parquet import scan_parquet
from pipeline.files.state import CATALOG
from pipeline.pages.charts import Histogram, Line, histogram, line
from pipeline.pages.facts import Facts
from pipeline.pages.names import SNAPSHOTS, snapshot_page
from pipeline.pages.numbers import as_number, extreme
from pipeline.pages.quality import checks_over_runs
from pipeline.pages.site import Found, Page
from pipeline.snapshots.catalog import identifier
from pipeline.snapshots.profile import QUANTILES, ColumnProfile, is_large
from pipeline.snapshots.records import QUARANTINE, ObjectRecord, RunRecord
from pipeline.snapshots.store import object_fault

_N_CHARACTERS = 60
"""Of a text that is shown of the data."""


@dataclass(frozen=True)
class ColumnFigures:
    """A column of a snapshot, in figures."""

    profile: ColumnProfile
    description: str
    nulls: float | None
    """The part of the rows without a value; None without rows."""
    least: str
    greatest: str
    quantiles: Sequence[str]
    chart: Histogram | None
    instead: str
    """Why there is no chart."""


@dataclass(frozen=True)
class Version:
    """What a run showed of a snapshot, where it was not that of the run before."""

    run: RunRecord
    state: str
    reasons: Sequence[str]
    n_rows: int | None
    more_rows: int | None
    n_bytes: int | None
    content: str


@dataclass(frozen=True)
class Moved:
    """A figure that was not the same in all kept runs."""

    what: str
    column: str
    drawn: Line


def snapshots(facts: Facts) -> Iterator[Page]:
    """Make a page of each snapshot of the newest run, and the list of them."""
    values = {
        "published": [(s, facts.object(s.name)) for s in facts.run.snapshots],
        "statuses": facts.statuses,
    }
    found = [Found("page", "Snapshots")]
    yield Page(SNAPSHOTS, "Snapshots", "snapshots", values, found)
    for name in facts.snapshots:
        yield _page(facts, name)


def _page(facts: Facts, name: str) -> Page:
    """Make the page of a snapshot."""
    record, found = facts.snapshots[name], facts.object(name)
    columns = (
        [
            figures_of(
                c, found.n_rows, facts.describe(record.stage or record.name, c.name)
            )
            for c in found.columns
        ]
        if found
        else []
    )
    versions = list(_versions(facts, name))
    values = {
        "record": record,
        "object": found,
        "status": facts.statuses.get(name),
        "is_quarantine": name == QUARANTINE,
        "columns": columns,
        "quantiles": [f"{q:.0%}".replace("%", " %") for q in QUANTILES],
        "is_sampled": bool(found and is_large(found.n_rows)),
        "moved": list(_moved(facts, name)),
        "versions": versions[::-1],
        "checks": list(checks_over_runs(facts, name)),
        "n_runs": len(facts.runs),
        "queries": _queries(name),
        "samples": _samples(facts, name),
    }
    names = [Found("snapshot", name)]
    return Page(snapshot_page(name), name, "snapshot", values, names, SNAPSHOTS)


def _queries(name: str) -> list[tuple[str, str]]:
    """Write how to open a snapshot, by what."""
    rows = f"FROM {identifier(name)} LIMIT 10"
    catalog = f".pipeline/{CATALOG}"
    return [
        ("just", f"just sql '{rows}'"),
        ("DuckDB", f"duckdb -readonly {catalog} '{rows}'"),
        (
            "Polars",
            "from pipeline import Project\n\n"
            f'Project().snapshot("{name}").head(10).collect()',
        ),
        (
            "DuckDB in Python",
            "import duckdb\n\n"
            f'con = duckdb.connect("{catalog}", read_only=True)\n'
            f"con.sql('{rows}').pl()",
        ),
    ]


def figures_of(column: ColumnProfile, n_rows: int, description: str) -> ColumnFigures:
    """Write the figures of a column, and draw how its values are distributed."""
    quantiles = column.quantiles or []
    nulls = column.n_nulls / n_rows if n_rows else None
    chart, instead = None, ""
    if not n_rows:
        instead = "no rows"
    elif column.n_nulls == n_rows:
        instead = "nulls only"
    elif column.min is not None and column.min == column.max:
        instead = "one value"
    elif column.quantiles is None:
        instead = "no quantiles"
    else:
        ends = [as_number(end) for end in (column.min, column.max)]
        least, greatest = ends
        if least is not None and greatest is not None:
            chart = histogram(least, quantiles, greatest)
        instead = "" if chart else "no finite quantiles"
    return ColumnFigures(
        column,
        description,
        nulls,
        extreme(column.min),
        extreme(column.max),
        [extreme(None if q is None else str(q)) for q in quantiles],
        chart,
        instead,
    )


def _versions(facts: Facts, name: str) -> Iterator[Version]:
    """Yield what runs showed of a snapshot where it changed, the oldest first."""
    before: tuple[str, ObjectRecord | None] | None = None
    for run in facts.runs:
        shown = next((s for s in run.snapshots if s.name == name), None)
        if shown is None:
            continue
        found = facts.object(name, run)
        if before is None or before[0] != shown.fingerprint:
            last = before[1] if before else None
            yield Version(
                run,
                shown.state,
                shown.reasons,
                found and found.n_rows,
                found.n_rows - last.n_rows if found and last else None,
                found and found.n_bytes,
                found.content_hash[:8] if found else "",
            )
        before = (shown.fingerprint, found)


def _moved(facts: Facts, name: str) -> Iterator[Moved]:
    """Draw rows and bytes over the runs, and the figures of columns that changed."""
    objects = [(run, facts.object(name, run)) for run in facts.runs]
    if sum(found is not None for _, found in objects) < 2:
        return
    for what in ("n_rows", "n_bytes"):
        drawn = line([(run.run_id, of and getattr(of, what)) for run, of in objects])
        if drawn:
            yield Moved({"n_rows": "rows", "n_bytes": "bytes"}[what], "", drawn)
    profiles = [(r, {c.name: c for c in of.columns} if of else {}) for r, of in objects]
    for column in profiles[-1][1]:
        seen = [(run.run_id, columns.get(column)) for run, columns in profiles]
        yield from _moved_of(column, seen)


_FIGURES: dict[str, Callable[[ColumnProfile], float | None]] = {
    "nulls": lambda c: c.n_nulls,
    "mean": lambda c: c.mean,
    "distinct": lambda c: c.n_distinct,
}


def _moved_of(
    column: str, seen: Sequence[tuple[str, ColumnProfile | None]]
) -> Iterator[Moved]:
    """Draw those figures of a column that are not the same in all runs."""
    there = [c for _, c in seen if c]
    if len(there) == len(seen) and len({c.content_hash for c in there}) < 2:
        return  # a column of the same values has the same figures
    for what, figure in _FIGURES.items():
        points = [(run, figure(c) if c else None) for run, c in seen]
        known = [value for _, value in points if value is not None]
        drawn = line(points)
        if drawn and any(a != b for a, b in pairwise(known)):
            yield Moved(what, column, drawn)


def _samples(facts: Facts, name: str) -> tuple[list[str], list[list[str]]] | None:
    """Read the first rows of a snapshot, if the configuration asks for some."""
    n, found = facts.settings.docs.samples if facts.settings else 0, facts.object(name)
    if not n or found is None or object_fault(facts.store, name, found.fingerprint):
        return None
    rows = scan_parquet([facts.store.object(name, found.fingerprint)]).head(n).collect()
    return rows.columns, [[_sample(v) for v in row] for row in rows.iter_rows()]


def _sample(value: object) -> str:
    """Write a cell of a row."""
    text = "null" if value is None else str(value)
    return text if len(text) <= _N_CHARACTERS else f"{text[:_N_CHARACTERS]}…"
