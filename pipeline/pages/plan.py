"""The plan: sources, stages and models in the order of the data."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.pages.facts import Facts
from pipeline.pages.lanes import lay_out
from pipeline.pages.names import MODEL, PLAN, stage_page
from pipeline.pages.site import Found, Page
from pipeline.snapshots.records import PREDICTIONS

CHAMPION = "champion"


@dataclass(frozen=True)
class Box:
    """A source, a stage or a model."""

    name: str
    page: str
    inputs: tuple[str, ...]
    what: str
    """Its kind of source, transformation or version."""
    purpose: str = ""
    snapshot: str | None = None
    n_rows: int | None = None
    n_columns: int | None = None
    added: int = 0
    dropped: int = 0


def plan(facts: Facts) -> list[Page]:
    """Make the page of the plan."""
    boxes = {box.name: box for box in _boxes(facts)}
    graph = lay_out({name: box.inputs for name, box in boxes.items()})
    places = {row.key: i for i, row in enumerate(graph.rows)}
    values = {"boxes": boxes, "graph": graph, "places": places}
    found = [Found("page", "Plan", "stages in the order of the data")]
    return [Page(PLAN, "The plan", "plan", values, found)]


def _boxes(facts: Facts) -> Iterator[Box]:
    """Yield sources, stages and models, inputs first."""
    for name, tree in facts.sources.items():
        n_columns = len(facts.lineage.columns_of(name))
        kind, n_rows = str(tree.get("kind", "")), facts.n_rows.get(name)
        yield Box(name, stage_page(name), (), kind, "", None, n_rows, n_columns)
    for stage in facts.run.stages:
        given = {c for name in stage.inputs for c in facts.lineage.columns_of(name)}
        names = {name for name, _ in stage.columns}
        code = facts.codes.get(stage.transform)
        yield Box(
            stage.name,
            stage_page(stage.name),
            tuple(stage.inputs),
            stage.transform,
            code.purpose.partition("\n")[0] if code else "",
            stage.snapshot,
            stage.n_rows,
            len(names),
            len(names - given),
            len(given - names),
        )
    yield from _models(facts)


def _models(facts: Facts) -> Iterator[Box]:
    """Yield the models that are registered, such as the champion."""
    for row in facts.meta("models"):
        snapshot = facts.snapshots.get(facts.learned_from(row) or "")
        if snapshot and row["aliases"]:
            name = f"{row['model']} version {row['version']}"
            what = ", ".join(row["aliases"])
            forecasts = CHAMPION in row["aliases"] and PREDICTIONS in facts.snapshots
            yield Box(
                name,
                MODEL,
                (snapshot.stage,),
                what,
                snapshot=PREDICTIONS if forecasts else None,
            )
