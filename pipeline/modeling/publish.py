"""Show the trained models in the catalog, as ``meta.models`` and ``meta.evaluations``."""

import polars as pl

from pipeline.modeling.records import (
    EvaluationRecord,
    VersionRecord,
    all_trainings,
    read_record,
)
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking import tracking
from pipeline.snapshots.catalog import EVALUATIONS, MODELS, publish_catalog
from pipeline.snapshots.records import FORMAT, ModelRecord, ModelRecords
from pipeline.snapshots.store import open_store, read_runs, write_record, writing

WAIT_S = 30
"""For a run that is writing: the catalog is the last, and a small, step of a training."""


def publish_models(settings: ModelingSettings) -> None:
    """Make the catalog of the newest run again, with all models there are.

    Raises
    ------
    PipelineError
        If another process writes for long, or the store or MLflow's cannot be used.
    """
    name = settings.modeling.name
    with tracking(settings) as tracked:
        registered = tracked.client.search_registered_models(f"name = '{name}'")
        aliases = dict(registered[0].aliases) if registered else {}
    models: list[ModelRecord] = []
    figures: list[pl.DataFrame] = []
    for folder, training in all_trainings(settings.root):
        version = read_record(folder / "version.json", VersionRecord)
        number = version.version if version else None
        metrics = {f"valid_{key}": value for key, value in training.metrics.items()}
        evaluation = folder / "evaluation"
        judged = read_record(evaluation / "evaluation.json", EvaluationRecord)
        if judged is not None:
            metrics |= {f"test_{key}": value for key, value in judged.metrics.items()}
            table = pl.read_parquet(evaluation / "evaluation.parquet", glob=False)
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
                name=version.name if version else None,
                version=number,
                aliases=sorted(a for a, v in aliases.items() if str(number) == str(v)),
            )
        )
    store = open_store(settings.root)
    with writing(store, WAIT_S):
        write_record(store.models / MODELS, ModelRecords(FORMAT, models))
        if figures:
            partial = store.models / f"{EVALUATIONS}.next"
            pl.concat(figures).write_parquet(partial)
            partial.replace(store.models / EVALUATIONS)
        publish_catalog(store, read_runs(store), settings.pipeline.history.runs)
