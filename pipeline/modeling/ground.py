"""What the audit stands on: the source's rows, and the names of time and entity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import polars as pl

from pipeline import sources
from pipeline.errors import ConfigError
from pipeline.lineage import trace
from pipeline.lineage.paths import origins
from pipeline.modeling.horizon import published
from pipeline.plan import Plan
from pipeline.run import check
from pipeline.settings import Settings, Stage
from pipeline.sources.columns import Kind

PANEL, FEATURES = "discharges", "features"
"""The snapshots of the renamed rows, and of the features."""


class Panel(msgspec.Struct, frozen=True):
    """What the audit needs of the section ``panel``.

    Attributes
    ----------
    time : str
        Integer period.
    entity : list of str
        Columns that name the entity.
    target : str
        The feature that is of its own period.
    """

    time: str
    entity: list[str]
    target: str


@dataclass(frozen=True)
class Ground:
    """What all worlds are made of.

    Attributes
    ----------
    rows : pl.DataFrame
        Of the source.
    kinds : mapping of str to Kind
        Of its columns.
    stages : tuple of Stage
        The pipeline.
    panel : Panel
        The names of time, entity and target in the snapshots.
    time : str
        The name of the time in the source.
    entity : list of str
        The names of the entity's columns in the source.
    """

    rows: pl.DataFrame
    kinds: Mapping[str, Kind]
    stages: tuple[Stage, ...]
    panel: Panel
    time: str
    entity: list[str]


def read_ground(settings: Settings) -> Ground:
    """Check the names, and read the source.

    Parameters
    ----------
    settings : Settings
        The checked configuration. Its source is made or fetched if it is not there.

    Returns
    -------
    Ground
        All good rows, as a run would take them.

    Raises
    ------
    ConfigError
        If the panel does not take time and entity from the source as they are.
    SourceError
        If the source cannot be read.
    """
    try:
        panel = msgspec.convert(settings.tree.get("panel"), Panel)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"configs/pipeline.yaml: panel: {error}\n"
            "expected: time, entity and target, which name columns"
        ) from error
    plan = check(settings)
    for snapshot in (PANEL, FEATURES):
        published(settings.stages, snapshot)
    time, *entity = source_columns(plan, [panel.time, *panel.entity], PANEL)
    kinds = settings.source.columns
    return Ground(read_rows(settings), kinds, settings.stages, panel, time, entity)


def source_columns(plan: Plan, columns: Sequence[str], panel: str) -> list[str]:
    """Find the source's columns that columns of a snapshot are, as the lineage says.

    Raises
    ------
    ConfigError
        If one is computed, or put together.
    """
    stage = plan.snapshots[panel].stage.name
    made_of = origins(plan, trace(plan))
    found: list[str] = []
    for column in columns:
        match made_of.get((stage, column), []):
            case [(source, "identity")]:
                found.append(source)
            case others:
                shown = ", ".join(f"'{name}' ({kind})" for name, kind in others)
                raise ConfigError(
                    f"'{column}' of snapshot '{panel}' is no source column\n"
                    f"found: made of {shown or 'nothing'}\n"
                    "expected: a column of the source, at most renamed\n"
                    f"hint: `just lineage {panel}` lists what each column is made of"
                )
    return found


def read_rows(settings: Settings) -> pl.DataFrame:
    """Make or fetch the source if it is not there, and read its good rows.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    rows, _ = sources.read(settings.source, settings.root)
    return rows
