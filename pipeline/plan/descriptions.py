"""What columns mean: what ``configs/columns.yaml`` says, and what follows of it.

A name there is that of a column wherever there is one, or that of a stage, snapshot or
source and a column, with a dot between, which counts from there on. A column that is
handed on keeps its description, renamed or not, and what a stage names as `lagged` has
that of the column it is the past of. What is computed has its own, or none. None of it
is in a fingerprint.
"""

from collections.abc import Iterator, Mapping

import msgspec

from pipeline.config import Mistake, refuse
from pipeline.errors import nearest
from pipeline.lineage.value import DIRECT, UNKNOWN
from pipeline.panel.split import Split
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import COLUMNS_FILE, Settings
from pipeline.snapshots.records import (
    PREDICTED_TOTALS,
    PREDICTIONS,
    QUARANTINE,
    Description,
)

Descriptions = dict[str, dict[str, Description]]
"""By stage or source, or snapshot that no stage makes, and column."""

_OF_FORECASTS = {
    "lower": "Lower end of the interval of the prediction",
    "upper": "Upper end of the interval of the prediction",
    "fitted_through": "Last period that the model has learned from",
    "step": "How many periods after the last known one it is",
    "target": "Column that is predicted",
    "unit": "What it is measured in",
    "model_version": "Version of the model in the registry",
    "run": "Run that published it",
}
_OWN = {
    QUARANTINE: {
        "source": "Source that the cell is of",
        "file": "File it stands in",
        "line": "Line of the file; of Parquet the row, from 1",
        "column": "Column it is of; null where the whole row is meant",
        "value": "What stands there",
        "reason": "Why it was set aside",
    },
    PREDICTIONS: _OF_FORECASTS
    | {
        "prediction": "Value that is predicted, given that there is such a row then",
        "probability": "Probability that there is such a row, of a model that tells",
    },
    PREDICTED_TOTALS: _OF_FORECASTS
    | {
        "total_by": "Column whose values have a total each",
        "total_of": "Value of that column",
        "total": "Sum of the predictions",
        "n_rows": "Rows that are predicted of it",
    },
}
"""What the columns mean of the snapshots that no stage makes."""


def refuse_unknown(settings: Settings, plan: Plan) -> None:
    """Refuse descriptions of what is no column, as far as the project itself says.

    Under a profile, or with values of the command line, there may be other columns.
    """
    if not settings.is_as_written:
        return
    columns = {**{name: plan.schema(name).names() for name in plan.sources}}
    columns |= {name: node.schema.names() for name, node in plan.nodes.items()}
    columns |= {name: node.schema.names() for name, node in plan.snapshots.items()}
    known = {column: None for names in columns.values() for column in names}
    mistakes: list[Mistake] = []
    for name in settings.descriptions:
        owner, _, column = name.partition(".")
        there = columns.get(owner)
        if name in known or (there and column in there):
            continue
        text = f"no source, stage or snapshot has such a column{nearest(name, known)}"
        if there:
            text = f"'{owner}' has no column '{column}'{nearest(column, there)}"
        mistakes.append(Mistake(f"configs/{COLUMNS_FILE}", name, text))
    refuse(mistakes)


def describe(settings: Settings, plan: Plan) -> Descriptions:
    """Say what the columns of sources and stages mean, those of which it is known."""
    said = settings.descriptions
    found: Descriptions = {}
    keys: dict[str, Description] = {}
    if said:
        for name in plan.sources:
            columns = plan.schema(name).names()
            found[name] = {c: what for c in columns if (what := _said(said, c, name))}
        for name, node in plan.nodes.items():
            found[name] = dict(_of_stage(plan, node, said, found))
            known = found[name]
            keys |= {c: known[c] for c in node.stage.key if c in known}
    for name, columns in _OWN.items():
        own = {column: Description(text) for column, text in columns.items()}
        found.setdefault(name, own if name == QUARANTINE else keys | own)
    return found


def undescribed(plan: Plan, described: Descriptions) -> list[str]:
    """Name the published columns that have no description, as ``snapshot.column``."""
    return [
        f"{name}.{column}"
        for name, node in plan.snapshots.items()
        for column in node.schema
        if column not in described.get(node.stage.name, {})
    ]


def _said(
    said: Mapping[str, Description], column: str, *owners: str | None
) -> Description | None:
    """Find what the file says of a column of one of these owners, or of its name."""
    own = (said.get(f"{owner}.{column}") for owner in owners)
    return next(filter(None, own), said.get(column))


def _of_stage(
    plan: Plan, node: Node, said: Mapping[str, Description], found: Descriptions
) -> Iterator[tuple[str, Description]]:
    """Say what the columns of a stage mean, given those of its inputs."""
    stage = node.stage
    lags = _lags(node, found.get(stage.inputs[0], {}))
    edges = plan.edges(stage.name)
    split = stage.transform.split(stage.config) if stage.transform.split else None
    keys = split.keys if isinstance(split, Split) else ()
    for column in node.schema:
        ways = [e for e in edges if e.column == column and e.kind in (*DIRECT, UNKNOWN)]
        # Of a group's rows, a key is still what it was, whatever the lineage calls it.
        handed = [
            found[e.input].get(e.input_column)
            if e.kind == "identity" or column == e.input_column in keys
            else None
            for e in ways
        ]
        same = handed[0] if handed and len(set(handed)) == 1 else None
        is_renamed = any(e.input_column != column for e in ways)
        own = _said(said, column, stage.name, stage.snapshot)
        if not is_renamed and same and own == said.get(column):
            own = same  # of which a stage before may have said more than the name does
        if what := own or same or lags.get(column):
            yield column, what


def _lags(node: Node, given: Mapping[str, Description]) -> dict[str, Description]:
    """Describe the columns that are others' past."""
    transform, config = node.stage.transform, node.stage.config
    if transform.lagged is None or transform.lookback is None:
        return {}
    unit = "row" if getattr(config, "by", None) == "row" else "period"
    looks = transform.lookback(config)
    return {
        column: _before(given[of], looks[column][0], unit)
        for column, of in transform.lagged(config).items()
        if of in given
    }


def _before(what: Description, n: int, unit: str) -> Description:
    """Describe what a column was n periods before."""
    text = what.description.removesuffix(".")
    text = f"{text}, {n} {unit}{'s' * (n > 1)} before"
    return msgspec.structs.replace(what, description=text)
