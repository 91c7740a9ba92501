"""What needs a look: what failed, is damaged, stale, set aside, or drifts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.pages.facts import Facts
from pipeline.pages.names import MODEL, snapshot_page
from pipeline.snapshots.records import QUARANTINE

_N_SHOWN = 5


@dataclass(frozen=True)
class Remark:
    """A thing that needs a look."""

    weight: Literal["bad", "warn"]
    what: str
    why: tuple[str, ...]
    page: str = ""
    """Where more is said of it, if somewhere."""
    anchor: str = ""


def remarks(facts: Facts) -> list[Remark]:
    """Collect what needs a look, the worst first."""
    found = [*_settings(facts), *_failed(facts), *_snapshots(facts), *_checks(facts)]
    found += [*_drift(facts), *_refused(facts)]
    return sorted(found, key=lambda remark: remark.weight != "bad")


def _settings(facts: Facts) -> Iterator[Remark]:
    """Say that the configuration cannot be read."""
    if facts.fault:
        first, *rest = facts.fault.splitlines()
        yield Remark("bad", first, tuple(line.strip() for line in rest))


def _failed(facts: Facts) -> Iterator[Remark]:
    """Say that the newest run has published nothing."""
    if facts.failed:
        run_id, text = facts.failed
        yield Remark("bad", f"run {run_id} failed", tuple(text.splitlines()))


def _snapshots(facts: Facts) -> Iterator[Remark]:
    """Name snapshots that are not there, are not what is wanted now, or were left."""
    for name, snapshot in facts.snapshots.items():
        page = snapshot_page(name)
        status = facts.statuses.get(name)
        if facts.object(name) is None:
            why = (f"{snapshot.made_by} makes it again",)
            yield Remark("bad", f"{name} is damaged or missing", why, page)
        elif status and status.freshness != "fresh":
            what = f"{name} is {status.freshness}"
            yield Remark("warn", what, status.reasons[:_N_SHOWN], page)
        elif snapshot.is_left_behind:
            why = ("it was not selected by the newest run",)
            yield Remark("warn", f"{name} is out of step with the others", why, page)


def _checks(facts: Facts) -> Iterator[Remark]:
    """Name checks that found something, and rows that were set aside."""
    for name, snapshot in facts.snapshots.items():
        for check in snapshot.checks:
            if check.n_failures:
                weight = "bad" if check.severity == "error" else "warn"
                what = f"{name}: {check.name} fails in {check.n_failures:,} rows"
                yield Remark(weight, what, (check.description,), snapshot_page(name))
    if n := facts.run.n_bad_rows:
        what = f"{n:,} bad row{'s' * (n != 1)} of the source set aside"
        yield Remark("warn", what, (), snapshot_page(QUARANTINE))


def _drift(facts: Facts) -> Iterator[Remark]:
    """Name the features that are not distributed as the champion has learned them."""
    drifted = [row for row in facts.meta("drift") if row["is_drifted"]]
    if drifted:
        names = tuple(f"{row['feature']}: {row['why']}" for row in drifted[:_N_SHOWN])
        what = f"{len(drifted)} feature{'s' * (len(drifted) != 1)} drifted"
        yield Remark("warn", what, names, MODEL, "drift")


def _refused(facts: Facts) -> Iterator[Remark]:
    """Say that the newest version has not become champion."""
    decided = facts.meta("promotions")
    newest = max(decided, key=lambda row: row["decided_at"], default=None)
    if newest and not newest["is_champion"]:
        what = (
            f"version {newest['version']} of {newest['name']} did not become champion"
        )
        yield Remark("warn", what, tuple(newest["reasons"]), MODEL, "promotions")
