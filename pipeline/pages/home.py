"""The first page: the latest run, what needs a look, and the runs before."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pipeline.modeling.fit.amount import amount
from pipeline.pages.facts import Facts
from pipeline.pages.look import remarks
from pipeline.pages.names import HOME
from pipeline.pages.site import Found, Page
from pipeline.run.changes import changes_between
from pipeline.run.freshness import Status
from pipeline.snapshots.records import ObjectRecord, RunRecord, SnapshotRecord


@dataclass(frozen=True)
class Published:
    """A snapshot of the newest run, beside that of the run before."""

    record: SnapshotRecord
    object: ObjectRecord | None
    before: ObjectRecord | None
    status: Status | None

    @property
    def more_rows(self) -> int | None:
        """How many rows it has more than before."""
        if self.object is None or self.before is None:
            return None
        return self.object.n_rows - self.before.n_rows

    @property
    def is_same(self) -> bool:
        """Whether it has the same rows as before."""
        now, then = self.object, self.before
        return bool(now and then and now.content_hash == then.content_hash)

    @property
    def n_failed(self) -> int:
        """Checks that found something."""
        return sum(check.n_failures > 0 for check in self.record.checks)


@dataclass(frozen=True)
class Past:
    """A run in the timeline."""

    record: RunRecord
    peak_mib: int | None
    states: str
    changes: tuple[str, ...]
    """What was otherwise than in the run before."""


@dataclass(frozen=True)
class Champion:
    """The model that forecasts."""

    model: str
    version: int
    score: str


def home(facts: Facts) -> list[Page]:
    """Make the first page."""
    values = {
        "run": facts.run,
        "remarks": remarks(facts),
        "published": [*_published(facts)],
        "n_bytes": sum(file.stat.n_bytes for file in facts.run.files),
        "peak_mib": facts.peak_mib(facts.run),
        "is_known_now": bool(facts.statuses),
        "before": facts.before,
        "champions": [*_champions(facts)],
        "past": [*_past(facts)][::-1],
    }
    found = [Found("page", "Home", "the latest run")]
    return [Page(HOME, "Latest run", "home", values, found)]


def _published(facts: Facts) -> Iterator[Published]:
    """Pair each snapshot with that of the run before."""
    for name, record in facts.snapshots.items():
        before = facts.object(name, facts.before) if facts.before else None
        status = facts.statuses.get(name)
        yield Published(record, facts.object(name), before, status)


def _past(facts: Facts) -> Iterator[Past]:
    """Tell the kept runs, each with what changed in it."""
    pairs = [(None, facts.runs[0]), *pairwise(facts.runs)]
    for before, run in pairs:
        counts = Counter(snapshot.state for snapshot in run.snapshots)
        states = ", ".join(f"{n} {state}" for state, n in counts.items())
        changes = tuple(changes_between(before, run).lines()) if before else ()
        yield Past(run, facts.peak_mib(run), states, changes)


def _champions(facts: Facts) -> Iterator[Champion]:
    """Tell the models that forecast, and how good each was on its test periods."""
    for row in facts.meta("models"):
        if "champion" in (row["aliases"] or ()):
            metric = row["metric"] or "mae"
            value = json.loads(row["metrics"] or "{}").get(f"test_{metric}")
            unit = row["unit"] or ""
            score = f"{metric.upper()} {amount(value, unit)} for {row['target']}"
            yield Champion(row["model"], row["version"], score)
