"""What the audit stands on: the source's rows, and the names of time and entity."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from pipeline.lineage.paths import origins
from pipeline.modeling.data import read_rows, source_columns
from pipeline.modeling.horizon import stages_between, step_of
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.plan.settings import Stage
from pipeline.run.run import check
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
    made_of = origins(plan.lineage())
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
