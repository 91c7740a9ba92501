"""The rows after a stage, by plans that are kept: shown without Polars' side of Python.

A plan is kept once a run is stamped, when it has been made to show rows: it begins at
snapshots of that run, and holds as long as the stamp does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import n_of
from pipeline.panel import core
from pipeline.panel.rowwise import refuse_other_rows
from pipeline.plan.content import Memo
from pipeline.run.stamp import stamped
from pipeline.snapshots.lease import hold
from pipeline.snapshots.store import object_fault, open_store

if TYPE_CHECKING:  # Polars is imported where a plan is composed
    from pipeline.run.rows import Now, StageRows


class _Kept(msgspec.Struct, frozen=True):
    """The rows after a stage."""

    run_id: str
    """The run whose snapshots they begin at."""
    name: str
    key: list[str]
    n_rows: int | None
    origin: str
    objects: list[tuple[str, str]]
    plan: bytes
    """What gives the rows, in order."""
    first: bytes | None
    """What gives the first of them, of less."""


def show_kept(
    root: Path,
    profile: str | None,
    overrides: Sequence[str],
    stage: str,
    where: str | None,
    columns: Sequence[str],
    limit: int | None,
) -> tuple[core.Rows, Sequence[str], str] | None:
    """Show rows as `pipeline.run.show.show` does: as a stream of Arrow, and their key.

    None where no plan is kept, or what it is made of is not as it was; whatever is
    wrong is said by who makes the plan.
    """
    kept = _memo(root, profile, overrides, stage).recall(_Kept)
    if kept is None or not _is_whole(root, profile, overrides, kept):
        return None
    try:
        rows = _collect(kept, where, columns, limit)
    except Exception:
        return None
    n_all = kept.n_rows if where is None else None
    said = counted(kept.name, rows.height, limit, n_all, kept.origin)
    return rows, kept.key, said


def _is_whole(
    root: Path, profile: str | None, overrides: Sequence[str], kept: _Kept
) -> bool:
    """Tell whether all is fresh, of the same run, and its objects are as written."""
    store = open_store(root)
    if store.catalog.exists():
        hold(store.catalog.resolve())
    stamp = stamped(root, profile, overrides)
    is_same = stamp is not None and stamp.run_id == kept.run_id
    return is_same and not any(object_fault(store, *of) for of in kept.objects)


def _collect(
    kept: _Kept, where: str | None, columns: Sequence[str], limit: int | None
) -> core.Rows:
    """Collect what is asked for, of the first rows if these are enough."""
    if where is not None:
        refuse_other_rows(where)

    def collect(plan: bytes) -> core.Rows:
        lf = core.read_plan(plan)
        lf = lf if where is None else core.where(lf, where)
        lf = core.select(lf, [*dict.fromkeys(columns)]) if columns else lf
        return core.collect_head(lf, limit)

    if limit and kept.first is not None:
        rows = collect(kept.first)
        if rows.height == limit:
            return rows
    return collect(kept.plan)


def keep(
    now: "Now",
    rows: "StageRows",
    profile: str | None,
    overrides: Sequence[str],
    stage: str,
) -> None:
    """Keep the plan of rows that begin at snapshots of the newest run, all fresh."""
    settings = now.wanted.settings
    root = settings.root
    stamp = stamped(root, profile, overrides)
    # DuckDB reads no stream of the type Null.
    is_odd = "Null" in str(rows.lf.collect_schema())
    if rows.sources or settings.environment or stamp is None or is_odd:
        return
    from pipeline.plan.compose import runs_python

    plan = rows.ordered.serialize()
    first = None if rows.first is None else rows.first.serialize()
    if stamp.run_id == now.runs[-1].run_id and not runs_python(plan):
        objects = [now.objects[name] for name in rows.starts]
        of = (rows.name, [*rows.key], rows.n_rows, rows.origin, objects, plan, first)
        _memo(root, profile, overrides, stage).remember(_Kept(stamp.run_id, *of))


def _memo(
    root: Path, profile: str | None, overrides: Sequence[str], stage: str
) -> Memo:
    return Memo(root, "rows", profile, (*overrides, f"--stage={stage!r}"))


def counted(
    name: str, n: int, limit: int | None, n_all: int | None, origin: str
) -> str:
    """Say how many rows of a stage are shown, of how many, and what of."""
    count = n_of(n, "row")
    if n == limit and n != n_all:
        first = "the first row" if n == 1 else f"the first {n:,} rows"
        count = first + (f" of {n_all:,}" if n_all else "")
    return f"{name}: {count}, {origin}"
