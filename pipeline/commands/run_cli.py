"""The commands that make a project, and run it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.commands import completion, options
from pipeline.commands.model_cli import score_come
from pipeline.commands.notify import unattended
from pipeline.commands.options import shown
from pipeline.log import is_quiet
from pipeline.orchestrate import outcomes

if TYPE_CHECKING:
    from pipeline.run.run import RunReport


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="FILE... [PATH=VALUE]...")
@click.option("--time", default="", metavar="NAME", help="Column of the period.")
@click.option(
    "--entity", default="", metavar="A,B", help="Columns that name what has rows."
)
@click.option("--target", default="", metavar="NAME", help="Column to forecast.")
@click.option("--every", metavar="1mo", help="Length of a period: 1y, 1q, 1w, 1d, 1h.")
def init(
    words: tuple[str, ...], time: str, entity: str, target: str, every: str | None
) -> None:
    """Make a project of the data in files, a folder or a pattern.

    Looks at all rows, chooses what makes a panel of them, says why, and writes
    configs/, queries/ and a justfile here, or in --project DIR; overwrites nothing.
    What the file does not tell is said as source.decimal=, or source.sheet=Sales, and
    kinds as columns.Day=date.
    """
    from pipeline.init import Wishes, every_of, init

    settings = [w for w in words if "=" in w and not Path(w).exists()]
    files = [Path(word) for word in words if word not in settings]
    if not files:
        raise click.UsageError("expected a file, a folder or a pattern")
    named = tuple(name.strip() for name in entity.split(",") if name.strip())
    wishes = Wishes(time, named, target, every_of(every) if every else None)
    group = cast("click.Group", click.get_current_context().find_root().command)
    commands = {
        name: command.get_short_help_str(80).strip(" .")
        for name, command in group.commands.items()
        if name != "init" and not command.hidden
    }
    made = init(
        files,
        options.new_root(),
        wishes,
        settings,
        commands=commands,
        ask=options.ask,
    )
    width = max(len(choice.value) for choice in made.choices)
    for choice in made.choices:
        click.echo(
            f"  {choice.what:6}  {choice.value:{width}}  {choice.sure:10}  {choice.saw}"
        )
    for note in made.notes:
        click.echo(f"  {note}")
    click.echo(f"wrote {', '.join(shown(path) for path in made.files)}")
    click.echo(
        "next:\n"
        "  pipeline run         make the features\n"
        "  pipeline query       questions to ask of them\n"
        "  pipeline pipeline    train, judge, and forecast the next period"
    )


@click.command()
@unattended
@options.quiet_or_verbose
@options.profile
@options.selection
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why.")
@options.variant("--variant", help="Publish nothing; keep it as a variant.")
@options.overrides
def run(
    profile: str | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    variant: str | None,
    **selection: Any,
) -> None:
    """Compute what is not fresh, in one pass, and publish it.

    Overrides change configuration values: lag_columns.periods=2, source=csv
    source.path=my.csv.
    """
    if variant and any(selection.values()):
        raise click.UsageError("a variant is of all stages: leave the selection out")
    if dry_run:
        _print_freshness(profile, overrides, selection)
        return
    if variant:
        _run_variant(variant, profile, overrides)
        return
    options.refuse_misspelt(profile, overrides)
    from pipeline.run.start import start

    report = start(options.project_root(), profile, overrides, **selection)
    if report is None:
        from pipeline.run.explain import no_snapshot

        options.say(no_snapshot(selection["only"]))
        return
    _keep_outcome(report)
    if not is_quiet():
        _print_run(report, "the selected" if any(selection.values()) else "all")
    if not isinstance(report, str) and report.is_new:
        score_come(profile, overrides)


def _keep_outcome(report: "RunReport | str") -> None:
    """Keep what came of it; an answer without a look at the store has left it as is."""
    root = options.project_root()
    if not isinstance(report, str):
        outcomes.keep_run(root, report.run.run_id)
    elif not outcomes.outcome_path(root, "run").exists():
        outcomes.keep_run(root, report)


def _run_variant(name: str, profile: str | None, overrides: tuple[str, ...]) -> None:
    """Make a variant, and say what came of it."""
    from pipeline.commands.variant_cli import load_with_models, print_swept
    from pipeline.variants.sweep import make_variant

    root = options.project_root()
    swept = make_variant(root, name, overrides, profile=profile, load=load_with_models)
    if not is_quiet():
        print_swept(swept)


def _print_run(report: "RunReport | str", what: str) -> None:
    """Say what was made, and what to try next."""
    if isinstance(report, str) or not report.is_new:
        run_id = report if isinstance(report, str) else report.run.run_id
        click.echo(
            f"{what} snapshots are fresh, as run {run_id} left them: nothing to do"
        )
        return
    width = max(len(snapshot.name) for snapshot in report.run.snapshots)
    for snapshot in report.run.snapshots:
        there = report.objects[snapshot.name]
        click.echo(
            f"  {snapshot.name:{width}}  {there.n_rows:>10,} rows"
            f" {len(there.columns):>3} columns {there.n_bytes / 1e6:>7.1f} MB"
            f"  {snapshot.state}"
        )
    place = shown(report.catalog)
    click.echo(f"run {report.run.run_id}: {report.total_s:.1f} s, in {place}")
    if report.run.n_bad_rows:
        options.say(
            f"{report.run.n_bad_rows} bad rows set aside: `just sql 'from quarantine'`",
            fg="yellow",
        )
    options.say("\n".join(("next:", *_next(report))))


def _next(report: "RunReport") -> list[str]:
    """List what can be tried next: with names that are there."""
    last = options.last_snapshot(report.run)
    settings = report.wanted.settings
    lines = [(f"just sql 'from {last} limit 5'", "ask anything")]
    if any((settings.root / "queries").glob("*.sql")):
        lines.append(("just query", "questions already asked"))
    for stage in settings.stages:
        if stage.transform.name == "lag_columns":
            other = 1 if getattr(stage.config, "periods", None) == 2 else 2
            change = "change a value; only what follows runs"
            lines.append((f"just run {stage.name}.periods={other}", change))
            lines.append((f"just diff {last}", "what that changed"))
            break
    lines.append(("just plan", "the stages, and what is fresh"))
    width = max(len(command) for command, _ in lines)
    return [f"  {command:{width}}    {what}" for command, what in lines]


def _print_freshness(
    profile: str | None, overrides: tuple[str, ...], selection: dict[str, Any]
) -> None:
    """Say what a run would do, and why."""
    if not any(selection.values()):
        from pipeline.run.stamp import stamped

        if stamp := stamped(options.project_root(), profile, overrides):
            click.echo(stamp.say())
            return
    settings = options.settings(profile, overrides)
    from pipeline.plan.wiring import Selection
    from pipeline.run.explain import describe_freshness

    click.echo(describe_freshness(settings, Selection(**selection)))


@click.command()
@click.argument(
    "overrides",
    nargs=-1,
    metavar="[SETTING=VALUE]...",
    shell_complete=completion.of_source,
)
def data(overrides: tuple[str, ...]) -> None:
    """Make or fetch what the sources need, if it is not there: data scale=10."""
    from pipeline import sources
    from pipeline.files.local import find_files, stat_of

    words = tuple(f"source.{word}" for word in overrides)
    settings = options.settings(None, words)
    for source in settings.sources.values():
        sources.fetch(source, settings.root)
        path = sources.reads(source, settings.root).path
        for file in find_files(path, settings.root):
            name = shown(file) if isinstance(file, Path) else file
            n_bytes = stat_of(file, settings.root).n_bytes
            click.echo(f"{name}  {n_bytes / 1e6:,.1f} MB")
    options.say(f"next:\n  {' '.join(('just run', *words))}")


@click.command()
@click.option("--optimized", is_flag=True, help="Print the optimized Polars plan.")
@options.profile
@options.selection
@options.overrides
def plan(
    optimized: bool, profile: str | None, overrides: tuple[str, ...], **selection: Any
) -> None:
    """Show stages, schemas and what is fresh, or why not; read no data."""
    if optimized:
        settings = options.settings(profile, overrides)
        from pipeline.run.explain import optimized_plan

        click.echo(optimized_plan(settings))
        return
    from pipeline.plan.wiring import Selection
    from pipeline.run.outline import describe

    outline = options.outline(profile, overrides)
    click.echo(f"{describe(outline, Selection(**selection))}\n")
    _print_freshness(profile, overrides, selection)


@click.command()
@options.profile
@options.overrides
def config(profile: str | None, overrides: tuple[str, ...]) -> None:
    """Print the resolved configuration as YAML, that of the models last."""
    from pipeline.modeling.shown import configuration

    options.forget_racy_modules()
    root = options.project_root()
    click.echo(configuration(root, profile=profile, overrides=overrides), nl=False)


@click.command("new-transform")
@click.argument("name")
def new_transform(name: str) -> None:
    """Write a transformation's three files, and its line in pipeline.yaml."""
    from pipeline.commands.scaffold import write_transform

    *files, stages = write_transform(options.project_root(), name)
    for path in files:
        click.echo(shown(path))
    click.echo(f"and a line in {shown(stages)}")
