"""Several tasks as one, computed in one pass: what is the same in some is done once."""

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pipeline.engine.one_pass import Execution, Work
from pipeline.plan.fingerprint import Fingerprints
from pipeline.plan.plan import Node, Plan
from pipeline.run.compute import compute
from pipeline.run.freshness import Wanted
from pipeline.run.task import Task
from pipeline.snapshots.records import QUARANTINE, SnapshotRecord
from pipeline.snapshots.store import Store


@dataclass(frozen=True)
class Member:
    """A task among others of the same sources, and what a pass is to give for it."""

    name: str
    wanted: Wanted
    task: Task
    work: Work


def compute_together(
    members: Sequence[Member], store: Store, staging: Path
) -> list[Execution]:
    """Compute several tasks in one pass; give what came of each, in its own names.

    They have sources and engine in common. A file in ``staging`` may be that of
    several.

    Raises
    ------
    PipelineError
        If the source cannot be read, or the pass fails for one of them.
    """
    merged = _Merged()
    named = [merged.add(member) for member in members]
    first = members[0].wanted
    wanted = dataclasses.replace(
        first,
        plan=Plan(first.plan.source, merged.nodes, first.plan.others),
        fingerprints=Fingerprints(merged.prints, {}),
    )
    task = Task(
        snapshots=[*merged.snapshots.values()],
        compute=(*merged.snapshots,),
        check=(),
        leaves=merged.leaves,
        reads=[],
        stages=tuple(merged.stages),
        reads_source=any(member.task.reads_source for member in members),
        is_nothing=False,
    )
    execution = compute(wanted, task, merged.work, store, staging)
    return [
        _own(execution, member, *names)
        for member, names in zip(members, named, strict=True)
    ]


def _own(
    merged: Execution,
    member: Member,
    stages: dict[str, str],
    snapshots: dict[str, str],
) -> Execution:
    """Take what belongs to a member out of what came of all."""
    work = member.work
    return dataclasses.replace(
        merged,
        files={name: merged.files[snapshots[name]] for name in work.compute},
        profiles={name: merged.profiles[snapshots[name]] for name in work.compute},
        outcomes={
            name: merged.outcomes[snapshots[name]]
            for name, checks in work.checks.items()
            if checks
        },
        n_rows={name: merged.n_rows[stages[name]] for name in work.count},
    )


@dataclass
class _Merged:
    """The union of tasks: what is the same has the name of the first that has it."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    prints: dict[str, str] = field(default_factory=dict[str, str])
    stages: list[str] = field(default_factory=list[str])
    leaves: dict[str, Path] = field(default_factory=dict[str, Path])
    snapshots: dict[str, SnapshotRecord] = field(
        default_factory=dict[str, SnapshotRecord]
    )
    work: Work = field(default_factory=lambda: Work((), (), {}, {}))
    _names: dict[Hashable, str] = field(default_factory=dict[Hashable, str])
    """By all that makes a stage, or a snapshot, the same."""

    def add(self, member: Member) -> tuple[dict[str, str], dict[str, str]]:
        """Add a task; give the names that its stages and snapshots have here."""
        records = {s.name: s for s in member.task.snapshots}
        snapshots = {
            name: self._name_of((s.object, s.contract), name, member)
            for name, s in records.items()
        }
        stages: dict[str, str] = {}
        for name, node in member.wanted.plan.nodes.items():
            if name in member.task.stages or name in member.task.leaves:
                self._add_stage(name, node, member, stages, snapshots)
        self._add_work(member.work, stages, snapshots)
        for name in member.task.compute:
            shown = snapshots[name] if name != QUARANTINE else QUARANTINE
            renamed = msgspec.structs.replace(records[name], name=shown)
            self.snapshots.setdefault(shown, renamed)
        return stages, snapshots

    def _add_stage(
        self,
        name: str,
        node: Node,
        member: Member,
        stages: dict[str, str],
        snapshots: dict[str, str],
    ) -> None:
        """Add a stage, unless there is the same one."""
        stage, print_ = node.stage, member.wanted.fingerprints.stages[name]
        snapshot = stage.snapshot and snapshots[stage.snapshot]
        same = (print_, snapshot, stage.key)
        stages[name] = shown = self._name_of(same, name, member)
        if name in member.task.leaves:
            self.leaves[shown] = member.task.leaves[name]
        elif shown not in self.stages:
            self.stages.append(shown)
        inputs = tuple(stages.get(given, given) for given in stage.inputs)
        renamed = dataclasses.replace(
            stage, name=shown, inputs=inputs, snapshot=snapshot
        )
        self.nodes.setdefault(shown, dataclasses.replace(node, stage=renamed))
        self.prints[shown] = print_

    def _add_work(
        self, work: Work, stages: dict[str, str], snapshots: dict[str, str]
    ) -> None:
        """Add what a pass is to give."""
        before = self.work
        compute = [*before.compute, *(snapshots[name] for name in work.compute)]
        count = [*before.count, *(stages[name] for name in work.count)]
        self.work = Work(
            compute=tuple(dict.fromkeys(compute)),
            count=tuple(dict.fromkeys(count)),
            checks=before.checks
            | {snapshots[name]: checks for name, checks in work.checks.items()},
            objects=before.objects
            | {snapshots[name]: path for name, path in work.objects.items()},
        )

    def _name_of(self, same: Hashable, name: str, member: Member) -> str:
        """Name what is the same as something before, or is new and then unlike all."""
        if same not in self._names:
            taken = {*self._names.values()}
            shown = name if name not in taken else f"{name}__{member.name}"
            self._names[same] = shown
        return self._names[same]
