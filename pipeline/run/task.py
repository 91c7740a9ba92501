"""What a run has to do, given what is fresh."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Tree
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import SOURCE
from pipeline.plan.wiring import Selection
from pipeline.run.contracts import contract_hash
from pipeline.run.freshness import Status, Wanted, select
from pipeline.snapshots.records import QUARANTINE, RunRecord, SnapshotRecord, State
from pipeline.snapshots.store import Store, read_object

Published = Mapping[str, SnapshotRecord]
"""The snapshots of the newest run, by name."""


@dataclass(frozen=True)
class Task:
    """The work of a run."""

    snapshots: list[SnapshotRecord]
    """What will be published, unchecked yet."""
    compute: tuple[str, ...]
    """Those of them that are to be computed now."""
    check: tuple[str, ...]
    """Snapshots to hold to their contract: all that this run brings, and those whose
    contract is another than they have passed."""
    leaves: dict[str, Path]
    """Stages to start from, with the object that holds their output."""
    reads: list[tuple[str, str]]
    """Snapshot and fingerprint of each object that is read, or published again."""
    stages: tuple[str, ...]
    """Stages the pass goes through."""
    reads_source: bool
    is_nothing: bool
    """Whether all is published as it should be."""
    waits: tuple[str, ...] = ()
    """Snapshots that are fresh if those computed now come out as published: what is to
    be done of them is seen then."""

    def names(self, *states: State) -> list[str]:
        """Name the snapshots of some states."""
        return [s.name for s in self.snapshots if s.state in states]


def plan_task(
    wanted: Wanted,
    statuses: Sequence[Status],
    selection: Selection,
    store: Store,
    runs: Sequence[RunRecord],
    made: Published | None = None,
) -> Task:
    """Decide what to compute, what to take from the store, and where to begin.

    The oldest run comes first. What this run has `made`, or checked, is taken as it is;
    where that is None, all is done in one pass, and nothing waits.

    Raises
    ------
    ConfigError
        If the selection holds no snapshot.
    """
    published = {s.name: s for s in runs[-1].snapshots} if runs else {}
    is_one_pass = made is None or selection.force
    made = made or {}
    states = _states(wanted, statuses, selection, store, published)
    states |= dict.fromkeys(made, "restored")
    idle = uncounted(wanted, runs) if selection.is_all and not made else set[str]()
    there = _outputs(statuses, states, store)
    waits = set[str]() if is_one_pass else _waiting(statuses, states)
    stages = _stages_of(wanted.plan, statuses, states, waits, idle, there)
    # What the pass goes through anyway comes with it.
    waits -= {s.name for s in statuses if s.stage in stages}
    states |= dict.fromkeys(waits, "kept")
    task = _task_of(wanted, statuses, states, there, stages, published, made)
    snapshots = [*task.snapshots, *guests(wanted, task.snapshots, store, runs)]
    is_done = _is_as_published(snapshots, published)
    is_nothing = is_done and not (task.check or idle or waits)
    return replace(
        task, snapshots=snapshots, is_nothing=is_nothing, waits=tuple(sorted(waits))
    )


def _task_of(
    wanted: Wanted,
    statuses: Sequence[Status],
    states: dict[str, State],
    there: Mapping[str, Path],
    stages: Collection[str],
    published: Published,
    made: Published,
) -> Task:
    """Say what a pass through some stages has to do for their snapshots."""
    nodes = [wanted.plan.nodes[name] for name in stages]
    inputs = {name for node in nodes for name in node.stage.inputs}
    reads_source = SOURCE in inputs or states[QUARANTINE] == "computed"
    if reads_source and states[QUARANTINE] == "kept":
        # Cells are parsed anew in any case.
        states[QUARANTINE] = "computed"
    snapshots = _records(wanted, statuses, states, published, made)
    new = [s for s in snapshots if s.name not in made]
    check = tuple(s.name for s in new if _is_to_check(s, published))
    leaves = {name: path for name, path in there.items() if name in inputs}
    return Task(
        snapshots,
        tuple(s.name for s in new if s.state == "computed"),
        check,
        leaves,
        _reads(statuses, states, leaves.keys(), check),
        tuple(stages),
        reads_source,
        is_nothing=False,
    )


def _stages_of(
    plan: Plan,
    statuses: Sequence[Status],
    states: Mapping[str, State],
    waits: Set[str],
    idle: Set[str],
    there: Collection[str],
) -> dict[str, Node]:
    """Find the stages that a pass goes through, for what does not wait."""
    computed = {
        s.stage
        for s in statuses
        if s.stage and states[s.name] == "computed" and s.name not in waits
    }
    return plan.upstream(computed | idle, there)


def _waiting(statuses: Sequence[Status], states: Mapping[str, State]) -> set[str]:
    """Name what is to be computed only if what it follows is no longer the same."""
    waits: set[str] = set()
    for status in statuses:
        follows = [
            name
            for name in status.fresh_if_same
            if states[name] == "computed" or name in waits
        ]
        if states[status.name] == "computed" and follows:
            waits.add(status.name)
    return waits


def _states(
    wanted: Wanted,
    statuses: Sequence[Status],
    selection: Selection,
    store: Store,
    published: Published,
) -> dict[str, State]:
    """Say how a run comes by each snapshot; what cannot be kept is made unasked."""
    selected = select(wanted.plan, selection)
    asked = {
        s.name: s.name in selected or is_lost(s.name, published, store)
        for s in statuses
    }
    return {
        s.name: state_of(s, is_asked=asked[s.name], force=selection.force)
        for s in statuses
    }


def _outputs(
    statuses: Sequence[Status], states: Mapping[str, State], store: Store
) -> dict[str, Path]:
    """Name the objects that hold what stages give, where they need not be computed."""
    return {
        s.stage: store.object(s.name, s.fingerprint)
        for s in statuses
        if s.stage and states[s.name] != "computed" and s.freshness != "stale"
    }


def _reads(
    statuses: Sequence[Status],
    states: Mapping[str, State],
    leaves: Set[str],
    check: Sequence[str],
) -> list[tuple[str, str]]:
    """Name the objects that are read, or published again."""
    fresh = {*check, QUARANTINE}
    return [
        (s.name, s.fingerprint)
        for s in statuses
        if s.stage in leaves
        or states[s.name] == "restored"
        or (states[s.name] == "fresh" and s.name in fresh)
    ]


def state_of(status: Status, *, is_asked: bool, force: bool) -> State:
    """Say how a run comes by a snapshot, whether it is asked for or not."""
    if status.freshness == "fresh" and not (is_asked and force):
        return "fresh"
    if not is_asked:
        return "kept"
    return "computed" if force or status.freshness == "stale" else "restored"


def is_lost(name: str, published: Published, store: Store) -> bool:
    """Tell whether a published snapshot cannot be kept, as its object is gone."""
    before = published.get(name)
    return before is not None and not read_object(store, name, before.fingerprint)


def uncounted(wanted: Wanted, runs: Sequence[RunRecord]) -> set[str]:
    """Name the stages that feed no snapshot, and whose rows no run has counted."""
    plan, prints = wanted.plan, wanted.fingerprints.stages
    counted = {
        s.fingerprint for run in runs for s in run.stages if s.n_rows is not None
    }
    feeding = plan.upstream(node.stage.name for node in plan.snapshots.values())
    return {
        name
        for name in plan.nodes
        if name not in feeding and prints.get(name) not in counted
    }


def guests(
    wanted: Wanted,
    snapshots: Sequence[SnapshotRecord],
    store: Store,
    runs: Sequence[RunRecord],
) -> list[SnapshotRecord]:
    """Keep what no stage makes, if the newest run of what is asked now showed it.

    A run neither makes nor checks a forecast. Other stages make it no other: the
    champion has its own; but one of other rows, of another target, or of another
    profile's model, is no forecast of what is published beside it. What was scored is
    of files that were given, and stays.
    """
    names = {s.name for s in snapshots}
    newest = runs[-1].snapshots if runs else []
    scored = [s for s in newest if s.is_scored and s.name not in names]
    forecasts = _forecasts(wanted, snapshots, runs)
    return [
        _kept(s)
        for s in (*forecasts, *scored)
        if read_object(store, s.name, s.fingerprint)
    ]


def _forecasts(
    wanted: Wanted, snapshots: Sequence[SnapshotRecord], runs: Sequence[RunRecord]
) -> list[SnapshotRecord]:
    """Find the forecast of the newest run of what is asked now."""
    for run in reversed(runs):
        if (
            _is_of_same_rows(run.snapshots, snapshots)
            and run.profile == wanted.settings.profile
            and _target(run.config) == _target(wanted.settings.shown)
        ):
            return [s for s in run.snapshots if s.is_guest and not s.is_scored]
    return []


def _is_of_same_rows(
    before: Sequence[SnapshotRecord], now: Sequence[SnapshotRecord]
) -> bool:
    """Tell whether snapshots are of the same source, or came out the same."""
    # The fingerprint of this one is that of the source's content, and how it is read.
    rows = [
        {s.name: s.fingerprint for s in some}.get(QUARANTINE) for some in (before, now)
    ]
    made = [{s.name: s.contents for s in some if s.stage} for some in (before, now)]
    is_known = all(made[1].values())
    return rows[0] == rows[1] is not None or (is_known and made[0] == made[1])


def _target(config: Tree) -> Any:
    """Name what a forecast is of."""
    panel: Tree = config.get("panel") or {}
    return panel.get("target")


def _records(
    wanted: Wanted,
    statuses: Sequence[Status],
    states: Mapping[str, State],
    published: Published,
    made: Published,
) -> list[SnapshotRecord]:
    """Record the snapshots; there is none to keep that was never published."""
    found: list[SnapshotRecord] = []
    for status in statuses:
        before, state = published.get(status.name), states[status.name]
        if status.name in made:
            found.append(made[status.name])
            continue
        if state == "kept":
            found += [_kept(before)] if before else []
            continue
        found.append(
            SnapshotRecord(
                status.name,
                status.stage,
                list(status.key),
                status.fingerprint,
                state,
                contract_hash(wanted.settings, wanted.plan, status.name),
                list(status.reasons),
                before.checks if before and state == "fresh" else [],
                contents=dict(wanted.contents(*status.object) or {}),
            )
        )
    return found


def _is_to_check(snapshot: SnapshotRecord, published: Published) -> bool:
    """Tell whether a snapshot has yet to pass the contract it is held to."""
    if not snapshot.stage or snapshot.state == "kept":
        return False
    contract = published[snapshot.name].contract if snapshot.state == "fresh" else None
    return snapshot.contract != contract


def _is_as_published(snapshots: Sequence[SnapshotRecord], published: Published) -> bool:
    """Tell whether a run would bring no snapshot, and leave out none."""
    is_left = all(s.state in ("fresh", "kept") for s in snapshots)
    return is_left and [*published] == [s.name for s in snapshots]


def _kept(published: SnapshotRecord) -> SnapshotRecord:
    """Record a snapshot that is left as it was."""
    return msgspec.structs.replace(published, state="kept", reasons=[])
