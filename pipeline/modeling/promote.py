"""Decide who forecasts: a challenger is champion only if the test periods say so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl

from pipeline.config import COMMAND_LINE, origin_of
from pipeline.errors import ModelError
from pipeline.files.checksum import write_sealed
from pipeline.files.manifest import hashes
from pipeline.files.parquet import read_parquet
from pipeline.modeling.data import Features, cut
from pipeline.modeling.evaluate import Evaluation, evaluate
from pipeline.modeling.fit.amount import amount
from pipeline.modeling.forecast import withdraw_another
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.slices import SIZE_DECILE, resampling_of
from pipeline.modeling.judge.totals import calibrate_totals
from pipeline.modeling.models import kind_names
from pipeline.modeling.predictor import inputs_of
from pipeline.modeling.records import TrainingRecord, all_trainings
from pipeline.modeling.registry.apart import backtest_apart
from pipeline.modeling.registry.publish import publish_models
from pipeline.modeling.registry.registry import (
    Decision,
    Version,
    champion,
    decide,
    register,
    require_same_question,
    roll_back,
)
from pipeline.modeling.settings import WINDOW, Modeling, ModelingSettings, plain
from pipeline.modeling.train import train_windows
from pipeline.modeling.training import Training

_LEAST_SHARED = 0.5
"""Of the test rows, those the champion has a prediction for. Stages leave some entities
out, but no champion of the same source lacks as many; on a rest nothing is judged."""

_N_SLICES = 3
"""That are named where a model is worse; the comparison holds them all."""

_FEW = 4
"""Periods or windows: of more, such as the months of a year, some are the incumbent's
by their season."""

_PREDICTED = ("prediction", "lower", "upper")

_ANOTHER_SOURCE = (
    "hint: a champion of another source cannot be compared with; for this one, choose a"
    " name of its own: modeling.name=NAME"
)


@dataclass(frozen=True)
class Promotion:
    """What was decided."""

    version: Version
    model: str
    """What it is, and that it is a baseline if so."""
    before: Version | None
    """The champion it was held against."""
    reasons: list[str]
    """Why it did not become champion, of slices the worst; empty if it did, or was."""
    comparison: pl.DataFrame
    """The model's error and that of every other."""
    notes: list[str] = field(default_factory=list[str])
    """What to know before it is trusted."""
    is_withdrawn: bool = False
    """The forecast of another version was shown until now."""

    @property
    def is_champion(self) -> bool:
        """Whether the version is champion now."""
        return not self.reasons


def promote(
    settings: ModelingSettings,
    model: str,
    features: Features | None = None,
    *,
    withdraw: bool = True,
) -> Promotion:
    """Register a model as challenger, and make it champion if it has earned it.

    It must have a smaller error than every baseline and than the champion, beyond what
    drawing other clusters would change; a baseline needs only be the best of them. Its
    predictions must be right in sum, and its intervals hold what they say; and in no
    period or window (of a few), size decile or third may its error exceed the
    champion's (the best baseline's where there is none) by more than a set share,
    beyond chance, too. All of it over the rows of all windows of the backtest. If the
    champion cannot be compared with, nothing is registered; if versions of the name
    answer another question, nothing is computed.

    The catalog shows it then; unless `withdraw` is off, as where a forecast follows at
    once, it shows the forecast of another version no more.
    """
    promotion = _promote(settings, model, features)
    publish_models(settings)
    is_new = withdraw and promotion.is_champion
    is_withdrawn = is_new and withdraw_another(settings)
    return replace(promotion, is_withdrawn=is_withdrawn)


def promote_first(
    settings: ModelingSettings, model: str, features: Features | None = None
) -> Iterator[Promotion]:
    """Promote a model, and if that leaves no champion at all, the best baseline, too.

    A baseline is what one would forecast by without a model. No forecast is withdrawn:
    one follows.
    """
    promotion = promote(settings, model, features, withdraw=False)
    yield promotion
    if champion(settings) is None:
        best = _incumbent(
            settings.modeling, promotion.comparison.filter(slice_by="all")
        )
        if best in settings.modeling.baselines:
            yield promote(settings, best, features, withdraw=False)


def demote(settings: ModelingSettings) -> tuple[Version, Version, bool]:
    """Make the champion's predecessor champion again.

    Returns who was, who is now, and whether a forecast is shown no more.
    """
    was, now = roll_back(settings)
    publish_models(settings)
    return was, now, withdraw_another(settings)


def _promote(
    settings: ModelingSettings, model: str, features: Features | None
) -> Promotion:
    """Decide, and register."""
    require_same_question(settings)
    evaluation = evaluate(settings, model, features)
    before = champion(settings)
    comparison = evaluation.table("comparison")
    modeling = settings.modeling
    named = modeling.described(evaluation.training.record.model)
    if before and before.fingerprint == evaluation.training.record.fingerprint:
        return Promotion(before, named, before, [], comparison)
    rivals = [comparison]
    if before is not None:
        rivals.append(_against_champion(settings, evaluation, before))
    comparison = pl.concat(rivals)
    reasons = list(_reasons(modeling, evaluation, comparison))
    totals = calibrate_totals(
        evaluation.expected(),
        asked=modeling.asked,
        by=modeling.totals,
        coverage=modeling.coverage,
    )
    version = register(settings, evaluation.training, totals)
    notes = list(_notes(settings, evaluation.training.record, before, version))
    if before is not None and modeling.windowed:
        notes += _not_compared(comparison, before)
    against, terms = before and before.number, _terms(modeling)
    decision = Decision(datetime.now(UTC), against, reasons, terms, notes)
    decide(settings, version, decision)
    return Promotion(version, named, before, reasons, comparison, notes)


def _terms(modeling: Modeling) -> dict[str, Any]:
    """List what a model is held to, by the names of the settings."""
    bounds = plain(modeling.promotion)
    return {
        "metric": modeling.metric,
        "split.test": plain(modeling.split)["test"],
        **{f"backtest.{name}": n for name, n in plain(modeling.backtest).items()},
        "baselines": modeling.baselines,
        "cluster": modeling.cluster,
        "coverage": modeling.coverage,
        "leaks": modeling.leaks,
        "known": modeling.known,
        "slices": plain(modeling.slices),
        **{f"promotion.{name}": bound for name, bound in bounds.items()},
    }


def _notes(
    settings: ModelingSettings, record: TrainingRecord, *versions: Version | None
) -> Iterator[str]:
    """Say what is taken on trust, and what versions were held to otherwise."""
    yield from record.on_trust
    for term, value in _terms(settings.modeling).items():
        if origin_of(f"modeling.{term}", settings.pipeline.layers) == COMMAND_LINE:
            yield f"{term} is {value}, by the command line"
        for version in versions:
            held = version.decision.terms if version and version.decision else {}
            if version and held.get(term, value) != value:
                was = f"of version {version.number} it was {held[term]}"
                yield f"{term} is {value}, {was}"


def _against_champion(
    settings: ModelingSettings, evaluation: Evaluation, before: Version
) -> pl.DataFrame:
    """Compare with the champion, where it has a prediction for the test rows.

    Its bundle forecasts each test period from the rows of those before, whatever
    features it was trained on. As it has learned from the periods that older windows
    judge, these are predicted by its recipe, trained for them. What came of it is kept
    beside the evaluation.
    """
    kept = (
        evaluation.folder / f"champion-{before.number}-{before.fingerprint[:8]}.parquet"
    )
    if kept.name in evaluation.record.files:
        return read_parquet(kept)
    modeling = settings.modeling
    own = evaluation.table("predictions").filter(model=evaluation.training.record.model)
    features = evaluation.training.features.read(modeling)
    newest, *older = cut(features, evaluation.windows)
    judged = own.join(newest.test, on=modeling.key, how="semi")
    rows = evaluation.training.features.source(settings.pipeline)
    periods = judged[modeling.time].unique().sort()
    before.hold()
    try:
        made = backtest_apart(settings, before, rows, periods)
    except ModelError as error:
        raise ModelError(
            f"{before.uri}: the champion has no forecast to compare with\n{error}\n"
            f"{_ANOTHER_SOURCE}"
        ) from error
    predicted = made.unique(modeling.key).drop_nulls("prediction")
    key = [*modeling.key]
    n_shared = judged.join(predicted, on=key, how="semi").height
    if n_shared < judged.height * _LEAST_SHARED:
        raise ModelError(
            f"{before.uri}: the champion has a prediction for {n_shared:,} of"
            f" {judged.height:,} test rows, expected {_LEAST_SHARED:.0%} or more\n"
            f"{_ANOTHER_SOURCE}"
        )
    recipe = _trained_as_before(settings, before, evaluation) if older else []
    predicted = pl.concat(
        [
            predicted.select(*key, *_PREDICTED),
            *(
                window.test.select(key).hstack(training.load().predict(window.test))
                for window, training in zip(older, recipe, strict=False)
            ),
        ]
    )
    shared = own.join(predicted, on=key, how="semi")
    theirs = shared.drop(_PREDICTED).join(
        predicted, on=key, how="left", maintain_order="left"
    )
    both = [shared, theirs.with_columns(pl.lit(_named(before)).alias("model"))]
    comparison = compare(
        pl.concat(both, how="diagonal_relaxed"),
        evaluation.training.record.model,
        modeling.metric,
        resampling_of(modeling),
        key=modeling.key,
    )
    comparison.write_parquet(kept)
    record = evaluation.record
    listed = {**record.files, kept.name: hashes(evaluation.folder)[kept.name]}
    write_sealed(
        evaluation.folder / "evaluation.json",
        msgspec.structs.replace(record, files=listed),
    )
    return comparison


def _trained_as_before(
    settings: ModelingSettings, before: Version, evaluation: Evaluation
) -> list[Training]:
    """Train the champion's recipe for the older windows; none if it is not at hand.

    It is where its training is kept, and learned from the features that there are now.
    """
    features, modeling = evaluation.training.features, settings.modeling
    for folder, record in all_trainings(settings.root):
        kind, past = record.config["kind"], record.modeling["past"]
        if record.fingerprint != before.fingerprint or kind not in kind_names():
            continue
        trained = Training(folder, record, features, is_new=False, is_logged=True)
        schema = trained.load().record.schema
        numbers, categories = inputs_of(
            features.read(modeling), trained.config, modeling
        )
        is_same = {*schema.dtypes} == {*numbers, *categories}
        if is_same and past == modeling.past:
            return train_windows(settings, trained, evaluation.windows)[1:]
    return []


def _not_compared(comparison: pl.DataFrame, before: Version) -> Iterator[str]:
    """Say which windows the champion was not compared on."""
    by_window = comparison.filter(slice_by=WINDOW)
    is_with = pl.col("reference") == _named(before)
    missing = by_window.join(by_window.filter(is_with), on="slice", how="anti")
    if names := missing["slice"].unique().sort().to_list():
        yield (
            f"version {before.number} is not compared on {' and '.join(names)}: it has"
            " learned from these periods, and what it was trained by is not at hand"
        )


def _named(before: Version) -> str:
    """Name the champion where models are compared."""
    return f"champion (version {before.number})"


def _reasons(
    modeling: Modeling, evaluation: Evaluation, comparison: pl.DataFrame
) -> Iterator[str]:
    """Say what speaks against a model."""
    metric, unit = modeling.metric.upper(), modeling.unit
    overall = comparison.filter(slice_by="all")
    model, baselines = evaluation.training.record.model, modeling.baselines
    for row in overall.iter_rows(named=True):
        if model in baselines and row["reference"] in baselines:
            if row["difference"] > 0:
                yield (
                    f"{metric} {amount(row['value'], unit)} is above that of"
                    f" {row['reference']}, {amount(row['reference_value'], unit)}"
                )
        elif row["upper"] is None or row["upper"] >= 0:
            yield (
                f"{metric} {amount(row['value'], unit)} is not below that of"
                f" {row['reference']}, {amount(row['reference_value'], unit)}, beyond"
                f" chance: the difference is {amount(row['difference'], unit, '+')},"
                f" with an upper bound of {amount(row['upper'], unit, '+')}"
            )
    own = evaluation.table("evaluation").filter(model=model)
    yield from faults_in_all(modeling, own)
    incumbent = _incumbent(modeling, overall)
    most = modeling.promotion.max_slice_loss
    worse = slices_that_lose(modeling, comparison.filter(reference=incumbent))
    for row in worse.head(_N_SLICES).iter_rows(named=True):
        yield (
            f"{row['slice_by']} {row['slice']}: {metric} {_apart(row['share'], most)}"
            f" above that of {incumbent}, expected at most {100 * most:g}%"
        )
    if (n_more := worse.height - _N_SLICES) > 0:
        yield f"... and {n_more} {'slice' if n_more == 1 else 'slices'} more"


def slices_that_lose(modeling: Modeling, comparison: pl.DataFrame) -> pl.DataFrame:
    """Find the slices with too large an error, beyond chance; the worst first.

    `comparison` is with the incumbent. Column ``share`` is the error over its, less 1.
    """
    by = [*modeling.asked, *modeling.windowed, SIZE_DECILE, *modeling.slices.cut]
    held = comparison.filter(pl.col("slice_by").is_in(by))
    times = held.filter(slice_by=modeling.time)["slice"].n_unique()
    for window in modeling.windowed:
        if held.filter(slice_by=window)["slice"].n_unique() == times:  # of one period
            held = held.filter(pl.col("slice_by") != window)
    for many in (modeling.time, *modeling.windowed):
        if held.filter(slice_by=many).height > _FEW:
            held = held.filter(pl.col("slice_by") != many)
    return (
        held.with_columns(share=pl.col("value") / pl.col("reference_value") - 1)
        .filter(
            pl.col("share") > modeling.promotion.max_slice_loss,
            pl.col("lower").is_null() | (pl.col("lower") > 0),
        )
        .sort("share", descending=True, maintain_order=True)
    )


def faults_in_all(modeling: Modeling, evaluation: pl.DataFrame) -> Iterator[str]:
    """Say if a model is off in sum, or in what its intervals hold, beyond chance.

    `evaluation` holds its figures, as `measure` gives them. What is off, but may be so
    by the clusters that happened to be there, is let pass.
    """
    rows = evaluation.filter(slice_by="all").iter_rows(named=True)
    figures = {row["metric"]: row for row in rows}
    most = modeling.promotion.max_bias
    bias = figures["bias"]
    if _is_off(bias, 0, most):
        side = "high" if bias["value"] > 0 else "low"
        yield (
            f"predictions are {_apart(abs(bias['value']), most)} too {side} in sum"
            f" {_between(bias)}, expected at most {most:.2%}"
        )
    allowed = modeling.promotion.max_coverage_gap
    held = figures["coverage"]
    if _is_off(held, modeling.coverage, allowed):
        side = allowed if held["value"] > modeling.coverage else -allowed
        yield (
            f"intervals hold {_apart(held['value'], modeling.coverage + side)} of the"
            f" outcomes {_between(held)}, expected {modeling.coverage:.1%} within"
            f" {allowed:.2%}"
        )


def _is_off(figure: Mapping[str, Any], expected: float, allowed: float) -> bool:
    """Tell whether a figure is too far from what is expected, beyond chance."""
    value, lower, upper = (figure[name] for name in ("value", "lower", "upper"))
    if value is None or abs(value - expected) <= allowed:
        return False
    return lower is None or not lower <= expected <= upper


def _between(figure: Mapping[str, Any]) -> str:
    """Write the interval of a share, if it has one."""
    if figure["lower"] is None:
        return "(of a single cluster)"
    return f"(interval {figure['lower']:.1%} to {figure['upper']:.1%})"


def _apart(share: float, bound: float) -> str:
    """Write a share with as many decimals, at least one, as tell it from a bound."""
    texts = [(f"{share:.{n}%}", f"{bound:.{n}%}") for n in range(1, 16)]
    return next((text for text, other in texts if text != other), texts[-1][0])


def _incumbent(modeling: Modeling, overall: pl.DataFrame) -> str:
    """Name the champion, or else the baseline with the smallest error."""
    champions = overall.filter(~pl.col("reference").is_in(modeling.baselines))
    rivals = champions if champions.height else overall
    return rivals.sort("reference_value", "reference")["reference"][0]
