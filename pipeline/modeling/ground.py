"""What the audit stands on: the source's rows, and the names of time and entity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline import sources
from pipeline.errors import ConfigError
from pipeline.lineage import trace
from pipeline.lineage.paths import origins
from pipeline.modeling.horizon import stages_between, step_of
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.plan import Plan
from pipeline.run import check
from pipeline.settings import Settings, Stage
from pipeline.sources.columns import Kind


@dataclass(frozen=True)
class Ground:
    """What all worlds are made of.

    Attributes
    ----------
    rows : pl.DataFrame
        Of the source, or the panel.
    kinds : mapping of str to Kind
        Of its columns.
    stages : tuple of Stage
        The pipeline.
    modeling : Modeling
        The names of snapshots, time, entity, target and known columns in them.
    time : str
        The name of the time in the source.
    entity : list of str
        The names of the entity's columns in the source.
    known : list of str
        The panel's columns that are known before their period.
    fixed : list of str
        The names of the source's columns that these are made of.
    """

    rows: pl.DataFrame
    kinds: Mapping[str, Kind]
    stages: tuple[Stage, ...]
    modeling: Modeling
    time: str
    entity: list[str]
    known: list[str]
    fixed: list[str]

    @property
    def step(self) -> int:
        """From one period to the next."""
        return step_of(self.rows[self.time])


def read_ground(settings: ModelingSettings) -> Ground:
    """Check the names, and read the source.

    Parameters
    ----------
    settings : ModelingSettings
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
    pipeline, modeling = settings.pipeline, settings.modeling
    plan = check(pipeline)
    time, *entity = source_columns(
        plan, [modeling.time, *modeling.entity], modeling.panel
    )
    panel = plan.snapshots[modeling.panel]
    known = [name for name in modeling.known if name in panel.schema]
    made_of = origins(plan, trace(plan))
    fixed = {name for c in known for name, _ in made_of[panel.stage.name, c]}
    return Ground(
        read_rows(pipeline),
        pipeline.source.columns,
        pipeline.stages,
        modeling,
        time,
        entity,
        known,
        sorted(fixed),
    )


def ground_of_panel(settings: ModelingSettings, panel: pl.DataFrame) -> Ground:
    """Stand on the published panel: what is made before it is out of sight."""
    modeling = settings.modeling
    kinds: dict[str, Kind] = {
        name: "number" if dtype.is_float() else "code"
        for name, dtype in panel.schema.items()
    }
    known = [name for name in modeling.known if name in panel.columns]
    stages = stages_between(settings.pipeline.stages, modeling.panel, modeling.features)
    return Ground(
        panel,
        kinds,
        tuple(stages),
        modeling,
        modeling.time,
        modeling.entity,
        known,
        known,
    )


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
