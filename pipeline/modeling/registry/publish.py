"""Show trained models in the catalog: ``meta.models`` and ``meta.evaluations``."""

import json
from typing import Any

import polars as pl

from pipeline.files.parquet import read_parquet
from pipeline.modeling.records import all_trainings, read_evaluation
from pipeline.modeling.registry.registry import aliases, versions
from pipeline.modeling.settings import ModelingSettings
from pipeline.progress import doing
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import open_store


@doing("keeping what is known of models")
def publish_models(settings: ModelingSettings) -> None:
    """Make the catalog of the newest run again, with all models there are."""
    trainings = all_trainings(settings.root)
    names = {settings.modeling.name, *(t.modeling["name"] for _, t in trainings)}
    root = settings.root
    registered = {v.fingerprint: v for n in names for v in versions(root, n)}
    named = {name: aliases(root, name) for name in names}
    models: list[dict[str, Any]] = []
    figures, differences = [pl.DataFrame()], [pl.DataFrame()]
    for folder, training in trainings:
        version, asked = registered.get(training.fingerprint), training.modeling
        target = asked["target"]
        unit = asked.get("units", {}).get(target, "")
        metrics = {f"valid_{key}": value for key, value in training.metrics.items()}
        evaluation = folder / "evaluation"
        judged = read_evaluation(evaluation)
        if judged is not None:
            metrics |= {f"test_{key}": value for key, value in judged.metrics.items()}
            of = {"fingerprint": training.fingerprint, "target": target, "unit": unit}
            beside = [pl.lit(value).alias(name) for name, value in of.items()]
            for rows, name in ((figures, "evaluation"), (differences, "comparison")):
                table = read_parquet(evaluation / f"{name}.parquet")
                rows.append(table.with_columns(beside))
        models.append(
            {
                "model": training.model,
                "fingerprint": training.fingerprint,
                "features": training.features,
                "run_id": training.run_id,
                "created_at": training.created_at.replace(tzinfo=None),
                "study": training.study,
                "params": json.dumps(training.config["params"]),
                "spans": json.dumps(training.spans),
                "metrics": json.dumps(metrics),
                "mlflow_run": training.mlflow_run,
                "name": version and version.name,
                "version": version and version.number,
                "aliases": sorted(
                    alias
                    for alias, number in (
                        named[version.name].items() if version else ()
                    )
                    if version and number == version.number
                ),
                "target": target,
                "unit": unit,
                "entity": asked["entity"],
                "horizon": asked.get("horizon", 1),
                "metric": asked["metric"],
                "on_trust": list(training.on_trust),
            }
        )
    decisions = [
        {
            "name": version.name,
            "version": version.number,
            "fingerprint": version.fingerprint,
            "decided_at": decision.decided_at.replace(tzinfo=None),
            "against": decision.against,
            "is_champion": not decision.reasons,
            "reasons": decision.reasons,
            "terms": json.dumps(decision.terms),
            "notes": decision.notes,
        }
        for version in registered.values()
        if (decision := version.decision)
    ]
    contribute(
        open_store(settings.root),
        {
            "promotions": pl.DataFrame(decisions, infer_schema_length=None),
            "models": pl.DataFrame(models, infer_schema_length=None),
            "comparisons": pl.concat(differences, how="diagonal"),
            "evaluations": pl.concat(figures, how="diagonal"),
        },
    )
