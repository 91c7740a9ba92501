"""Which snapshots are right as they are, which are not, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from pipeline import sources
from pipeline.contracts.contract import Contract
from pipeline.errors import ConfigError, SourceError
from pipeline.files.local import contents, find_files
from pipeline.files.shared import Shared
from pipeline.plan.code import code_elsewhere, code_hashes, imports_of
from pipeline.plan.fingerprint import (
    VERSIONS,
    Contents,
    Fingerprints,
    SourceIdentity,
    fingerprint,
    merged,
    nothing_known,
    source_plan,
)
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import SOURCE, Settings
from pipeline.plan.wiring import Selection
from pipeline.run.changes import change, changed, config_changes, file_changes
from pipeline.snapshots.profile import contents_of
from pipeline.snapshots.records import QUARANTINE, RunRecord, StageRecord
from pipeline.snapshots.shared import shared_record
from pipeline.snapshots.store import Store, object_fault, read_object

Freshness: TypeAlias = Literal["fresh", "restorable", "remote", "stale"]
"""Whether a snapshot of the wanted fingerprint is published; only in the store; only in
the one that clones share; or must be computed."""


@dataclass(frozen=True)
class Wanted:
    """What configuration, code and source ask for at this moment."""

    settings: Settings
    plan: Plan
    """Composed on the declared columns."""
    patterns: dict[str, str]
    """Of each source, the path of its files, or a pattern of their paths."""
    identities: dict[str, SourceIdentity]
    """Of each source; without files where they are not there yet."""
    contents: Contents
    """What is known of what came out of the snapshots."""
    fingerprints: Fingerprints
    """Empty without the files of all sources."""
    code: dict[str, str]
    """Hash of every module, and of what the stages use beside the package."""
    code_elsewhere: dict[str, str]
    """The latter alone."""
    shared: Shared | None = None
    """The store that clones share, where what is there is as good as what is here."""

    @property
    def source(self) -> SourceIdentity:
        """All sources as one."""
        return merged(list(self.identities.values()))


@dataclass(frozen=True)
class Status:
    """A snapshot, whether it is fresh, and what made it stale.

    ``fingerprint`` is the wanted one; empty where the source is not there.
    """

    name: str
    stage: str
    key: tuple[str, ...]
    fingerprint: str
    freshness: Freshness
    reasons: tuple[str, ...]
    fresh_if_same: tuple[str, ...] = ()
    """Stale snapshots that it follows: it is fresh if they come out as published."""

    @property
    def object(self) -> tuple[str, str]:
        """What its object is known by."""
        return self.name, self.fingerprint


def look(
    settings: Settings,
    plan: Plan,
    store: Store,
    runs: Sequence[RunRecord],
    *,
    fetched: bool,
    shared: Shared | None = None,
) -> Wanted:
    """Fingerprint what is wanted; hashes files that were touched, and runs nothing.

    The newest of the runs knows the hashes of untouched files. Where the source has
    been ``fetched``, it must be there. With `shared`, what is there counts, too: who
    asks for that has to fetch it.

    Raises
    ------
    SourceError
        If a file cannot be read, or is missing and should not be.
    """
    root = settings.root
    known = runs[-1].files if runs else []
    patterns: dict[str, str] = {}
    identities: dict[str, SourceIdentity] = {}
    for name, config in settings.sources.items():
        patterns[name] = sources.reads(config, root).path
        try:
            files = find_files(patterns[name], root)
        except SourceError:
            if fetched:
                raise
            identities[name] = SourceIdentity("", [])
            continue
        plan_hash, said = source_plan(config, root)
        found = contents(files, root, known)
        identities[name] = SourceIdentity(plan_hash, found, said)
    modules = sorted({stage.transform.file for stage in settings.stages})
    elsewhere = code_elsewhere(modules, root)
    code = code_hashes(root) | elsewhere
    known = _known_contents(settings, store, runs, shared)
    nothing = Fingerprints({}, {})
    wanted = Wanted(
        settings, plan, patterns, identities, known, nothing, code, elsewhere, shared
    )
    return fingerprinted(wanted)


def with_made(wanted: Wanted, made: Mapping[str, Mapping[str, str]]) -> Wanted:
    """Fingerprint anew, by what came out of snapshots that were just made."""

    def known(snapshot: str, print_: str) -> Mapping[str, str] | None:
        if snapshot in made and _is_unique(wanted.settings, snapshot):
            return made[snapshot]
        return wanted.contents(snapshot, print_)

    return fingerprinted(replace(wanted, contents=known))


def fingerprinted(wanted: Wanted) -> Wanted:
    """Fingerprint what is wanted, if the files of all sources are there.

    Again, where other contents are known than before.
    """
    if not all(identity.files for identity in wanted.identities.values()):
        return wanted
    prints = fingerprint(wanted.plan, wanted.identities, wanted.contents)
    return replace(wanted, fingerprints=prints)


def _known_contents(
    settings: Settings, store: Store, runs: Sequence[RunRecord], shared: Shared | None
) -> Contents:
    """Know what is in the objects that are there, or was in those of the runs."""
    recorded = {s.object: s.contents for run in runs for s in run.snapshots}

    def known(snapshot: str, print_: str) -> Mapping[str, str] | None:
        if not _is_unique(settings, snapshot):
            return None
        found = read_object(store, snapshot, print_)
        if found is not None:
            return contents_of(found.columns)
        if recorded.get((snapshot, print_)):
            return recorded[snapshot, print_]
        there = shared and shared_record(shared, snapshot, print_)
        return contents_of(there.columns) if there else None

    return known


def _is_unique(settings: Settings, snapshot: str) -> bool:
    """Tell whether a snapshot's contract holds its rows to a unique key.

    Else its columns would not say which of their values are of the same row.
    """
    contract = settings.contracts.get(snapshot, Contract())
    return contract.key and "key" not in contract.warn


def statuses_of(
    wanted: Wanted, store: Store, current: RunRecord | None
) -> list[Status]:
    """Tell of every snapshot whether it is right; the quarantine comes last."""
    published = {s.name: s.fingerprint for s in current.snapshots} if current else {}
    places = {
        name: (node.stage.name, node.stage.key)
        for name, node in wanted.plan.snapshots.items()
    }
    places[QUARANTINE] = ("", ("source", "file", "line", "column"))
    reasons = _Reasons(wanted, current) if current else None
    prints = _as_made(wanted, published)
    statuses: dict[str, Status] = {}
    for name, (stage, key) in places.items():
        print_ = prints.get(name, "")
        is_there = bool(print_) and read_object(store, name, print_) is not None
        if is_there and published.get(name) == print_:
            statuses[name] = Status(name, stage, key, print_, "fresh", ())
            continue
        if published.get(name) == print_:
            why = (f"its object {object_fault(store, name, print_)}",)
        else:
            found = reasons.of(name, stage, key) if reasons else ["never computed"]
            why = tuple(dict.fromkeys(found)) or (_unseen(wanted.settings),)
        freshness = "restorable" if is_there else "stale"
        if print_ and not is_there and wanted.shared is not None:
            there = shared_record(wanted.shared, name, print_)
            freshness = "remote" if there else "stale"
        statuses[name] = Status(name, stage, key, print_, freshness, why)
    for name, stale in _fresh_if_same(wanted, statuses, current).items():
        statuses[name] = replace(statuses[name], fresh_if_same=stale)
    return [*statuses.values()]


def _as_made(wanted: Wanted, published: Mapping[str, str]) -> Mapping[str, str]:
    """Give the wanted fingerprints; of what was made alone, that which it got then.

    What stands before it was not yet there, to be known by what is in it.
    """
    prints = wanted.fingerprints.snapshots
    if not prints or prints.items() <= published.items():
        return prints
    alone = fingerprint(wanted.plan, wanted.identities, nothing_known).snapshots
    return {n: alone[n] if published.get(n) == alone[n] else prints[n] for n in prints}


def _fresh_if_same(
    wanted: Wanted, statuses: Mapping[str, Status], current: RunRecord | None
) -> dict[str, tuple[str, ...]]:
    """Name the stale snapshots that are right if others come out as published.

    Of other rows of the source that is not to be expected.
    """
    stale = {name for name, status in statuses.items() if status.freshness == "stale"}
    if current is None or not stale or not wanted.fingerprints.snapshots:
        return {}
    if [*file_changes(current.files, wanted.source.files)]:
        return {}
    before = {s.name: s for s in current.snapshots}

    def as_published(snapshot: str, print_: str) -> Mapping[str, str] | None:
        known = wanted.contents(snapshot, print_)
        if known is None and snapshot in stale & {*before}:
            known = before[snapshot].contents or None
        return known

    plan = wanted.plan
    prints = fingerprint(plan, wanted.identities, as_published).snapshots
    right = {n for n in stale & {*before} if prints[n] == before[n].fingerprint}
    found = {
        name: tuple(n for n in _snapshots_before(plan, node) if n in stale)
        for name, node in plan.snapshots.items()
        if name in right
    }
    return {name: those for name, those in found.items() if those}


def _snapshots_before(plan: Plan, node: Node) -> list[str]:
    """Name the snapshots that a stage is made of, without those before these."""
    names = {of.stage.name: name for name, of in plan.snapshots.items()}
    others = [stage for stage in names if stage != node.stage.name]
    way = plan.upstream([node.stage.name], others).values()
    given = dict.fromkeys(name for each in way for name in each.stage.inputs)
    return [names[name] for name in given if name in names]


def _unseen(settings: Settings) -> str:
    """Say what changed a plan where neither configuration nor code shows it."""
    names = ", ".join(sorted(settings.environment))
    return f"its plan changed{f', as by the value of {names}' if names else ''}"


def select(plan: Plan, selection: Selection) -> set[str]:
    """Name the selected snapshots.

    Raises
    ------
    ConfigError
        If a stage is not there, or the selection holds no snapshot.
    """
    if selection.is_all:
        return {*plan.snapshots, QUARANTINE}
    chosen = selection.stages(plan.wiring)
    found = {name for name, n in plan.snapshots.items() if n.stage.name in chosen}
    if not found:
        raise ConfigError(
            "the selected stages publish no snapshot\n"
            f"found: {', '.join(chosen) or 'no stage'}\n"
            "expected one of: "
            + ", ".join(node.stage.name for node in plan.snapshots.values())
            + "\nhint: `just show STAGE` shows the rows of any"
        )
    return found


def is_unpublished(settings: Settings, selection: Selection) -> bool:
    """Tell whether a single stage is selected, and publishes no snapshot."""
    snapshots = {stage.name: stage.snapshot for stage in settings.stages}
    only = selection.only
    return only in snapshots and not snapshots[only] and only not in snapshots.values()


class _Reasons:
    """Says what changed between the newest run and what is wanted."""

    def __init__(self, wanted: Wanted, current: RunRecord) -> None:
        self._wanted = wanted
        self._current = current
        self._changed_code = changed(current.code, wanted.code)
        self._before = {stage.name: stage for stage in current.stages}
        self._snapshots = {s.name: s for s in current.snapshots}

    def of(self, snapshot: str, stage: str, key: tuple[str, ...]) -> Iterator[str]:
        """Yield why a snapshot is not the published one; the causes, not what follows.

        A stage that only has other inputs than before is no cause.
        """
        yield from self._of_versions()
        yield from self._of_source()
        before = self._snapshots.get(snapshot)
        if before is None:
            yield "not published by the last run"
            return
        if before.stage != stage:
            yield f"stages.{stage}.snapshot: now published by this stage"
        if tuple(before.key) != key:
            yield change(f"stages.{stage}.key", before.key, list(key))
        for node in self._wanted.plan.upstream([stage] if stage else []).values():
            yield from self._of_stage(node)

    def _of_versions(self) -> Iterator[str]:
        """Compare libraries."""
        for name, version in VERSIONS.items():
            before = self._current.versions.get(name)
            if before != version:
                yield change(name, before, version)

    def _of_source(self) -> Iterator[str]:
        """Compare files, and how they are read."""
        source = self._wanted.source
        kind = self._wanted.settings.tree[SOURCE]["kind"]
        if self._current.source != kind:
            yield change("source.kind", self._current.source, kind)
            return
        for name, identity in self._wanted.identities.items():
            if not identity.files:
                which = "the source" if name == SOURCE else f"source '{name}'"
                yield f"{which} is not there yet"
                return
        if self._current.source_plan != source.plan:
            tree, before = self._wanted.settings.shown, self._current.config
            found = [
                change
                for section in (SOURCE, "sources")
                for change in config_changes(
                    section, before.get(section), tree.get(section)
                )
            ]
            code = sorted(name for name in self._changed_code if "/sources/" in name)
            yield from found
            yield from (f"{name} changed" for name in code)
            if not found and not code and len(self._current.files) == len(source.files):
                yield "source: the files' columns are written otherwise"
        yield from file_changes(self._current.files, source.files)

    def _of_stage(self, node: Node) -> Iterator[str]:
        """Compare a stage with the one of its name."""
        stage = node.stage
        before = self._before.get(stage.name)
        if before is None:
            yield f"stages.{stage.name}: new"
            return
        if before.inputs != list(stage.inputs):
            yield change(f"stages.{stage.name}.inputs", before.inputs, stage.inputs)
        if before.transform != stage.transform.name:
            name = f"stages.{stage.name}.transform"
            yield change(name, before.transform, stage.transform.name)
        elif before.plan != node.digest:
            yield from self._of_plan(before, node)

    def _of_plan(self, before: StageRecord, node: Node) -> Iterator[str]:
        """Compare the configuration and the code of a stage whose plan differs."""
        stage = node.stage
        config = self._wanted.settings.shown_of(stage)
        yield from config_changes(stage.name, before.config, config)
        module = stage.transform.file
        of = stage.transform.project
        needed = imports_of(module, of) | set(code_elsewhere([module], of))
        for name in sorted(self._changed_code & needed):
            yield f"{name} changed"
