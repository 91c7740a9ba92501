"""What came of a task, in a file that changes only when that does.

Tools that compare files, as DVC does, see by it whether what follows has to be done;
no time stands in it, nor how rows were come by.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files.state import State

if TYPE_CHECKING:
    from pipeline.modeling.evaluate import Evaluation
    from pipeline.modeling.forecast import Forecast
    from pipeline.modeling.promote import Promotion
    from pipeline.modeling.training import Training
    from pipeline.modeling.tune import Tuning


def outcome_path(root: Path, task: str) -> Path:
    """Name the file of a task's outcome."""
    return State(root).outcomes / f"{task}.json"


def _keep(root: Path, task: str, came: Mapping[str, Any]) -> None:
    """Write what came of a task, unless the file says so already."""
    path = outcome_path(root, task)
    text = f"{json.dumps(came, indent=2, sort_keys=True)}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def keep_run(root: Path, run_id: str) -> None:
    """Keep rows and content of each snapshot that stages make.

    A run that shows no forecast lets that of the task `forecast` be made again.
    """
    from pipeline.snapshots.records import FORECASTS
    from pipeline.snapshots.store import open_store, read_object, read_runs

    store = open_store(root)
    [run] = [run for run in read_runs(store) if run.run_id == run_id]
    made = {s.name: read_object(store, *s.object) for s in run.snapshots}
    came = {
        name: {"rows": there.n_rows, "content": there.content_hash}
        for name, there in made.items()
        if there and name not in FORECASTS
    }
    if not made.keys() >= {*FORECASTS}:
        outcome_path(root, "forecast").unlink(missing_ok=True)
    _keep(root, "run", came)


def keep_study(root: Path, model: str, tuning: "Tuning") -> None:
    """Keep how many trials a study has, and the best of them."""
    from pipeline.modeling.study.study import best_trial

    best = best_trial(tuning.trials)
    value, params = (best.value, best.params) if best else (None, {})
    came = {"study": tuning.name, "trials": len(tuning.trials), "best": value}
    _keep(root, f"tune_{model}", {**came, "params": params})


def keep_training(root: Path, training: "Training") -> None:
    """Keep which model it is, and its errors on the validation periods."""
    record = training.record
    came = {"fingerprint": record.fingerprint, "valid": record.metrics}
    _keep(root, f"train_{record.model}", came)


def keep_evaluation(root: Path, evaluation: "Evaluation") -> None:
    """Keep which evaluation it is, and the errors on the test periods."""
    record, model = evaluation.record, evaluation.training.record
    came = {"fingerprint": record.fingerprint, "rows": record.n_rows}
    _keep(root, "evaluate", {**came, "model": model.model, "test": record.metrics})


def keep_promotion(root: Path, promotion: "Promotion") -> None:
    """Keep what was held against whom, and whether it is champion."""
    version, before = promotion.version, promotion.before
    came = {"name": version.name, "version": version.number}
    champion = version if promotion.is_champion else before
    _keep(root, "promote", {**came, "champion": champion and champion.number})


def keep_forecast(root: Path, forecast: "Forecast") -> None:
    """Keep whose forecast it is, and its rows."""
    from pipeline.snapshots.records import PREDICTIONS
    from pipeline.snapshots.store import open_store, read_runs

    fingerprint = read_runs(open_store(root))[-1].fingerprints[PREDICTIONS]
    rows, number = forecast.predictions.height, forecast.version.number
    came = {"version": number, "rows": rows, "fingerprint": fingerprint}
    _keep(root, "forecast", came)
