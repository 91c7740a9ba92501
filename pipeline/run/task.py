"""What a run has to do, given what is fresh."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

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
    plan = wanted.plan
    published = {s.name: s for s in runs[-1].snapshots} if runs else {}
    states = _states(statuses, select(plan, selection), selection, published, store)
    computed = {s.stage for s in statuses if states[s.name] == "computed" and s.stage}
    there = _there(statuses, states, store)
    idle = _uncounted(wanted, runs) if selection.is_all else set[str]()
    stages = plan.upstream(computed | idle, there)
    inputs = set[str]().union(*(node.stage.inputs for node in stages.values()))
    reads_source = SOURCE in inputs or states[QUARANTINE] == "computed"
    if reads_source and states[QUARANTINE] == "kept":
        # What is read is judged anew in any case.
        states[QUARANTINE] = "computed"
    snapshots = _records(wanted, statuses, states, published)
    forecast = _forecast(wanted.settings, snapshots, runs)
    if forecast and read_object(store, forecast.name, forecast.fingerprint):
        snapshots.append(_kept(forecast))
    check = _to_check(snapshots, published)
    leaves = {name: path for name, path in there.items() if name in inputs}
    return Task(
        snapshots,
        check,
        leaves,
        reads=[
            (s.name, s.fingerprint)
            for s in statuses
            if s.stage in leaves or _is_read(s.name, states[s.name], check)
        ],
        stages=tuple(stages),
        reads_source=reads_source,
        is_nothing=not check and not idle and _are_published(snapshots, published),
    )


def _there(
    statuses: list[Status], states: Mapping[str, State], store: Store
) -> dict[str, Path]:
    """Find the objects that hold the output of stages, by stage."""
    return {
        s.stage: store.object(s.name, s.fingerprint)
        for s in statuses
        if s.stage and states[s.name] != "computed" and s.freshness != "stale"
    }


def _are_published(
    snapshots: list[SnapshotRecord], published: Mapping[str, SnapshotRecord]
) -> bool:
    """Tell whether these snapshots are what there is, in this order."""
    is_all_there = all(s.state in ("fresh", "kept") for s in snapshots)
    return is_all_there and list(published) == [s.name for s in snapshots]


def _states(
    statuses: list[Status],
    selected: set[str],
    selection: Selection,
    published: Mapping[str, SnapshotRecord],
    store: Store,
) -> dict[str, State]:
    """Say of each snapshot how the run comes by it."""
    states: dict[str, State] = {}
    for status in statuses:
        is_fresh = status.freshness == "fresh"
        if status.name not in selected and not _is_lost(status.name, published, store):
            states[status.name] = "fresh" if is_fresh else "kept"
        elif selection.force or status.freshness == "stale":
            states[status.name] = "computed"
        else:
            states[status.name] = "fresh" if is_fresh else "restored"
    return states


def _uncounted(wanted: Wanted, runs: list[RunRecord]) -> set[str]:
    """Name the stages that no snapshot is made of and no run has counted yet."""
    plan = wanted.plan
    counted = {
        s.fingerprint for run in runs for s in run.stages if s.n_rows is not None
    }
    prints = wanted.fingerprints.stages if wanted.fingerprints else {}
    feeding = plan.upstream(node.stage.name for node in plan.snapshots.values())
    return {
        name
        for name in plan.nodes
        if name not in feeding and prints.get(name) not in counted
    }


def _to_check(
    snapshots: list[SnapshotRecord], published: Mapping[str, SnapshotRecord]
) -> tuple[str, ...]:
    """Name what this run brings, and what has passed another contract than today's."""
    return tuple(
        s.name
        for s in snapshots
        if s.stage
        and s.state != "kept"
        and (s.state != "fresh" or s.contract != published[s.name].contract)
    )


def _is_read(name: str, state: State, check: Container[str]) -> bool:
    """Tell whether a run looks at an object: to publish it again, check or show it."""
    return state == "restored" or (
        state == "fresh" and (name == QUARANTINE or name in check)
    )


def _is_lost(name: str, published: Mapping[str, SnapshotRecord], store: Store) -> bool:
    """Tell whether a published snapshot cannot be kept, as its object is gone."""
    before = published.get(name)
    return before is not None and not read_object(store, name, before.fingerprint)


def _records(
    wanted: Wanted,
    statuses: list[Status],
    states: Mapping[str, State],
    published: Mapping[str, SnapshotRecord],
) -> list[SnapshotRecord]:
    """Record the snapshots, but for what is left out and was never published."""
    records: list[SnapshotRecord] = []
    for status in statuses:
        before, state = published.get(status.name), states[status.name]
        if state == "kept":
            records += [_kept(before)] if before else []
            continue
        records.append(
            SnapshotRecord(
                status.name,
                status.stage,
                list(status.key),
                status.fingerprint,
                state,
                contract_hash(wanted.settings, wanted.plan, status.name),
                list(status.reasons),
                before.checks if before and state == "fresh" else [],
            )
        )
    return records


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
