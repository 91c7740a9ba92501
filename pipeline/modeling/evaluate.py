"""Judge a trained model on the test periods, once, against the baselines."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline.errors import ModelError
from pipeline.files.checksum import write_sealed
from pipeline.files.manifest import hashes
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.candidates import candidates
from pipeline.modeling.data import Features, Window, cut, windows_of
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import measure, naive_errors
from pipeline.modeling.judge.occurrence import measure_occurrence
from pipeline.modeling.judge.slices import add_slices, resampling_of
from pipeline.modeling.judge.totals import measure_totals
from pipeline.modeling.occurrence import OCCURS
from pipeline.modeling.predictor import target_of
from pipeline.modeling.records import (
    FORMAT,
    EvaluationRecord,
    fingerprint,
    new_folder,
    read_evaluation,
)
from pipeline.modeling.registry.registry import versions
from pipeline.modeling.settings import WINDOW, Modeling, ModelingSettings, plain
from pipeline.modeling.shared import fetch, figures_key, push
from pipeline.modeling.tracking.tracking import (
    Figures,
    log_evaluation,
    log_figures,
)
from pipeline.modeling.train import train_on, train_windows
from pipeline.modeling.training import Training
from pipeline.modeling.tune import trials_of
from pipeline.progress import doing, each

MODULE = "pipeline/modeling/evaluate.py"

_CANDIDATES = "candidates"
_OF_CARD = ("evaluation", "comparison", "importance", "shap", "dependence")


@dataclass(frozen=True)
class Evaluation:
    """What the test periods say of a model."""

    training: Training
    folder: Path
    """Where the tables, the charts and the card are."""
    record: EvaluationRecord
    """The figures over all test rows."""
    windows: list[Modeling]
    """The settings of each window; see `pipeline.modeling.data.windows_of`."""
    is_new: bool

    def table(self, name: str) -> pl.DataFrame:
        """Read ``predictions``, ``evaluation`` or ``comparison``."""
        return read_parquet(self.folder / f"{name}.parquet")

    def expected(self) -> pl.DataFrame:
        """Read what the model expected of the test periods, and what came as `y`.

        These are the test rows; of a model that says how probable a row is, all that
        might have been there, each by its probability.
        """
        if f"{_CANDIDATES}.parquet" not in self.record.files:
            own = pl.col("model") == self.training.record.model
            return self.table("predictions").filter(own)
        return self.table(_CANDIDATES).with_columns(
            pl.col("prediction") * pl.col("probability")
        )


@doing("evaluating")
def evaluate(
    settings: ModelingSettings, model: str, features: Features | None = None
) -> Evaluation:
    """Judge a model on the test periods, unless it has been; trains it if need be.

    Features that are not given are brought up to date, as `learnable_features` does.
    So are its baselines trained, and each one's figures are in its run of MLflow's. Of
    several windows, each one's periods are judged by the models of that window.
    """
    modeling = settings.modeling
    names = _rivals(modeling, model)
    features = features or learnable_features(settings)
    windows = windows_of(features.periods(modeling), modeling)
    training = train_on(settings, model, features)
    rivals = [train_on(settings, name, features) for name in names]
    _warn_of_untuned(settings, training, rivals)
    trained = each((training, *rivals), "windows")
    judged = [train_windows(settings, t, windows) for t in trained]
    folder = training.folder / "evaluation"
    wanted = _fingerprint(judged, settings)
    there = read_evaluation(folder)
    if there is None or there.fingerprint != wanted:
        there = _fetched(settings, training, wanted)
    if there is not None:
        evaluation = Evaluation(training, folder, there, windows, is_new=False)
        _log_rivals(settings, [t for t in rivals if t.is_logged], evaluation)
        return evaluation

    from pipeline.modeling.card.card import Card, write_card
    from pipeline.modeling.card.explain import explain

    rows = cut(features.read(modeling), windows)
    newest = rows[0].test
    predictions, predict_s = _predictions(judged, rows, modeling)
    scale = pl.concat(_scale(window, modeling) for window in rows)
    predictions = predictions.join(
        scale,
        on=[*modeling.entity, *modeling.windowed],
        how="left",
        maintain_order="left",
    )
    predictor, how = training.load(), resampling_of(modeling)
    tables = {
        "predictions": predictions,
        "evaluation": _figures(predictions, modeling),
        "comparison": compare(
            predictions, model, modeling.metric, how, key=modeling.key
        ),
        **explain(
            predictor,
            newest,
            target_of(newest, modeling.target),
            settings.bases,
            metric=modeling.metric,
            seed=modeling.seed,
        ),
    }
    if predictor.occurrence is not None:
        tables[_CANDIDATES] = pl.concat(
            _candidates(settings, each, window.test)
            for each, window in zip(judged[0], rows, strict=True)
        )
        odds = measure_occurrence(tables[_CANDIDATES], how)
        tables["evaluation"] = pl.concat([odds, tables["evaluation"]])
    figures = _figures_of(tables["evaluation"], model)
    known = {v.fingerprint: v.number for v in versions(settings.root, modeling.name)}
    card = Card(
        modeling=modeling,
        record=training.record,
        source=str(settings.pipeline.tree["source"]["kind"]),
        registered=known.get(training.record.fingerprint),
        trials=trials_of(settings, training.record.study),
        windows=[(w.name, t.record) for w, t in zip(rows, judged[0], strict=True)],
        predictions=predictions.filter(model=model),
        **{name: tables[name] for name in _OF_CARD},
    )
    with new_folder(folder) as partial:
        for name, table in tables.items():
            table.write_parquet(partial / f"{name}.parquet")
        write_card(card, partial)
        record = EvaluationRecord(
            format=FORMAT,
            fingerprint=wanted,
            created_at=datetime.now(UTC),
            n_rows=sum(window.test.height for window in rows),
            predict_s=predict_s,
            metrics=dict(figures.metrics),
            windows=[dict(window) for window in figures.windows],
            files=hashes(partial),
        )
        write_sealed(partial / "evaluation.json", record)
        log_evaluation(settings, training.record.mlflow_run, figures, partial)
    push(settings, figures_key(model, wanted), folder)
    evaluation = Evaluation(training, folder, record, windows, is_new=True)
    _log_rivals(settings, rivals, evaluation)
    return evaluation


def _fetched(
    settings: ModelingSettings, training: Training, wanted: str
) -> EvaluationRecord | None:
    """Take the figures of a model from there, if they are, and tell MLflow."""

    def is_it(folder: Path) -> bool:
        record = read_evaluation(folder)
        return record is not None and record.fingerprint == wanted

    folder = training.folder / "evaluation"
    key = figures_key(training.record.model, wanted)
    if not fetch(settings, key, folder, is_it):
        return None
    record = read_evaluation(folder)
    if record is not None:
        figures = Figures(record.metrics, record.windows)
        log_evaluation(settings, training.record.mlflow_run, figures, folder)
    return record


@doing("measuring")
def _figures(predictions: pl.DataFrame, modeling: Modeling) -> pl.DataFrame:
    """Measure rows and totals of each model; those of all rows come first."""
    how = resampling_of(modeling)
    of_rows = measure(predictions, how, coverage=modeling.coverage)
    of_totals = measure_totals(
        predictions, modeling.cluster, asked=modeling.asked, by=modeling.totals
    )
    is_all = pl.col("slice_by") == "all"
    return pl.concat([of_rows.filter(is_all), of_totals, of_rows.filter(~is_all)]).sort(
        "model", maintain_order=True
    )


def _figures_of(evaluation: pl.DataFrame, model: str) -> Figures:
    """Take a model's figures over all rows, and by window."""
    of_model = evaluation.filter(model=model).drop_nulls("value")
    by = of_model.filter(pl.col("slice_by").is_in(["all", WINDOW])).partition_by(
        "slice_by", "slice", maintain_order=True
    )
    overall, *windows = (dict(df.select("metric", "value").iter_rows()) for df in by)
    return Figures(overall, windows)


def _scale(window: Window, modeling: Modeling) -> pl.DataFrame:
    """Average what a naive forecast errs by in what a window learns from."""
    errors = naive_errors(
        window.learned,
        modeling.target,
        entity=modeling.entity,
        time=modeling.time,
        every=modeling.every,
        season=modeling.season or 1,
    )
    return window.labelled(errors, modeling)


def _rivals(modeling: Modeling, model: str) -> list[str]:
    """Name the baselines; of the only one, the default model."""
    for names in (modeling.baselines, [modeling.model]):
        if others := [name for name in names if name != model]:
            return others
    raise ModelError(
        f"{model}: no model to compare with\n"
        "found: it is `modeling.model`, and the only one of `modeling.baselines`\n"
        "hint: name another baseline, as with modeling.baselines=[last_value]"
    )


def _warn_of_untuned(
    settings: ModelingSettings, training: Training, rivals: Sequence[Training]
) -> None:
    """Say which baselines have parameters of their YAML, beside a tuned model."""
    for name, study in ((t.record.model, t.record.study) for t in rivals):
        if training.record.study and settings.models[name].space and not study:
            LOG.warning(
                f"{name}: a baseline with parameters of the YAML, beside a tuned"
                f" {training.record.model}; `just tune {name}` tunes it, too"
            )


def _log_rivals(
    settings: ModelingSettings, rivals: Sequence[Training], evaluation: Evaluation
) -> None:
    """Tell MLflow how good those are that a model was compared with."""
    if rivals:
        figures = evaluation.table("evaluation")
        runs = {
            rival.record.mlflow_run: _figures_of(figures, rival.record.model)
            for rival in rivals
        }
        log_figures(settings, runs)


@doing("predicting")
def _predictions(
    judged: Sequence[Sequence[Training]], windows: Sequence[Window], modeling: Modeling
) -> tuple[pl.DataFrame, float]:
    """Lay what all models predict beside keys, slices and outcomes.

    Of each model, `judged` has the training of each window. Also gives the seconds that
    the first model took.
    """
    made: dict[str, pl.DataFrame] = {}
    seconds: list[float] = []
    for trainings in judged:
        predictors = [training.load() for training in trainings]
        started = time.perf_counter()
        made[trainings[0].record.model] = pl.concat(
            predictor.predict(window.test)
            for predictor, window in zip(predictors, windows, strict=True)
        )
        seconds.append(time.perf_counter() - started)
    test = pl.concat(window.labelled(window.test, modeling) for window in windows)
    columns = dict.fromkeys([*modeling.key, *resampling_of(modeling).slices])
    y = pl.Series("y", target_of(test, modeling.target))
    rows = add_slices(test, modeling).select(*columns, y)
    predictions = pl.concat(
        rows.select(pl.lit(name).alias("model"), pl.all()).hstack(predicted)
        for name, predicted in made.items()
    )
    return predictions, seconds[0]


def _candidates(
    settings: ModelingSettings, training: Training, test: pl.DataFrame
) -> pl.DataFrame:
    """Lay what is expected of the test periods beside what came: 0 of an absent row."""
    modeling = settings.modeling
    periods = test[modeling.time].unique().sort()
    df, predictor = candidates(settings, training.features, periods), training.load()
    assert predictor.occurrence is not None
    return df.select(
        pl.lit(training.record.model).alias("model"),
        *modeling.key,
        OCCURS,
        pl.col(modeling.target).cast(pl.Float64).fill_null(0).alias("y"),
        predictor.predict(df)["prediction"],
        pl.Series("probability", predictor.occurrence.probability(df)),
    )


def _fingerprint(
    judged: Sequence[Sequence[Training]], settings: ModelingSettings
) -> str:
    """Hash all that decides what an evaluation says."""
    modeling = settings.modeling
    trained = [each.record.fingerprint for trainings in judged for each in trainings]
    what = [modeling.name, plain(modeling.split), modeling.cluster, modeling.metric]
    how = [modeling.coverage, modeling.seed, modeling.season]
    slices = [plain(modeling.slices), modeling.totals, plain(modeling.bootstrap)]
    record = judged[0][0].record
    of_card = [record.study, settings.bases, modeling.unit, record.on_trust]
    return fingerprint(MODULE, trained, what, how, slices, of_card, kinds=[])
