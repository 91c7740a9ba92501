"""What a run has to do, given what is fresh."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Settings
from pipeline.run.contracts import contract_hash
from pipeline.run.freshness import Selection, Status, Wanted, select
from pipeline.snapshots.records import (
    PREDICTIONS,
    QUARANTINE,
    RunRecord,
    SnapshotRecord,
    State,
)
from pipeline.snapshots.store import Store, read_object


@dataclass(frozen=True)
class Task:
    """The work of a run.

    Attributes
    ----------
    snapshots : list of SnapshotRecord
        What will be published, unchecked yet: computed, restored, fresh or kept.
    check : tuple of str
        Snapshots to hold to their contract: all that this run brings, and those whose
        contract is another than they have passed.
    leaves : dict of str to Path
        Stages to start from, with the object that holds their output.
    reads : list of tuple
        Snapshot and fingerprint of each object that is read, or published again.
    stages : tuple of str
        Stages the pass goes through.
    reads_source : bool
        Whether it begins at the source.
    is_nothing : bool
        Whether all is published as it should be.
    """

    snapshots: list[SnapshotRecord]
    check: tuple[str, ...]
    leaves: dict[str, Path]
    reads: list[tuple[str, str]]
    stages: tuple[str, ...]
    reads_source: bool
    is_nothing: bool

    def names(self, *states: State) -> list[str]:
        """Name the snapshots of some states."""
        return [s.name for s in self.snapshots if s.state in states]


def plan_task(
    wanted: Wanted,
    statuses: list[Status],
    selection: Selection,
    store: Store,
    runs: list[RunRecord],
) -> Task:
    """Decide what to compute, what to take from the store, and where to begin.

    Parameters
    ----------
    wanted : Wanted
        What should be.
    statuses : list of Status
        Of every snapshot.
    selection : Selection
        What to look at.
    store : Store
        Where the objects are.
    runs : list of RunRecord
        The oldest first.

    Raises
    ------
    ConfigError
        If the selection holds no snapshot.
    """
    current = runs[-1] if runs else None
    plan, settings = wanted.plan, wanted.settings
    selected = select(plan, selection)
    published = {s.name: s for s in current.snapshots} if current else {}
    counted = {
        s.fingerprint for run in runs for s in run.stages if s.n_rows is not None
    }
    fingerprints = wanted.fingerprints.stages if wanted.fingerprints else {}

    states: dict[str, State] = {}
    for status in statuses:
        if status.name not in selected and not _is_lost(status.name, published, store):
            states[status.name] = "fresh" if status.freshness == "fresh" else "kept"
        elif selection.force or status.freshness == "stale":
            states[status.name] = "computed"
        else:
            is_fresh = status.freshness == "fresh"
            states[status.name] = "fresh" if is_fresh else "restored"

    computed = {s.stage for s in statuses if states[s.name] == "computed" and s.stage}
    there = {
        s.stage: store.object(s.name, s.fingerprint)
        for s in statuses
        if s.stage and states[s.name] != "computed" and s.freshness != "stale"
    }
    feeding = plan.upstream(node.stage.name for node in plan.snapshots.values())
    idle = {
        name
        for name in plan.nodes
        if selection.is_all
        and name not in feeding
        and fingerprints.get(name) not in counted
    }
    stages = plan.upstream(computed | idle, there)
    inputs = {name for node in stages.values() for name in node.stage.inputs}
    reads_source = SOURCE in inputs or states[QUARANTINE] == "computed"
    if reads_source and states[QUARANTINE] == "kept":
        # What is read is judged anew in any case.
        states[QUARANTINE] = "computed"

    snapshots = [
        record
        for status in statuses
        if (record := _record(status, states[status.name], settings, plan, published))
    ]
    forecast = _forecast(settings, snapshots, runs)
    if forecast and read_object(store, forecast.name, forecast.fingerprint):
        snapshots.append(_kept(forecast))
    check = tuple(
        s.name
        for s in snapshots
        if s.stage
        and s.state != "kept"
        and (s.state != "fresh" or s.contract != published[s.name].contract)
    )
    is_nothing = (
        all(s.state in ("fresh", "kept") for s in snapshots)
        and not check
        and not idle
        and list(published) == [s.name for s in snapshots]
    )
    return Task(
        snapshots,
        check,
        {name: path for name, path in there.items() if name in inputs},
        [
            (s.name, s.fingerprint)
            for s in statuses
            if states[s.name] == "restored"
            or s.name in (check if states[s.name] == "fresh" else [])
            or (s.stage in there and s.stage in inputs)
            or (s.name == QUARANTINE and states[s.name] == "fresh")
        ],
        tuple(stages),
        reads_source,
        is_nothing,
    )


def _is_lost(name: str, published: dict[str, SnapshotRecord], store: Store) -> bool:
    """Tell whether a published snapshot cannot be kept, as its object is gone."""
    before = published.get(name)
    return before is not None and not read_object(store, name, before.fingerprint)


def _record(
    status: Status,
    state: State,
    settings: Settings,
    plan: Plan,
    published: dict[str, SnapshotRecord],
) -> SnapshotRecord | None:
    """Make a snapshot's record; None if it is left out and was never published."""
    before = published.get(status.name)
    if state == "kept":
        return before and _kept(before)
    return SnapshotRecord(
        status.name,
        status.stage,
        list(status.key),
        status.fingerprint,
        state,
        contract_hash(settings, plan, status.name),
        list(status.reasons),
        before.checks if before and state == "fresh" else [],
    )


def _forecast(
    settings: Settings, snapshots: list[SnapshotRecord], runs: list[RunRecord]
) -> SnapshotRecord | None:
    """Find the forecast that the newest run of the same rows and profile showed.

    A run neither makes nor judges one. Other stages make it no other: the champion
    has its own; but one of other rows, or of another profile's model, is no forecast of
    what is published beside it.
    """
    # Its fingerprint is that of the source's content, and of how it is read.
    source = {s.name: s.fingerprint for s in snapshots}.get(QUARANTINE)
    for run in reversed(runs):
        shown = {s.name: s for s in run.snapshots}
        of_same_rows = QUARANTINE in shown and shown[QUARANTINE].fingerprint == source
        if of_same_rows and run.profile == settings.profile:
            return shown.get(PREDICTIONS)
    return None


def _kept(published: SnapshotRecord) -> SnapshotRecord:
    """Record a snapshot that is left as it was."""
    return msgspec.structs.replace(published, state="kept", reasons=[])
