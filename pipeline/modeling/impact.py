"""What a column feeds: stages, snapshots, checks, queries and models; or nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import LineageError, some
from pipeline.files.parquet import read_parquet
from pipeline.lineage.graph import Lineage, downstream, find_columns
from pipeline.lineage.value import DIRECT, UNKNOWN
from pipeline.modeling.card.explain import feature_groups
from pipeline.modeling.records import all_trainings, read_evaluation
from pipeline.modeling.settings import ModelingSettings
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings
from pipeline.run.contracts import compile_checks
from pipeline.run.run import check
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import Store, open_store, read_current
from pipeline.snapshots.uses import Use, uses

_VALUE = (*DIRECT, UNKNOWN)
"""Ways in which a column is in the values of another, or may be."""


@dataclass(frozen=True)
class Fed:
    """What of a stage or snapshot depends on a column."""

    values: list[str]
    """Columns that are made of it."""
    decided: list[str]
    """Columns whose values it decides, but is not in."""
    rows: bool
    """Whether it decides which rows there are, or their order."""


@dataclass(frozen=True)
class Importance:
    """What a model loses without a group of features, of which some are fed."""

    model: str
    group: str
    increase: float
    """Of the error, where the group's values are shuffled."""
    share: float
    """Of all groups' increases."""
    fed: list[str]


@dataclass(frozen=True)
class Impact:
    """All that depends on a column."""

    name: str
    stages: dict[str, Fed]
    snapshots: dict[str, Fed]
    checks: list[tuple[str, str]]
    """Snapshot and check."""
    queries: list[Use]
    """Those that need a column of a snapshot that is made of it, or decided by it."""
    unasked: bool
    """Whether there is no run yet, so that no query could be planned."""
    features: list[str]
    """Columns that models learn from, and it is in."""
    decided_features: list[str]
    target: str | None
    """What models learn to predict, if it is in that."""
    importances: list[Importance]
    """Of the newest evaluation of each model of this target, the largest first."""


def impact(settings: Settings, models: ModelingSettings | None, name: str) -> Impact:
    """Find all that depends on a column, or on those of a stage or snapshot.

    A LineageError if there is none of the name.
    """
    plan = check(settings)
    lineage = plan.lineage()
    try:
        stages = _fed(lineage, name)
    except LineageError as error:
        text = str(error).removeprefix("lineage: ")
        raise LineageError(f"impact: {text}") from error
    snapshots = {s: stages[of] for s, of in lineage.snapshots.items() if of in stages}
    of = snapshots.get(models.modeling.features) if models else None
    other = _no_features(models) if models else set[str]()
    features = [c for c in of.values if c not in other] if of else []
    decided = [c for c in of.decided if c not in other] if of else []
    asked = {s: [*fed.values, *fed.decided] for s, fed in snapshots.items()}
    store = open_store(settings.root)
    is_run = read_current(store) is not None
    return Impact(
        name,
        stages,
        snapshots,
        _checks(settings, plan, asked),
        _uses(store, asked) if is_run else [],
        not is_run,
        features,
        decided,
        models.modeling.target
        if models and of and models.modeling.target in of.values
        else None,
        _importances(models, plan, features) if models else [],
    )


def _fed(lineage: Lineage, name: str) -> dict[str, Fed]:
    """Tell what of each stage depends on a column, or on several."""
    start = {*find_columns(lineage, name)}
    of_values = {(e.stage, e.column) for e in downstream(lineage, name, _VALUE)}
    all_edges = downstream(lineage, name)
    reached = {(e.stage, e.column) for e in all_edges} | start
    of_values |= start
    rows = {stage for stage, column in reached if column is None}
    for stage, traced in lineage.stages.items():
        if rows.intersection(traced.inputs):
            rows.add(stage)
    found: dict[str, Fed] = {}
    for stage in lineage.stages:
        columns = lineage.columns_of(stage)
        values = [c for c in columns if (stage, c) in of_values]
        decided = [c for c in columns if (stage, c) in reached - of_values]
        if values or decided or stage in rows:
            found[stage] = Fed(values, decided, stage in rows)
    return found


def _checks(
    settings: Settings, plan: Plan, asked: Mapping[str, Collection[str]]
) -> list[tuple[str, str]]:
    """Name the checks that look at some columns of the snapshots."""
    return [
        (snapshot, one.name)
        for snapshot, columns in asked.items()
        for one in compile_checks(settings, plan, snapshot)
        if {*one.failures.meta.root_names()} & {*columns}
    ]


def _uses(store: Store, asked: Mapping[str, Collection[str]]) -> list[Use]:
    """Find the queries that need some columns of what is published."""
    with connect(store) as con:
        return uses(con, store.root / "queries", asked)


def _no_features(settings: ModelingSettings) -> set[str]:
    """Name the columns of the features that models do not learn from."""
    modeling = settings.modeling
    return {*modeling.entity, modeling.time, modeling.target}


def _importances(
    settings: ModelingSettings, plan: Plan, features: Sequence[str]
) -> list[Importance]:
    """Read what the newest evaluations say of features, by their groups."""
    modeling, other = settings.modeling, _no_features(settings)
    schema = plan.snapshots[modeling.features].schema
    groups = feature_groups([c for c in schema if c not in other], settings.bases)
    newest = {
        training.model: folder / "evaluation"
        for folder, training in all_trainings(settings.root)
        if training.modeling["target"] == modeling.target
        if read_evaluation(folder / "evaluation") is not None
    }
    found: list[Importance] = []
    for model, folder in newest.items():
        table = read_parquet(folder / "importance.parquet")
        for row in table.iter_rows(named=True):
            fed = [name for name in groups.get(row["group"], ()) if name in features]
            if fed:
                figures = row["group"], row["increase"], row["share"]
                found.append(Importance(model, *figures, fed))
    return found


@dataclass(frozen=True)
class Unused:
    """What a pipeline does without."""

    stages: list[str]
    """Those that no snapshot is made of."""
    columns: list[str]
    """Columns of sources, and those that stages make, that no snapshot is made of or
    decided by."""
    published: list[str]
    """Columns of snapshots, but for keys, that no other snapshot, check, query or model
    needs."""


def unused(settings: Settings, models: ModelingSettings | None) -> Unused:
    """Find what feeds nothing; a SnapshotError if there is no run yet."""
    plan = check(settings)
    lineage = plan.lineage()
    needed, stages = _needed(lineage, {*lineage.snapshots.values()})
    handed = {(e.stage, e.column) for e in lineage.edges if e.column == e.input_column}
    columns = [
        f"{owner}.{column}"
        for owner in [*lineage.sources, *lineage.stages]
        for column in lineage.columns_of(owner)
        if (owner, column) not in needed | handed
    ]
    idle = [name for name in lineage.stages if name not in stages]
    return Unused(idle, columns, _for_nobody(settings, models, plan, lineage))


def _for_nobody(
    settings: Settings, models: ModelingSettings | None, plan: Plan, lineage: Lineage
) -> list[str]:
    """Name columns of snapshots, but for keys, that nothing needs."""
    features = models.modeling.features if models else None
    store = open_store(settings.root)
    asked = {
        snapshot: [c for c in node.schema if c not in node.stage.key]
        for snapshot, node in plan.snapshots.items()
        if snapshot != features
    }
    found = _uses(store, asked)
    used = {(use.snapshot, use.column) for use in found}
    later = _of_other_snapshots(lineage)
    return [
        f"{snapshot}.{column}"
        for snapshot, columns in asked.items()
        for column in columns
        if (snapshot, column) not in used
        and (lineage.snapshots[snapshot], column) not in later
        and not _checks(settings, plan, {snapshot: [column]})
    ]


def _needed(
    lineage: Lineage, of: Collection[str]
) -> tuple[set[tuple[str, str | None]], set[str]]:
    """Find columns and stages that some stages are made of, or decided by."""
    stages = {*of}
    needed: set[tuple[str, str | None]] = {
        (stage, column) for stage in of for column in lineage.columns_of(stage)
    }
    for stage in reversed(lineage.stages):
        if stage in stages:
            stages.update(lineage.stages[stage].inputs)
    for edge in reversed(lineage.edges):
        is_rows = edge.column is None and edge.stage in stages
        if is_rows or (edge.stage, edge.column) in needed:
            needed.add((edge.input, edge.input_column))
    return needed, stages


def _of_other_snapshots(lineage: Lineage) -> set[tuple[str, str | None]]:
    """Find columns that other snapshots than their own are made of, or decided by."""
    found: set[tuple[str, str | None]] = set()
    for stage in lineage.snapshots.values():
        own = {(stage, column) for column in lineage.columns_of(stage)}
        found |= _needed(lineage, [stage])[0] - own
    return found


def describe_impact(found: Impact) -> list[str]:
    """Write it in lines."""
    lines = [found.name]
    lines += _section("stages", [f"{n}: {_said(f)}" for n, f in found.stages.items()])
    lines += _section(
        "snapshots", [f"{n}: {_said(f)}" for n, f in found.snapshots.items()]
    )
    lines += _section("checks", [f"{s}: {name}" for s, name in found.checks])
    by_query: dict[tuple[str, str], list[Use]] = {}
    for use in found.queries:
        by_query.setdefault((use.query, use.snapshot), []).append(use)
    lines += _section(
        "queries",
        [
            f"{query}: {some(u.column for u in of)} of {snapshot}"
            + ("" if of[0].is_sure else " (perhaps: it cannot be planned now)")
            for (query, snapshot), of in by_query.items()
        ],
    )
    if found.unasked:
        lines.append("queries: not known before the first run")
    if found.target:
        lines.append(f"what models learn to predict: {found.target}")
    lines += _section("features", found.features)
    lines += _section("features whose values it only decides", found.decided_features)
    lines += _section(
        "models, and what shuffling those features costs each",
        [
            f"{i.model}: {i.group} {i.share:.1%} of all importance,"
            f" error + {i.increase:,.4g} ({some(i.fed)})"
            for i in found.importances
        ],
    )
    if found.features and not found.importances:
        lines.append("models: none is evaluated yet; `just evaluate` measures it")
    if not found.stages:
        lines.append("feeds nothing")
    return lines


def describe_unused(found: Unused) -> list[str]:
    """Write it in lines."""
    lines = [
        *_section("stages that no snapshot is made of", found.stages),
        *_section("columns that no snapshot is made of", found.columns),
        *_section(
            "published, and needed by no other snapshot, check, query or model",
            found.published,
        ),
    ]
    return lines or ["nothing is unused"]


def plain(found: Impact | Unused) -> dict[str, Any]:
    """Turn it into what JSON has."""
    if isinstance(found, Unused):
        return asdict(found)
    return asdict(found) | {"queries": [use._asdict() for use in found.queries]}


def _section(title: str, items: Sequence[str]) -> list[str]:
    """Write a title, and what is under it; nothing without that."""
    return [f"{title}:", *(f"  {item}" for item in items)] if items else []


def _said(fed: Fed) -> str:
    """Say what of a stage or snapshot is fed."""
    parts = [some(fed.values)] if fed.values else []
    parts += [f"decides {some(fed.decided)}"] if fed.decided else []
    parts += ["decides which rows there are"] if fed.rows else []
    return "; ".join(parts)
