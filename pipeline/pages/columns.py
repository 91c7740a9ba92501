"""A page per column of a source and of a snapshot: its way there, and on from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.lineage.graph import Column
from pipeline.pages.facts import Facts
from pipeline.pages.lanes import depth_first, lay_out
from pipeline.pages.names import (
    COLUMNS,
    anchor,
    column_page,
    snapshot_page,
    stage_page,
)
from pipeline.pages.site import Found, Page
from pipeline.pages.ways import Ways, before, kinds_of


@dataclass(frozen=True)
class Place:
    """Where more is said of a column."""

    page: str
    anchor: str = ""


@dataclass(frozen=True)
class Box:
    """A column in the graph of its way."""

    at: Column
    place: Place
    kinds: dict[str, list[Column]]
    """What it is made of, by kind."""
    expression: str
    snapshots: list[str]
    is_here: bool


@dataclass(frozen=True)
class Listed:
    """A column of a source or a snapshot, as the list of all shows it."""

    owner: str
    name: str
    dtype: str
    description: str
    n_nulls: int | None
    n_distinct: int | None
    sources: list[Column]
    """What it comes from, in the sources."""


def columns(facts: Facts) -> list[Page]:
    """Make the list of columns, and a page for each."""
    ways = Ways(facts.lineage)
    written = facts.expressions
    owners = _owners(facts)
    listed = [*_listed(facts, ways, owners)]
    found = [Found("page", "Columns", "of sources and snapshots")]
    values = {"owners": owners, "columns": listed}
    return [
        Page(COLUMNS, "Columns", "columns", values, found),
        *(_page(facts, ways, written, column) for column in listed),
    ]


def _owners(facts: Facts) -> dict[str, str]:
    """Name sources and snapshots, and the page of each."""
    sources = {name: stage_page(name) for name in facts.lineage.sources}
    return sources | {name: snapshot_page(name) for name in facts.snapshots}


def _stage_of(facts: Facts, owner: str) -> str:
    """Name the stage of a snapshot; a source is its own, and others have none."""
    record = facts.snapshots.get(owner)
    return record.stage if record else owner


def _listed(facts: Facts, ways: Ways, owners: dict[str, str]) -> Iterator[Listed]:
    """Yield the columns of sources, then those of snapshots."""
    for owner in owners:
        stage, profile = _stage_of(facts, owner), facts.profile(owner)
        is_source = owner in facts.lineage.sources
        names = facts.lineage.columns_of(stage) if stage else [*profile]
        for name in names:
            figures = profile.get(name)
            dtype = facts.dtypes.get((stage, name), figures.dtype if figures else "")
            yield Listed(
                owner,
                name,
                dtype,
                facts.describe(stage, name),
                figures and figures.n_nulls,
                figures and figures.n_distinct,
                ways.sources_of(Column(stage, name)) if stage and not is_source else [],
            )


def _page(
    facts: Facts, ways: Ways, written: Mapping[str, dict[str, str]], column: Listed
) -> Page:
    """Make the page of a column."""
    stage = _stage_of(facts, column.owner)
    values: dict[str, Any] = {
        "column": column,
        "owner_page": _owners(facts)[column.owner],
        "stage": stage,
        "stage_page": stage_page(stage),
        "figures": facts.profile(column.owner).get(column.name),
        "graph": lay_out(dict[Column, list[Column]]()),
        "boxes": {},
        "places": {},
        "deciders": [],
        "rows": [],
        "queries": [*_queries(facts, column)],
        "models": _models(facts, column),
        "place_of": partial(place_of, facts),
        "n_rows": (found := facts.object(column.owner)) and found.n_rows,
    }
    if stage:
        at = Column(stage, column.name)
        made, arrows = ways.made_at[at], ways.graph(f"{column.owner}.{column.name}")
        arrows = arrows or {made: []}
        boxes = {
            box: Box(
                box,
                place_of(facts, box, ways),
                dict(kinds_of(ways.made_of.get(box, []))),
                written.get(box.stage, {}).get(box.column, ""),
                ways.published.get(box, []),
                box == made,
            )
            for box in arrows
        }
        arrows = depth_first(arrows)
        graph = lay_out(arrows)
        back = before(arrows, made)
        values |= {
            "graph": graph,
            "boxes": boxes,
            "places": {row.key: i for i, row in enumerate(graph.rows)},
            "deciders": ways.deciders(back),
            "rows": ways.rows(stage) if stage in facts.lineage.stages else [],
            "inputs": arrows,
        }
    found = [Found("column", column.name, column.owner)]
    path = column_page(column.owner, column.name)
    return Page(path, column.name, "column", values, found, COLUMNS)


def place_of(facts: Facts, at: Column, ways: Ways | None = None) -> Place:
    """Say where a column of a stage is told of: on its own page, or the stage's.

    With the ways, a column that is published further down has its page there.
    """
    if at.stage in facts.lineage.sources:
        return Place(column_page(at.stage, at.column))
    snapshot = facts.lineage.stages[at.stage].snapshot
    shown = [snapshot] if snapshot else ways.published.get(at, []) if ways else []
    if shown:
        return Place(column_page(shown[0], at.column))
    return Place(stage_page(at.stage), anchor(at.column))


def _queries(facts: Facts, column: Listed) -> Iterator[str]:
    """Name the queries that name a column and its snapshot."""
    if column.owner in facts.snapshots:
        named = {column.name.lower(), column.owner.lower()}
        for name, words in facts.words.items():
            if named <= words:
                yield name


def _models(facts: Facts, column: Listed) -> dict[str, str]:
    """Name the models that learned from a column's snapshot, and what it was to each.

    What is neither target nor of the entity is a feature.
    """
    found: dict[str, str] = {}
    for row in facts.meta("models"):
        if facts.learned_from(row) == column.owner:
            is_key = column.name in (row["entity"] or ())
            role = "entity" if is_key else "feature"
            found[row["model"]] = "target" if column.name == row["target"] else role
    return found
