"""The commands of modelling: parse, call one function, print."""

import os
from collections.abc import Iterator
from contextlib import suppress
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import completion, options
from pipeline.commands.notify import unattended
from pipeline.commands.options import shown
from pipeline.errors import n_of, nearest, some
from pipeline.orchestrate import outcomes
from pipeline.progress import doing, hidden

if TYPE_CHECKING:
    import polars as pl
    from optuna.trial import FrozenTrial

    from pipeline.modeling.data import Features
    from pipeline.modeling.evaluate import Evaluation
    from pipeline.modeling.forecast import Forecast
    from pipeline.modeling.promote import Promotion
    from pipeline.modeling.score import Scores
    from pipeline.modeling.score_files import ScoredFiles
    from pipeline.modeling.settings import Modeling, ModelingSettings
    from pipeline.modeling.training import Training
    from pipeline.modeling.tune import Tuning

_words = click.argument(
    "words",
    nargs=-1,
    metavar="[MODEL] [PATH=VALUE]...",
    shell_complete=completion.models_or_settings,
)


def _load(
    profile: str | None, words: tuple[str, ...]
) -> "tuple[ModelingSettings, str]":
    """Load the settings, and name the model: a word without ``=``, or the default."""
    model, values = options.split(words, "model")
    overrides = tuple(
        f"modeling.study.{word}" if word.startswith("trials=") else word
        for word in values
    )
    with doing("loading settings and libraries"):
        from pipeline.modeling.settings import load_modeling

        root = options.project_root()
        settings = load_modeling(root, profile=profile, overrides=overrides)
        if model:
            from pipeline.modeling.tune import model_config

            model_config(settings, model)  # before anything is computed
    options.keep_found(settings.pipeline, profile, overrides)
    return settings, model or settings.modeling.model


@click.command()
@unattended
@options.profile
@_words
def tune(profile: str | None, words: tuple[str, ...]) -> None:
    """Search a model's parameters: tune ridge trials=30.

    Goes on where it was stopped. Each trial is judged on training periods that it has
    not learned from. An interrupted study is the one it would have been.
    """
    settings, model = _load(profile, words)
    _tune(settings, model)
    options.say(f"next:\n  just train {model}")


def _tune(
    settings: "ModelingSettings", model: str, features: "Features | None" = None
) -> None:
    """Run a study, and say what comes of it."""
    from pipeline.modeling.tune import tune

    unit = settings.modeling.unit
    tuning = tune(settings, model, lambda trial: _print_trial(trial, unit), features)
    outcomes.keep_study(settings.root, model, tuning)
    _print_tuning(tuning, unit)


def _print_trial(trial: "FrozenTrial", unit: str) -> None:
    """Say what a trial gave."""
    from pipeline.modeling.fit.amount import amount

    is_pruned = trial.value is None or trial.state.name == "PRUNED"
    value = "pruned" if is_pruned else amount(trial.value, unit)
    params = " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(trial.params.items())
    )
    click.echo(f"  trial {trial.number:>3}  {value:>12}  {params}")


def _print_tuning(tuning: "Tuning", unit: str) -> None:
    """Say what a study found."""
    from pipeline.modeling.fit.amount import amount
    from pipeline.modeling.study.study import best_trial

    best = best_trial(tuning.trials)
    assert best is not None, "the first is complete"
    assert best.value is not None, "so that it has a value"
    done = f"{tuning.n_new} new" if tuning.n_new else "nothing to do"
    click.echo(f"study {tuning.name}: {len(tuning.trials)} trials, {done}")
    click.echo(f"  the best is number {best.number}: {amount(best.value, unit)}")


@click.command()
@unattended
@options.profile
@_words
def train(profile: str | None, words: tuple[str, ...]) -> None:
    """Fit a model with the best parameters of its study, or the YAML's."""
    from pipeline.modeling.registry.publish import publish_models
    from pipeline.modeling.train import train as train_model

    settings, model = _load(profile, words)
    training = train_model(settings, model)
    if training.is_logged:
        publish_models(settings)
    outcomes.keep_training(settings.root, training)
    _print_training(training, settings.modeling.unit)
    options.say(f"next:\n  just evaluate {model}")


def _print_training(training: "Training", unit: str) -> None:
    """Say what was trained."""
    from pipeline.modeling.fit.amount import amount
    from pipeline.modeling.records import span

    record = training.record
    unused = f"; no use is made of {some(record.unused)}" if record.unused else ""
    n_trained, n_valid = record.n_rows["train"], record.n_rows["valid"]
    source = record.study or "the YAML"
    done = "there already, nothing to do"
    if training.is_logged:
        done = "trained" if training.is_new else "there already, logged again"
    click.echo(
        f"{record.model} {record.fingerprint[:8]}: {done}\n"
        f"  {n_trained:,} rows of {span(record.spans['train'])}, parameters of"
        f" {source}{unused}\n"
        f"  on the {n_valid:,} rows of {span(record.spans['valid'])}:"
        f" RMSE {amount(record.metrics['rmse'], unit)},"
        f" MAE {amount(record.metrics['mae'], unit)}"
    )


@click.command()
@unattended
@options.profile
@click.option("--variants", is_flag=True, help="Of each one's features; no card.")
@_words
def evaluate(profile: str | None, variants: bool, words: tuple[str, ...]) -> None:
    """Judge a model on the test periods, against the baselines; writes its card.

    With --variants it is trained on each variant's features, and these are ranked by
    what it errs by on the validation periods: those of the test judge what is adopted.
    """
    if variants:
        _rank_variants(profile, words)
        return
    from pipeline.modeling.evaluate import evaluate as evaluate_model
    from pipeline.modeling.registry.publish import publish_models

    settings, model = _load(profile, words)
    evaluation = evaluate_model(settings, model)
    if evaluation.is_new or evaluation.training.is_logged:
        publish_models(settings)
    outcomes.keep_evaluation(settings.root, evaluation)
    _print_evaluation(evaluation, settings.modeling)
    options.say(
        "next:\n"
        f"  just promote {model}\n"
        '  just sql "from meta.evaluations where slice_by ='
        f" '{settings.modeling.time}'\""
    )


def _rank_variants(profile: str | None, words: tuple[str, ...]) -> None:
    """Say what each variant's features are worth, the best first."""
    from pipeline.modeling.fit.amount import amount
    from pipeline.modeling.variants import PRESENT, rank_variants
    from pipeline.snapshots.store import open_store
    from pipeline.snapshots.variants import read_variants

    settings, model = _load(profile, words)
    others = tuple(word for word in words if "=" in word)
    ranking = rank_variants(
        settings,
        model,
        read_variants(open_store(settings.root)),
        lambda v: _load(v.run.profile, (*v.words, *others))[0],
    )
    rows = [*ranking.table.iter_rows(named=True)]
    width = max(len(row["variant"]) for row in rows)
    modeling = settings.modeling
    click.echo(
        f"{model}, parameters of {ranking.study or 'the YAML'}, on the validation rows"
        f" of {ranking.judged}\namounts in {modeling.unit or 'an unknown unit'};"
        " difference to the published features on the rows of both, 95 % bounds"
        " in brackets"
    )
    click.echo(f"  {'':{width}} {modeling.metric.upper():>10}  {'rows':>9}  difference")
    for row in rows:
        shown_value = f"{amount(row['value']):>10}  {row['n_rows']:>9,}"
        said = "" if row["variant"] == PRESENT else f"  {_difference(row)}"
        click.echo(f"  {row['variant']:{width}} {shown_value}{said}")
    for name, error in ranking.left_out.items():
        click.secho(f"left out: {name}", fg="yellow", err=True)
        options.say(str(error), err=True)
    if rows[0]["upper"] is not None and rows[0]["upper"] < 0:
        options.say(f"next:\n  just adopt {rows[0]['variant']}")


def _difference(row: dict[str, Any]) -> str:
    """Say how much more a variant errs than what is published, or if by chance."""
    from pipeline.modeling.fit.amount import amount

    lower, upper = row["lower"], row["upper"]
    if lower is None or lower <= 0 <= upper:
        is_same = row["difference"] == lower == upper == 0
        verdict = "the same" if is_same else "no difference beyond chance"
    else:
        verdict = "better" if upper < 0 else "worse"
    bounds = f"[{amount(lower)}, {amount(upper)}]"
    return f"{amount(row['difference'])} {bounds}  {verdict}"


def _print_evaluation(evaluation: "Evaluation", modeling: "Modeling") -> None:
    """Show the figures over all test rows, a line per model, the best first."""
    from pipeline.modeling.fit.amount import amount

    table = evaluation.table("evaluation")
    overall = table.filter(slice_by="all")
    models = overall.filter(metric=modeling.metric).sort("value")["model"]
    state = "" if evaluation.is_new else ", as evaluated before"
    click.echo(f"{evaluation.record.n_rows:,} test rows{state}; {_how_shown(modeling)}")
    click.echo(
        f"  {'':14} {'RMSE':>21} {'MAE':>21} {'R2':>6} {'coverage':>9} {'bias':>6}"
    )
    for model in models:
        of = {r["metric"]: r for r in overall.filter(model=model).iter_rows(named=True)}
        rmse, mae = (
            f"{amount(of[m]['value'])} [{amount(of[m]['lower'])},"
            f" {amount(of[m]['upper'])}]"
            for m in ("rmse", "mae")
        )
        r2, coverage, bias = (
            "-" if of[m]["value"] is None else format(of[m]["value"], spec)
            for m, spec in (("r2", ".3f"), ("coverage", ".1%"), ("bias", "+.1%"))
        )
        click.echo(f"  {model:14} {rmse:>21} {mae:>21} {r2:>6} {coverage:>9} {bias:>6}")
    of_model = table.filter(model=evaluation.training.record.model)
    for line in (*_by_window(of_model, modeling), *_by_step(of_model, modeling)):
        click.echo(f"  {line}")
    click.echo(f"  card: {shown(evaluation.folder / 'card.html')}")


def _by_window(figures: "pl.DataFrame", modeling: "Modeling") -> Iterator[str]:
    """Say how good a model is on each window of a backtest of several."""
    from pipeline.modeling.settings import WINDOW

    for (name,), of in figures.filter(slice_by=WINDOW).group_by(
        "slice", maintain_order=True
    ):
        yield f"{name}: {_in_short(of, modeling)}"


def _by_step(figures: "pl.DataFrame", modeling: "Modeling") -> Iterator[str]:
    """Say how good a model is so many periods ahead, if it forecasts several."""
    from pipeline.modeling.settings import STEP

    for step in range(1, modeling.horizon + 1 if modeling.horizon > 1 else 1):
        of = figures.filter(slice_by=STEP, slice=str(step))
        yield f"{step} ahead: {_in_short(of, modeling)}"


def _in_short(figures: "pl.DataFrame", modeling: "Modeling") -> str:
    """Say how good a model is on a slice."""
    from pipeline.modeling.fit.amount import amount

    value = dict(figures.select("metric", "value").iter_rows())
    error, held = value[modeling.metric], value["coverage"]
    return f"{modeling.metric.upper()} {amount(error)}" + (
        f", coverage {held:.1%}" if held is not None else ""
    )


def _how_shown(modeling: "Modeling") -> str:
    """Say what the figures are in, and that they have bounds."""
    from pipeline.modeling.settings import UNKNOWN_UNIT

    unit = modeling.unit or f"an unknown unit ({UNKNOWN_UNIT})"
    return f"amounts in {unit}; 95 % bounds in brackets"


@click.command()
@unattended
@options.profile
@click.option("--rollback", is_flag=True, help="The champion before is champion again.")
@click.option(
    "--challenge",
    is_flag=True,
    help="Fail only if there is no champion then; a baseline may be the first one.",
)
@_words
def promote(
    profile: str | None, words: tuple[str, ...], rollback: bool, challenge: bool
) -> None:
    """Register a model; make it champion if it beats the champion and the baselines.

    The exit code is 1 if it does not; with --challenge, if there is none at all.
    """
    from pipeline.modeling.promote import demote
    from pipeline.modeling.promote import promote as promote_model

    if rollback and challenge:
        raise click.UsageError("expected --rollback or --challenge, found both")
    settings, model = _load(profile, words)
    if challenge:
        _challenge(settings, model)
        return
    if rollback:
        was, now, is_withdrawn = demote(settings)
        click.echo(
            f"{now.name}: version {now.number} is champion, as before {was.number}"
        )
        if is_withdrawn:
            click.echo(f"  the forecast of version {was.number} is shown no more")
        options.say("next:\n  just forecast")
        return
    promotion = promote_model(settings, model)
    outcomes.keep_promotion(settings.root, promotion)
    _print_promotion(promotion)
    if promotion.is_withdrawn:
        click.echo("  the forecast of another version is shown no more")
    if not promotion.is_champion:
        raise SystemExit(1)
    options.say("next:\n  just forecast")


def _challenge(
    settings: "ModelingSettings", model: str, features: "Features | None" = None
) -> None:
    """Promote a model, or a baseline where there would be no champion at all."""
    from pipeline.modeling.promote import promote_first
    from pipeline.modeling.registry.registry import champion

    for promotion in promote_first(settings, model, features):
        outcomes.keep_promotion(settings.root, promotion)
        _print_promotion(promotion)
    if champion(settings) is None:
        options.say(
            "no champion, so no forecast\n"
            "hint: another model may do better (`just pipeline MODEL`; configs/models/"
            " has them), or a longer study (`trials=50`); what a champion must hold is"
            " `baselines` and `promotion` in configs/modeling.yaml"
        )
        raise SystemExit(1)


def _print_promotion(promotion: "Promotion") -> None:
    """Say who is champion, and why."""
    version, before = promotion.version, promotion.before
    title = f"{version.name}: version {version.number} ({promotion.model})"
    if promotion.is_champion:
        was = "" if before is None else f", in place of version {before.number}"
        if before is not None and before.number == version.number:
            was = " already"
        click.echo(f"{title} is champion{was}")
    else:
        remains = f"version {before.number} stays" if before else "there is none"
        click.echo(f"{title} is challenger, not champion ({remains}):")
    for reason in promotion.reasons:
        click.echo(f"  - {reason}")
    for note in promotion.notes:
        click.echo(f"  note: {note}")


@click.command()
@unattended
@options.profile
@options.overrides
def forecast(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Publish the champion's predictions of the next periods, and their totals."""
    settings, _ = _load(profile, overrides)
    _forecast(settings)


def _forecast(settings: "ModelingSettings", features: "Features | None" = None) -> None:
    """Publish a forecast, and say of what."""
    from pipeline.modeling.forecast import forecast

    made = forecast(settings, features)
    outcomes.keep_forecast(settings.root, made)
    _print_forecast(made)


def _print_forecast(forecast: "Forecast") -> None:
    """Say what was published, and what to try next."""
    made = forecast.predictions
    done = "" if forecast.is_new else ": nothing to do"
    options.say(
        f"predictions: {made.height:,} rows of {forecast.version.name} version"
        f" {forecast.version.number}, in run {forecast.run_id}{done}\n"
        "next:\n"
        "  just sql 'from predictions order by prediction desc limit 5'"
    )


@click.command()
@unattended
@click.argument("place", metavar="FILE|FOLDER|S3", type=click.Path())
@click.option("--alone", is_flag=True, help="The rows are a whole panel of their own.")
@click.option("--snapshot", metavar="NAME", help="Publish it as a snapshot, too.")
@options.profile
@options.format_
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    callback=options.harmless,
    help="File to write instead of the terminal; of a folder, a folder or s3://...",
)
@options.overrides
def score(
    place: str,
    alone: bool,
    snapshot: str | None,
    profile: str | None,
    format_: str | None,
    output: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Forecast from raw rows, through the champion's bundle.

    One prediction per row, in their order, for the period after the last one, or for
    each of the next ones. What the rows lack of the panel is taken from the champion's
    own. A row has none (null) if its entity has no row in the periods that features
    look back, or is too rare.

    The files of a folder, or below an s3:// prefix, are answered together, as one file
    with all of their rows would be, each by a file in another folder.
    """
    from pipeline.files.remote import is_remote

    if snapshot is not None and not snapshot.strip():
        raise click.UsageError(f"--snapshot: expected a name, found {snapshot!r}")
    is_here = not is_remote(place)
    if is_here and not has_magic(place) and not os.path.lexists(place):
        raise click.UsageError(
            f"{place}: there is no such file or folder"
            f"{nearest(Path(place).name, _beside(Path(place)))}"
        )
    is_file = is_here and not Path(place).is_dir()
    if is_file and not snapshot and output and Path(output).is_dir():
        raise click.UsageError(f"{output}: is a folder, expected a file to write")
    settings, _ = _load(profile, overrides)
    if is_file and not snapshot and not (output and is_remote(output)):
        _score_file(settings, Path(place), alone, format_, output)
        return
    _score_files(settings, place, alone, snapshot, format_, output)


def _beside(place: Path) -> list[str]:
    """Name what is in a place's folder, if that is there."""
    with suppress(OSError):
        return [path.name for path in place.parent.iterdir()]
    return []


def _score_file(
    settings: "ModelingSettings",
    file: Path,
    alone: bool,
    format_: str | None,
    output: str | None,
) -> None:
    """Show or write what comes of a file."""
    from pipeline.modeling.score import score as score_file
    from pipeline.plan.output import refuse_to_overwrite
    from pipeline.snapshots.result import write_frame

    target = Path(output) if output else None
    if target:
        refuse_to_overwrite(target, [file])
    scores = score_file(settings, file, alone=alone)
    write_frame(scores.predictions, format_, target)
    where = f" in {output}" if output else ""
    for line in _scores_said(
        scores.predictions.lazy(), scores, settings.modeling, where
    ):
        click.echo(line, err=True)


def _score_files(
    settings: "ModelingSettings",
    place: str,
    alone: bool,
    snapshot: str | None,
    format_: str | None,
    output: str | None,
) -> None:
    """Write and publish what comes of files."""
    from pipeline.modeling.score_files import deliver, refuse_place, score_files
    from pipeline.modeling.scored import publish_scored, refuse_name

    refuse_place(place, output, snapshot, format_)
    if snapshot:
        refuse_name(settings.pipeline, snapshot)
    with score_files(settings, place, alone=alone) as scored:
        said: list[str] = []
        if output:
            deliver(scored, output, format_)
            said.append(f" in {output}")
        if snapshot:
            run_id = publish_scored(settings.pipeline, scored, snapshot)
            said.append(f" in snapshot '{snapshot}' of run {run_id}")
        where = f" of {n_of(len(scored.files), 'file')}{' and'.join(said)}"
        for line in _scores_said(
            scored.predictions(), scored, settings.modeling, where
        ):
            click.echo(line, err=True)


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Who may reach it."
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes that hold the champion, 200 MiB each.",
)
@options.profile
@options.overrides
def serve(
    host: str,
    port: int,
    workers: int,
    profile: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Answer predictions over HTTP, by the champion and each that comes after it.

    What is given in is read as `score` reads a file, and predicted to the same bit.
    Its page, at /, says how to ask.
    """
    from pipeline.serving.workers import Worker, use_one_thread

    use_one_thread()
    started = [Worker() for _ in range(workers)]  # they import what they need meanwhile
    settings, _ = _load(profile, overrides)
    from pipeline.modeling.forecast import champion_of
    from pipeline.serving.serve import listen
    from pipeline.serving.serve import serve as serve_champion

    champion_of(settings)
    listening = listen(host, port)
    at = f"http://{host}:{listening.getsockname()[1]}/"
    options.say(f"{at}  loads the champion (Ctrl-C ends it)")
    serve_champion(settings, listening, started, options.say)


def _scores_said(
    made: "pl.LazyFrame",
    scores: "Scores | ScoredFiles",
    modeling: "Modeling",
    where: str,
) -> Iterator[str]:
    """Say what came of files, and which of their rows got no prediction."""
    import polars as pl

    from pipeline.sources import describe_bad

    time = pl.col(modeling.time)
    n_rows, n_null, first, last = (
        made.select(
            pl.len(),
            pl.col("prediction").null_count(),
            time.min().alias("first"),
            time.max().alias("last"),
        )
        .collect(engine="streaming")
        .row(0)
    )
    then = f"{first}" if first == last else f"{first} to {last}"
    yield (
        f"{n_rows:,} rows{where}, {n_rows - n_null:,} of them with a"
        f" prediction for {then} by {scores.version.name} version"
        f" {scores.version.number}"
    )
    if n_null:
        yield (
            f"  {n_null:,} without (null): the stages leave out their"
            f" {' and '.join(modeling.entity)}, which is rare, or without a row in the"
            " periods that features look back"
        )
    if scores.n_left_out:
        yield f"  left out of the file: {scores.n_left_out:,} rows that cannot be read"
        for line in describe_bad(scores.bad):
            yield f"    {line}"


@click.command()
@unattended
@options.profile
@_words
def pipeline(profile: str | None, words: tuple[str, ...]) -> None:
    """Do all of it that is stale: run, tune, train, evaluate, promote, forecast."""
    with doing("loading settings and libraries"):
        from pipeline.modeling.audit.guard import learnable_features
        from pipeline.modeling.evaluate import evaluate as evaluate_model
        from pipeline.modeling.registry.registry import require_same_question
        from pipeline.modeling.train import train_on
        from pipeline.modeling.tune import tunable

    settings, model = _load(profile, words)
    require_same_question(settings)
    features = learnable_features(settings)
    for name in tunable(settings, model):
        _tune(settings, name, features)
    training = train_on(settings, model, features)
    outcomes.keep_training(settings.root, training)
    _print_training(training, settings.modeling.unit)
    _say_scored(settings)
    evaluation = evaluate_model(settings, model, features)
    outcomes.keep_evaluation(settings.root, evaluation)
    _print_evaluation(evaluation, settings.modeling)
    _challenge(settings, model, features)
    _forecast(settings, features)


@click.command()
@unattended
@options.profile
@options.overrides
def monitor(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Score forecasts whose periods have come; judge the champion by them.

    The exit code is 1 if it no longer earns its place: its error is above that of the
    best baseline, or its intervals hold too little, beyond chance. It is 0 if it does,
    and if nothing of it has been scored yet. Features that have drifted from what it
    has learned from are named; they change no exit code.
    """
    from pipeline.modeling.monitor.monitor import monitor as monitor_champion
    from pipeline.modeling.monitor.report import describe_monitoring

    settings, _ = _load(profile, overrides)
    found = monitor_champion(settings)
    for line in describe_monitoring(found, settings.modeling):
        options.say(line)
    if found.faults:
        raise SystemExit(1)


def score_come(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Score forecasts whose periods a run has brought; what fails is a warning."""
    from pipeline.errors import PipelineError
    from pipeline.files.state import State
    from pipeline.log import LOG

    if not State(options.project_root()).forecasts.is_dir():
        return
    try:
        _say_scored(_load(profile, overrides)[0])
    except PipelineError as error:
        LOG.warning("forecasts that have come are not scored: %s", error)


def _say_scored(settings: "ModelingSettings") -> None:
    """Score forecasts whose periods have come, and show what is new."""
    from pipeline.modeling.monitor.report import describe_scores
    from pipeline.modeling.monitor.scores import score_forecasts

    for line in describe_scores(score_forecasts(settings), settings.modeling):
        click.echo(line)


@click.command()
@options.wait
@options.profile
@options.format_
@options.output
@click.argument(
    "words",
    nargs=-1,
    metavar="[MODEL]... [PATH=VALUE]...",
    shell_complete=completion.models_or_settings,
)
def compare(
    profile: str | None,
    format_: str | None,
    output: Path | None,
    words: tuple[str, ...],
) -> None:
    """Judge models side by side, all of configs/models/ or those that are named.

    Trains and evaluates what has not been, each with the parameters of its study or the
    YAML's; `behind` is what a model's error is more than the best's. The same is on a
    page beside the models' cards.
    """
    from pipeline.modeling.compare import compare_models
    from pipeline.modeling.registry.publish import publish_models
    from pipeline.snapshots.result import write_frame

    overrides = tuple(word for word in words if "=" in word)
    settings, _ = _load(profile, overrides)
    named = [word for word in words if "=" not in word]
    comparison = compare_models(settings, named or list(settings.models))
    publish_models(settings)
    if format_ or output:
        write_frame(comparison.table, format_, output)
    else:
        _print_comparison(comparison.table)
        click.echo(f"  {_how_shown(settings.modeling)}", err=True)
    click.echo(f"  page: {shown(comparison.page)}", err=True)


def _print_comparison(table: "pl.DataFrame") -> None:
    """Show models side by side, a line per figure; 95 % bounds in brackets."""
    rows = list(table.iter_rows(named=True))
    names = [name for name in table.columns if not name.endswith(("_lower", "_upper"))]
    lines = [[name, *(_compared(row, name) for row in rows)] for name in names]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for name, *cells in lines:
        padded = (f"{c:>{n}}" for c, n in zip(cells, widths[1:], strict=True))
        click.echo(f"  {name:{widths[0]}}  {'  '.join(padded)}")


def _compared(row: "dict[str, Any]", name: str) -> str:
    """Write a figure of a model, with its bounds if it has any."""
    from pipeline.modeling.fit.amount import amount

    if not isinstance(row[name], float):
        return row[name] or "-"
    formats = {"r2": "{:.3f}", "fit_s": "{:.3g}"}
    is_amount = name in ("mae", "rmse", "behind", "rows_per_s")
    write = amount if is_amount else formats.get(name, "{:.1%}").format
    ends = [row.get(f"{name}_{end}") for end in ("lower", "upper")]
    bounds = "" if None in ends else f" [{write(ends[0])}, {write(ends[1])}]"
    return write(row[name]) + bounds


@click.command()
@options.wait
@options.profile
@options.overrides
def audit(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Prove that no feature knows its own period or a later one.

    Changes the future, cuts it off, shuffles the rows of the source and renames its
    entities; the features may not differ. Then a model of shuffled outcomes must be
    worth nothing. What was found of the features is kept, and found again. The exit
    code is 1 if there is a leak that `modeling.leaks` does not let pass.
    """
    from pipeline.modeling.audit.audit import (
        audit_permuted,
        describe_audit,
        describe_permuted,
    )
    from pipeline.modeling.audit.guard import audit_all

    settings, _ = _load(profile, overrides)
    allowed = settings.modeling.leaks
    found = audit_all(settings)
    for line in describe_audit(found, allowed=allowed):
        click.echo(line)
    with doing("training on permuted rows"):
        permuted = audit_permuted(settings)
    click.echo(describe_permuted(permuted))
    if permuted.is_leak or {leak.column for leak in found.leaks} - {*allowed}:
        raise SystemExit(1)


@click.command()
@click.option("--unused", is_flag=True, help="What feeds nothing instead.")
@options.text_or("json")
@options.profile
@click.argument(
    "words",
    nargs=-1,
    metavar="[COLUMN] [PATH=VALUE]...",
    shell_complete=completion.cells_or_settings,
)
def impact(
    unused: bool, format_: str, profile: str | None, words: tuple[str, ...]
) -> None:
    """Show what a column feeds: stages, snapshots, checks, queries, models.

    COLUMN is SNAPSHOT.COLUMN, STAGE.COLUMN or 'source.COLUMN', or a whole stage.
    Queries are those of queries/, models those that were evaluated.
    """
    import json

    from pipeline.modeling.impact import describe_impact, describe_unused, plain
    from pipeline.modeling.impact import impact as impact_of
    from pipeline.modeling.impact import unused as all_unused
    from pipeline.plan.settings import load_settings

    column, overrides = options.split(words, "column")
    if column is None and not unused:
        raise click.UsageError("expected a column or a stage, or --unused")
    if column is not None and unused:
        raise click.UsageError(
            f"expected a column or --unused, found '{column}' and --unused, which is of"
            " all columns"
        )
    root, models = options.project_root(), None
    if (root / "configs" / "modeling.yaml").exists():
        models, _ = _load(profile, overrides)
        settings = models.pipeline
    else:
        settings = load_settings(root, profile=profile, overrides=overrides)
    if column is None:
        idle = all_unused(settings, models)
        found, lines = plain(idle), describe_unused(idle)
    else:
        fed = impact_of(settings, models, column)
        found, lines = plain(fed), describe_impact(fed)
    options.say(json.dumps(found, indent=2) if format_ == "json" else "\n".join(lines))


@click.command()
@click.option("--port", type=int, default=5000, show_default=True)
def ui(port: int) -> None:
    """Serve MLflow's pages on this machine only, without a network."""
    import os
    import sys

    from pipeline.modeling.tracking.tracking import environment, settle, store_uri

    root = options.project_root()
    settle(root)
    words = ["ui", "--backend-store-uri", store_uri(root)]
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.environ |= environment()
    with hidden():
        os.execv(sys.executable, [sys.executable, "-m", "mlflow", *words, *place])
