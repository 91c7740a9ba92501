"""Show trained models in the catalog: ``meta.models`` and ``meta.evaluations``."""

import polars as pl

from pipeline.files.checksum import checksum, write_sealed
from pipeline.files.parquet import read_parquet
from pipeline.modeling.records import (
    all_trainings,
    read_evaluation,
)
from pipeline.modeling.registry.registry import aliases, versions
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking.tracking import tracking
from pipeline.snapshots.catalog import EVALUATIONS, MODELS, publish_catalog
from pipeline.snapshots.records import FORMAT, ModelRecord, ModelRecords
from pipeline.snapshots.store import open_store, read_runs, writing

WAIT_S = 30
"""For a run that is writing: the catalog is a training's last step, and a small one."""


def publish_models(settings: ModelingSettings) -> None:
    """Make the catalog of the newest run again, with all models there are.

    Raises
    ------
    PipelineError
        If another process writes for long, or the store or MLflow's cannot be used.
    """
    name = settings.modeling.name
    with tracking(settings) as tracked:
        registered = {v.fingerprint: v.number for v in versions(tracked, name)}
        named = aliases(tracked, name)
    models: list[ModelRecord] = []
    figures: list[pl.DataFrame] = []
    for folder, training in all_trainings(settings.root):
        number = registered.get(training.fingerprint)
        metrics = {f"valid_{key}": value for key, value in training.metrics.items()}
        evaluation = folder / "evaluation"
        judged = read_evaluation(evaluation)
        if judged is not None:
            metrics |= {f"test_{key}": value for key, value in judged.metrics.items()}
            table = read_parquet(evaluation / "evaluation.parquet")
            figures.append(
                table.select(
                    pl.lit(training.fingerprint).alias("fingerprint"), pl.all()
                )
            )
        models.append(
            ModelRecord(
                model=training.model,
                fingerprint=training.fingerprint,
                features=training.features,
                run_id=training.run_id,
                created_at=training.created_at,
                study=training.study,
                params=training.config["params"],
                metrics=metrics,
                mlflow_run=training.mlflow_run,
                name=name if number else None,
                version=number,
                aliases=sorted(a for a, v in named.items() if v == number),
            )
        )
    store = open_store(settings.root)
    with writing(store, WAIT_S):
        store.models.mkdir(exist_ok=True)
        file = store.models / EVALUATIONS
        if figures:
            partial = store.models / f"{EVALUATIONS}.next"
            pl.concat(figures).write_parquet(partial)
            partial.replace(file)
        else:
            file.unlink(missing_ok=True)
        crc32 = checksum(file) if figures else ""
        write_sealed(store.models / MODELS, ModelRecords(FORMAT, models, crc32))
        publish_catalog(store, read_runs(store))
