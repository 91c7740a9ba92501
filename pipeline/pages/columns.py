"""A page per column of a source and of a snapshot: its way there, and on from it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.lineage.graph import Column
from pipeline.pages.facts import Facts
from pipeline.pages.lanes import Lanes, depth_first, lay_out
from pipeline.pages.names import (
    COLUMNS,
    anchor,
    column_page,
    snapshot_page,
    stage_page,
)
from pipeline.pages.site import Found, Page
from pipeline.pages.snapshot import figures_of
from pipeline.pages.ways import Decided, Decides, Ways

_MAX_ROWS = 30
"""Stages that are named as deciding which rows there are: the last ones."""


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
class Way:
    """How a column comes about, and what comes of it."""

    graph: Lanes[Column]
    boxes: Mapping[Column, Box]
    inputs: Mapping[Column, Iterable[Column]]
    """What each box is made of."""
    places: Mapping[Column, int]
    """The row of each box."""
    n_left_out: int
    """Boxes that are too far away to be drawn."""
    deciders: Sequence[Decided]
    decides: Sequence[Decides]
    rows: Sequence[Decided]
    """What decides which rows of its stage there are, in it and those before."""
    n_rows_left_out: int
    """Stages that are too far before to be named."""


@dataclass(frozen=True)
class Listed:
    """A column of a source or a snapshot, as the list of all shows it."""

    owner: str
    name: str
    dtype: str
    description: str
    n_nulls: int | None
    n_distinct: int | None
    n_rows: int | None
    """Of the snapshot; many of them make the number of distinct values an estimate."""
    sources: list[Column]
    """What it comes from, in the sources."""
    is_within: bool
    """Whether they are in its values; else they only decide them."""


def columns(facts: Facts) -> list[Page]:
    """Make the list of columns, and a page for each."""
    ways = facts.ways
    owners = _owners(facts)
    listed = [*_listed(facts, ways, owners)]
    found = [Found("page", "Columns", "of sources and snapshots")]
    values = {"owners": owners, "columns": listed}
    return [
        Page(COLUMNS, "Columns", "columns", values, found),
        *(_page(facts, ways, column) for column in listed),
    ]


def _owners(facts: Facts) -> dict[str, str]:
    """Name sources and snapshots, and the page of each."""
    sources = {name: stage_page(name) for name in facts.lineage.sources}
    return sources | {name: snapshot_page(name) for name in facts.snapshots}


def _stage_of(facts: Facts, owner: str) -> str:
    """Name the stage of a snapshot; a source is its own, and others have none."""
    record = facts.snapshots.get(owner)
    if record is None:
        return owner
    return record.stage if record.stage in facts.lineage.stages else ""


def _listed(facts: Facts, ways: Ways, owners: dict[str, str]) -> Iterator[Listed]:
    """Yield the columns of sources, then those of snapshots."""
    for owner in owners:
        stage, profile = _stage_of(facts, owner), facts.profile(owner)
        found = facts.object(owner)
        is_made = stage in facts.lineage.stages
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
                found and found.n_rows,
                *(ways.sources_of(Column(stage, name)) if is_made else ([], True)),
            )


def _page(facts: Facts, ways: Ways, column: Listed) -> Page:
    """Make the page of a column."""
    stage = _stage_of(facts, column.owner)
    figures = facts.profile(column.owner).get(column.name)
    found = facts.object(column.owner)
    values = {
        "column": column,
        "owner_page": _owners(facts)[column.owner],
        "figures": figures,
        "drawn": figures_of(figures, found.n_rows, "") if figures and found else None,
        "way": _way(facts, ways, Column(stage, column.name)) if stage else None,
        "place_of": partial(place_of, facts),
        "queries": [*_queries(facts, column)],
        "models": _models(facts, ways, column),
    }
    names = [Found("column", column.name, column.owner)]
    path = column_page(column.owner, column.name)
    return Page(path, column.name, "column", values, names, COLUMNS)


def _way(facts: Facts, ways: Ways, at: Column) -> Way:
    """Draw the way of a column, and tell what decides it, and what it decides."""
    made, inputs = ways.made_at[at], depth_first(ways.graph(at))
    graph = lay_out(inputs)
    boxes = {
        box: Box(
            box,
            place_of(facts, box, ways),
            ways.kinds(box),
            ways.written(box),
            ways.published.get(box, []),
            box == made,
        )
        for box in inputs
    }
    rows = ways.rows(at.stage) if at.stage in facts.lineage.stages else []
    return Way(
        graph,
        boxes,
        inputs,
        {row.key: i for i, row in enumerate(graph.rows)},
        ways.n_left_out(at),
        ways.deciders(ways.back(at)),
        ways.decides(at),
        rows[-_MAX_ROWS:],
        max(len(rows) - _MAX_ROWS, 0),
    )


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


def _models(facts: Facts, ways: Ways, column: Listed) -> dict[str, str]:
    """Name the models that learned from a column, and what it was to each."""
    stage = _stage_of(facts, column.owner)
    way = ways.on(Column(stage, column.name)) if stage else []
    found: dict[str, str] = {}
    for row in facts.meta("models"):
        learned = facts.learned_from(row) or ""
        names = ways.shown(way, learned)
        of_key = {*(row["entity"] or ()), row["target"]}
        n_features = len({*names} - of_key)
        parts = ["entity"] * (column.name in of_key and column.owner == learned)
        if row["target"] in names:
            parts = ["target" if column.name == row["target"] else "in the target"]
        if n_features:
            is_one = column.owner == learned and n_features == 1
            parts.append("feature" if is_one else f"in {n_features} features")
        if parts:
            found[row["model"]] = ", ".join(parts)
    return found
