"""Show rows of any stage: some or all of them, their figures, or against a run's."""

import json
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from polars.exceptions import ColumnNotFoundError, PolarsError

from pipeline.errors import MASK, ConfigError, SnapshotError, n_of, nearest, some
from pipeline.files.parquet import scan_parquet
from pipeline.panel.unique import repeated
from pipeline.plan.plan import Plan
from pipeline.plan.settings import recorded_settings
from pipeline.run.freshness import look
from pipeline.run.kept_rows import counted
from pipeline.run.outline import require_columns
from pipeline.run.rows import (
    Now,
    StageRows,
    cannot_read,
    given_of,
    rows_from,
)
from pipeline.run.run import check
from pipeline.snapshots.diff.diff import Diff, diff
from pipeline.snapshots.profile import (
    QUANTILES,
    Profile,
    figures,
    is_large,
    read_profile,
    with_row_hash,
)
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import (
    find_run,
    object_fault,
)
from pipeline.transforms.filter import Config as Filter
from pipeline.transforms.filter import filter as rows_where

_MOST_ROWS = 2**32 - 1
"""That Polars can count."""


@dataclass(frozen=True)
class Asked:
    """What of a stage's rows is asked for."""

    where: str | None = None
    """An expression in SQL, as of the transformation `filter`."""
    columns: tuple[str, ...] = ()
    """All, where none is named."""
    limit: int | None = None

    def of(self, rows: StageRows) -> pl.LazyFrame:
        """Choose rows in the order of their key, then columns.

        Raises
        ------
        ConfigError
            If the expression is none of one row, or names a column that is not there.
        """
        lf = rows.ordered if self.where is None else _where(rows, self.where)
        if self.limit is not None:
            lf = lf.head(min(self.limit, _MOST_ROWS))
        return lf.select(_known(rows, self.columns)) if self.columns else lf


@dataclass(frozen=True)
class Shown:
    """Rows that were asked for, and what there is to say of them."""

    rows: pl.DataFrame
    said: str


def show(rows: StageRows, asked: Asked) -> Shown:
    """Collect what is asked for of the rows after a stage."""
    found = None
    if asked.limit and rows.first is not None:
        few = replace(rows, lf=rows.first, is_sorted=True)
        found = _collect(rows, asked.of(few))
    if found is None or found.height != asked.limit:
        found = _collect(rows, asked.of(rows))
    n_all = rows.n_rows if asked.where is None else None
    n, limit = found.height, asked.limit
    return Shown(found, counted(rows.name, n, limit, n_all, rows.origin))


def show_figures(rows: StageRows, asked: Asked) -> Shown:
    """Aggregate each column of the rows after a stage, as of a snapshot."""
    lf = asked.of(rows)
    profile = _profile(rows, lf, lf.collect_schema())
    table = pl.DataFrame(
        [
            {
                "column": column.name,
                "dtype": column.dtype,
                "nulls": column.n_nulls,
                "distinct": column.n_distinct,
                "min": column.min,
                **dict(zip(_QUANTILE_NAMES, column.quantiles or _NONE, strict=True)),
                "max": column.max,
                "mean": column.mean,
            }
            for column in profile.columns
        ],
        schema_overrides=dict.fromkeys((*_QUANTILE_NAMES, "mean"), pl.Float64)
        | {"distinct": pl.Int64},
    )
    said = f"{rows.name}: {n_of(profile.n_rows, 'row')}, {rows.origin}"
    if is_large(profile.n_rows):
        said += (
            "; distinct is estimated (standard error 7 %), quantiles are of a sample"
        )
    return Shown(table, said)


_QUANTILE_NAMES = [f"q{100 * q:02.0f}" for q in QUANTILES]
_NONE = [None] * len(QUANTILES)


def _profile(rows: StageRows, lf: pl.LazyFrame, schema: pl.Schema) -> Profile:
    """Aggregate rows in one pass; few of them are collected, to be counted exactly."""
    looked = with_row_hash(lf, schema).select(figures(schema))
    found = _collect(rows, looked)
    whole = None if is_large(found["n_rows"].item()) else _collect(rows, lf)
    return read_profile(schema, found, whole)


def diff_against(now: Now, stage: str, run: str, asked: Asked) -> tuple[str, Diff]:
    """Diff the rows after a stage with those of a run, below a title that says which.

    Of a snapshot, those are what the run has published; else what today's code makes,
    by the run's configuration, of the nearest snapshots that are kept of it.

    Raises
    ------
    SnapshotError
        If there is no such run, or what it read is neither kept nor there as it was.
    """
    if not now.runs:
        raise SnapshotError("there are no runs yet\nhint: `just run` makes the first")
    before = find_run(now.runs, run)
    after = now.rows(stage)
    then = _published(now, before, after.name) or _made_again(now, before, stage)
    key = [*(after.key or after.lf.collect_schema())]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "then.parquet"), Path(folder, "now.parquet")
        for rows, other, file in zip((then, after), (after, then), files, strict=True):
            with explained(rows):
                _of_both(asked, rows, other, key).of(rows).sink_parquet(file)
        found = diff(*files, key)
    made = "" if then.name in then.starts else "today's code, "
    was = f"{before.run_id} ({made}{then.origin})"
    return f"{after.name}: {was} -> now ({after.origin})", found


def _of_both(
    asked: Asked, rows: StageRows, other: StageRows, key: Sequence[str]
) -> Asked:
    """Ask for the key, too, and not for columns that only the other rows have."""
    if not asked.columns:
        return asked
    only_other = {*other.lf.collect_schema()} - {*rows.lf.collect_schema()}
    names = dict.fromkeys((*key, *asked.columns))
    return replace(asked, columns=tuple(n for n in names if n not in only_other))


def _published(now: Now, run: RunRecord, stage: str) -> StageRows | None:
    """Give the rows after a stage that a run has published, if they are whole."""
    for s in run.snapshots:
        if s.stage == stage and not object_fault(now.store, *s.object):
            path = now.store.object(*s.object)
            lf, key = scan_parquet(path), tuple(s.key)
            return StageRows(stage, lf, key, True, None, {stage: path}, (), None)
    return None


def _made_again(now: Now, run: RunRecord, stage: str) -> StageRows:
    """Give the rows after a stage of what a run has kept of the stages before."""
    root, store = now.wanted.settings.root, now.store
    what = f"the configuration of run {run.run_id}"
    then = recorded_settings(root, run.config, what)
    plan = check(then)
    name = plan.wiring.frame(stage)
    wanted = look(then, plan, store, [run], fetched=False)
    above = plan.upstream([name] if name in plan.nodes else [])
    there = {
        s.stage: store.object(*s.object)
        for s in run.snapshots
        if s.stage in above
        and not s.is_left_behind
        and not object_fault(store, *s.object)
        and _is_of_schema(plan, s.stage, store.object(*s.object))
    }
    read, found = ([f.sha256 for f in of.files] for of in (run, wanted.source))
    if given_of(plan, name, there) & {*plan.sources} and read != found:
        raise SnapshotError(
            f"run {run.run_id}: what it read is not there as it was, and of no stage"
            f" before '{name}' rows are kept\n"
            f"hint: compare a later one; kept are {some(s.name for s in run.snapshots)}"
        )
    needed = plan.upstream([name] if name in plan.nodes else [], there)
    if masked := [of for of in needed if MASK in json.dumps(run.config.get(of))]:
        raise SnapshotError(f"{what} holds what is masked, in {masked[0]}")
    return rows_from(wanted, there, name, [run])


def _is_of_schema(plan: Plan, stage: str, path: Path) -> bool:
    """Tell whether an object holds the columns that a stage gives by today's code."""
    with path.open("rb") as file:
        return pl.read_parquet_schema(file) == plan.schema(stage)


def _where(rows: StageRows, where: str) -> pl.LazyFrame:
    """Take the rows for which an expression is true; it is tried on none first."""
    schema = rows.lf.collect_schema()
    try:
        rows_where(schema.to_frame().lazy(), Filter(where=where)).collect()
    except (PolarsError, ValueError) as error:
        what = str(error).strip().splitlines()[0].partition("; valid columns")[0]
        if isinstance(error, ColumnNotFoundError) and what.count('"') >= 2:
            name = what.split('"')[1]
            what += f"{nearest(name, schema)}\n{_found(rows)}"
        elif typed := _typed(where, schema):
            what += f"\nfound in {rows.name}: {typed}"
        raise ConfigError(
            f"show: --where: {what}\n"
            "hint: an SQL expression of one row, as of the transformation `filter`: a"
            " name with blanks stands in double quotes, a text in single ones"
        ) from error
    return rows_where(rows.ordered, Filter(where=where))


def _typed(where: str, schema: pl.Schema) -> str:
    """Say of which types the columns of an expression are; nothing if it is none."""
    with suppress(PolarsError):
        names = dict.fromkeys(pl.sql_expr(where).meta.root_names())
        return some(f"{name} {schema[name]}" for name in names if name in schema)
    return ""


def _known(rows: StageRows, columns: Sequence[str]) -> list[str]:
    """Refuse columns that are not there."""
    schema = rows.lf.collect_schema()
    require_columns(rows.name, schema, columns)
    return list(dict.fromkeys(columns))


def _found(rows: StageRows) -> str:
    """List the columns there are."""
    return f"found in {rows.name}: {', '.join(rows.lf.collect_schema())}"


def _collect(rows: StageRows, lf: pl.LazyFrame) -> pl.DataFrame:
    """Collect what is made of rows."""
    with explained(rows):
        return lf.collect(engine="streaming")


@contextmanager
def explained(rows: StageRows) -> Generator[None]:
    """Say why rows cannot be made."""
    try:
        yield
    except (PolarsError, OSError) as error:
        fault = repeated(error)
        if fault is None and rows.scan is not None:
            raise rows.scan.diagnose(rows.scan.files) or cannot_read(
                rows.name, error
            ) from error
        raise fault or cannot_read(rows.name, error) from error
