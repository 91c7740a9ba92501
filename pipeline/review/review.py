"""Say what a change of the project does to what is published; publish nothing."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from pipeline.errors import PipelineError, SnapshotError, masked
from pipeline.files.parquet import scan_parquet
from pipeline.plan.settings import Settings
from pipeline.review.before import Before, Past, before
from pipeline.review.figures import Judged, Speed, judged, speed
from pipeline.run.run import RunReport
from pipeline.snapshots.diff.diff import Diff, diff
from pipeline.snapshots.records import ObjectRecord, SnapshotRecord
from pipeline.snapshots.sql import connect, connect_to
from pipeline.snapshots.store import Store, open_store, read_current, read_object
from pipeline.snapshots.uses import ROWS, Use, plannable, uses
from pipeline.variants.sweep import run_beside


@dataclass(frozen=True)
class Changed:
    """A snapshot that comes out otherwise, is new, or is not there any more."""

    name: str
    before: int | None
    """Rows; None where it was not there, or is not."""
    after: int | None
    diff: Diff | None
    why_no_diff: str
    """Why rows are not compared, if they are not."""


@dataclass(frozen=True)
class Check:
    """A check that fails for some rows, or did, or that only one side makes."""

    snapshot: str
    name: str
    severity: str
    before: int | None
    """Failures; None where it was not made, or is not known."""
    after: int | None

    @property
    def has_failures(self) -> bool:
        """Whether it fails, or did."""
        return bool(self.before or self.after)


@dataclass(frozen=True)
class Review:
    """All that is to be said of a change."""

    against: Sequence[tuple[str, str]]
    """What it is held to: words, and a name each."""
    refused: Sequence[str]
    """The words in which a run would be refused; nothing would be published."""
    same: Sequence[str]
    """Snapshots that come out as they were."""
    changed: Sequence[Changed]
    causes: Sequence[str]
    checks: Sequence[Check]
    uses: Sequence[Use]
    """Queries that need what changes."""
    features: str | None
    """The snapshot that models learn from, if it changes."""
    models: Sequence[Judged]
    speed: Sequence[Speed]


_Queries: TypeAlias = Callable[["RunReport", Sequence[Changed]], list[Use]]
"""Finds the queries that need a column that changes, or rows that do."""


def review(settings: Settings, features: str | None, against: str) -> Review:
    """Compute what is stale beside what is published, and compare.

    Rows that a run would be refused for are compared, too. Raises a SnapshotError if
    there is nothing to compare with, or the store is in use, and what is wrong with the
    project if it makes no rows. `features` is the snapshot that models learn
    from. Against see `before`.
    """
    store = open_store(settings.root)
    with (
        before(store, against) as then,
        _published(store) as queries,
        run_beside(settings, refuse=False) as report,
    ):
        made = {s.name: s for s in report.run.snapshots if not s.is_guest}
        changed = [*_changed(store, then, made, report.objects)]
        found = Review(
            then.name,
            [said(error, store) for error in report.refused],
            [name for name in made if name not in {c.name for c in changed}],
            changed,
            then.causes(report) if changed else [],
            [*_checks(then, made)],
            queries(report, changed),
            features if features in made.keys() & {c.name for c in changed} else None,
            (),
            (),
        )
    if not changed or read_current(store) is None:
        return found
    # The catalog may have to be made anew, which takes the writer's lock.
    models = judged(store, made[features].fingerprint) if found.features else []  # pyright: ignore[reportArgumentType]
    return replace(found, models=models, speed=speed(store))


def said(error: PipelineError, store: Store) -> str:
    """Say what is wrong, without what is secret and where the project is."""
    return masked(str(error)).replace(f"{store.root}/", "")


def _changed(
    store: Store,
    then: Before,
    made: Mapping[str, SnapshotRecord],
    objects: Mapping[str, ObjectRecord],
) -> Iterator[Changed]:
    """Compare the snapshots by their hashes, and the rows of those that differ."""
    for name, s in made.items():
        was, now = then.snapshots.get(name), objects[name]
        if was is None:
            yield Changed(name, None, now.n_rows, None, "")
        elif was.n_rows != now.n_rows or was.content not in ("", now.content_hash):
            yield Changed(name, was.n_rows, now.n_rows, *_diff(store, was, s))
    for name, was in then.snapshots.items():
        if name not in made:
            yield Changed(name, was.n_rows, None, None, "")


def _diff(store: Store, was: Past, now: SnapshotRecord) -> tuple[Diff | None, str]:
    """Compare rows, or say why they cannot be."""
    if was.rows is None:
        return None, "only hashes are kept"
    after = store.object(*now.object)
    try:
        schema = scan_parquet(after).collect_schema()
        return diff(was.rows(schema), after, now.key), ""
    except SnapshotError as error:
        return None, str(error).splitlines()[0]


def _checks(then: Before, made: Mapping[str, SnapshotRecord]) -> Iterator[Check]:
    """List the checks that fail, or did, and those that came or went."""
    for name, s in made.items():
        past = then.snapshots.get(name)
        was: Mapping[str, int] | None = past.checks if past else {}
        for check in s.checks:
            n = None if was is None else was.get(check.name)
            is_new = past is not None and was is not None and n is None
            if check.n_failures or n or is_new:
                yield Check(name, check.name, check.severity, n, check.n_failures)
        now = {check.name for check in s.checks}
        for gone, n in (was or {}).items():
            if gone not in now:
                yield Check(name, gone, "", n, None)


@contextmanager
def _published(store: Store) -> Generator[_Queries]:
    """Open what is published, to plan queries on what comes instead.

    The catalog may have to be made anew, so not while rows are made beside it. Without
    a run, nothing is known of queries that ask what is known of runs.
    """
    folder, current = store.root / "queries", read_current(store)
    if current is None:

        def alone(report: RunReport, changed: Sequence[Changed]) -> list[Use]:
            with connect_to(store, report.run) as con:
                found = uses(con, folder, _asked(report, changed))
                return [use for use in found if use.is_sure]

        yield alone
        return
    with connect(store) as con:
        planned = plannable(con, folder)

        def beside(report: RunReport, changed: Sequence[Changed]) -> list[Use]:
            rows = {
                s.name: store.object(*s.object)
                for s in report.run.snapshots
                if not s.is_guest
            }
            asked = _asked(report, changed)
            gone = {c.name for c in changed if c.after is None}
            for s in current.snapshots:
                if s.name in gone and (was := read_object(store, *s.object)):
                    asked[s.name] = [column.name for column in was.columns]
            found = uses(con, folder, asked, rows)
            broken = planned - plannable(con, folder)
            broken -= {use.query for use in found}
            return [
                *(use for use in found if use.is_sure or use.query in planned),
                *(Use(name, "", "", is_sure=False) for name in sorted(broken)),
            ]

        yield beside


def _asked(report: RunReport, changed: Sequence[Changed]) -> dict[str, list[str]]:
    """Name what changes of the snapshots that are there."""
    return {c.name: _columns(c, report) for c in changed if c.after is not None}


def _columns(changed: Changed, report: RunReport) -> list[str]:
    """Name the columns of a snapshot that are not what they were."""
    now = [c.name for c in report.objects[changed.name].columns]
    if changed.diff is None:
        return [*now, ROWS]
    schema, rows = changed.diff.schema, changed.diff.rows
    gone = [c.name for c in schema.removed]
    if rows.added or rows.removed:
        return [*now, *gone, ROWS]
    other = {c.name for c in changed.diff.columns if c.n_changed}
    other |= {c.name for c in (*schema.added, *schema.changed)}
    return [name for name in now if name in other] + gone
