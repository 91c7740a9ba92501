"""Make variants: what other values would publish, computed in one pass, and kept.

What is published stays as it is; so do the forecasts beside it, which no variant has.
"""

import dataclasses
import hashlib
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from polars.exceptions import PolarsError

from pipeline import sources
from pipeline.config import parse_overrides
from pipeline.engine.one_pass import Execution
from pipeline.errors import (
    ConfigError,
    ContractError,
    PipelineError,
    SourceError,
    mask_tree,
)
from pipeline.log import LOG, fields, logged
from pipeline.plan.settings import Load, Settings, load_settings
from pipeline.plan.wiring import Selection
from pipeline.process import is_asked
from pipeline.progress import numbered
from pipeline.run.compute import failed, work_of
from pipeline.run.freshness import Wanted, look
from pipeline.run.kept import forget_parts
from pipeline.run.plausible import refuse_implausible
from pipeline.run.record import record_of
from pipeline.run.run import (
    Begun,
    RunReport,
    check,
    comparable,
    hold_all,
    look_at_files,
    plan_on_whole_objects,
    publish_made,
    refuse_too_many,
    report_of,
    require_as_read,
    stored_bad,
)
from pipeline.run.task import Task
from pipeline.snapshots.publish import new_run_id
from pipeline.snapshots.records import RunRecord, SnapshotRecord
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.store import (
    Store,
    open_store,
    read_runs,
    staged_run,
    writing,
)
from pipeline.snapshots.variants import Variant, read_variants, write_variant
from pipeline.variants.together import Member, compute_together
from pipeline.variants.words import Asked, combine, is_of_models, require_name

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Swept:
    """What came of variants that were asked for."""

    made: list[Variant]
    """Those that are there now, in the order they were asked for."""
    new: list[str]
    """Those of them that were not there before as they are now."""
    failed: dict[str, PipelineError]
    """Those that are not, and why."""
    dropped: list[str]
    """Older ones, which made room."""
    total_s: float


def sweep(
    root: Path,
    words: Sequence[str],
    *,
    profile: str | None = None,
    name: str | None = None,
    load: Load = load_settings,
) -> Swept:
    """Make a variant of each combination of the values of ``path=value,value`` words.

    Of a single one, the name may be said. `load` loads the settings of models, too,
    where words change them.

    Raises
    ------
    PipelineError
        If there are too many, a name is taken by a variant of other values, or the
        source cannot be read. What is wrong with one variant stops no other.
    """
    base = load_settings(root, profile=profile)
    asked = combine(words, base.history.variants)
    if name is not None:
        if len(asked) > 1:
            raise ConfigError(
                f"sweep: one name, '{name}', for {len(asked)} variants\n"
                "hint: without --name they are named after their values"
            )
        asked = [dataclasses.replace(asked[0], name=name)]
    return make_variants(base, asked, load)


def make_variant(
    root: Path,
    name: str,
    words: Sequence[str],
    *,
    profile: str | None = None,
    load: Load = load_settings,
) -> Swept:
    """Make one variant of the words as they are; raises what is wrong with it."""
    base = load_settings(root, profile=profile)
    swept = make_variants(base, [Asked(name, tuple(words))], load)
    for error in swept.failed.values():
        raise error
    return swept


def make_variants(
    base: Settings, asked: Sequence[Asked], load: Load = load_settings
) -> Swept:
    """Make variants of a configuration; see `sweep`."""
    for each in asked:
        require_name(each.name)
        _refuse_secrets(each)
    with _begin(base, asked) as making:
        swept = making.make(asked, load)
        how = "failed" if swept.failed else "published"
        text = "".join(f"{name}: {error}\n" for name, error in swept.failed.items())
        LOG.debug(text or "variants are made", extra=fields(event=how))
    return dataclasses.replace(swept, total_s=time.perf_counter() - making.started)


@contextmanager
def run_beside(settings: Settings, *, refuse: bool = True) -> Generator[RunReport]:
    """Compute what a run would publish, but publish nothing and keep no variant.

    The objects that are made are there until the end of the block. Rows that a run
    would be refused for are an error, or else the report says what is wrong with them.
    """
    with _begin(settings) as making:
        making.refuses = refuse
        try:
            yield making.report()
        finally:
            if making.refused:  # no run may find such rows in the store
                collect_garbage(making.store, making.runs)
        LOG.debug("nothing is published", extra=fields(event="finished"))


@contextmanager
def _begin(base: Settings, kept: Sequence[Asked] | None = None) -> Generator["_Making"]:
    """Hold the writer's lock, and log; keep what is made if it is said what of."""
    started_at, started = datetime.now(UTC), time.perf_counter()
    store = open_store(base.root)
    with writing(store), staged_run(store) as staging:
        runs, there = read_runs(store), read_variants(store)
        for each in kept or ():
            _refuse_taken(each, base.profile, there)
        run_id = new_run_id(max(_ids(runs, there), default=""), started_at)
        with logged(store.logs / f"{run_id}.jsonl"):
            LOG.debug("started", extra=fields(event="started", run_id=run_id))
            keeps = kept is not None
            making = _Making(base, store, staging, runs, there, run_id, started, keeps)
            try:
                yield making
            except BaseException as error:
                is_stop = isinstance(error, KeyboardInterrupt) or is_asked()
                how = "stopped" if is_stop else "failed"
                LOG.debug(str(error), extra=fields(event=how))
                raise
        collect_garbage(store, runs)
        forget_parts(store)


def _ids(runs: Sequence[RunRecord], variants: Sequence[Variant]) -> Iterator[str]:
    """Give the ids that are taken."""
    yield from (run.run_id for run in runs)
    yield from (variant.run.run_id for variant in variants)


def _refuse_secrets(asked: Asked) -> None:
    """Refuse words that may not be kept."""
    tree = parse_overrides(asked.words).tree
    if mask_tree(tree) != tree:
        raise ConfigError(
            f"variant '{asked.name}': its words are kept, and one holds a credential\n"
            "hint: put it into a variable of the environment, and write"
            " PATH='${oc.env:NAME}'"
        )


def _refuse_taken(asked: Asked, profile: str | None, there: Sequence[Variant]) -> None:
    """Refuse a name that a variant of other values has."""
    for variant in there:
        if variant.name == asked.name and (
            variant.run.profile != profile
            or parse_overrides(variant.words) != parse_overrides(asked.words)
        ):
            of = f"--profile {variant.run.profile} " if variant.run.profile else ""
            raise ConfigError(
                f"variant '{asked.name}': exists already, with other values\n"
                f"found: {of}{' '.join(variant.words) or 'no changed value'}\n"
                f"expected: {' '.join(asked.words) or 'no changed value'}\n"
                f"hint: choose another name, or `just variants --drop {asked.name}`"
            )


def files_of(settings: Settings) -> dict[str, str]:
    """Hash the values of each file that a configuration is composed of.

    Comments and layout do not count.
    """
    trees: dict[str, list[Any]] = {}
    for layer in settings.layers:
        trees.setdefault(layer.name, []).append(layer.tree)
    return {
        name: hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest()
        for name, found in trees.items()
        if name.endswith(".yaml")
    }


@dataclass(frozen=True)
class _Prepared:
    """A variant that can be computed: its configuration and plan are sound."""

    asked: Asked
    begun: Begun
    wanted: Wanted
    task: Task

    def member(self) -> Member:
        """Say what a pass is to give for it."""
        previous = comparable(self.wanted.settings, self.begun.runs)
        work = work_of(self.wanted, self.task, self.begun.store, previous)
        return Member(self.asked.name, self.wanted, self.task, work)


@dataclass
class _Making:
    """The making of variants, with the writer's lock held."""

    base: Settings
    store: Store
    staging: Path
    runs: list[RunRecord]
    there: list[Variant]
    run_id: str
    started: float
    keeps: bool
    """Whether what is made is kept as variants."""
    refuses: bool = True
    """Whether rows that a run would be refused for are an error."""
    refused: list[PipelineError] = dataclasses.field(
        default_factory=list[PipelineError]
    )
    """What is wrong with them, if not."""

    def report(self) -> RunReport:
        """Make what the configuration says as it is, and say what a run would."""
        failures: dict[str, PipelineError] = {}
        prepared = self._look(Asked("beside", ()), self.base)
        made = self._make_group([prepared], failures)
        for error in failures.values():
            raise error
        [record] = (variant.run for variant in made.values())
        report = report_of(self.store, record, prepared.wanted, is_new=False)
        return dataclasses.replace(report, refused=self.refused)

    def make(self, asked: Sequence[Asked], load: Load) -> Swept:
        """Make them, and drop the oldest of those that are then too many."""
        failures: dict[str, PipelineError] = {}
        prepared: list[_Prepared] = []
        for each in numbered(asked, "looking at variants", len(asked)):
            try:
                prepared.append(self._prepare(each, load))
            except PipelineError as error:
                failures[each.name] = error
        records = {p.asked.name: v for p in prepared if (v := self._as_before(p))}
        new = [p for p in prepared if p.asked.name not in records]
        for group in _of_same_source(new):
            records |= self._make_group(group, failures)
        made = [records[each.name] for each in asked if each.name in records]
        dropped = self._make_room({each.name for each in asked})
        names = [p.asked.name for p in new if p.asked.name in records]
        return Swept(made, names, failures, dropped, 0.0)

    def _prepare(self, asked: Asked, load: Load) -> _Prepared:
        """Load the configuration of a variant, and look what is to be done."""
        root, profile = self.base.root, self.base.profile
        if is_of_models(asked.words):
            load(root, profile=profile, overrides=asked.words)
        settings = load_settings(root, profile=profile, overrides=asked.words)
        return self._look(asked, settings)

    def _look(self, asked: Asked, settings: Settings) -> _Prepared:
        """Compose and fingerprint a variant, and decide what is to be done."""
        plan = check(settings)
        for config in settings.sources.values():
            sources.fetch(config, settings.root)
        wanted = look(
            settings, plan, self.store, self.runs, fetched=True, shared=settings.shared
        )
        return self._plan(asked, wanted)

    def _plan(self, asked: Asked, wanted: Wanted) -> _Prepared:
        """Decide what is to be done for a variant; no forecast is shown beside it."""
        begun = Begun(
            self.store,
            self.staging,
            self.store.failed / asked.name,
            self.runs,
            None,
            self.run_id,
            datetime.now(UTC),
            self.started,
        )
        wanted, task = plan_on_whole_objects(begun, wanted, Selection(), None)
        own = [s for s in task.snapshots if not s.is_guest]
        return _Prepared(asked, begun, wanted, dataclasses.replace(task, snapshots=own))

    def _as_before(self, prepared: _Prepared) -> Variant | None:
        """Return the variant that is there, if it would come out just so again."""
        settings, task = prepared.wanted.settings, prepared.task
        for variant in self.there:
            before = {s.object: s.contract for s in variant.run.snapshots}
            if (
                variant.name == prepared.asked.name
                and not task.compute
                and before == {s.object: s.contract for s in task.snapshots}
                and variant.run.config == settings.shown
                and variant.yaml == files_of(self.base)
            ):
                return variant
        return None

    def _make_group(
        self, group: Sequence[_Prepared], failures: dict[str, PipelineError]
    ) -> dict[str, Variant]:
        """Make variants of the same source in one pass; if it fails, each by itself."""
        try:
            executions = self._compute(group)
        except SourceError:
            raise
        except PipelineError as error:
            if is_asked():  # to stop, which Polars may have raised for
                raise
            if len(group) == 1:
                failures[group[0].asked.name] = error
                return {}
            LOG.info("one of the variants fails: computing one after the other")
            made: dict[str, Variant] = {}
            for each in group:
                again = self._plan(each.asked, each.wanted)
                made |= self._make_group([again], failures)
            return made
        sound: list[tuple[_Prepared, Execution, int]] = []
        for each, execution in zip(group, executions, strict=True):
            try:
                sound.append((each, execution, self._judge(each, execution)))
            except PipelineError as error:
                failures[each.asked.name] = error
        made = {}
        for each, execution, n_bad_rows in sound:
            try:
                bad = self._bad(each, execution)
                known = publish_made(each.begun, each.wanted, each.task, execution, bad)
            except PipelineError as error:
                failures[each.asked.name] = error
                continue
            known = _made(each, *known)
            made[each.asked.name] = self._record(known, execution, n_bad_rows)
        return made

    def _judge(self, prepared: _Prepared, execution: Execution) -> int:
        """Refuse what a run would be refused for, or note it; count the bad rows."""
        begun, wanted, task = prepared.begun, prepared.wanted, prepared.task
        bad = self._bad(prepared, execution)
        n_bad_rows = bad.height
        with self._noted():
            n_bad_rows = refuse_too_many(bad, wanted)
        require_as_read(begun, wanted, task)
        with self._noted():
            refuse_implausible(wanted.settings, wanted.plan, execution)
        with self._noted():
            hold_all(begun, wanted, task, execution)
        return n_bad_rows

    @contextmanager
    def _noted(self) -> Generator[None]:
        """Note what is wrong with rows where that is no error."""
        try:
            yield
        except (SourceError, ContractError) as error:
            if self.refuses:
                raise
            self.refused.append(error)

    def _bad(self, prepared: _Prepared, execution: Execution) -> "pl.DataFrame":
        """Give the cells that are set aside, now or when the source was last read."""
        if execution.bad is not None:
            return execution.bad
        return stored_bad(self.store, prepared.task)

    def _compute(self, group: Sequence[_Prepared]) -> list[Execution]:
        """Compute all of a group together."""
        read = [each for each in group if each.task.reads_source]
        for each in read[:1]:
            look_at_files(each.wanted, self.runs)
        members = [each.member() for each in group]
        folder = Path(tempfile.mkdtemp(dir=self.staging))
        try:
            return compute_together(members, self.store, folder)
        except PolarsError as error:
            raise failed(error) from error

    def _record(
        self, prepared: _Prepared, execution: Execution, n_bad_rows: int
    ) -> Variant:
        """Write down what came of a variant."""
        begun = prepared.begun
        taken = max(_ids(self.runs, self.there), default="")
        record = record_of(
            new_run_id(taken, begun.started_at),
            begun.started_at,
            prepared.wanted,
            prepared.task,
            execution,
            n_bad_rows,
            self.runs,
        )
        record = msgspec.structs.replace(record, total_s=begun.seconds())
        variant = Variant(
            prepared.asked.name,
            [*prepared.asked.words],
            files_of(self.base),
            record,
        )
        if self.keeps:
            write_variant(self.store, variant)
        self.there = [v for v in self.there if v.name != variant.name] + [variant]
        return variant

    def _make_room(self, asked: set[str]) -> list[str]:
        """Drop the oldest variants beyond those that are kept, but none just made."""
        n_over = len(self.there) - self.base.history.variants
        others = [v.name for v in self.there if v.name not in asked]
        dropped = others[: max(0, n_over)]
        for name in dropped:
            (self.store.variants / f"{name}.json").unlink(missing_ok=True)
        return dropped


def _made(
    prepared: _Prepared, wanted: Wanted, made: Mapping[str, SnapshotRecord]
) -> _Prepared:
    """Note what a pass has made, by what it is known then."""
    snapshots = [made.get(s.name, s) for s in prepared.task.snapshots]
    task = dataclasses.replace(prepared.task, snapshots=snapshots)
    return dataclasses.replace(prepared, wanted=wanted, task=task)


def _of_same_source(prepared: Sequence[_Prepared]) -> list[list[_Prepared]]:
    """Group variants that can go through one pass: of the same sources and engine."""
    groups: list[list[_Prepared]] = []
    for each in prepared:
        settings = each.wanted.settings
        how = (settings.sources, settings.engine)
        for group in groups:
            first = group[0].wanted.settings
            if (first.sources, first.engine) == how:
                group.append(each)
                break
        else:
            groups.append([each])
    return groups
