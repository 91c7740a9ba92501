"""A page per stage and source: what it is for, is given, does and makes."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.config import Tree
from pipeline.lineage.graph import Column
from pipeline.pages.columns import Place, place_of
from pipeline.pages.facts import Facts
from pipeline.pages.names import PLAN, stage_page
from pipeline.pages.site import Found, Page
from pipeline.pages.ways import Decided, Ways
from pipeline.snapshots.records import StageRecord


@dataclass(frozen=True)
class Made:
    """A column of a stage, and what it is made of."""

    name: str
    dtype: str
    description: str
    place: Place
    kinds: dict[str, list[Column]]
    expression: str
    decided: Decided | None
    is_same: bool
    """Whether it is an input's as it is."""


def stages(facts: Facts) -> list[Page]:
    """Make the pages of sources and stages."""
    ways = facts.ways
    sources = [_source(facts, name, tree) for name, tree in facts.sources.items()]
    return [*sources, *(_stage(facts, ways, record) for record in facts.run.stages)]


def _source(facts: Facts, name: str, tree: Tree) -> Page:
    """Make the page of a source."""
    made = [
        Made(
            column,
            facts.dtypes.get((name, column), ""),
            facts.describe(name, column),
            place_of(facts, Column(name, column)),
            {},
            "",
            None,
            is_same=True,
        )
        for column in facts.lineage.columns_of(name)
    ]
    values = {
        "tree": {key: value for key, value in tree.items() if key != "columns"},
        "columns": made,
        "files": facts.run.files,
        "dialects": facts.run.dialects,
        "n_bad_rows": facts.run.n_bad_rows,
        "took": facts.stage_times.get(name),
        "users": _users(facts, name),
        "n_rows": facts.n_rows.get(name),
    }
    found = [Found("stage", name, "source")]
    return Page(stage_page(name), name, "source", values, found, PLAN)


def _users(facts: Facts, name: str) -> list[str]:
    """Name the stages that use a stage or source."""
    return [stage.name for stage in facts.run.stages if name in stage.inputs]


def _stage(facts: Facts, ways: Ways, record: StageRecord) -> Page:
    """Make the page of a stage."""
    made = [_made(facts, ways, record, name, dtype) for name, dtype in record.columns]
    given = [c for name in record.inputs for c in facts.lineage.columns_of(name)]
    names = {name for name, _ in record.columns}
    code = facts.codes.get(record.transform)
    values: dict[str, Any] = {
        "record": record,
        "columns": made,
        "dropped": [*dict.fromkeys(c for c in given if c not in names)],
        "code": code,
        "settings": [*facts.values(record.name)],
        "n_rows": facts.n_rows,
        "took": facts.stage_times.get(record.name),
        "users": _users(facts, record.name),
        "rows": ways.rows_of(record.name),
        "place_of": partial(place_of, facts),
    }
    found = [Found("stage", record.name, record.snapshot or "")]
    found += [
        Found("column", made.name, record.name, made.place.anchor)
        for made in made
        if made.place.anchor and not made.is_same
    ]
    if code and _is_first(facts, record):
        found.append(Found("transformation", record.transform, code.file, "code"))
    return Page(stage_page(record.name), record.name, "stage", values, found, PLAN)


def _is_first(facts: Facts, record: StageRecord) -> bool:
    """Tell whether a stage is the first to use its transformation."""
    uses = (s.name for s in facts.run.stages if s.transform == record.transform)
    return next(uses) == record.name


def _made(
    facts: Facts,
    ways: Ways,
    record: StageRecord,
    name: str,
    dtype: str,
) -> Made:
    """Tell what a column of a stage is made of."""
    at = Column(record.name, name)
    return Made(
        name,
        dtype,
        facts.describe(*at),
        place_of(facts, at),
        ways.kinds(at),
        ways.written(at),
        ways.decided(at),
        is_same=ways.is_handed_on(at),
    )
