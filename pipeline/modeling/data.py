"""The rows that are learned from: the published features, cut by years."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline import sources
from pipeline.errors import ConfigError, ModelError, nearest, some
from pipeline.files.parquet import read_parquet
from pipeline.lineage.graph import origins
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings
from pipeline.run.run import run
from pipeline.snapshots.store import (
    drop_damaged,
    object_fault,
    open_store,
    verified_object,
    writing,
)

_WAIT_S = 30
"""For another process that is writing."""


@dataclass(frozen=True)
class Features:
    """The published features."""

    path: Path
    """The object: one immutable Parquet file, sorted by its key."""
    fingerprint: str
    """Of the snapshot: what it was made of."""
    run_id: str
    """The run that published it."""
    on_trust: tuple[str, ...] = ()
    """What of them no audit proves, in words."""

    def read(self, modeling: Modeling) -> pl.DataFrame:
        """Read all rows, sorted by entity and time, as their order changes a model."""
        df = read_parquet(self.path)
        named = {
            "time": [modeling.time],
            "entity": modeling.entity,
            "target": [modeling.target],
            "past": modeling.past,
            "slices.size": [modeling.slices.size] if modeling.slices.size else [],
            **{f"slices.thirds.{k}": v for k, v in modeling.slices.cut.items()},
        }
        missing = [
            f"  {setting}: '{name}'{nearest(name, df.columns)}"
            for setting, names in named.items()
            for name in names
            if name not in df.columns
        ]
        if missing:
            lines = "\n".join(missing)
            raise ModelError(
                f"{modeling.features}: lacks {len(missing)} columns that"
                f" configs/modeling.yaml names\n{lines}\n"
                f"found: {some(df.columns)}\n"
                f"hint: `just sql 'describe {modeling.features}'` lists all columns"
            )
        return df.sort(modeling.key)


def current_features(settings: ModelingSettings) -> Features:
    """Bring the snapshots up to date, and name the features.

    If the run fails, the previous one stays.
    """
    store, modeling = open_store(settings.root), settings.modeling
    report = run(settings.pipeline)
    made = {s.name: s.fingerprint for s in report.run.snapshots}
    read = [(name, made[name]) for name in (modeling.panel, modeling.features)]
    # A run with nothing to do looks at no bytes.
    if any(object_fault(store, *object_) for object_ in read):
        with writing(store, _WAIT_S):
            drop_damaged(store, read)
        report = run(settings.pipeline)
    fingerprint = made[modeling.features]
    path = verified_object(store, modeling.features, fingerprint)
    return Features(path, fingerprint, report.run.run_id)


def train_and_valid(
    df: pl.DataFrame, modeling: Modeling
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows a model learns from, and those that calibrate its intervals."""
    years = modeling.split
    train = between(df, modeling, *years.train)
    return train, between(df, modeling, years.valid, years.valid)


def between(
    df: pl.DataFrame, modeling: Modeling, first: int, last: int
) -> pl.DataFrame:
    """Return the rows from the first year to the last one, both included."""
    years = df[modeling.time].unique()
    missing = [year for year in sorted({first, last}) if year not in years]
    if missing:
        raise ModelError(
            f"{modeling.features}: no rows of {' and '.join(map(str, missing))}\n"
            f"found: {years.min()} to {years.max()}\nexpected: {first} to {last}\n"
            "hint: see `split` in configs/modeling.yaml"
        )
    return df.filter(pl.col(modeling.time).is_between(first, last))


def folds(modeling: Modeling, step: int) -> list[tuple[int, int, int]]:
    """List the expanding folds: first and last year learned from, and the year judged.

    `step` leads from one year of the panel to the next.
    """
    first, last = modeling.split.train
    n_folds = modeling.study.folds
    n_years = (last - first) // step + 1
    if n_years <= n_folds:
        raise ConfigError(
            f"configs/modeling.yaml: {n_years} training years, expected"
            f" {n_folds + 1} for {n_folds} folds\n"
            "hint: each fold is a year judged from the years before it; change"
            " `split.train` or `study.folds`"
        )
    judged = range(last - (n_folds - 1) * step, last + 1, step)
    return [(first, year - step, year) for year in judged]


def source_columns(plan: Plan, columns: Sequence[str], panel: str) -> list[str]:
    """Find the source's columns that columns of a snapshot are, as the lineage says."""
    stage = plan.snapshots[panel].stage.name
    made_of = origins(plan.lineage())
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
    """Make or fetch the source if it is not there, and read its good rows."""
    rows, _ = sources.read(settings.source, settings.root)
    return rows
