"""Split what is different between two runs of a snapshot by what made it so.

Code of then cannot be run, but objects of then are kept: what today's code makes of the
configuration of one run and the data of another is an object that is there, if all
stages before it do what they did in the run that made it, or is computed aside.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

from pipeline import sources
from pipeline.config import Tree
from pipeline.engine.one_pass import Work
from pipeline.errors import MASK, ConfigError, PipelineError, SnapshotError, n_of
from pipeline.files.local import FileContent, contents, find_local
from pipeline.plan.code import code_elsewhere, code_hashes, imports_of
from pipeline.plan.fingerprint import VERSIONS, Fingerprints, nothing_known
from pipeline.plan.plan import Node
from pipeline.plan.settings import SOURCE, EngineSettings, Settings, recorded_settings
from pipeline.run.changes import (
    Changes,
    change,
    changed,
    changes_between,
    manner,
    origin,
    stages_above,
)
from pipeline.run.compute import compute
from pipeline.run.freshness import Wanted, look
from pipeline.run.run import check
from pipeline.run.task import Task
from pipeline.snapshots.diff.steps import Cause, Steps, diff_steps
from pipeline.snapshots.history import object_of
from pipeline.snapshots.records import RunRecord, SnapshotRecord
from pipeline.snapshots.store import (
    Store,
    find_run,
    kept_runs,
    object_fault,
    read_runs,
)

if TYPE_CHECKING:
    from pipeline.sources import SourceConfig

_POLARS = "polars"

_MODULES = ("pipeline/", "transforms/", "sources/")
"""Where modules of package and project are; others are named by path or library."""

_State: TypeAlias = Path | str
"""The rows of a snapshot in Parquet, or why they cannot be made."""


def diff_by_cause(
    store: Store, snapshot: str, run_a: str, run_b: str, *, tolerance: float = 0.0
) -> Steps:
    """Say what code, versions, configuration and data did to a snapshot, in this order.

    Where rows of then are gone that one of these would be computed on, data come before
    the configuration, or it stands with the next one. Nothing of it is published.

    Raises
    ------
    SnapshotError
        If a run, or its object of the snapshot, is not there, or no stage makes it.
    """
    runs = read_runs(store)
    if not runs:
        raise SnapshotError("there are no runs yet\nhint: `just run` makes the first")
    shown = find_run(runs, run_a), find_run(runs, run_b)
    first, last = (object_of(store, run, snapshot) for run in shown)
    before, now = (_maker(runs, run, snapshot) for run in shown)
    key = _record_of(now, snapshot).key
    ids = shown[0].run_id, shown[1].run_id
    notes = [*_left_behind(shown, (before, now), snapshot)]
    with tempfile.TemporaryDirectory() as folder:
        made = _Made(store, snapshot, kept_runs(runs), Path(folder))
        steps, said = _walk(made, before, now, last)
        states, causes = _joined(first, steps, said)
        said = [*notes, *said]
        return diff_steps(snapshot, ids, key, states, causes, said, tolerance=tolerance)


def changes_of_rows(root: Path, before: RunRecord, now: RunRecord) -> Changes:
    """Say what may make the rows of a run others than those of one before it.

    Code counts as far as stages or sources do something else by it. Where they also
    have another configuration, that is known if today's code does what both runs did.
    """
    changes = changes_between(before, now)
    other = changed(before.code, now.code)
    if not other:
        return changes
    plans = _plans_of_today(root, before), _plans_of_today(root, now)
    then = {stage.name: stage for stage in before.stages}
    counted = set[str]()
    for stage in now.stages:
        was = then.get(stage.name, stage)
        is_of_today = [was.plan, stage.plan] == [of.get(stage.name) for of in plans]
        if was.plan != stage.plan and not is_of_today:
            files = {f"{of}transforms/{stage.transform}.py" for of in ("pipeline/", "")}
            counted |= files.union(*(imports_of(name, root) for name in files))
    if before.source_plan != now.source_plan:
        counted |= imports_of("pipeline/sources/source.py", root)
        counted |= {name for name in other if "sources/" in name}
    elsewhere = {name for name in other if not name.startswith(_MODULES)}
    named = other & (counted | (elsewhere if counted else set()))
    return replace(changes, code=tuple(f"{name} changed" for name in sorted(named)))


def _plans_of_today(root: Path, run: RunRecord) -> dict[str, str]:
    """Hash what each stage of a run would do by today's code; none if it fails."""
    with suppress(PipelineError):
        settings = recorded_settings(root, run.config, f"run {run.run_id}")
        return {name: node.digest for name, node in check(settings).nodes.items()}
    return {}


def _record_of(run: RunRecord, snapshot: str) -> SnapshotRecord:
    """Find what a run recorded of a snapshot."""
    [found] = [s for s in run.snapshots if s.name == snapshot]
    return found


def _maker(runs: Sequence[RunRecord], run: RunRecord, snapshot: str) -> RunRecord:
    """Find the run whose configuration a snapshot is of: not one that left it as is."""
    wanted = _record_of(run, snapshot)
    if not wanted.stage:
        raise SnapshotError(
            f"'{snapshot}' is made by no stage, but by {wanted.made_by}\n"
            "hint: --why splits what is different in snapshots of stages; what a"
            " forecast is made of is in meta.models"
        )
    for other in reversed(runs[: runs.index(run) + 1]):
        for s in other.snapshots:
            if s.object == wanted.object and not s.is_left_behind:
                return other
    raise SnapshotError(
        f"run {run.run_id}: left '{snapshot}' as it was, and the run that made it"
        " has no record any more\nhint: name another run"
    )


def _left_behind(
    shown: Sequence[RunRecord], made: Sequence[RunRecord], snapshot: str
) -> Iterator[str]:
    """Say which runs only showed what another had made."""
    for run, maker in zip(shown, made, strict=True):
        if run is not maker:
            yield f"run {run.run_id} left '{snapshot}' as {maker.run_id} had made it"


def _walk(
    made: "_Made", before: RunRecord, now: RunRecord, last: Path
) -> tuple[list[tuple[Cause, _State]], list[str]]:
    """List the causes, each with the state it leads to, and what is to be known."""
    changes = changes_between(before, now)
    notes = ["in this order, each as today's code computes it"]
    by_data = Cause(("data",), changes.data)
    if made.same_data(before, now):
        by_data = by_data._replace(changes=(), proof="its files are the same")
    by_config = Cause(("configuration",), tuple(made.relevant(changes, before, now)))
    old, new = made.state(before, before), made.state(now, now)
    middle, causes = made.state(now, before), (by_config, by_data)
    if isinstance(middle, str) and not by_data.proof:
        other = made.state(before, now)
        if not isinstance(other, str):
            notes.append(f"data come before the configuration: {middle}")
            middle, causes = other, (by_data, by_config)
    steps = [(cause, old) for cause in made.by_code(before)]
    steps += zip(causes, (middle, new), strict=True)
    if new != last:
        later = [cause for cause in made.by_code(now) if not cause.proof]
        since = Cause((), ())
        if later and not isinstance(new, str):
            notes.append(f"run {now.run_id} is not of today's code: see the last step")
            lines = tuple(line for cause in later for line in cause.changes)
            since = Cause(("today's code, undone",), lines)
        steps.append((since, last))
    return steps, notes


def _joined(
    first: Path, steps: Iterable[tuple[Cause, _State]], notes: list[str]
) -> tuple[list[Path], list[Cause]]:
    """Join a cause whose state cannot be made with those that follow."""
    states, causes = [first], list[Cause]()
    waiting = Cause((), ())
    for cause, state in steps:
        if cause.proof:
            causes.append(cause)
            states.append(states[-1])
            continue
        waiting = Cause(waiting.names + cause.names, waiting.changes + cause.changes)
        if isinstance(state, str):
            notes.append(f"{', '.join(waiting.names)}: cannot be told apart: {state}")
            continue
        same = "it is the same object" if state == states[-1] else ""
        causes.append(waiting._replace(proof=same))
        states.append(state)
        waiting = Cause((), ())
    return states, causes


@dataclass(frozen=True)
class _Composed:
    """Today's code with the configuration of one run, to be given the data of one."""

    wanted: Wanted
    """Of files that are linked aside, if they are there."""
    stages: Mapping[str, Node]
    """Those before the snapshot, and its own, which comes last."""
    is_there: bool
    """Whether the files are."""
    reading: Tree
    """How sources are read, and where from."""

    @property
    def stage(self) -> str:
        """The stage that makes the snapshot."""
        return [*self.stages][-1]


class _Made:
    """Makes of a snapshot what today's code does with what runs have recorded."""

    def __init__(
        self, store: Store, snapshot: str, kept: Sequence[RunRecord], folder: Path
    ) -> None:
        self._store, self._snapshot = store, snapshot
        self._kept, self._folder = kept, folder
        self._composed: dict[tuple[str, str], _Composed] = {}
        self._code = code_hashes(store.root)
        self._reading = imports_of("pipeline/sources/source.py", store.root)
        self._there: dict[str, bool] = {}

    def state(self, config: RunRecord, data: RunRecord) -> _State:
        """Find or compute the rows; say why they cannot be made, if so."""
        try:
            composed = self._compose(config, data)
            leaves = self._leaves(composed, data)
            if composed.stage not in leaves:
                return self._compute(composed, leaves, data)
            return leaves[composed.stage]
        except PipelineError as error:
            return _in_short(error)

    def same_data(self, one: RunRecord, other: RunRecord) -> bool:
        """Tell whether two runs read the same bytes in the same order."""
        return [f.sha256 for f in one.files] == [f.sha256 for f in other.files]

    def relevant(
        self, changes: Changes, before: RunRecord, now: RunRecord
    ) -> Iterator[str]:
        """Take the changes of configuration that stages before the snapshot see."""
        stages = set[str]()
        for run in (before, now):
            inputs = {stage.name: stage.inputs for stage in run.stages}
            stages |= stages_above([_record_of(run, self._snapshot).stage], inputs)
        for line in changes.configuration:
            head, *rest = line.partition(":")[0].split(".")
            of = rest[0] if head == "stages" and rest else head
            if of in {*stages, SOURCE, "sources"}:
                yield line

    def by_code(self, run: RunRecord) -> list[Cause]:
        """Say what today's code and versions do otherwise than those of a run did."""
        both = Cause(("code", "versions"), ())
        try:
            composed = self._compose(run, run)
        except PipelineError as error:
            return [both._replace(changes=(_in_short(error),))]
        unlike = self._unlike(composed, run)
        was, now = run.versions.get(_POLARS), VERSIONS[_POLARS]
        by_versions = Cause(("versions",), (change(_POLARS, was, now),))
        if was == now:
            by_versions = Cause(("versions",), (), f"Polars is {now} as then")
        modules = self._changed_modules(composed, run, unlike)
        if not unlike:
            stages = n_of(len(composed.stages), "stage")
            proof = f"a proof, of {stages} with the plans of then"
            return [Cause(("code",), (), proof), by_versions]
        if not modules and was != now:
            proof = "a proof, its modules are as they were then"
            return [Cause(("code",), (), proof), by_versions]
        asked = [] if modules else sorted(composed.wanted.settings.environment)
        lines = (
            f"other plans: {', '.join(unlike)}",
            *(f"{name} changed" for name in modules),
            *(f"today's value of {name} was taken" for name in asked),
        )
        if was == now:
            return [by_versions, Cause(("code",), lines)]
        return [both._replace(changes=(*lines, *by_versions.changes))]

    def _changed_modules(
        self, composed: _Composed, run: RunRecord, unlike: Sequence[str]
    ) -> list[str]:
        """Name the modules of what has another plan that were others then."""
        root = self._store.root
        files = {
            node.stage.transform.file
            for name, node in composed.stages.items()
            if name in unlike
        }
        elsewhere = code_elsewhere(sorted(files), root)
        if SOURCE in unlike:
            files |= {name for name in self._code if "sources/" in name}
        used = set[str]().union(*(imports_of(name, root) for name in files))
        return sorted(changed(run.code, self._code | elsewhere) & (used | {*elsewhere}))

    def _unlike(self, composed: _Composed, run: RunRecord) -> list[str]:
        """Name what does not do, in a run, what it does by today's code."""
        found = [] if self._is_read_alike(composed, run) else [SOURCE]
        before = {stage.name: stage for stage in run.stages}
        for name, node in composed.stages.items():
            then = before.get(name)
            inputs = list(node.stage.inputs)
            if then is None or (then.plan, then.inputs) != (node.digest, inputs):
                found.append(name)
        return found

    def _is_read_alike(self, composed: _Composed, run: RunRecord) -> bool:
        """Tell whether a run read its sources as today's code would."""
        if composed.is_there:
            return composed.wanted.source.plan == run.source_plan
        other = changed(run.code, self._code)
        is_same_code = not any("sources/" in n or n in self._reading for n in other)
        return is_same_code and _reading(run.config) == composed.reading

    def _compose(self, config: RunRecord, data: RunRecord) -> _Composed:
        """Compose today's code with the configuration of one run on data of another."""
        key = config.run_id, data.run_id
        if key not in self._composed:
            self._composed[key] = self._compose_once(config, data)
        return self._composed[key]

    def _compose_once(self, config: RunRecord, data: RunRecord) -> _Composed:
        tree = config.config | _on(config.config, data.config)
        name = f"the configuration of run {config.run_id}"
        settings = recorded_settings(self._store.root, tree, name)
        inputs = {stage.name: stage.inputs for stage in settings.stages}
        for of in stages_above([_record_of(config, self._snapshot).stage], inputs):
            if MASK in json.dumps(tree.get(of)):
                raise SnapshotError(f"{name} holds what is masked, in {of}")
        is_there = self._is_there(data)
        if is_there:
            settings = self._linked(settings, data)
        plan = check(settings)
        if self._snapshot not in plan.snapshots:
            raise SnapshotError(f"{name} has no snapshot '{self._snapshot}'")
        stage = plan.snapshots[self._snapshot].stage.name
        stages = plan.upstream([stage])
        if is_there:
            known = msgspec.structs.replace(data, files=[*map(_renamed, data.files)])
            wanted = look(settings, plan, self._store, [known], fetched=True)
        else:
            prints = Fingerprints({n: of.digest for n, of in plan.nodes.items()}, {})
            wanted = Wanted(settings, plan, {}, {}, nothing_known, prints, {}, {})
        return _Composed(wanted, stages, is_there, _reading(tree))

    def _is_there(self, run: RunRecord) -> bool:
        """Tell whether all files that a run has read still have their content."""
        if run.run_id not in self._there:
            root = self._store.root
            paths = [root / file.stat.path for file in run.files]
            self._there[run.run_id] = all(path.is_file() for path in paths) and [
                f.sha256 for f in contents(paths, root, run.files)
            ] == [f.sha256 for f in run.files]
        return self._there[run.run_id]

    def _linked(self, settings: Settings, run: RunRecord) -> Settings:
        """Let sources read exactly the files of a run, which are linked aside."""
        root = self._folder / run.run_id
        for file in run.files:
            link = root / _aside(file.stat.path)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(self._store.root / file.stat.path)
        left = [_aside(file.stat.path) for file in run.files]
        found: dict[str, SourceConfig] = {}
        for name, config in settings.sources.items():
            given = sources.reads(config, self._store.root)
            if given is not config:  # of one file, whatever it would be called today
                found[name] = msgspec.structs.replace(given, path=left.pop(0))
                continue
            path = _aside(given.path)
            found[name] = msgspec.structs.replace(given, path=path)
            del left[: len(find_local(path, root))]
        return replace(
            settings,
            root=root,
            source=found.pop(SOURCE),
            others={**found},
            engine=EngineSettings(memory=settings.engine.memory),
        )

    def _leaves(self, composed: _Composed, data: RunRecord) -> dict[str, Path]:
        """Name the objects that hold what stages give of the data of a run."""
        found: dict[str, Path] = {}
        runs = [data, *(r for r in reversed(self._kept) if self.same_data(r, data))]
        for run in runs:
            if run.versions.get(_POLARS) != VERSIONS[_POLARS]:
                continue
            unlike = {*self._unlike(composed, run)}
            for s in run.snapshots:
                if s.stage in found or s.stage not in composed.stages:
                    continue
                above = {SOURCE, *composed.wanted.plan.upstream([s.stage])}
                is_whole = not s.is_left_behind and not object_fault(
                    self._store, *s.object
                )
                if is_whole and not unlike & above:
                    found[s.stage] = self._store.object(*s.object)
        return found

    def _compute(
        self, composed: _Composed, leaves: Mapping[str, Path], data: RunRecord
    ) -> Path:
        """Compute the rows aside."""
        wanted, stage = composed.wanted, composed.stages[composed.stage].stage
        stages = wanted.plan.upstream([stage.name], leaves)
        inputs = {name for node in stages.values() for name in node.stage.inputs}
        if not composed.is_there and inputs & {*wanted.plan.sources}:
            raise SnapshotError(f"what run {data.run_id} read is not there as it was")
        snapshot = SnapshotRecord(
            self._snapshot, stage.name, [*stage.key], "", "computed", "", [], []
        )
        task = Task(
            [snapshot],
            (self._snapshot,),
            (),
            {name: path for name, path in leaves.items() if name in inputs},
            [],
            tuple(stages),
            reads_source=SOURCE in inputs,
            is_nothing=False,
        )
        staging = Path(tempfile.mkdtemp(dir=self._folder))
        work = Work((self._snapshot,), task.stages, {}, {})
        found = compute(wanted, task, work, Store(self._folder), staging)
        return found.files[self._snapshot]


def _in_short(error: PipelineError) -> str:
    """Say what is wrong in a line; the first of a configuration's only counts."""
    lines = str(error).splitlines()[: 1 + isinstance(error, ConfigError)]
    return " ".join(line.strip() for line in lines)


def _reading(config: Tree) -> Tree:
    """Take the sections that say which rows are read, and how."""
    return {name: config.get(name) or {} for name in (SOURCE, "sources")}


def _on(config: Tree, data: Tree) -> Tree:
    """Say of sources how a configuration reads, and where the rows of another are."""
    others = cast("dict[str, Tree]", config.get("sources") or {})
    there = cast("dict[str, Tree]", data.get("sources") or {})
    return {
        SOURCE: _mixed(config[SOURCE], data[SOURCE]),
        "sources": {
            name: _mixed(of, there.get(name, of)) for name, of in others.items()
        },
    }


def _mixed(config: Tree, data: Tree) -> Tree:
    """Read the rows of one source as another is read, if it is of the same kind."""
    is_alike = config["kind"] == data["kind"]
    return manner(config) | origin(data) if is_alike else data


def _aside(path: str) -> str:
    """Name the place of a file, or of a pattern, below the folder of links."""
    return f"files/{path.lstrip('/').replace('../', 'up/')}"


def _renamed(file: FileContent) -> FileContent:
    """Know a file by the place of its link."""
    stat = msgspec.structs.replace(file.stat, path=_aside(file.stat.path))
    return msgspec.structs.replace(file, stat=stat)
